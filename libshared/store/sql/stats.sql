-- Statistics of one check.

-- name: stats_progress
SELECT hours_to, days_to FROM rollup_progress

-- Totals in the order of time: of days in [$2, $3), of hours in [$4, $5) and [$6, $7), and of what
-- has not been summed up yet, or in part, in [$8, $9) and [$10, $11).
-- name: stats_pieces
-- plan: each
SELECT at, success, warning, error, missed, measured, sum_us, min_us, max_us, buckets, counts
FROM check_days
WHERE check_id = $1 AND at >= $2 AND at < $3
UNION ALL
SELECT at, success, warning, error, missed, measured, sum_us, min_us, max_us, buckets, counts
FROM check_hours
WHERE check_id = $1 AND at >= $4 AND at < $5
UNION ALL
SELECT at, success, warning, error, missed, measured, sum_us, min_us, max_us, buckets, counts
FROM check_hours
WHERE check_id = $1 AND at >= $6 AND at < $7
UNION ALL
SELECT at, sum(success), sum(warning), sum(error), sum(missed), sum(measured), sum(sum_us),
       min(min_us), max(max_us),
       coalesce(array_agg(bucket ORDER BY bucket) FILTER (WHERE bucket IS NOT NULL), '{}')::smallint[],
       coalesce(array_agg(measured ORDER BY bucket) FILTER (WHERE bucket IS NOT NULL), '{}')::integer[]
FROM (SELECT hour_of(slot_at) AS at, latency_bucket(response_us) AS bucket,
             count(*) FILTER (WHERE status = 'success') AS success,
             count(*) FILTER (WHERE status = 'warning') AS warning,
             count(*) FILTER (WHERE status = 'error') AS error,
             count(*) FILTER (WHERE status = 'missed') AS missed,
             count(response_us) AS measured, coalesce(sum(response_us), 0) AS sum_us,
             min(response_us) AS min_us, max(response_us) AS max_us
      FROM (SELECT slot_at, status, response_us
            FROM results
            WHERE check_id = $1 AND slot_at >= $8 AND slot_at < $9
            UNION ALL
            SELECT slot_at, status, response_us
            FROM results
            WHERE check_id = $1 AND slot_at >= $10 AND slot_at < $11) AS raw
      GROUP BY 1, 2) AS piece
GROUP BY at
ORDER BY at

-- The same without response times, of several windows at once: days in [$2, $3), the hours of $4, single
-- results in [$5, $6) and [$7, $8) by hours, of which $9 may cut one in two.
-- name: stats_counts
-- plan: each
SELECT 0 AS piece, at, success + warning + error AS count, error AS failures
FROM check_days
WHERE check_id = $1 AND at >= $2 AND at < $3
UNION ALL
SELECT 1, at, success + warning + error, error
FROM check_hours
WHERE check_id = $1 AND at = ANY ($4::timestamptz[])
UNION ALL
SELECT 2, min(slot_at), count(*) FILTER (WHERE status <> 'missed'),
       count(*) FILTER (WHERE status = 'error')
FROM (SELECT slot_at, status
      FROM results
      WHERE check_id = $1 AND slot_at >= $5 AND slot_at < $6
      UNION ALL
      SELECT slot_at, status
      FROM results
      WHERE check_id = $1 AND slot_at >= $7 AND slot_at < $8) AS raw
GROUP BY hour_of(slot_at), slot_at >= $9

-- What incidents took of the time in [$2, $3). One that is open lasts until the end.
-- name: stats_incidents
SELECT count(*) AS count, count(*) FILTER (WHERE started_at >= $2) AS began,
       count(*) FILTER (WHERE resolved_at < $3) AS ended,
       coalesce(sum(extract(epoch FROM least(coalesce(resolved_at, $3), $3)
                                       - greatest(started_at, $2))), 0)::float8 AS down_s,
       coalesce(sum(extract(epoch FROM resolved_at - started_at))
                FILTER (WHERE resolved_at < $3), 0)::float8 AS repair_s
FROM incidents
WHERE check_id = $1 AND started_at < $3::timestamptz
  AND coalesce(resolved_at, 'infinity') > $2::timestamptz
