-- The uptime view of checks: three statuses, and small numbers where that API has integer ids.

CREATE FUNCTION uptime_status(state text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN state IN ('up', 'degraded') THEN 'UP' WHEN state = 'down' THEN 'DOWN' ELSE 'UNKNOWN' END
$$;

ALTER TABLE transitions ADD COLUMN legacy_id bigint GENERATED ALWAYS AS IDENTITY;
