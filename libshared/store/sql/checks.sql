-- Checks as people see them: what was asked for, and the state that came of it.

-- A list is read in three steps: its total, the ids of a page, their rows. Totals that the filter's
-- members have each of their own are kept (check_counts), and read here as what they are of.
-- name: check_counts
SELECT f.what, coalesce((SELECT sum(n) FROM check_counts k
                         WHERE k.org_id = $1 AND k.what = f.what AND k.value = f.value), 0) AS n
FROM (VALUES ('all', ''), ('enabled', $2::boolean::text), ('kind', $3::text), ('tag', $4::text),
             ('group', $5::text), ('state', $6::text)) AS f (what, value)
WHERE f.value IS NOT NULL

-- part: check_filter
      FROM checks c
      LEFT JOIN check_state s ON s.check_id = c.id
      WHERE c.org_id = $1
        AND ($2::boolean IS NULL OR c.enabled = $2)
        AND ($3::text IS NULL OR c.kind = $3)
        AND ($4::text IS NULL OR c.tags @> ARRAY[$4])
        AND ($5::text IS NULL OR c.group_name = $5)
        AND ($6::text IS NULL OR (s.state = $6 AND s.org_id = $1))

-- part: check_filter_by_part
        AND ($7::text IS NULL OR lower(c.name) LIKE '%' || lower($7) || '%')

-- The states are joined only where they decide; what several filters find is counted up to a limit.
-- name: check_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT
-- use: check_filter
-- use: check_filter_by_part
      LIMIT $8::bigint) AS found

-- A page in each order, whose exact reverse is there, too. Planned for their arguments, so that a
-- filter that is not given costs nothing. Each has a statement of its own, as PostgreSQL would carry
-- what chooses between orders along with every row before the page.
-- part: check_pick
SELECT c.id
-- use: check_filter
-- use: check_filter_by_part

-- part: check_page
LIMIT $8::bigint OFFSET $9::bigint

-- name: check_pick_newest
-- plan: each
-- use: check_pick
  AND c.created_at <= coalesce($10::timestamptz, 'infinity')
  AND ($10 IS NULL OR c.created_at < $10 OR c.id > $11::uuid)
ORDER BY c.created_at DESC, c.id
-- use: check_page

-- name: check_pick_oldest
-- plan: each
-- use: check_pick
ORDER BY c.created_at, c.id DESC
-- use: check_page

-- name: check_pick_updated
-- plan: each
-- use: check_pick
ORDER BY c.updated_at, c.created_at, c.id DESC
-- use: check_page

-- name: check_pick_updated_last
-- plan: each
-- use: check_pick
ORDER BY c.updated_at DESC, c.created_at DESC, c.id
-- use: check_page

-- name: check_pick_name
-- plan: each
-- use: check_pick
ORDER BY lower(c.name), c.created_at DESC, c.id
-- use: check_page

-- name: check_pick_name_last
-- plan: each
-- use: check_pick
ORDER BY lower(c.name) DESC, c.created_at, c.id DESC
-- use: check_page

-- name: check_pick_state
-- plan: each
-- use: check_pick
ORDER BY s.state, s.check_id
-- use: check_page

-- name: check_pick_state_last
-- plan: each
-- use: check_pick
ORDER BY s.state DESC, s.check_id DESC
-- use: check_page

-- name: check_pick_run
-- plan: each
-- use: check_pick
ORDER BY s.last_run_at NULLS FIRST, s.check_id DESC
-- use: check_page

-- name: check_pick_run_last
-- plan: each
-- use: check_pick
ORDER BY s.last_run_at DESC NULLS LAST, s.check_id
-- use: check_page

-- Where the states alone decide.
-- part: check_pick_of_states
SELECT s.check_id AS id
FROM check_state s
WHERE s.org_id = $1 AND ($2::text IS NULL OR s.state = $2)

-- part: check_pick_of_runs
SELECT r.check_id AS id
FROM check_last_runs r
WHERE r.org_id = $1 AND ($2::text IS NULL OR r.state = $2)

-- part: check_page_of_states
LIMIT $3::bigint OFFSET $4::bigint

-- name: check_states_state
-- plan: each
-- use: check_pick_of_states
ORDER BY s.state, s.check_id
-- use: check_page_of_states

-- name: check_states_state_last
-- plan: each
-- use: check_pick_of_states
ORDER BY s.state DESC, s.check_id DESC
-- use: check_page_of_states

-- name: check_states_run
-- plan: each
-- use: check_pick_of_runs
ORDER BY r.last_run_at, r.check_id DESC
-- use: check_page_of_states

-- name: check_states_run_last
-- plan: each
-- use: check_pick_of_runs
ORDER BY r.last_run_at DESC, r.check_id
-- use: check_page_of_states

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
-- use: check_filter
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

-- Recorders, which lock a check's state and may then refer to the check, go on meanwhile.
-- name: check_lock
SELECT id FROM checks WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE

-- Before checks are deleted, as deleting them locks them against recorders that have their states.
-- name: check_lock_states
SELECT check_id FROM check_state
WHERE org_id = $1 AND check_id = ANY ($2::uuid[])
ORDER BY check_id
FOR UPDATE

-- name: check_insert
WITH new_check AS (
    INSERT INTO checks (id, org_id, name, kind, plugin_type, config, enabled, schedule, timeout_ms,
                        retries, retry_interval, recoveries, webhook_url, tags, group_name, secret,
                        external_id, shard, created_by)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            $19)
    RETURNING id, org_id, enabled, retries, recoveries
)
INSERT INTO check_state (check_id, org_id, retries, recoveries, state)
SELECT id, org_id, retries, recoveries, CASE WHEN enabled THEN 'pending' ELSE 'paused' END
FROM new_check

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
    ORDER BY s.check_id
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
