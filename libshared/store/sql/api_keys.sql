-- API keys of people and of agents.

-- name: api_key_by_prefix
SELECT k.id, k.org_id, k.user_id, k.host_id, k.key_hash, k.scopes, k.expires_at, k.rate_limit,
       k.revoked_at IS NOT NULL AS is_revoked,
       k.expires_at IS NOT NULL AND k.expires_at <= now() AS is_expired,
       u.role AS user_role, coalesce(u.is_active, false) AS user_is_active
FROM api_keys k LEFT JOIN users u ON u.id = k.user_id
WHERE k.prefix = $1

-- name: api_key_by_id
SELECT k.id, k.org_id, k.user_id, k.host_id, k.scopes, k.rate_limit, k.revoked_at IS NOT NULL AS is_revoked,
       k.expires_at IS NOT NULL AND k.expires_at <= now() AS is_expired,
       u.role AS user_role, coalesce(u.is_active, false) AS user_is_active
FROM api_keys k LEFT JOIN users u ON u.id = k.user_id
WHERE k.id = $1

-- name: api_keys_used
UPDATE api_keys k SET last_used_at = u.at
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, at)
WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at - interval '1 minute')

-- name: api_key_insert
INSERT INTO api_keys (id, org_id, user_id, host_id, name, prefix, key_hash, scopes, expires_at,
                      rate_limit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text[], $9, nullif($10::bigint, 0))
RETURNING created_at

-- name: api_key_end
SELECT expires_at FROM api_keys WHERE id = $1

-- An order with - is the exact reverse of that without.
-- name: api_key_list
SELECT id, user_id, host_id, name, prefix, scopes, expires_at, last_used_at, created_at, rate_limit
FROM api_keys
WHERE org_id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND revoked_at IS NULL
ORDER BY CASE $5::text WHEN 'created_at' THEN created_at WHEN 'last_used_at' THEN last_used_at
                       WHEN 'expires_at' THEN expires_at END NULLS FIRST,
         CASE $5 WHEN '-last_used_at' THEN last_used_at WHEN '-expires_at' THEN expires_at END
             DESC NULLS LAST,
         CASE WHEN $5 = 'name' THEN lower(name) END, CASE WHEN $5 = '-name' THEN lower(name) END DESC,
         CASE WHEN $5 IN ('created_at', 'last_used_at', 'expires_at', '-name') THEN created_at END,
         CASE WHEN $5 IN ('created_at', 'last_used_at', 'expires_at', '-name') THEN id END,
         created_at DESC, id DESC
LIMIT $3::bigint OFFSET $4::bigint

-- name: api_key_count
SELECT count(*) AS total FROM api_keys
WHERE org_id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND revoked_at IS NULL

-- name: api_key_revoke
UPDATE api_keys SET revoked_at = now()
WHERE org_id = $1 AND id = $2 AND ($3::uuid IS NULL OR user_id = $3) AND revoked_at IS NULL

-- name: api_key_host
SELECT id FROM hosts
WHERE org_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR slug = $3)
