-- The outbox of notifications.

-- name: outbox_claim
WITH due AS (
    SELECT id, coalesce(claimed_by = $1, false) AS was_ours FROM outbox
    WHERE status = 'pending' AND next_at <= now() AND channel_type = $3
      AND (claimed_until IS NULL OR claimed_until <= now())
      AND (channel_id IS NULL OR channel_id <> ALL ($5::uuid[]) OR event = 'channel.test')
      AND (channel_id IS NOT NULL OR target IS NULL OR target <> ALL ($6::text[]))
    ORDER BY next_at
    LIMIT $4::bigint
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE outbox o
    SET claimed_by = $1, claimed_until = now() + $2::bigint * interval '1 millisecond'
    FROM due WHERE o.id = due.id
    RETURNING o.*, due.was_ours
)
SELECT c.was_ours, c.id, c.org_id, c.event, c.incident_id, c.check_id, c.sequence, c.channel_id,
       c.channel_type, c.target, c.payload, c.status, c.attempts, c.next_at, c.last_error,
       c.response_code, c.created_at, c.finished_at, ch.name AS channel_name,
       coalesce(ch.enabled, true) AS channel_enabled, ch.config AS channel_config,
       ch.secret AS channel_secret
FROM claimed c LEFT JOIN channels ch ON ch.id = c.channel_id
ORDER BY c.next_at, c.id

-- name: outbox_renew
UPDATE outbox SET claimed_until = now() + $2::bigint * interval '1 millisecond'
WHERE id = ANY ($3::uuid[]) AND claimed_by = $1 AND status = 'pending'

-- name: outbox_release
UPDATE outbox SET claimed_by = NULL, claimed_until = NULL
WHERE id = ANY ($2::uuid[]) AND claimed_by = $1 AND status = 'pending'

-- A delivery that was made is recorded even when the claim was lost meanwhile: it did happen.
-- name: outbox_record
UPDATE outbox o
SET status = a.status,
    attempts = o.attempts + a.tried::int,
    next_at = CASE WHEN a.status = 'pending'
                   THEN now() + a.wait_ms * interval '1 millisecond' ELSE o.next_at END,
    last_error = a.error,
    response_code = nullif(a.code, 0),
    finished_at = CASE WHEN a.status = 'pending' THEN NULL ELSE now() END,
    claimed_by = NULL, claimed_until = NULL
FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::boolean[], $6::text[], $7::bigint[])
     AS a (id, status, wait_ms, tried, error, code)
WHERE o.id = a.id AND o.status = 'pending' AND (o.claimed_by = $1 OR a.status = 'delivered')

-- name: outbox_insert_test
INSERT INTO outbox (id, org_id, event, sequence, channel_id, channel_type, payload)
VALUES ($1, $2, 'channel.test', 0, $3, $4, $5::jsonb)
ON CONFLICT DO NOTHING

-- part: outbox_found
FROM outbox o
WHERE o.org_id = $1 AND ($2::text IS NULL OR o.status = $2)
  AND ($3::uuid IS NULL OR o.channel_id = $3)
  AND ($4::uuid IS NULL OR o.incident_id = $4)
  AND ($5::uuid IS NULL OR o.check_id = $5)
  AND ($8::timestamptz IS NULL OR (o.created_at, o.id) < ($8, $9::uuid))

-- The page is picked as ids, from an index alone where nothing else decides: each order has its own, and is
-- the exact reverse of the one with -. What has not ended comes after all that has.
-- name: outbox_list
-- plan: each
SELECT o.id, o.org_id, o.event, o.incident_id, o.check_id, o.sequence, o.channel_id,
       o.channel_type, o.target, o.payload, o.status, o.attempts, o.next_at, o.last_error,
       o.response_code, o.created_at, o.finished_at, ch.name AS channel_name
FROM (SELECT id, row_number() OVER () AS n FROM (
      SELECT o.id
      -- use: outbox_found
      ORDER BY CASE WHEN $10::text = 'finished_at' THEN o.finished_at END NULLS FIRST,
               CASE WHEN $10 = '-finished_at' THEN o.finished_at END DESC NULLS LAST,
               CASE WHEN $10 = 'status' THEN o.status END, CASE WHEN $10 = '-status' THEN o.status END DESC,
               CASE WHEN $10 = 'attempts' THEN o.attempts END,
               CASE WHEN $10 = '-attempts' THEN o.attempts END DESC,
               CASE WHEN $10 IN ('created_at', 'finished_at', '-status', 'attempts') THEN o.created_at END,
               CASE WHEN $10 IN ('created_at', 'finished_at', '-status', 'attempts') THEN o.id END,
               o.created_at DESC, o.id DESC
      LIMIT $6::bigint OFFSET $7::bigint) AS p) AS k
JOIN outbox o ON o.id = k.id
LEFT JOIN channels ch ON ch.id = o.channel_id
ORDER BY k.n

-- In the list's order, so that an index alone is read: PostgreSQL thinks little of that.
-- name: outbox_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT
      -- use: outbox_found
      ORDER BY o.created_at DESC
      LIMIT $6::bigint OFFSET $7::bigint) AS found

-- name: outbox_get
SELECT o.id, o.org_id, o.event, o.incident_id, o.check_id, o.sequence, o.channel_id,
       o.channel_type, o.target, o.payload, o.status, o.attempts, o.next_at, o.last_error,
       o.response_code, o.created_at, o.finished_at, ch.name AS channel_name
FROM outbox o LEFT JOIN channels ch ON ch.id = o.channel_id
WHERE o.org_id = $1 AND o.id = $2

-- name: outbox_retry
UPDATE outbox
SET status = 'pending', next_at = now(), finished_at = NULL, claimed_by = NULL,
    claimed_until = NULL
WHERE org_id = $1 AND id = $2 AND status IN ('failed', 'cancelled')
