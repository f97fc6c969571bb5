-- Failed sign-ins. An attempt may be made when the wait after the failures so far is over: none for
-- the first $2, then 1, 2, 4 … $3 seconds; all is forgotten $4 seconds after the last.

-- name: login_failure_count
INSERT INTO login_failures AS f (key, failures, last_at) VALUES ($1, 1, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN f.last_at < clock_timestamp() - $4::bigint * interval '1 second' THEN 1
                    ELSE f.failures + 1 END,
    last_at = clock_timestamp()
WHERE f.failures < $2
   OR f.last_at + least($3::bigint, (2 ^ least(f.failures - $2, 20))::bigint) * interval '1 second'
      <= clock_timestamp()
RETURNING failures

-- name: login_failure_wait
SELECT ceil(extract(epoch FROM last_at
            + least($3::bigint, (2 ^ least(failures - $2::bigint, 20))::bigint) * interval '1 second'
            - clock_timestamp()))::bigint AS wait_s
FROM login_failures WHERE key = $1

-- name: login_failure_forgive
WITH account AS (DELETE FROM login_failures WHERE key = $1)
UPDATE login_failures SET failures = greatest(failures - 1, 0) WHERE key = $2
