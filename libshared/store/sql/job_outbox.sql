-- Jobs waiting for their transaction's commit. Sequence order is not commit order: no cursor, rows
-- are locked, published and deleted.

-- name: job_outbox_add
INSERT INTO job_outbox (queue, job)
SELECT j.queue, decode(j.job, 'hex')
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS j (queue, job, n)
ORDER BY j.n

-- name: job_outbox_claim
SELECT id, queue, job FROM job_outbox
WHERE error IS NULL AND queue <> ALL ($2::text[])
ORDER BY id LIMIT $1::bigint FOR UPDATE SKIP LOCKED

-- name: job_outbox_delete
DELETE FROM job_outbox WHERE id = ANY ($1::bigint[])

-- name: job_outbox_fail
UPDATE job_outbox SET error = $2 WHERE id = $1::bigint

-- name: job_outbox_count
SELECT count(*) FILTER (WHERE error IS NULL) AS waiting,
       count(*) FILTER (WHERE error IS NOT NULL) AS failed,
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE error IS NULL)) * 1000, 0)::bigint
           AS oldest_ms
FROM (SELECT error, created_at FROM job_outbox LIMIT 100000) rows
