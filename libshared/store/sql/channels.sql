-- Notification channels.

-- An order with - is the exact reverse of that without.
-- name: channel_list
-- plan: each
SELECT id, org_id, name, type, config, secret, enabled, is_default, disabled_reason,
       created_at, updated_at
FROM channels
WHERE org_id = $1 AND ($2::text IS NULL OR type = $2) AND ($3::boolean IS NULL OR enabled = $3)
ORDER BY CASE $6::text WHEN 'created_at' THEN created_at WHEN 'updated_at' THEN updated_at END,
         CASE WHEN $6 = '-updated_at' THEN updated_at END DESC,
         CASE WHEN $6 = 'name' THEN lower(name) END, CASE WHEN $6 = '-name' THEN lower(name) END DESC,
         CASE WHEN $6 = 'type' THEN type END, CASE WHEN $6 = '-type' THEN type END DESC,
         CASE WHEN $6 IN ('created_at', 'updated_at', '-name', '-type') THEN created_at END,
         CASE WHEN $6 IN ('created_at', 'updated_at', '-name', '-type') THEN id END,
         created_at DESC, id DESC
LIMIT $4::bigint OFFSET $5::bigint

-- name: channel_count
SELECT count(*) AS total
FROM channels
WHERE org_id = $1 AND ($2::text IS NULL OR type = $2) AND ($3::boolean IS NULL OR enabled = $3)

-- name: channel_get
SELECT id, org_id, name, type, config, secret, enabled, is_default, disabled_reason,
       created_at, updated_at
FROM channels
WHERE org_id = $1 AND id = $2

-- name: channel_get_for_update
SELECT id, org_id, name, type, config, secret, enabled, is_default, disabled_reason,
       created_at, updated_at
FROM channels
WHERE org_id = $1 AND id = $2
FOR UPDATE

-- name: channel_insert
INSERT INTO channels (id, org_id, name, type, config, secret, enabled, is_default)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8)
RETURNING created_at, updated_at

-- name: channel_update
UPDATE channels
SET name = $3, config = $4::jsonb, secret = $5, enabled = $6, is_default = $7,
    disabled_reason = $8, updated_at = now()
WHERE org_id = $1 AND id = $2
RETURNING created_at, updated_at

-- name: channel_delete
DELETE FROM channels WHERE org_id = $1 AND id = $2

-- name: channel_disable
UPDATE channels SET enabled = false, disabled_reason = $2, updated_at = now()
WHERE id = $1 AND enabled
