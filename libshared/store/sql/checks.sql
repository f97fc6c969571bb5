-- Checks as people see them: what was asked for, and the state that came of it.

-- A list is read in three steps: its total, the ids of a page, their rows. Totals that the filter's
-- members have each of their own are kept (check_counts), and read here as what they are of.
-- name: check_counts
SELECT f.what, coalesce((SELECT sum(n) FROM check_counts k
                         WHERE k.org_id = $1 AND k.what = f.what AND k.value = f.value), 0) AS n
FROM (VALUES ('all', ''), ('enabled', $2::boolean::text), ('kind', $3::text), ('tag', $4::text),
             ('group', $5::text), ('state', $6::text)) AS f (what, value)
WHERE f.value IS NOT NULL

-- The states are joined only where they decide; what several filters find is counted up to a limit.
-- name: check_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT
      FROM checks c
      LEFT JOIN check_state s ON s.check_id = c.id
      WHERE c.org_id = $1
        AND ($2::boolean IS NULL OR c.enabled = $2)
        AND ($3::text IS NULL OR c.kind = $3)
        AND ($4::text IS NULL OR c.tags @> ARRAY[$4])
        AND ($5::text IS NULL OR c.group_name = $5)
        AND ($6::text IS NULL OR (s.state = $6 AND s.org_id = $1))
        AND ($7::text IS NULL OR lower(c.name) LIKE '%' || lower($7) || '%')
      LIMIT $8::bigint) AS found

-- Planned for its arguments, so that a filter that is not given costs nothing, and each order has its
-- index where there is one: what is constant in ORDER BY counts for nothing. An order with - is the
-- exact reverse of that without.
-- name: check_pick
-- plan: each
SELECT c.id
FROM checks c
LEFT JOIN check_state s ON s.check_id = c.id
WHERE c.org_id = $1
  AND ($2::boolean IS NULL OR c.enabled = $2)
  AND ($3::text IS NULL OR c.kind = $3)
  AND ($4::text IS NULL OR c.tags @> ARRAY[$4])
  AND ($5::text IS NULL OR c.group_name = $5)
  AND ($6::text IS NULL OR (s.state = $6 AND s.org_id = $1))
  AND ($7::text IS NULL OR lower(c.name) LIKE '%' || lower($7) || '%')
  AND c.created_at <= coalesce($11::timestamptz, 'infinity')
  AND ($11 IS NULL OR c.created_at < $11 OR c.id > $12::uuid)
ORDER BY CASE WHEN $10::text = 'name' THEN lower(c.name) END,
         CASE WHEN $10 = '-name' THEN lower(c.name) END DESC,
         CASE WHEN $10 = 'state' THEN s.state END,
         CASE WHEN $10 = '-state' THEN s.state END DESC,
         CASE WHEN $10 = 'last_run' THEN s.last_run_at END NULLS FIRST,
         CASE WHEN $10 = '-last_run' THEN s.last_run_at END DESC NULLS LAST,
         CASE WHEN $10 IN ('state', '-last_run') THEN s.check_id END,
         CASE WHEN $10 IN ('-state', 'last_run') THEN s.check_id END DESC,
         CASE WHEN $10 = 'updated_at' THEN c.updated_at END,
         CASE WHEN $10 = '-updated_at' THEN c.updated_at END DESC,
         CASE WHEN $10 IN ('-name', 'created_at', 'updated_at') THEN c.created_at END,
         CASE WHEN $10 IN ('-name', 'created_at', 'updated_at') THEN c.id END DESC,
         c.created_at DESC, c.id
LIMIT $8::bigint OFFSET $9::bigint

-- Where the states alone decide.
-- name: check_pick_state
-- plan: each
SELECT s.check_id AS id
FROM check_state s
WHERE s.org_id = $1 AND ($2::text IS NULL OR s.state = $2)
ORDER BY CASE WHEN $5::text = 'state' THEN s.state END,
         CASE WHEN $5 = '-state' THEN s.state END DESC,
         CASE WHEN $5 = 'last_run' THEN s.last_run_at END NULLS FIRST,
         CASE WHEN $5 = '-last_run' THEN s.last_run_at END DESC NULLS LAST,
         CASE WHEN $5 IN ('-state', 'last_run') THEN s.check_id END DESC,
         s.check_id
LIMIT $3::bigint OFFSET $4::bigint

-- There is no index by last_run_at, and must be none: it would be written with every result, of which
-- storing all would take a fifth longer. Instead of sorting all states, those between two bounds are
-- sorted and those before them counted. The bounds come from a sample of some $6 states: those that
-- are a little before the place $4 and a little behind $5, of $3, in the order of -last_run (NULL:
-- there is none so far out). Nothing where the organisation is a small part of the table, whose
-- pages are what is sampled.
-- name: check_last_run_bounds
-- plan: each
SELECT a.ats[k.first] AS first_at, a.ids[k.first] AS first_id,
       a.ats[k.last] AS last_at, a.ids[k.last] AS last_id
FROM (SELECT count(*) AS n, array_agg(r.at) AS ats, array_agg(r.id) AS ids
      FROM (SELECT coalesce(s.last_run_at, '-infinity') AS at, s.check_id AS id
            FROM check_state s TABLESAMPLE SYSTEM (least(100.0 * $6::float8 / $3::float8, 100.0))
            WHERE s.org_id = $1 AND ($2::text IS NULL OR s.state = $2)
              AND (SELECT reltuples FROM pg_class WHERE oid = 'check_state'::regclass) < 16 * $3
            ORDER BY 1 DESC, 2) AS r) AS a
CROSS JOIN LATERAL (SELECT $4::float8 / $3 AS from_share, $5::float8 / $3 AS to_share) AS p
CROSS JOIN LATERAL (
    SELECT floor(a.n * p.from_share - 3 * sqrt(a.n * p.from_share * (1 - p.from_share)))::int - 5 AS first,
           ceil(a.n * p.to_share + 3 * sqrt(a.n * p.to_share * (1 - p.to_share)))::int + 5 AS last) AS k

-- `passed` rows come before those that were sorted, `seen` ones with them: who asks has to see whether the page
-- is among these. Sorted in the order of -last_run, the other one is read from the end. A check that never
-- ran ran before all others; what is constant here is reckoned when the statement is planned.
-- name: check_pick_last_run
-- plan: each
SELECT w.seen, k.passed,
       ARRAY(SELECT w.near[CASE WHEN $5::text = '-last_run' THEN i ELSE k.n + 1 - i END]
             FROM generate_series(k.from_place, least(k.from_place + $3::int - 1, k.n)) AS i
             ORDER BY i) AS ids
FROM (SELECT count(*) AS seen,
             array_agg(s.check_id ORDER BY s.last_run_at DESC NULLS LAST, s.check_id) FILTER (
                 WHERE CASE WHEN $5 = '-last_run' THEN b.is_behind_first ELSE b.is_before_last END)
             AS near
      FROM check_state s
      CROSS JOIN LATERAL (
          SELECT $6::timestamptz IS NULL
                 OR CASE WHEN $6 = '-infinity' THEN s.last_run_at IS NULL AND s.check_id >= $7::uuid
                    ELSE s.last_run_at IS NULL
                         OR (s.last_run_at <= $6 AND (s.last_run_at < $6 OR s.check_id >= $7)) END
                 AS is_behind_first,
                 $8::timestamptz IS NULL
                 OR CASE WHEN $8 = '-infinity' THEN s.last_run_at IS NOT NULL OR s.check_id <= $9::uuid
                    ELSE s.last_run_at >= $8 AND (s.last_run_at > $8 OR s.check_id <= $9) END
                 AS is_before_last) AS b
      WHERE CASE WHEN $5 = '-last_run' THEN b.is_before_last ELSE b.is_behind_first END
        AND s.org_id = $1 AND ($2::text IS NULL OR s.state = $2)) AS w
CROSS JOIN LATERAL (SELECT coalesce(cardinality(w.near), 0) AS n) AS c
CROSS JOIN LATERAL (
    SELECT c.n, w.seen - c.n AS passed, greatest($4::bigint - (w.seen - c.n), 0)::int + 1 AS from_place) AS k

-- How many names have all pairs of a part, and whether that is to have the part. The keys come from a
-- subquery, so that they are thought to be rare: else PostgreSQL reads the table, and takes every
-- name to pieces, where many names have them and a limit ends the search early.
-- name: check_part_count
SELECT count(*) AS total, cardinality(name_part_keys($1, $2)) = 1 AS is_exact
FROM (SELECT
      FROM checks c
      WHERE name_parts(c.org_id, c.name) @> (SELECT name_part_keys($1, $2::text))
      LIMIT $3::bigint) AS f

-- A part of the name that is too short for the index of longer ones: total and page at once, from
-- those that have all pairs of $11, or (NULL) from all names. A function where LIKE would do, as
-- PostgreSQL would look for the pattern in an index that has nothing for it.
-- name: check_pick_part
-- plan: each
SELECT count(*) AS total,
       coalesce((array_agg(f.id))[$9::bigint + 1:$9 + $8::bigint], '{}') AS ids
FROM (SELECT c.id
      FROM checks c
      LEFT JOIN check_state s ON s.check_id = c.id
      WHERE c.org_id = $1
        AND ($2::boolean IS NULL OR c.enabled = $2)
        AND ($3::text IS NULL OR c.kind = $3)
        AND ($4::text IS NULL OR c.tags @> ARRAY[$4])
        AND ($5::text IS NULL OR c.group_name = $5)
        AND ($6::text IS NULL OR (s.state = $6 AND s.org_id = $1))
        AND ($11::text IS NULL OR name_parts(c.org_id, c.name) @> (SELECT name_part_keys($1, $11)))
        AND textlike(lower(c.name), '%' || lower($7::text) || '%')
      ORDER BY c.created_at DESC, c.id
      LIMIT $10::bigint) AS f

-- name: check_rows
SELECT c.id, c.legacy_id, c.name, c.kind, c.plugin_type, c.config, c.secret, c.enabled,
       c.schedule, c.timeout_ms, c.retries, c.retry_interval, c.recoveries, c.webhook_url, c.tags,
       c.group_name, c.external_id,
       c.revision, c.created_at, c.updated_at, s.state, s.since, s.last_run_at, s.last_status,
       s.last_message, s.last_response_us, s.incident_id,
       ARRAY(SELECT channel_id FROM check_channels WHERE check_id = c.id ORDER BY 1) AS channels
FROM unnest($2::uuid[]) WITH ORDINALITY AS k (id, n)
JOIN checks c ON c.id = k.id
JOIN check_state s ON s.check_id = k.id
WHERE c.org_id = $1
ORDER BY k.n

-- name: check_get
SELECT c.id, c.legacy_id, c.name, c.kind, c.plugin_type, c.config, c.secret, c.enabled,
       c.schedule, c.timeout_ms, c.retries, c.retry_interval, c.recoveries, c.webhook_url, c.tags,
       c.group_name, c.external_id,
       c.revision, c.created_at, c.updated_at, s.state, s.since, s.last_run_at, s.last_status,
       s.last_message, s.last_response_us, s.incident_id,
       ARRAY(SELECT channel_id FROM check_channels WHERE check_id = c.id ORDER BY 1) AS channels
FROM checks c
JOIN check_state s ON s.check_id = c.id
WHERE c.org_id = $1 AND c.id = $2

-- name: check_get_many
SELECT w.n, c.id, c.legacy_id, c.name, c.kind, c.plugin_type, c.config, c.secret, c.enabled,
       c.schedule, c.timeout_ms, c.retries, c.retry_interval, c.recoveries, c.webhook_url, c.tags,
       c.group_name, c.external_id,
       c.revision, c.created_at, c.updated_at, s.state, s.since, s.last_run_at, s.last_status,
       s.last_message, s.last_response_us, s.incident_id,
       ARRAY(SELECT channel_id FROM check_channels WHERE check_id = c.id ORDER BY 1) AS channels
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS w (org_id, id, n)
JOIN checks c ON c.id = w.id AND c.org_id = w.org_id
JOIN check_state s ON s.check_id = c.id

-- Recorders, which lock a check FOR KEY SHARE and then its state, go on meanwhile.
-- name: check_lock
SELECT id FROM checks WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE

-- name: check_insert
WITH new_check AS (
    INSERT INTO checks (id, org_id, name, kind, plugin_type, config, enabled, schedule, timeout_ms,
                        retries, retry_interval, recoveries, webhook_url, tags, group_name, secret,
                        external_id, shard, created_by)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            $19)
    RETURNING id, org_id, enabled
)
INSERT INTO check_state (check_id, org_id, state)
SELECT id, org_id, CASE WHEN enabled THEN 'pending' ELSE 'paused' END FROM new_check

-- name: check_update
UPDATE checks
SET name = $3, kind = $4, plugin_type = $5, config = $6::jsonb, enabled = $7, schedule = $8,
    timeout_ms = $9, retries = $10, retry_interval = $11, recoveries = $12, webhook_url = $13,
    tags = $14, group_name = $15, secret = $16, external_id = $17, revision = revision + 1, updated_at = now()
WHERE org_id = $1 AND id = $2

-- Pausing and resuming. Nothing happens where the state is that already.
-- name: check_set_state
WITH before AS (
    SELECT s.check_id, s.state, s.sequence, s.incident_id, c.org_id
    FROM check_state s
    JOIN checks c ON c.id = s.check_id
    WHERE c.org_id = $1 AND s.check_id = ANY ($2::uuid[]) AND s.state <> $3
    FOR UPDATE OF s
), moved AS (
    UPDATE check_state s
    SET state = $3, since = now(), failures = 0, successes = 0, sequence = b.sequence + 1
    FROM before b
    WHERE s.check_id = b.check_id
)
INSERT INTO transitions (check_id, sequence, org_id, at, from_state, to_state, reason, incident_id)
SELECT check_id, sequence + 1, org_id, now(), state, $3, $4, incident_id FROM before

-- name: check_clear_channels
DELETE FROM check_channels WHERE check_id = $1

-- name: check_add_channels
INSERT INTO check_channels (check_id, channel_id)
SELECT $1::uuid, id FROM channels WHERE org_id = $2 AND id = ANY ($3::uuid[])

-- Nobody will ever tell that it recovered.
-- name: check_resolve_incidents
UPDATE incidents
SET status = 'resolved', resolved_at = now(), resolved_by = $3, updated_at = now()
WHERE org_id = $1 AND check_id = ANY ($2::uuid[]) AND status <> 'resolved'

-- name: check_delete
DELETE FROM checks WHERE org_id = $1 AND id = $2

-- name: check_exists
SELECT 1 AS one FROM checks WHERE org_id = $1 AND id = $2

-- name: check_timeouts
SELECT k.n, c.timeout_ms
FROM unnest($2::uuid[]) WITH ORDINALITY AS k (id, n)
JOIN checks c ON c.id = k.id
WHERE c.org_id = $1

-- name: check_import_lock
SELECT pg_advisory_xact_lock(hashtextextended('checks.import:' || $1::uuid::text, 0))

-- name: check_find_keys
SELECT id, name, external_id
FROM checks
WHERE org_id = $1 AND (name = ANY ($2::text[]) OR external_id = ANY ($3::text[]))
