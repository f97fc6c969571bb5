-- The same change of many checks, in one transaction. Each statement returns those that are different
-- now.

-- name: bulk_pick
-- plan: each
SELECT c.id, c.name, c.tags @> $8::text[] AS has_tags
-- use: check_filter
-- use: check_filter_by_part
  AND ($9::uuid[] IS NULL OR c.id = ANY ($9))
ORDER BY c.id
LIMIT $10::bigint
FOR NO KEY UPDATE OF c

-- name: bulk_enable
UPDATE checks SET enabled = $3::boolean, revision = revision + 1, updated_at = now()
WHERE org_id = $1 AND id = ANY ($2::uuid[]) AND enabled <> $3
RETURNING id

-- name: bulk_delete
DELETE FROM checks WHERE org_id = $1 AND id = ANY ($2::uuid[]) RETURNING id

-- 32 tags are the most that a check has.
-- name: bulk_add_tags
UPDATE checks c
SET tags = t.tags, revision = c.revision + 1, updated_at = now()
FROM (SELECT k.id, array_agg(k.tag ORDER BY k.place) AS tags
      FROM (SELECT o.id, u.tag, min(u.place) AS place
            FROM checks o, unnest(o.tags || $3::text[]) WITH ORDINALITY AS u (tag, place)
            WHERE o.org_id = $1 AND o.id = ANY ($2::uuid[]) AND NOT o.tags @> $3
            GROUP BY o.id, u.tag) AS k
      GROUP BY k.id) AS t
WHERE c.id = t.id AND cardinality(t.tags) <= 32
RETURNING c.id

-- name: bulk_remove_tags
UPDATE checks c
SET tags = ARRAY(SELECT u.tag FROM unnest(c.tags) WITH ORDINALITY AS u (tag, place)
                 WHERE u.tag <> ALL ($3::text[]) ORDER BY u.place),
    revision = c.revision + 1, updated_at = now()
WHERE c.org_id = $1 AND c.id = ANY ($2::uuid[]) AND c.tags && $3
RETURNING c.id

-- name: bulk_group
UPDATE checks SET group_name = $3, revision = revision + 1, updated_at = now()
WHERE org_id = $1 AND id = ANY ($2::uuid[]) AND group_name IS DISTINCT FROM $3::text
RETURNING id

-- name: bulk_schedule
UPDATE checks SET schedule = $3, revision = revision + 1, updated_at = now()
WHERE org_id = $1 AND id = ANY ($2::uuid[]) AND schedule <> $3::text
RETURNING id

-- name: bulk_channels_known
SELECT count(*) AS known FROM channels WHERE org_id = $1 AND id = ANY ($2::uuid[])

-- name: bulk_channels_clear
DELETE FROM check_channels WHERE check_id = ANY ($1::uuid[])

-- name: bulk_channels
WITH added AS (
    INSERT INTO check_channels (check_id, channel_id)
    SELECT c.id, h.id
    FROM checks c, channels h
    WHERE c.org_id = $1 AND c.id = ANY ($2::uuid[]) AND h.org_id = $1 AND h.id = ANY ($3::uuid[])
)
UPDATE checks SET revision = revision + 1, updated_at = now()
WHERE org_id = $1 AND id = ANY ($2)
RETURNING id

-- name: check_values
SELECT value AS name, sum(n) AS count
FROM check_counts
WHERE org_id = $1 AND what = $2
GROUP BY value
HAVING sum(n) <> 0
ORDER BY lower(value), value
LIMIT 1000
