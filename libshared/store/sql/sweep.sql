-- Slots without a result.

-- A page of SWEEP_PAGE enabled checks; of those the ones whose oldest open slot may be overdue, and
-- the last one in any case, so that the next page is known. Who is paused waits for nothing.
-- name: sweep_page
WITH page AS MATERIALIZED (
    SELECT id, shard, schedule, timeout_ms
    FROM checks
    WHERE enabled AND shard = ANY ($1::smallint[])
      AND id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
    ORDER BY id
    LIMIT 1000), looked AS (
    SELECT page.*, row_number() OVER (ORDER BY page.id) AS n, s.settled_to,
           s.state NOT IN ('paused', 'maintenance') AS is_expected
    FROM page
    CROSS JOIN LATERAL (SELECT settled_to, state FROM check_state
                        WHERE check_id = page.id OFFSET 0) s)
SELECT id, shard, schedule, timeout_ms, settled_to, is_expected,
       (SELECT count(*) FROM page) AS page_count,
       (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS page_last
FROM looked
WHERE settled_to < $3::timestamptz - timeout_ms * interval '1 millisecond'
   OR n = (SELECT count(*) FROM looked)
ORDER BY id

-- name: sweep_lock
SELECT c.id, c.org_id, s.settled_to
FROM checks c
JOIN check_state s ON s.check_id = c.id
WHERE c.id = ANY ($1::uuid[]) AND c.enabled
ORDER BY c.id
FOR UPDATE OF s

-- Any location's result of the schedule will do.
-- name: sweep_insert
INSERT INTO results (check_id, slot_at, location, trigger, id, org_id, status, message, raw_data,
                     executed_at)
SELECT e.check_id, e.slot_at, 'default', 'schedule', e.id, c.org_id, 'missed', e.message, '{}',
       $5::timestamptz
FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[])
     AS e (check_id, slot_at, id, message)
JOIN checks c ON c.id = e.check_id
WHERE NOT EXISTS (SELECT 1 FROM results r WHERE r.check_id = e.check_id
                  AND r.slot_at = e.slot_at AND r.trigger = 'schedule')
ON CONFLICT DO NOTHING
RETURNING org_id

-- Results after a time, each check's in their order. A literal limit, for the planner's sake.
-- name: sweep_stored
SELECT u.n, r.slot_at
FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS u (check_id, settled_to, n)
CROSS JOIN LATERAL (
    SELECT slot_at FROM results
    WHERE check_id = u.check_id AND slot_at > u.settled_to AND trigger = 'schedule'
    ORDER BY slot_at
    LIMIT 200) r
ORDER BY u.n, r.slot_at

-- name: sweep_settle
UPDATE check_state s SET settled_to = u.settled_to
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (check_id, settled_to)
WHERE s.check_id = u.check_id AND s.settled_to < u.settled_to
