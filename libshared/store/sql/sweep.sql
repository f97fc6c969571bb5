-- Slots without a result.

-- Those whose oldest open slot may be overdue; who is paused waits for nothing.
-- name: sweep_page
SELECT c.id, c.shard, c.schedule, c.timeout_ms, s.settled_to,
       s.state NOT IN ('paused', 'maintenance') AS is_expected
FROM checks c
JOIN check_state s ON s.check_id = c.id
WHERE c.enabled AND c.shard = ANY ($1::smallint[])
  AND c.id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
  AND s.settled_to < $3::timestamptz - c.timeout_ms * interval '1 millisecond'
ORDER BY c.id
LIMIT $4::bigint

-- name: sweep_lock
SELECT c.id, c.org_id, s.settled_to
FROM checks c
JOIN check_state s ON s.check_id = c.id
WHERE c.id = ANY ($1::uuid[]) AND c.enabled
ORDER BY c.id
FOR KEY SHARE OF c
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

-- name: sweep_settle
UPDATE check_state s SET settled_to = u.settled_to
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (check_id, settled_to)
WHERE s.check_id = u.check_id AND s.settled_to < u.settled_to
