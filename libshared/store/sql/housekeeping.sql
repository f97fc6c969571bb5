-- Housekeeping.

-- Taken by whoever comes first: the row says that it ran, before it does, so that nobody runs it twice.
-- name: housekeeping_claim
INSERT INTO housekeeping (task, ran_at)
SELECT $1, now()
WHERE NOT EXISTS (SELECT FROM schedules s WHERE s.org_id IS NULL AND s.task = $3 AND NOT s.enabled)
ON CONFLICT (task) DO UPDATE SET ran_at = now()
WHERE housekeeping.ran_at <= now() - $2::bigint * interval '1 millisecond'
RETURNING task

-- After a failure: due again in a minute.
-- name: housekeeping_fail
UPDATE housekeeping
SET ran_at = now() - ($2::bigint - 60000) * interval '1 millisecond'
WHERE task = $1

-- name: housekeeping_ahead
SELECT partition_ensure($1, $2, now() + n * ('1 ' || $2)::interval)
FROM generate_series(0, $3::bigint) n

-- name: housekeeping_drop
SELECT partition_drop_before($1, now() - $2::bigint * interval '1 millisecond') AS dropped

-- A scheduler without the database for this long has lost its shards and loads them anew.
-- name: housekeeping_changes
DELETE FROM check_changes WHERE id IN (
    SELECT id FROM check_changes WHERE at < now() - interval '1 hour' ORDER BY id LIMIT 20000)

-- name: housekeeping_outbox
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox WHERE status <> 'pending' AND finished_at < now() - interval '30 days'
    LIMIT 5000)

-- name: housekeeping_tokens
DELETE FROM refresh_tokens WHERE id IN (
    SELECT id FROM refresh_tokens
    WHERE expires_at < now() - interval '1 day'
       OR coalesce(revoked_at, used_at) < now() - interval '30 days'
    LIMIT 5000)

-- name: housekeeping_members
DELETE FROM scheduler_members WHERE seen_until < now() - interval '1 day'

-- name: housekeeping_audit
DELETE FROM audit_log WHERE id IN (
    SELECT id FROM audit_log WHERE at < now() - $1::bigint * interval '1 millisecond' LIMIT 5000)

-- name: housekeeping_idempotency
DELETE FROM idempotency_keys WHERE (org_id, owner_id, key) IN (
    SELECT org_id, owner_id, key FROM idempotency_keys WHERE expires_at <= now() LIMIT 5000)

-- As far back as statistics reach (LIMIT_STATS_SPAN_US).
-- name: housekeeping_check_days
DELETE FROM check_days WHERE (check_id, at) IN (
    SELECT check_id, at FROM check_days WHERE at < now() - interval '1100 days' LIMIT 5000)

-- name: housekeeping_logins
DELETE FROM login_failures WHERE key IN (
    SELECT key FROM login_failures WHERE last_at < now() - interval '1 hour' LIMIT 5000)

-- Writers only add rows; those of the same value become one. Nobody waits for anybody: what another
-- one sums up at the same time is gone when its rows are looked at again.
-- name: housekeeping_check_counts
WITH many AS (
    SELECT org_id, what, value
    FROM check_counts
    GROUP BY org_id, what, value
    HAVING count(*) > 1 OR sum(n) = 0
    LIMIT 5000
), gone AS (
    DELETE FROM check_counts c USING many m
    WHERE c.org_id = m.org_id AND c.what = m.what AND c.value = m.value
    RETURNING c.org_id, c.what, c.value, c.n
)
INSERT INTO check_counts (org_id, what, value, n)
SELECT org_id, what, value, sum(n) FROM gone GROUP BY org_id, what, value HAVING sum(n) <> 0
