-- What a worker needs of the checks that are due.

-- name: due_load
SELECT id, kind, config, secret, enabled, schedule, retry_interval, timeout_ms
FROM checks
WHERE id = ANY ($1::uuid[])
