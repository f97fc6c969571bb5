-- Jobs waiting for their transaction's commit. Sequence order is not commit order: no cursor, rows
-- are locked, published and marked; deleted when their jobs have ended.

-- name: job_outbox_add
INSERT INTO job_outbox (queue, job, job_id)
SELECT j.queue, decode(j.job, 'hex'), j.id
FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS j (queue, job, id, n)
ORDER BY j.n

-- How many wait to be published, up to a number.
-- name: job_outbox_backlog
SELECT count(*) AS waiting
FROM (SELECT FROM job_outbox WHERE published_at IS NULL AND error IS NULL LIMIT $1::bigint) rows

-- Of a job that waits to be published.
-- name: job_outbox_find
SELECT queue, job FROM job_outbox WHERE job_id = $1::uuid AND published_at IS NULL AND error IS NULL
LIMIT 1

-- Asked five times a second, mostly for nothing: without a transaction and a lock.
-- name: job_outbox_waits
SELECT EXISTS (SELECT FROM job_outbox WHERE published_at IS NULL AND error IS NULL) AS waits

-- name: job_outbox_claim
SELECT id, queue, job FROM job_outbox
WHERE published_at IS NULL AND error IS NULL AND queue <> ALL ($2::text[])
ORDER BY id LIMIT $1::bigint FOR UPDATE SKIP LOCKED

-- name: job_outbox_published
UPDATE job_outbox o SET published_at = clock_timestamp(), job_id = u.job_id
FROM unnest($1::bigint[], $2::uuid[]) AS u (id, job_id)
WHERE o.id = u.id
RETURNING (extract(epoch FROM clock_timestamp() - o.created_at) * 1000000)::bigint AS lag_us

-- name: job_outbox_fail
UPDATE job_outbox SET error = $2 WHERE id = $1::bigint

-- name: job_outbox_open
SELECT id, queue, job_id, published_at < now() - interval '1 hour' AS is_old
FROM job_outbox
WHERE published_at IS NOT NULL AND id > $1::bigint
ORDER BY id LIMIT 500

-- name: job_outbox_delete
DELETE FROM job_outbox WHERE id = ANY ($1::bigint[])

-- name: job_outbox_mark
SELECT mark, coalesce(nullif(lost_at, '-infinity'), 'epoch') AS lost_at
FROM redis_marks WHERE name = 'job_outbox'

-- name: job_outbox_mark_lock
SELECT mark FROM redis_marks WHERE name = 'job_outbox' FOR UPDATE

-- name: job_outbox_mark_raise
UPDATE redis_marks SET mark = greatest(mark, $1::bigint) WHERE name = 'job_outbox'

-- name: job_outbox_mark_reset
UPDATE redis_marks SET mark = $1::bigint, lost_at = clock_timestamp() WHERE name = 'job_outbox'

-- name: job_outbox_reopen
UPDATE job_outbox SET published_at = NULL WHERE published_at IS NOT NULL

-- name: job_outbox_count
SELECT count(*) FILTER (WHERE error IS NULL AND published_at IS NULL) AS waiting,
       count(*) FILTER (WHERE published_at IS NOT NULL) AS unfinished,
       count(*) FILTER (WHERE error IS NOT NULL) AS failed,
       coalesce(extract(epoch FROM clock_timestamp() - min(created_at)
           FILTER (WHERE error IS NULL AND published_at IS NULL)) * 1000, 0)::bigint AS oldest_ms,
       (SELECT mark FROM redis_marks WHERE name = 'job_outbox') AS mark,
       EXISTS (SELECT FROM schedules WHERE open_job_id IS NOT NULL
               OR last_job_state IN ('queued', 'delayed', 'running')) AS has_runs
FROM (SELECT error, created_at, published_at FROM job_outbox LIMIT 100000) rows
