-- Second factors.

-- name: totp_get
SELECT t.secret, t.confirmed_at, t.last_step,
       (SELECT count(*) FROM recovery_codes c WHERE c.user_id = t.user_id AND c.used_at IS NULL)
           AS codes_left
FROM user_totp t WHERE t.user_id = $1

-- name: totp_begin
INSERT INTO user_totp AS t (user_id, secret) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET secret = $2, created_at = now() WHERE t.confirmed_at IS NULL
RETURNING user_id

-- name: totp_take
UPDATE user_totp SET last_step = $2 WHERE user_id = $1 AND last_step < $2 AND confirmed_at IS NOT NULL
RETURNING user_id

-- name: totp_confirm
UPDATE user_totp SET confirmed_at = now(), last_step = $2 WHERE user_id = $1 AND confirmed_at IS NULL
RETURNING user_id

-- name: totp_remove
WITH codes AS (DELETE FROM recovery_codes WHERE user_id = $1)
DELETE FROM user_totp WHERE user_id = $1
RETURNING user_id

-- name: recovery_codes_clear
DELETE FROM recovery_codes WHERE user_id = $1

-- name: recovery_code_insert
INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)

-- name: recovery_code_use
UPDATE recovery_codes SET used_at = now() WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL
RETURNING user_id
