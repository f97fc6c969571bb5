-- The audit log.

-- name: audit_write
INSERT INTO audit_log (org_id, action, object_type, object_id, object_name, user_id, actor_type, after)
VALUES ($1, $2, $3, $4, $5, $6::uuid, CASE WHEN $6::uuid IS NULL THEN NULL ELSE 'user' END, $7::jsonb)

-- An action is its object's type, a dot and what was done: all actions that begin with a type are those of it.
-- part: audit_found
FROM audit_log
WHERE org_id = $1
  AND CASE WHEN right($2::text, 1) = '.' THEN object_type = left($2, -1) ELSE $2 IS NULL OR action = $2 END
  AND ($3::text IS NULL OR object_type = $3)
  AND ($4::text IS NULL OR object_id = $4)
  AND ($5::uuid IS NULL OR user_id = $5)
  AND ($6::text IS NULL OR address = $6)
  AND ($7::text IS NULL OR request_id = $7)
  AND ($8::timestamptz IS NULL OR at >= $8)
  AND ($9::timestamptz IS NULL OR at < $9)
  AND ($12::timestamptz IS NULL OR (at, id) < ($12, $13::uuid))

-- In the list's order, so that an index alone is read: PostgreSQL thinks little of that.
-- name: audit_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT
      -- use: audit_found
      ORDER BY at DESC
      LIMIT $10::bigint OFFSET $11::bigint) AS found

-- The page is picked as ids, from an index alone where nothing else decides.
-- name: audit_list
-- plan: each
SELECT a.id, a.at, action, object_type, object_id, object_name, actor_type, user_id, username, api_key_id,
       address, request_id, before, after
FROM (SELECT id, row_number() OVER () AS n FROM (
      SELECT id
      -- use: audit_found
      ORDER BY CASE WHEN $14::text = 'at' THEN at END, CASE WHEN $14 = 'at' THEN id END, at DESC, id DESC
      LIMIT $10::bigint OFFSET $11::bigint) AS p) AS k
JOIN audit_log a ON a.id = k.id
ORDER BY k.n

-- name: audit_get
SELECT id, at, action, object_type, object_id, object_name, actor_type, user_id, username, api_key_id,
       address, request_id, before, after
FROM audit_log WHERE org_id = $1 AND id = $2
