-- Sessions: families of refresh tokens, each used once.

-- name: session_find
-- A session lives while its family has a token that was not revoked.
SELECT u.org_id, u.role, u.is_active, u.token_epoch,
       EXISTS (SELECT 1 FROM refresh_tokens t
               WHERE t.family = $2 AND t.user_id = u.id AND t.revoked_at IS NULL) AS is_live
FROM users u WHERE u.id = $1

-- name: refresh_token_insert
INSERT INTO refresh_tokens (id, user_id, family, token_hash, expires_at, address, user_agent)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: refresh_token_use
UPDATE refresh_tokens SET used_at = now()
WHERE token_hash = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now()
RETURNING user_id, family

-- name: refresh_token_find
SELECT user_id, family, used_at IS NOT NULL AS is_used, revoked_at IS NOT NULL AS is_revoked,
       expires_at <= now() AS is_expired
FROM refresh_tokens WHERE token_hash = $1

-- name: refresh_family_revoke
UPDATE refresh_tokens SET revoked_at = now()
WHERE family = $1 AND user_id = $2 AND revoked_at IS NULL

-- name: session_list
-- The newest token of a family tells where it was used last, the oldest when it began.
SELECT family, min(created_at) AS started_at, max(created_at) AS refreshed_at,
       max(expires_at) AS expires_at,
       (array_agg(address ORDER BY created_at DESC))[1] AS address,
       (array_agg(user_agent ORDER BY created_at DESC))[1] AS user_agent
FROM refresh_tokens
WHERE user_id = $1 AND revoked_at IS NULL
GROUP BY family
HAVING bool_or(used_at IS NULL AND expires_at > now())
ORDER BY max(created_at) DESC
LIMIT 1000
