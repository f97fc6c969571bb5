-- The first start.

-- name: bootstrap_lock
-- Two first starts at once must not make two organisations.
SELECT pg_advisory_xact_lock(hashtext('tocsin:bootstrap'))

-- name: bootstrap_check
INSERT INTO checks (id, org_id, name, kind, plugin_type, config, schedule, shard, created_by)
VALUES ($1, $2, $3, 'website', 'website', jsonb_build_object('url', $4::text), $5, $6, $7)

-- name: bootstrap_check_state
INSERT INTO check_state (check_id) VALUES ($1)
