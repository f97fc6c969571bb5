-- What the scheduler reads.

-- name: schedules_page
SELECT c.id, c.shard, c.enabled, c.schedule, s.settled_to
FROM checks c
LEFT JOIN check_state s ON s.check_id = c.id
WHERE c.shard = $1::smallint AND c.enabled
  AND c.id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY c.id
LIMIT $3::bigint

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
SELECT k.id, c.shard, coalesce(c.enabled, false) AS enabled, c.schedule, s.settled_to
FROM unnest($1::uuid[]) AS k (id)
LEFT JOIN checks c ON c.id = k.id
LEFT JOIN check_state s ON s.check_id = k.id
