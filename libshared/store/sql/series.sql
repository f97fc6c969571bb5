-- What a host measures: series, and layouts (which series come together in a scrape).

-- Serializes the count against the limit; no row: the host is gone.
-- name: series_host_lock
SELECT 1 FROM hosts WHERE id = $1 FOR NO KEY UPDATE

-- name: series_find
SELECT w.k - 1 AS at, s.id
FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS w (type, name, tags, k)
JOIN series s ON s.host_id = $1 AND s.metric_type = w.type AND s.metric_name = w.name
             AND s.tags = w.tags::jsonb

-- name: series_count
SELECT count(*) AS total FROM series WHERE host_id = $1

-- name: series_insert
INSERT INTO series (host_id, metric_type, metric_name, tags)
SELECT $1, w.type, w.name, w.tags::jsonb
FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS w (type, name, tags, k)
ORDER BY w.k
ON CONFLICT (host_id, metric_type, metric_name, tags) DO NOTHING

-- name: layout_find
SELECT id FROM layouts WHERE host_id = $1 AND digest = $2

-- name: layout_count
SELECT count(*) AS total FROM layouts WHERE host_id = $1

-- name: layout_insert
INSERT INTO layouts (host_id, digest, series_ids) VALUES ($1, $2, $3::bigint[])
ON CONFLICT (host_id, digest) DO NOTHING
