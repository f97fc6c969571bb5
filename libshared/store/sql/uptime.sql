-- Websites and their transitions as the uptime API shows them: by small numbers, in three statuses.

-- name: uptime_find
SELECT id FROM checks WHERE org_id = $1 AND legacy_id = $2 AND kind = 'website'

-- Only what moves between the three statuses is history here.
-- name: uptime_history
SELECT t.legacy_id, c.legacy_id AS url_id, c.id AS check_id, c.config ->> 'url' AS url,
       uptime_status(t.to_state) AS status, t.reason, t.at, c.schedule
FROM transitions t
JOIN checks c ON c.id = t.check_id
WHERE t.org_id = $1
  AND c.kind = 'website'
  AND uptime_status(t.from_state) <> uptime_status(t.to_state)
  AND ($2::bigint IS NULL OR c.legacy_id = $2)
  AND ($3::text IS NULL OR uptime_status(t.to_state) = $3)
  AND ($4::timestamptz IS NULL OR t.at >= $4)
  AND ($5::timestamptz IS NULL OR t.at <= $5)
ORDER BY t.at DESC, t.legacy_id DESC
LIMIT $6::bigint OFFSET $7::bigint

-- name: uptime_history_sorted
SELECT t.legacy_id, c.legacy_id AS url_id, c.id AS check_id, c.config ->> 'url' AS url,
       uptime_status(t.to_state) AS status, t.reason, t.at, c.schedule
FROM transitions t
JOIN checks c ON c.id = t.check_id
WHERE t.org_id = $1
  AND c.kind = 'website'
  AND uptime_status(t.from_state) <> uptime_status(t.to_state)
  AND ($2::bigint IS NULL OR c.legacy_id = $2)
  AND ($3::text IS NULL OR uptime_status(t.to_state) = $3)
  AND ($4::timestamptz IS NULL OR t.at >= $4)
  AND ($5::timestamptz IS NULL OR t.at <= $5)
ORDER BY CASE WHEN $8::text = 'checked_at' THEN t.at END,
         CASE WHEN $8 = 'url' THEN c.config ->> 'url' WHEN $8 = 'status' THEN uptime_status(t.to_state) END,
         CASE WHEN $8 = '-url' THEN c.config ->> 'url' WHEN $8 = '-status' THEN uptime_status(t.to_state) END DESC,
         CASE WHEN $8 = 'id' THEN t.legacy_id END,
         CASE WHEN $8 = '-id' THEN t.legacy_id END DESC,
         t.at DESC, t.legacy_id DESC
LIMIT $6::bigint OFFSET $7::bigint

-- Counting stops at a limit, as that of results does.
-- name: uptime_history_count
SELECT count(*) AS total
FROM (SELECT FROM transitions t
      JOIN checks c ON c.id = t.check_id
      WHERE t.org_id = $1
        AND c.kind = 'website'
        AND uptime_status(t.from_state) <> uptime_status(t.to_state)
        AND ($2::bigint IS NULL OR c.legacy_id = $2)
        AND ($3::text IS NULL OR uptime_status(t.to_state) = $3)
        AND ($4::timestamptz IS NULL OR t.at >= $4)
        AND ($5::timestamptz IS NULL OR t.at <= $5)
      LIMIT $6::bigint) AS found

-- How often each status was entered, and how many websites have it now.
-- name: uptime_stats
SELECT status, sum(entered)::bigint AS entered, sum(present)::bigint AS present
FROM (SELECT uptime_status(t.to_state) AS status, count(*) AS entered, 0 AS present
      FROM transitions t
      JOIN checks c ON c.id = t.check_id
      WHERE t.org_id = $1
        AND c.kind = 'website'
        AND uptime_status(t.from_state) <> uptime_status(t.to_state)
        AND ($2::timestamptz IS NULL OR t.at >= $2)
        AND ($3::timestamptz IS NULL OR t.at <= $3)
      GROUP BY 1
      UNION ALL
      SELECT uptime_status(s.state), 0, count(*)
      FROM checks c
      JOIN check_state s ON s.check_id = c.id
      WHERE c.org_id = $1 AND c.kind = 'website'
      GROUP BY 1) AS counts
GROUP BY status

-- name: uptime_enabled
SELECT id FROM checks WHERE org_id = $1 AND kind = 'website' AND enabled ORDER BY id LIMIT $2::bigint
