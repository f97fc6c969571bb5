-- Websites and their transitions as the uptime API shows them: by small numbers, in three statuses.

-- name: uptime_find
SELECT id FROM checks WHERE org_id = $1 AND legacy_id = $2 AND kind = 'website'

-- Only what moves between the three statuses is history here: transitions.uptime says to which. The page is
-- picked from an index alone; planned for its arguments, so that each order has its index, and the checks
-- are joined only where their URLs decide. An order with - is the exact reverse of that without.
-- name: uptime_history
-- plan: each
SELECT t.legacy_id, c.legacy_id AS url_id, c.id AS check_id, c.config ->> 'url' AS url,
       t.uptime AS status, t.reason, t.at, c.schedule
FROM (SELECT check_id, sequence, row_number() OVER () AS n FROM (
      SELECT t.check_id, t.sequence
      FROM transitions t
      LEFT JOIN checks c ON c.id = t.check_id AND c.org_id = $1
      WHERE t.org_id = $1 AND t.uptime IS NOT NULL
        AND ($2::uuid IS NULL OR t.check_id = $2)
        AND ($3::text IS NULL OR t.uptime = $3)
        AND ($4::timestamptz IS NULL OR t.at >= $4)
        AND ($5::timestamptz IS NULL OR t.at <= $5)
        AND ($8::text IS NULL OR $8 NOT IN ('url', '-url') OR c.kind = 'website')
      ORDER BY CASE WHEN $8 = 'url' THEN left(c.config ->> 'url', 200) END,
               CASE WHEN $8 = '-url' THEN left(c.config ->> 'url', 200) END DESC,
               CASE WHEN $8 = 'url' THEN c.config ->> 'url' END,
               CASE WHEN $8 = '-url' THEN c.config ->> 'url' END DESC,
               CASE WHEN $8 = 'status' THEN t.uptime END,
               CASE WHEN $8 = '-status' THEN t.uptime END DESC,
               CASE WHEN $8 = 'id' THEN t.legacy_id END,
               CASE WHEN $8 = '-id' THEN t.legacy_id END DESC,
               CASE WHEN $8 IN ('checked_at', '-url', '-status') THEN t.at END,
               CASE WHEN $8 IN ('checked_at', '-url', '-status') THEN t.legacy_id END,
               t.at DESC, t.legacy_id DESC
      LIMIT $6::bigint OFFSET $7::bigint) AS p) AS k
-- (A row at a time: the planner thinks little of a check that has many more than others.)
CROSS JOIN LATERAL (SELECT legacy_id, uptime, reason, at FROM transitions
                    WHERE check_id = k.check_id AND sequence = k.sequence OFFSET 0) AS t
JOIN checks c ON c.id = k.check_id
ORDER BY k.n

-- How many there are in all, or of one status, is kept.
-- name: uptime_history_total
SELECT coalesce(sum(n), 0)::bigint AS total
FROM check_counts
WHERE org_id = $1 AND what = 'change' AND ($2::text IS NULL OR value = $2)

-- Counting stops at a limit, as that of results does.
-- name: uptime_history_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT FROM transitions t
      WHERE t.org_id = $1 AND t.uptime IS NOT NULL
        AND ($2::uuid IS NULL OR t.check_id = $2)
        AND ($3::text IS NULL OR t.uptime = $3)
        AND ($4::timestamptz IS NULL OR t.at >= $4)
        AND ($5::timestamptz IS NULL OR t.at <= $5)
      LIMIT $6::bigint) AS found

-- How often each status was entered, counted where a time is given, and how many websites have it now.
-- name: uptime_stats
-- plan: each
SELECT status, sum(entered)::bigint AS entered, sum(present)::bigint AS present
FROM (SELECT uptime AS status, count(*) AS entered, 0 AS present
      FROM transitions
      WHERE org_id = $1 AND uptime IS NOT NULL AND coalesce($2::timestamptz, $3::timestamptz) IS NOT NULL
        AND ($2 IS NULL OR at >= $2) AND ($3 IS NULL OR at <= $3)
      GROUP BY 1
      UNION ALL
      SELECT value, sum(n), 0
      FROM check_counts
      WHERE org_id = $1 AND what = 'change' AND coalesce($2, $3) IS NULL
      GROUP BY 1
      UNION ALL
      SELECT uptime_status(value), 0, sum(n)
      FROM check_counts
      WHERE org_id = $1 AND what = 'website'
      GROUP BY 1) AS counts
GROUP BY status

-- name: uptime_enabled
SELECT id FROM checks WHERE org_id = $1 AND kind = 'website' AND enabled ORDER BY id LIMIT $2::bigint
