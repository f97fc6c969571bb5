-- What the scheduler reads.

-- Streams of whole tables in the order of their pages, as a million rows by keys, or joined, take several
-- times as long.
-- name: schedules_checks
SELECT id, shard, schedule FROM checks WHERE enabled

-- name: schedules_states
SELECT check_id, settled_to, last_slot_at IS NULL FROM check_state

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

-- A task's schedule is settled up to before the run that is not known to have ended: the shard's
-- watermark in Redis says that it was dispatched, as long as Redis remembers.
-- name: schedules_get
SELECT k.id, coalesce(c.shard, t.shard) AS shard, coalesce(c.enabled, t.enabled, false) AS enabled,
       coalesce(c.schedule, 'CRON_TZ=' || t.time_zone || ' ' || t.schedule, t.schedule) AS schedule,
       coalesce(s.settled_to, greatest(t.expected_from,
           coalesce(t.open_slot_at - interval '1 millisecond', t.last_slot_at))) AS settled_to,
       c.id IS NOT NULL AND s.last_slot_at IS NULL AS is_fresh,
       t.task, t.args::text AS args, t.queue, coalesce(t.priority, -1) AS priority, t.jitter_ms,
       t.catch_up = 'skip' AS skips_late, t.overlap, t.expires_ms, t.org_id::text AS tenant
FROM unnest($1::uuid[]) AS k (id)
LEFT JOIN checks c ON c.id = k.id
LEFT JOIN check_state s ON s.check_id = k.id
LEFT JOIN schedules t ON t.id = k.id

-- name: schedules_tasks_page
SELECT id, shard, enabled, coalesce('CRON_TZ=' || time_zone || ' ' || schedule, schedule) AS schedule,
       greatest(expected_from, coalesce(open_slot_at - interval '1 millisecond', last_slot_at))
           AS settled_to,
       false AS is_fresh, task, args::text AS args, queue, coalesce(priority, -1) AS priority,
       jitter_ms, catch_up = 'skip' AS skips_late, overlap, expires_ms, org_id::text AS tenant
FROM schedules
WHERE enabled AND id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY id
LIMIT 5000

-- A slot without a job was left out.
-- name: schedules_dispatched
UPDATE schedules t
SET last_slot_at = u.slot_at,
    last_run_at = CASE WHEN u.job_id IS NULL THEN t.last_run_at ELSE u.slot_at END,
    last_job_id = coalesce(u.job_id, t.last_job_id),
    last_job_queue = CASE WHEN u.job_id IS NULL THEN t.last_job_queue ELSE u.queue END,
    last_job_state = CASE WHEN u.job_id IS NULL THEN t.last_job_state ELSE 'queued' END,
    last_job_at = CASE WHEN u.job_id IS NULL THEN t.last_job_at ELSE now() END,
    open_slot_at = CASE WHEN u.job_id IS NULL THEN t.open_slot_at ELSE u.slot_at END,
    open_job_id = coalesce(u.job_id, t.open_job_id),
    open_job_queue = CASE WHEN u.job_id IS NULL THEN t.open_job_queue ELSE u.queue END,
    open_job_at = CASE WHEN u.job_id IS NULL THEN t.open_job_at ELSE now() END
FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[]) AS u (id, slot_at, job_id, queue)
WHERE t.id = u.id AND (t.last_slot_at IS NULL OR t.last_slot_at <= u.slot_at)

-- Old: enqueued so long ago that its result may be forgotten, but since Redis lost its memory.
-- name: schedules_running
SELECT id, last_job_id, last_job_queue, last_job_state, open_job_id, open_job_queue,
       last_job_at < now() - interval '1 hour' AND last_job_at > m.lost_at AS is_last_old,
       open_job_at < now() - interval '1 hour' AND open_job_at > m.lost_at AS is_open_old
FROM schedules, (SELECT lost_at FROM redis_marks WHERE name = 'job_outbox') m
WHERE (open_job_id IS NOT NULL OR last_job_state IN ('queued', 'delayed', 'running'))
  AND id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY id
LIMIT 500

-- By the job's id, as the schedule may have a newer run by now.
-- name: schedules_job_states
UPDATE schedules t SET last_job_state = nullif(u.state, 'gone')
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS u (id, job_id, state)
WHERE t.id = u.id AND t.last_job_id = u.job_id

-- name: schedules_jobs_ended
UPDATE schedules t SET open_slot_at = NULL, open_job_id = NULL, open_job_queue = NULL, open_job_at = NULL
FROM unnest($1::uuid[], $2::uuid[]) AS u (id, job_id)
WHERE t.id = u.id AND t.open_job_id = u.job_id
