-- Leases on shards of schedules. Rows are locked in their order, so that schedulers never cross.
-- No lease is longer than a minute: one that ends later than that was taken before the database's clock was
-- set back, and would outlive a dead owner by as much. It counts as run out; a living owner that has not
-- renewed it since gets another epoch.

-- name: lease_renew
WITH me AS (
    INSERT INTO scheduler_members (owner, seen_until)
    VALUES ($1, now() + $2::bigint * interval '1 millisecond')
    ON CONFLICT (owner) DO UPDATE SET seen_until = excluded.seen_until
), held AS MATERIALIZED (
    SELECT shard FROM scheduler_shards
    WHERE owner = $1 AND leased_until > now()
    ORDER BY shard FOR UPDATE
), renewed AS (
    UPDATE scheduler_shards s
    SET leased_until = now() + $2::bigint * interval '1 millisecond'
    FROM held WHERE s.shard = held.shard
    RETURNING s.shard
)
SELECT s.shard, s.epoch, r.shard IS NOT NULL AS is_mine,
       r.shard IS NULL AND (s.owner IS NULL OR s.leased_until <= now()
                            OR s.leased_until > now() + interval '61 seconds') AS is_free,
       CASE WHEN r.shard IS NULL AND s.owner IS NOT NULL AND s.leased_until > now()
                 AND s.leased_until <= now() + interval '61 seconds'
            THEN ceil(extract(epoch FROM s.leased_until - now()) * 1000)::bigint END AS left_ms,
       (SELECT count(*) FROM scheduler_members m
        WHERE m.seen_until BETWEEN now() AND now() + interval '61 seconds' AND m.owner <> $1) + 1 AS alive,
       clock_timestamp() AS asked_at
FROM scheduler_shards s
LEFT JOIN renewed r ON r.shard = s.shard
ORDER BY s.shard

-- name: lease_acquire
WITH free AS MATERIALIZED (
    SELECT shard FROM scheduler_shards
    WHERE shard = ANY ($3::bigint[])
      AND (owner IS NULL OR leased_until <= now() OR leased_until > now() + interval '61 seconds')
    ORDER BY shard FOR UPDATE SKIP LOCKED
)
UPDATE scheduler_shards s
SET owner = $1, epoch = s.epoch + 1, leased_until = now() + $2::bigint * interval '1 millisecond'
FROM free WHERE s.shard = free.shard
RETURNING s.shard, s.epoch

-- name: lease_release
UPDATE scheduler_shards SET owner = NULL, leased_until = '-infinity'
WHERE owner = $1 AND shard = ANY ($2::bigint[])

-- Others' members that have been gone for long leave too.
-- name: lease_leave
DELETE FROM scheduler_members WHERE owner = $1 OR seen_until < now() - interval '1 day'
