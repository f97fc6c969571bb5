-- Reading metrics back as (time, type, name, value, tags).

-- Newest first. Only scrapes from $2 to $3 are looked at; $4 of them suffice, each has a sample.
-- name: metrics_recent
WITH wanted AS (
    SELECT coalesce(array_agg(id), '{}') AS ids
    FROM series
    WHERE host_id = $1 AND ($5::text IS NOT NULL OR $6::text IS NOT NULL)
      AND ($5 IS NULL OR metric_type = $5) AND ($6 IS NULL OR metric_name = $6)
), recent AS (
    SELECT s.at, s.layout_id, s.values
    FROM scrapes s
    WHERE s.host_id = $1 AND s.at >= $2 AND s.at <= $3
      AND (($5 IS NULL AND $6 IS NULL)
           OR s.layout_id IN (SELECT l.id FROM layouts l
                              WHERE l.host_id = $1
                                AND l.series_ids && (SELECT ids FROM wanted)))
    ORDER BY s.at DESC
    LIMIT $4
)
SELECT r.at, e.metric_type, e.metric_name, r.values[p.k] AS value, e.tags::text AS tags
FROM recent r
JOIN layouts l ON l.id = r.layout_id
CROSS JOIN LATERAL unnest(l.series_ids) WITH ORDINALITY AS p (series_id, k)
JOIN series e ON e.id = p.series_id
WHERE ($5 IS NULL OR e.metric_type = $5) AND ($6 IS NULL OR e.metric_name = $6)
ORDER BY r.at DESC, e.id
LIMIT $4 OFFSET $7
