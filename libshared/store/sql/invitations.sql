-- Invitations.

-- name: invitation_insert
INSERT INTO invitations (id, org_id, email, role, token_hash, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id, org_id, email, role, created_by, created_at, expires_at, accepted_by, accepted_at,
          'pending' AS status

-- name: invitation_count
-- plan: each
SELECT count(*) AS total FROM invitations
WHERE org_id = $1
  AND ($2::text IS NULL OR $2 = CASE WHEN accepted_at IS NOT NULL THEN 'accepted'
                                     WHEN revoked_at IS NOT NULL THEN 'revoked'
                                     WHEN expires_at <= now() THEN 'expired' ELSE 'pending' END)

-- name: invitation_page
-- plan: each
SELECT * FROM (
    SELECT id, org_id, email, role, created_by, created_at, expires_at, accepted_by, accepted_at,
           CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked'
                WHEN expires_at <= now() THEN 'expired' ELSE 'pending' END AS status
    FROM invitations WHERE org_id = $1) i
WHERE ($2::text IS NULL OR status = $2)
  AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))
ORDER BY created_at DESC, id DESC
LIMIT $3 OFFSET $4

-- name: invitation_get
SELECT id, org_id, email, role, created_by, created_at, expires_at, accepted_by, accepted_at,
       CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN revoked_at IS NOT NULL THEN 'revoked'
            WHEN expires_at <= now() THEN 'expired' ELSE 'pending' END AS status
FROM invitations WHERE org_id = $1 AND id = $2

-- name: invitation_revoke
UPDATE invitations SET revoked_at = now()
WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL AND accepted_at IS NULL

-- One of two at once gets it; the other waits here and finds it used.
-- name: invitation_use
UPDATE invitations SET accepted_at = now()
WHERE token_hash = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()
  AND (email IS NULL OR lower(email) = lower($2))
RETURNING id, org_id, role

-- name: invitation_accepted_by
UPDATE invitations SET accepted_by = $2 WHERE id = $1
