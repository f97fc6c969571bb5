-- Tickets for WebSockets.

-- name: ws_ticket_insert
WITH expired AS (
    DELETE FROM ws_tickets WHERE expires_at < now() - interval '1 minute'
)
INSERT INTO ws_tickets (ticket_hash, user_id, api_key_id, session, expires_at)
VALUES ($1, $2, $3, $4, now() + $5::bigint * interval '1 second')

-- name: ws_ticket_redeem
DELETE FROM ws_tickets WHERE ticket_hash = $1
RETURNING user_id, api_key_id, session, expires_at <= now() AS is_expired
