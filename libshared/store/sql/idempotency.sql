-- Idempotency keys of POSTs and the replies they got.

-- Two requests with one key at a time: the second does not wait for the first.
-- name: idempotency_lock
SELECT pg_try_advisory_xact_lock(
    hashtextextended('idempotency:' || $1::uuid || $2::uuid || $3::text, 0)) AS is_ours

-- No row when the key is taken.
-- name: idempotency_claim
INSERT INTO idempotency_keys AS k (org_id, owner_id, key, fingerprint, running_until, expires_at)
VALUES ($1, $2, $3, $4, now() + $5::bigint * interval '1 millisecond',
        now() + $6::bigint * interval '1 millisecond')
ON CONFLICT (org_id, owner_id, key) DO UPDATE
SET fingerprint = excluded.fingerprint, running_until = excluded.running_until, status = NULL,
    reply = NULL, expires_at = excluded.expires_at
WHERE k.expires_at <= now()
RETURNING 1 AS one

-- One of those who come at the same time gets a row.
-- name: idempotency_reclaim
UPDATE idempotency_keys SET running_until = now() + $4::bigint * interval '1 millisecond'
WHERE org_id = $1 AND owner_id = $2 AND key = $3 AND status IS NULL AND running_until <= now()
RETURNING 1 AS one

-- name: idempotency_get
SELECT fingerprint, running_until > now() AS is_running, status, reply
FROM idempotency_keys
WHERE org_id = $1 AND owner_id = $2 AND key = $3

-- name: idempotency_finish
UPDATE idempotency_keys SET status = $4, reply = $5
WHERE org_id = $1 AND owner_id = $2 AND key = $3

-- name: idempotency_forget
DELETE FROM idempotency_keys WHERE org_id = $1 AND owner_id = $2 AND key = $3
