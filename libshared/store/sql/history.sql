-- Transitions of a check.

-- name: history_list
-- plan: each
SELECT t.check_id, t.sequence, t.at, t.from_state, t.to_state, t.reason, t.result_id, t.incident_id,
       extract(epoch FROM (SELECT n.at FROM transitions n
                           WHERE n.check_id = t.check_id AND n.sequence = t.sequence + 1)
                          - t.at)::float8 AS lasted_s
FROM transitions t
WHERE t.check_id = $1
  AND ($2::timestamptz IS NULL OR t.at >= $2)
  AND ($3::timestamptz IS NULL OR t.at <= $3)
  AND ($4::text IS NULL OR t.to_state = $4)
ORDER BY CASE WHEN $5::boolean THEN t.sequence END, CASE WHEN NOT $5 THEN t.sequence END DESC
LIMIT $6::bigint OFFSET $7::bigint

-- name: history_count
-- plan: each
SELECT count(*) AS total
FROM transitions t
WHERE t.check_id = $1
  AND ($2::timestamptz IS NULL OR t.at >= $2)
  AND ($3::timestamptz IS NULL OR t.at <= $3)
  AND ($4::text IS NULL OR t.to_state = $4)
