-- Results of checks. Bounds on slot_at, beside those on executed_at, keep the look to few partitions:
-- a result is taken at its slot or, behind a backlog, some time later.

-- name: result_list
-- plan: each
SELECT id, check_id, slot_at, location, trigger, status, message, response_us, lag_us, raw_data,
       executed_at
FROM results
WHERE org_id = $1
  AND slot_at >= coalesce($2::timestamptz - interval '1 day', '-infinity')
  AND slot_at <= coalesce($3::timestamptz + interval '1 hour', 'infinity')
  AND ($2::timestamptz IS NULL OR executed_at >= $2)
  AND ($3::timestamptz IS NULL OR executed_at <= $3)
  AND CASE WHEN $4::text IS NULL THEN status <> 'missed' OR $5::boolean ELSE status = $4 END
  AND slot_at <= coalesce($8::timestamptz, 'infinity')
  AND ($8 IS NULL OR slot_at < $8 OR id > $9::uuid)
ORDER BY CASE WHEN $10::text = 'executed_at' THEN slot_at END, slot_at DESC, id
LIMIT $6::bigint OFFSET $7::bigint

-- Counting stops at a limit: nobody reads that many pages, and the count of a year takes seconds.
-- name: result_count
-- plan: each
SELECT count(*) AS total
FROM (SELECT FROM results
      WHERE org_id = $1
        AND slot_at >= coalesce($2::timestamptz - interval '1 day', '-infinity')
        AND slot_at <= coalesce($3::timestamptz + interval '1 hour', 'infinity')
        AND ($2::timestamptz IS NULL OR executed_at >= $2)
        AND ($3::timestamptz IS NULL OR executed_at <= $3)
        AND CASE WHEN $4::text IS NULL THEN status <> 'missed' OR $5::boolean ELSE status = $4 END
      LIMIT $6::bigint) AS found

-- name: result_list_check
-- plan: each
SELECT id, check_id, slot_at, location, trigger, status, message, response_us, lag_us, raw_data,
       executed_at
FROM results
WHERE org_id = $1 AND check_id = $11
  AND slot_at >= coalesce($2::timestamptz - interval '1 day', '-infinity')
  AND slot_at <= coalesce($3::timestamptz + interval '1 hour', 'infinity')
  AND ($2::timestamptz IS NULL OR executed_at >= $2)
  AND ($3::timestamptz IS NULL OR executed_at <= $3)
  AND CASE WHEN $4::text IS NULL THEN status <> 'missed' OR $5::boolean ELSE status = $4 END
  AND slot_at <= coalesce($8::timestamptz, 'infinity')
  AND ($8 IS NULL OR slot_at < $8 OR id > $9::uuid)
ORDER BY CASE WHEN $10::text = 'executed_at' THEN slot_at END, slot_at DESC, id
LIMIT $6::bigint OFFSET $7::bigint

-- name: result_count_check
-- plan: each
SELECT count(*) AS total
FROM (SELECT FROM results
      WHERE org_id = $1 AND check_id = $7
        AND slot_at >= coalesce($2::timestamptz - interval '1 day', '-infinity')
        AND slot_at <= coalesce($3::timestamptz + interval '1 hour', 'infinity')
        AND ($2::timestamptz IS NULL OR executed_at >= $2)
        AND ($3::timestamptz IS NULL OR executed_at <= $3)
        AND CASE WHEN $4::text IS NULL THEN status <> 'missed' OR $5::boolean ELSE status = $4 END
      LIMIT $6::bigint) AS found

-- The time part of the id is its slot's millisecond.
-- name: result_get
SELECT id, check_id, slot_at, location, trigger, status, message, response_us, lag_us, raw_data,
       executed_at
FROM results
WHERE org_id = $1 AND id = $2
  AND slot_at >= $3::timestamptz AND slot_at < $3::timestamptz + interval '1 millisecond'

-- name: result_get_manual
SELECT id, check_id, slot_at, location, trigger, status, message, response_us, lag_us, raw_data,
       executed_at
FROM results
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
