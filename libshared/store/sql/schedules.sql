-- What the scheduler reads.

-- In the order of the ids, which is that of the rows on disk, for all shards at once: by shard, each of
-- them would read the whole table. The states come by their keys then, as a join would be planned for
-- all rows. The limit is SCHEDULES_PAGE, and a literal for the planner's sake.
-- name: schedules_page
WITH page AS MATERIALIZED (
    SELECT id, shard, enabled, schedule
    FROM checks
    WHERE shard = ANY ($1::smallint[]) AND enabled
      AND id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
    ORDER BY id
    LIMIT 5000)
SELECT id, shard, enabled, schedule, s.settled_to, s.last_slot_at IS NULL AS is_fresh,
       NULL AS task
FROM page
LEFT JOIN LATERAL (SELECT settled_to, last_slot_at FROM check_state
                   WHERE check_id = page.id OFFSET 0) s ON true
ORDER BY id

-- name: schedules_horizon
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid

-- One row at least, for the horizon.
-- name: schedules_changes
SELECT h.horizon, l.xid::text::bigint AS xid, l.id, l.check_id
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) h
LEFT JOIN LATERAL (
    SELECT xid, id, check_id FROM check_changes
    WHERE (xid, id) > ($1::text::xid8, $2::bigint) AND id <> ALL ($3::bigint[])
    ORDER BY xid, id
    LIMIT $4::bigint) l ON true

-- name: schedules_get
SELECT k.id, coalesce(c.shard, t.shard) AS shard, coalesce(c.enabled, t.enabled, false) AS enabled,
       coalesce(c.schedule, t.schedule) AS schedule,
       coalesce(s.settled_to, greatest(t.expected_from, t.last_slot_at)) AS settled_to,
       c.id IS NOT NULL AND s.last_slot_at IS NULL AS is_fresh,
       t.task, t.args::text AS args, t.queue, coalesce(t.priority, -1) AS priority, t.jitter_ms,
       t.catch_up = 'skip' AS skips_late, t.overlap = 'skip' AS skips_overlap
FROM unnest($1::uuid[]) AS k (id)
LEFT JOIN checks c ON c.id = k.id
LEFT JOIN check_state s ON s.check_id = k.id
LEFT JOIN schedules t ON t.id = k.id

-- name: schedules_tasks_page
SELECT id, shard, enabled, schedule, greatest(expected_from, last_slot_at) AS settled_to,
       false AS is_fresh, task, args::text AS args, queue, coalesce(priority, -1) AS priority,
       jitter_ms, catch_up = 'skip' AS skips_late, overlap = 'skip' AS skips_overlap
FROM schedules
WHERE shard = ANY ($1::smallint[]) AND enabled
  AND id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY id
LIMIT 5000

-- name: schedules_dispatched
UPDATE schedules t SET last_slot_at = u.slot_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, slot_at)
WHERE t.id = u.id AND (t.last_slot_at IS NULL OR t.last_slot_at < u.slot_at)
