-- Summing results up to hours and days. Any of this may run again: it writes what the results say.

-- Whoever holds the row does the work; the others have nothing to do.
-- name: rollup_progress
SELECT hours_to, days_to, closed_to,
       coalesce(barrier <= pg_snapshot_xmin(pg_current_snapshot()), false) AS is_quiet
FROM rollup_progress
FOR UPDATE SKIP LOCKED

-- From now on late results say so themselves. Ten minutes are enough for nearly all of them.
-- name: rollup_close
UPDATE rollup_progress
SET closed_to = hour_of($1::timestamptz - interval '10 minutes'), barrier = NULL
WHERE closed_to < hour_of($1::timestamptz - interval '10 minutes') AND hours_to = closed_to
RETURNING closed_to

-- In a transaction after that of rollup_close: all who may not have seen it are older.
-- name: rollup_barrier
UPDATE rollup_progress
SET barrier = pg_snapshot_xmax(pg_current_snapshot())
WHERE barrier IS NULL AND hours_to < closed_to

-- name: rollup_hour_size
SELECT coalesce(sum(success + warning + error + missed), 0) AS results
FROM result_tallies
WHERE at >= $1 AND at < $1::timestamptz + interval '1 hour'

-- name: rollup_ensure
SELECT partition_ensure('check_hours', 'day', $1::timestamptz)

-- The checks of one slice (the hash of their ids modulo $2 is $3), or those of $4. By organisation, since
-- an index leads from there to the hour's results.
-- name: rollup_hour
-- plan: each
WITH piece AS (
    SELECT r.check_id, latency_bucket(r.response_us) AS bucket,
           count(*) FILTER (WHERE r.status = 'success') AS success,
           count(*) FILTER (WHERE r.status = 'warning') AS warning,
           count(*) FILTER (WHERE r.status = 'error') AS error,
           count(*) FILTER (WHERE r.status = 'missed') AS missed,
           count(r.response_us) AS measured, coalesce(sum(r.response_us), 0) AS sum_us,
           min(r.response_us) AS min_us, max(r.response_us) AS max_us
    FROM organisations o
    JOIN results r ON r.org_id = o.id
    WHERE r.slot_at >= $1 AND r.slot_at < $1::timestamptz + interval '1 hour'
      AND (uuid_hash(r.check_id) & 2147483647) % $2::integer = $3::integer
      AND ($4::uuid[] IS NULL OR r.check_id = ANY ($4))
    GROUP BY 1, 2)
INSERT INTO check_hours (check_id, at, success, warning, error, missed, measured, sum_us, min_us,
                         max_us, buckets, counts)
SELECT check_id, $1, sum(success), sum(warning), sum(error), sum(missed), sum(measured),
       sum(sum_us), min(min_us), max(max_us),
       coalesce(array_agg(bucket ORDER BY bucket) FILTER (WHERE bucket IS NOT NULL), '{}'),
       coalesce(array_agg(measured ORDER BY bucket) FILTER (WHERE bucket IS NOT NULL), '{}')
FROM piece
GROUP BY check_id
ON CONFLICT (check_id, at) DO UPDATE
SET success = excluded.success, warning = excluded.warning, error = excluded.error,
    missed = excluded.missed, measured = excluded.measured, sum_us = excluded.sum_us,
    min_us = excluded.min_us, max_us = excluded.max_us, buckets = excluded.buckets,
    counts = excluded.counts

-- name: rollup_hours_done
UPDATE rollup_progress SET hours_to = $1::timestamptz + interval '1 hour' WHERE hours_to = $1

-- name: rollup_day_size
SELECT count(*) AS rows FROM check_hours WHERE at >= $1 AND at < $1::timestamptz + interval '1 day'

-- name: rollup_day
-- plan: each
WITH part AS MATERIALIZED (
    SELECT *
    FROM check_hours
    WHERE at >= $1 AND at < $1::timestamptz + interval '1 day'
      AND (uuid_hash(check_id) & 2147483647) % $2::integer = $3::integer
      AND ($4::uuid[] IS NULL OR check_id = ANY ($4))
), bar AS (
    SELECT check_id, bucket, sum(count) AS count
    FROM part, unnest(buckets, counts) AS u (bucket, count)
    GROUP BY 1, 2
), histogram AS (
    SELECT check_id, array_agg(bucket ORDER BY bucket) AS buckets,
           array_agg(count ORDER BY bucket) AS counts
    FROM bar
    GROUP BY 1
), total AS (
    SELECT check_id, sum(success) AS success, sum(warning) AS warning, sum(error) AS error,
           sum(missed) AS missed, sum(measured) AS measured, sum(sum_us) AS sum_us,
           min(min_us) AS min_us, max(max_us) AS max_us
    FROM part
    GROUP BY 1)
INSERT INTO check_days (check_id, at, success, warning, error, missed, measured, sum_us, min_us,
                        max_us, buckets, counts)
SELECT t.check_id, $1, t.success, t.warning, t.error, t.missed, t.measured, t.sum_us, t.min_us,
       t.max_us, coalesce(h.buckets, '{}'), coalesce(h.counts, '{}')
FROM total t
LEFT JOIN histogram h ON h.check_id = t.check_id
ON CONFLICT (check_id, at) DO UPDATE
SET success = excluded.success, warning = excluded.warning, error = excluded.error,
    missed = excluded.missed, measured = excluded.measured, sum_us = excluded.sum_us,
    min_us = excluded.min_us, max_us = excluded.max_us, buckets = excluded.buckets,
    counts = excluded.counts

-- name: rollup_days_done
UPDATE rollup_progress SET days_to = $1::timestamptz + interval '1 day' WHERE days_to = $1

-- Hours that got results after they were summed up, oldest notes first. What is older than the
-- results that are kept whole ($1) cannot be summed up again: that note alone goes.
-- name: rollup_late_take
WITH taken AS (
    DELETE FROM rollup_late
    WHERE id IN (SELECT id FROM rollup_late
                 WHERE at < (SELECT hours_to FROM rollup_progress)
                 ORDER BY id LIMIT 10000)
    RETURNING check_id, at)
SELECT at, array_agg(DISTINCT check_id) AS checks
FROM taken
WHERE at >= $1
GROUP BY at
ORDER BY at

-- Rows of the same minute become one, after ten minutes; those of the same hour, after two days.
-- name: rollup_tally_minutes
WITH old AS (
    DELETE FROM result_tallies
    WHERE grain = 'new' AND at < $1::timestamptz - interval '10 minutes'
    RETURNING *)
INSERT INTO result_tallies (org_id, at, grain, success, warning, error, missed)
SELECT org_id, at, 'minute', sum(success), sum(warning), sum(error), sum(missed)
FROM old
GROUP BY org_id, at

-- name: rollup_tally_hours
WITH old AS (
    DELETE FROM result_tallies
    WHERE grain = 'minute' AND at < hour_of($1::timestamptz - interval '2 days')
    RETURNING *)
INSERT INTO result_tallies (org_id, at, grain, success, warning, error, missed)
SELECT org_id, hour_of(at), 'hour', sum(success), sum(warning), sum(error), sum(missed)
FROM old
GROUP BY org_id, hour_of(at)

-- Those of days whose results were dropped.
-- name: rollup_tally_expire
DELETE FROM result_tallies
WHERE at < date_bin('1 day', $1::timestamptz - $2::bigint * interval '1 millisecond',
                    '2000-01-01 00:00:00+00')
