-- What the ingest writer stores: scrapes, structured samples, and how far it has read.

-- name: ingest_marks
SELECT shard, entry_id FROM ingest_marks ORDER BY shard

-- No row: another writer is at it.
-- name: ingest_mark_lock
SELECT entry_id FROM ingest_marks WHERE shard = $1 FOR UPDATE SKIP LOCKED

-- name: ingest_mark_set
UPDATE ingest_marks SET entry_id = $2, updated_at = now() WHERE shard = $1

-- name: ingest_partition_ensure
SELECT partition_ensure($1, $2, $3)

-- Which of the rows at hand are stored already: a sender's repeat, or a stream read twice.
-- name: scrapes_existing
SELECT DISTINCT s.host_id, s.at, s.layout_id
FROM unnest($1::uuid[], $2::timestamptz[]) AS w (host_id, at)
JOIN scrapes s ON s.host_id = w.host_id AND s.at = w.at
WHERE s.at BETWEEN $3 AND $4

-- name: disk_samples_existing
SELECT DISTINCT s.host_id, s.at, s.device || E'\n' || s.mount_point AS key
FROM unnest($1::uuid[], $2::timestamptz[]) AS w (host_id, at)
JOIN disk_samples s ON s.host_id = w.host_id AND s.at = w.at
WHERE s.at BETWEEN $3 AND $4

-- name: network_samples_existing
SELECT DISTINCT s.host_id, s.at, s.interface AS key
FROM unnest($1::uuid[], $2::timestamptz[]) AS w (host_id, at)
JOIN network_samples s ON s.host_id = w.host_id AND s.at = w.at
WHERE s.at BETWEEN $3 AND $4

-- name: process_samples_existing
SELECT DISTINCT s.host_id, s.at, s.pid::text AS key
FROM unnest($1::uuid[], $2::timestamptz[]) AS w (host_id, at)
JOIN process_samples s ON s.host_id = w.host_id AND s.at = w.at
WHERE s.at BETWEEN $3 AND $4

-- At most every few seconds a row: a busy agent would rewrite it with every batch.
-- name: hosts_seen
UPDATE hosts h
SET last_seen_at = greatest(h.last_seen_at, w.seen_at),
    last_metrics_at = greatest(h.last_metrics_at, w.metrics_at)
FROM (SELECT u.id, u.seen_at, u.metrics_at
      FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS u (id, seen_at, metrics_at)
      ORDER BY u.id) w
WHERE h.id = w.id
  AND (h.last_seen_at IS NULL OR h.last_metrics_at IS NULL
       OR w.seen_at > h.last_seen_at + interval '2 seconds'
       OR w.metrics_at > h.last_metrics_at + interval '2 seconds')
