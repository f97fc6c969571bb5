-- People and their organisations.

-- name: user_by_login
SELECT id, org_id, username, email, password_hash, role, is_active, token_epoch,
       created_at, updated_at, last_login_at
FROM users
WHERE lower(username) = lower($1) OR lower(email) = lower($1)
-- A user name that is another's address does not hide the owner of the address.
ORDER BY lower(email) = lower($1) DESC
LIMIT 1

-- name: user_get
SELECT id, org_id, username, email, password_hash, role, is_active, token_epoch,
       created_at, updated_at, last_login_at
FROM users WHERE id = $1

-- name: user_list
SELECT id, org_id, username, email, password_hash, role, is_active, token_epoch,
       created_at, updated_at, last_login_at
FROM users WHERE $1::uuid IS NULL OR org_id = $1
ORDER BY created_at, id
LIMIT 10000

-- name: user_first_owner
SELECT id, org_id, username, email, password_hash, role, is_active, token_epoch,
       created_at, updated_at, last_login_at
FROM users WHERE role = 'owner' AND is_active
ORDER BY created_at, id
LIMIT 1

-- name: user_insert
INSERT INTO users (id, org_id, username, email, password_hash, role)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: user_update_profile
UPDATE users
SET username = coalesce($2, username), email = coalesce($3, email), updated_at = now()
WHERE id = $1
RETURNING id, org_id, username, email, password_hash, role, is_active, token_epoch,
          created_at, updated_at, last_login_at

-- name: user_set_password
WITH ended AS (
    UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL
)
UPDATE users SET password_hash = $2, token_epoch = token_epoch + 1, updated_at = now()
WHERE id = $1
RETURNING id

-- name: user_end_sessions
WITH ended AS (
    UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL
)
UPDATE users SET token_epoch = token_epoch + 1, updated_at = now()
WHERE id = $1
RETURNING id

-- name: user_signed_in
UPDATE users SET last_login_at = now() WHERE id = $1

-- name: organisation_insert
INSERT INTO organisations (id, name) VALUES ($1, $2)

-- name: organisation_first
SELECT id, name FROM organisations ORDER BY created_at, id LIMIT 1
