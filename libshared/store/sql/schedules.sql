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
SELECT id, shard, enabled, schedule, s.settled_to, s.last_slot_at IS NULL AS is_fresh
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
SELECT k.id, c.shard, coalesce(c.enabled, false) AS enabled, c.schedule, s.settled_to,
       c.id IS NOT NULL AND s.last_slot_at IS NULL AS is_fresh
FROM unnest($1::uuid[]) AS k (id)
LEFT JOIN checks c ON c.id = k.id
LEFT JOIN check_state s ON s.check_id = k.id
