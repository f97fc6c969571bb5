-- Transitions of a check.

-- part: history_filter
WHERE t.check_id = $1
  AND ($2::timestamptz IS NULL OR t.at >= $2)
  AND ($3::timestamptz IS NULL OR t.at <= $3)
  AND ($4::text IS NULL OR t.to_state = $4)

-- The page is picked from an index alone; how long each state lasted is looked up for its rows only.
-- name: history_list
-- plan: each
SELECT t.check_id, t.sequence, t.at, t.from_state, t.to_state, t.reason, t.result_id, t.incident_id,
       extract(epoch FROM (SELECT n.at FROM transitions n
                           WHERE n.check_id = t.check_id AND n.sequence = t.sequence + 1)
                          - t.at)::float8 AS lasted_s
FROM (SELECT sequence, row_number() OVER () AS n FROM (
      SELECT t.sequence
      FROM transitions t
      -- use: history_filter
      ORDER BY CASE WHEN $5::boolean THEN t.sequence END, t.sequence DESC
      LIMIT $6::bigint OFFSET $7::bigint) AS p) AS k
CROSS JOIN LATERAL (SELECT * FROM transitions WHERE check_id = $1 AND sequence = k.sequence OFFSET 0) AS t
ORDER BY k.n

-- name: history_count
-- plan: each
SELECT count(*) AS total
FROM transitions t
-- use: history_filter
