-- Incidents and what people did about them. They are opened and closed by the recorder.

-- part: incident_found
FROM incidents i
WHERE i.org_id = $1 AND ($2::text[] IS NULL OR i.status = ANY ($2::text[]))
  AND ($3::uuid IS NULL OR i.check_id = $3) AND ($4::text IS NULL OR i.severity = $4)
  AND ($5::timestamptz IS NULL OR i.started_at >= $5)
  AND ($6::timestamptz IS NULL OR i.started_at < $6)
  AND ($9::timestamptz IS NULL OR (i.started_at, i.id) < ($9, $10::uuid))

-- The page is picked as ids, from an index alone where nothing else decides. An order with - is the exact
-- reverse of that without.
-- name: incident_list
-- plan: each
SELECT i.id, i.check_id, i.check_name, i.status, i.severity, i.title, i.cause, i.started_at,
       i.acknowledged_at, i.acknowledged_by, i.resolved_at, i.resolved_by, i.created_at,
       i.updated_at
FROM (SELECT id, row_number() OVER () AS n FROM (
      SELECT i.id
      -- use: incident_found
      ORDER BY CASE WHEN $11::text = 'updated_at' THEN i.updated_at END,
               CASE WHEN $11 = '-updated_at' THEN i.updated_at END DESC,
               CASE WHEN $11 = 'check_name' THEN lower(i.check_name) END,
               CASE WHEN $11 = '-check_name' THEN lower(i.check_name) END DESC,
               CASE WHEN $11 = 'severity' THEN severity_rank(i.severity) END,
               CASE WHEN $11 = '-severity' THEN severity_rank(i.severity) END DESC,
               CASE WHEN $11 = 'status' THEN i.status END, CASE WHEN $11 = '-status' THEN i.status END DESC,
               CASE WHEN $11 IN ('started_at', 'updated_at', '-check_name', 'severity', '-status')
                    THEN i.started_at END,
               CASE WHEN $11 IN ('started_at', 'updated_at', '-check_name', 'severity', '-status')
                    THEN i.id END,
               i.started_at DESC, i.id DESC
      LIMIT $7::bigint OFFSET $8::bigint) AS p) AS k
JOIN incidents i ON i.id = k.id
ORDER BY k.n

-- name: incident_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT
      -- use: incident_found
      LIMIT $7::bigint OFFSET $8::bigint) AS found

-- name: incident_get
SELECT i.id, i.check_id, i.check_name, i.status, i.severity, i.title, i.cause, i.started_at,
       i.acknowledged_at, i.acknowledged_by, i.resolved_at, i.resolved_by, i.created_at,
       i.updated_at
FROM incidents i
WHERE i.org_id = $1 AND i.id = $2

-- name: incident_events_list
SELECT e.id, e.at, e.type, e.user_id, u.username, e.message
FROM incident_events e LEFT JOIN users u ON u.id = e.user_id
WHERE e.incident_id = $1
ORDER BY e.at, e.id
LIMIT 1000

-- The state of the check first, as the recorder takes it, so that the two never wait in a circle.
-- name: incident_lock_check
SELECT s.check_id FROM check_state s
JOIN incidents i ON i.check_id = s.check_id
WHERE i.org_id = $1 AND i.id = $2
FOR UPDATE OF s

-- name: incident_lock
SELECT status FROM incidents WHERE org_id = $1 AND id = $2 FOR UPDATE

-- name: incident_acknowledge
UPDATE incidents
SET status = 'acknowledged', acknowledged_at = now(), acknowledged_by = $2, updated_at = now()
WHERE id = $1

-- name: incident_resolve
UPDATE incidents
SET status = 'resolved', resolved_at = now(), resolved_by = $2, updated_at = now()
WHERE id = $1

-- The check stays as it is, only without an incident: a new one comes after it was up again.
-- name: incident_detach
UPDATE check_state SET incident_id = NULL
WHERE check_id = (SELECT check_id FROM incidents WHERE id = $1) AND incident_id = $1

-- name: incident_touch
UPDATE incidents SET updated_at = now() WHERE id = $1

-- name: incident_event_insert
INSERT INTO incident_events (id, incident_id, type, user_id, message) VALUES ($1, $2, $3, $4, $5)
