-- Schedules of tasks as people see them. $2 says whether the caller sees the installation's own, too.

-- part: task_schedule_columns
SELECT id, org_id, name, task, args::text AS args, schedule, time_zone, queue, coalesce(priority, -1) AS priority,
       enabled, catch_up, overlap, jitter_ms, expires_ms, revision, created_at, updated_at, last_run_at,
       last_job_id, last_job_queue, last_job_state
FROM schedules

-- part: task_schedule_filter
WHERE (org_id = $1::uuid OR ($2::boolean AND org_id IS NULL))
  AND ($3::boolean IS NULL OR enabled = $3)
  AND ($4::boolean IS NULL OR (org_id IS NULL) = $4)
  AND ($5::text IS NULL OR task = $5)
  AND ($6::text IS NULL OR queue = $6)
  AND ($7::text IS NULL OR strpos(lower(name), lower($7)) > 0)

-- name: task_schedule_count
SELECT count(*) AS total FROM (
    SELECT FROM schedules
    -- use: task_schedule_filter
      AND $8::text IS NOT NULL
    LIMIT 100000) AS counted

-- An order with - is the exact reverse of that without.
-- name: task_schedule_list
-- use: task_schedule_columns
-- use: task_schedule_filter
  AND ($11::timestamptz IS NULL OR created_at < $11 OR (created_at = $11 AND id > $12::uuid))
ORDER BY CASE $8 WHEN 'name' THEN name WHEN 'task' THEN task END,
         CASE $8 WHEN '-name' THEN name WHEN '-task' THEN task END DESC,
         CASE $8 WHEN 'created_at' THEN created_at WHEN 'updated_at' THEN updated_at
                 WHEN 'last_run' THEN last_run_at END NULLS FIRST,
         CASE $8 WHEN '-updated_at' THEN updated_at WHEN '-last_run' THEN last_run_at END DESC NULLS LAST,
         CASE WHEN $8 IN ('created_at', 'updated_at', 'last_run', '-name', '-task') THEN created_at END,
         CASE WHEN $8 IN ('created_at', 'updated_at', 'last_run', '-name', '-task') THEN id END DESC,
         created_at DESC, id
LIMIT $9::bigint OFFSET $10::bigint

-- name: task_schedule_get
-- use: task_schedule_columns
WHERE id = $3 AND (org_id = $1::uuid OR ($2::boolean AND org_id IS NULL))

-- name: task_schedule_by_name
SELECT id FROM schedules
WHERE name = $3 AND (org_id = $1::uuid OR ($2::boolean AND org_id IS NULL))
ORDER BY org_id NULLS LAST LIMIT 1

-- name: task_schedule_lock
SELECT id FROM schedules
WHERE id = $3 AND (org_id = $1::uuid OR ($2::boolean AND org_id IS NULL))
FOR NO KEY UPDATE

-- Bounded: an organisation must not use up what the schedulers have room for.
-- name: task_schedule_insert
INSERT INTO schedules (id, org_id, created_by, shard, name, task, args, schedule, time_zone, queue, priority,
                       enabled, catch_up, overlap, jitter_ms, expires_ms)
SELECT $1::uuid, $2::uuid, $3::uuid, $4::smallint, $5, $6, $7::jsonb, $8, $9, $10, nullif($11::bigint, -1),
       $12::boolean, $13, $14, $15::bigint, nullif($16::bigint, 0)
WHERE (SELECT count(*) FROM schedules WHERE org_id = $2::uuid) < $17::bigint

-- name: task_schedule_update
UPDATE schedules
SET name = $2, task = $3, args = $4::jsonb, schedule = $5, time_zone = $6, queue = $7,
    priority = nullif($8::bigint, -1), enabled = $9::boolean, catch_up = $10, overlap = $11,
    jitter_ms = $12::bigint, expires_ms = nullif($13::bigint, 0)
WHERE id = $1

-- name: task_schedule_enable
UPDATE schedules SET enabled = $4::boolean
WHERE id = $3 AND (org_id = $1::uuid OR ($2::boolean AND org_id IS NULL)) AND enabled <> $4::boolean

-- name: task_schedule_delete
DELETE FROM schedules WHERE id = $2 AND org_id = $1

-- A run by hand.
-- name: task_schedule_ran
UPDATE schedules
SET last_run_at = now(), last_job_id = $2, last_job_queue = $3, last_job_state = 'queued',
    last_job_at = now()
WHERE id = $1
