-- People and their organisations.

-- part: user_columns
SELECT u.id, u.org_id, u.username, u.email, u.display_name, u.password_hash, u.role, u.is_active,
       u.source = 'proxy' AS is_external, u.token_epoch, u.created_at, u.updated_at, u.last_login_at,
       EXISTS (SELECT FROM user_totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL) AS has_totp

-- name: user_by_login
-- use: user_columns
FROM users u
WHERE lower(u.username) = lower($1) OR lower(u.email) = lower($1)
-- A user name that is another's address does not hide the owner of the address.
ORDER BY lower(u.email) = lower($1) DESC
LIMIT 1

-- name: user_by_name
-- use: user_columns
FROM users u WHERE lower(u.username) = lower($1)

-- name: user_get
-- use: user_columns
FROM users u WHERE u.id = $1

-- name: user_get_of
-- use: user_columns
FROM users u WHERE u.org_id = $1 AND u.id = $2

-- name: user_list
-- use: user_columns
FROM users u WHERE $1::uuid IS NULL OR u.org_id = $1
ORDER BY u.created_at, u.id
LIMIT 10000

-- part: user_filter
WHERE u.org_id = $1
  AND ($2::text IS NULL OR position(lower($2) IN lower(u.username)) > 0
       OR position(lower($2) IN lower(u.email)) > 0
       OR position(lower($2) IN lower(u.display_name)) > 0)
  AND ($3::text IS NULL OR u.role = $3)
  AND ($4::boolean IS NULL OR u.is_active = $4)

-- name: user_page_count
-- plan: each
SELECT count(*) AS total FROM users u
-- use: user_filter

-- name: user_page
-- plan: each
-- use: user_columns
FROM users u
-- use: user_filter
  AND ($7::timestamptz IS NULL OR (u.created_at, u.id) > ($7, $8::uuid))
ORDER BY u.created_at, u.id
LIMIT $5 OFFSET $6

-- name: user_first_owner
-- use: user_columns
FROM users u WHERE u.role = 'owner' AND u.is_active
ORDER BY u.created_at, u.id
LIMIT 1

-- name: user_insert
INSERT INTO users (id, org_id, username, email, password_hash, role, display_name, source)
VALUES ($1, $2, $3, $4, coalesce($5, '!'), $6, $7, CASE WHEN $5::text IS NULL THEN 'proxy' ELSE 'local' END)

-- Whoever changes users of an organisation does so one after another, so that two owners cannot
-- remove each other.
-- name: user_lock
SELECT id FROM organisations WHERE id = $1 FOR NO KEY UPDATE

-- name: user_other_owners
SELECT count(*) AS owners FROM users
WHERE org_id = $1 AND id <> $2 AND role = 'owner' AND is_active

-- name: user_change
WITH changed AS (
    SELECT id, role <> coalesce($6, role) OR is_active <> coalesce($7, is_active) OR $8::text IS NOT NULL
               AS ends_sessions
    FROM users WHERE org_id = $1 AND id = $2
), ended AS (
    UPDATE refresh_tokens t SET revoked_at = now()
    FROM changed c WHERE t.user_id = c.id AND c.ends_sessions AND t.revoked_at IS NULL
)
UPDATE users u
SET username = coalesce($3, username), email = coalesce($4, email),
    display_name = coalesce($5, display_name), role = coalesce($6, role),
    is_active = coalesce($7, is_active), password_hash = coalesce($8, password_hash),
    token_epoch = token_epoch + CASE WHEN c.ends_sessions THEN 1 ELSE 0 END, updated_at = now()
FROM changed c WHERE u.id = c.id
RETURNING u.id

-- An agent's key outlives who made it.
-- name: user_leave_agent_keys
UPDATE api_keys SET user_id = NULL WHERE user_id = $1 AND host_id IS NOT NULL

-- name: user_remove
DELETE FROM users WHERE org_id = $1 AND id = $2

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

-- name: organisation_get
SELECT o.id, o.name, o.created_at, (SELECT count(*) FROM users u WHERE u.org_id = o.id) AS user_count
FROM organisations o WHERE o.id = $1

-- name: organisation_rename
UPDATE organisations SET name = $2 WHERE id = $1
