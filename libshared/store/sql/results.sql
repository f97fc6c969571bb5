-- Results of checks. Bounds on slot_at, beside those on executed_at, keep the look to few partitions; they are
-- reckoned before, as PostgreSQL would do it only after it planned for all partitions.

-- part: result_columns
SELECT id, check_id, slot_at, location, trigger, status, message, response_us, lag_us, raw_data,
       executed_at
FROM results

-- part: result_filter
  AND ($2::timestamptz IS NULL OR executed_at >= $2)
  AND ($3::timestamptz IS NULL OR executed_at <= $3)
  AND CASE WHEN $4::text IS NULL THEN status <> 'missed' OR $5::boolean ELSE status = $4 END

-- A page is looked for between $11 and $12, which are known to hold it (results_list.c): few partitions
-- then have to be planned for, and few results skipped. Each order is the exact reverse of the other.
-- part: result_page
  AND slot_at >= coalesce($11::timestamptz, '-infinity')
  AND slot_at < coalesce($12::timestamptz, 'infinity')
  -- use: result_filter
  AND slot_at <= coalesce($8::timestamptz, 'infinity')
  AND ($8 IS NULL OR slot_at < $8 OR id > $9::uuid)
ORDER BY CASE WHEN $10::text = 'executed_at' THEN slot_at END, CASE WHEN $10 = 'executed_at' THEN id END DESC,
         slot_at DESC, id
LIMIT $6::bigint OFFSET $7::bigint

-- Within a time counting stops at a limit: each has to be looked at, newest first as these are at hand, and
-- nobody reads that many pages.
-- part: result_counted
        AND slot_at >= coalesce($7::timestamptz, '-infinity')
        AND slot_at < coalesce($8::timestamptz, 'infinity')
        -- use: result_filter
      ORDER BY slot_at DESC
      LIMIT $6::bigint) AS found

-- name: result_list
-- plan: each
-- use: result_columns
WHERE org_id = $1
-- use: result_page

-- name: result_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT FROM results
      WHERE org_id = $1
      -- use: result_counted

-- name: result_list_check
-- plan: each
-- use: result_columns
WHERE org_id = $1 AND check_id = $13
-- use: result_page

-- name: result_count_check
-- plan: each
SELECT count(*) AS total
FROM (SELECT FROM results
      WHERE org_id = $1 AND check_id = $9
      -- use: result_counted

-- How many results were at which time: what was counted already of all that are kept, hours first.
-- name: result_hours
SELECT hour_of(at) AS at, interval '1 hour' + hour_of(at) AS until, sum(success)::bigint AS success,
       sum(warning)::bigint AS warning, sum(error)::bigint AS error, sum(missed)::bigint AS missed
FROM result_tallies
WHERE org_id = $1
  AND at >= (SELECT min(to_timestamp(right(c.relname, 8), 'YYYYMMDD'))
             FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'results'::regclass)
GROUP BY 1
ORDER BY 1

-- The minutes of one hour, as far as it was not summed up to one row.
-- name: result_minutes
SELECT at, CASE grain WHEN 'hour' THEN hour_of(at) + interval '1 hour'
                      ELSE date_bin('1 minute', at, '2000-01-01 00:00:00+00') + interval '1 minute' END AS until,
       sum(success)::bigint AS success, sum(warning)::bigint AS warning, sum(error)::bigint AS error,
       sum(missed)::bigint AS missed
FROM result_tallies
WHERE org_id = $1 AND at >= $2 AND at < $2::timestamptz + interval '1 hour'
GROUP BY 1, 2
ORDER BY 1, 2

-- What is summed up of a check's results, as far as they are kept, and whether that is all there is to know:
-- a late result may not be in it yet.
-- name: result_bounds
SELECT greatest(p.since, '2000-01-01Z') AS since, greatest(r.days_to, p.since) AS days_to,
       greatest(r.hours_to, p.since) AS hours_to,
       EXISTS (SELECT FROM checks WHERE id = $2 AND org_id = $1)
       AND NOT EXISTS (SELECT FROM rollup_late WHERE check_id = $2) AS is_known
FROM rollup_progress r,
     (SELECT min(to_timestamp(right(c.relname, 8), 'YYYYMMDD')) AS since
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'results'::regclass) AS p

-- Days from $2 to $3, hours to $4, single results from there on.
-- name: result_bins_check
-- plan: each
SELECT at, at + interval '1 day' AS until, success, warning, error, missed
FROM check_days
WHERE check_id = $1 AND at >= $2 AND at < $3
UNION ALL
SELECT at, at + interval '1 hour', success, warning, error, missed
FROM check_hours
WHERE check_id = $1 AND at >= $3 AND at < $4
UNION ALL
SELECT at, at + interval '1 hour', count(*) FILTER (WHERE status = 'success'),
       count(*) FILTER (WHERE status = 'warning'), count(*) FILTER (WHERE status = 'error'),
       count(*) FILTER (WHERE status = 'missed')
FROM (SELECT hour_of(slot_at) AS at, status FROM results WHERE check_id = $1 AND slot_at >= $4) AS raw
GROUP BY 1
ORDER BY 1

-- The time part of the id is its slot's millisecond.
-- name: result_get
-- use: result_columns
WHERE org_id = $1 AND id = $2
  AND slot_at >= $3::timestamptz AND slot_at < $3::timestamptz + interval '1 millisecond'

-- name: result_get_manual
-- use: result_columns
WHERE org_id = $1 AND check_id = $2 AND slot_at = $3 AND trigger = 'manual'
LIMIT 1

-- name: result_get_manuals
SELECT k.n, r.id, r.check_id, r.slot_at, r.location, r.trigger, r.status, r.message, r.response_us,
       r.lag_us, r.raw_data, r.executed_at
FROM unnest($2::uuid[], $3::timestamptz[]) WITH ORDINALITY AS k (check_id, slot_at, n)
JOIN results r ON r.check_id = k.check_id AND r.slot_at = k.slot_at
WHERE r.org_id = $1 AND r.trigger = 'manual'

-- From the tallies, as exact as their grain: minutes, for what is older than two days hours.
-- name: result_summary
SELECT coalesce(sum(success), 0) AS success, coalesce(sum(warning), 0) AS warning,
       coalesce(sum(error), 0) AS error, coalesce(sum(missed), 0) AS missed
FROM result_tallies
WHERE org_id = $1 AND at >= $2 AND at < $3
