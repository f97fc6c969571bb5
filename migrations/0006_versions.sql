-- Versions of rows: updated_at, in microseconds, which no two edits of a row share. A request with
-- If-Match says in tocsin.if_match which row it means and which versions of it are good; the row's own
-- trigger compares under the row's lock, so that nothing can come in between.

-- "<id> <version> <version> …"; TG_ARGV[0] names a column that is as good as the id.
CREATE FUNCTION rows_guard_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked text[] := string_to_array(nullif(current_setting('tocsin.if_match', true), ''), ' ');
BEGIN
    IF asked IS NOT NULL AND (OLD.id::text = asked[1]
                              OR (TG_NARGS > 0 AND to_jsonb(OLD) ->> TG_ARGV[0] = asked[1])) THEN
        IF (extract(epoch FROM OLD.updated_at) * 1000000)::bigint::text <> ALL (asked[2:]) THEN
            RAISE EXCEPTION 'the row has another version' USING ERRCODE = 'TC412';
        END IF;
        -- It is locked now; what else this request does to it is its own.
        PERFORM set_config('tocsin.if_match', '', false);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF NEW.updated_at IS DISTINCT FROM OLD.updated_at THEN
        NEW.updated_at := greatest(NEW.updated_at, OLD.updated_at + interval '1 microsecond');
    END IF;
    RETURN NEW;
END $$;

-- (z_: after triggers that set updated_at themselves.)
-- For each table with `id` and `updated_at` whose rows the API lets people change. What moves
-- updated_at is an edit; what Tocsin itself notes in a row leaves it alone.
CREATE FUNCTION guard_versions(guarded regclass, other_key text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER z_guard_version_update BEFORE UPDATE ON %s FOR EACH ROW
        WHEN (OLD.updated_at IS DISTINCT FROM NEW.updated_at
              OR current_setting(''tocsin.if_match'', true) <> '''')
        EXECUTE FUNCTION rows_guard_version(%s)', guarded, coalesce(quote_literal(other_key), ''));
    EXECUTE format('CREATE TRIGGER z_guard_version_delete BEFORE DELETE ON %s FOR EACH ROW
        WHEN (current_setting(''tocsin.if_match'', true) <> '''')
        EXECUTE FUNCTION rows_guard_version(%s)', guarded, coalesce(quote_literal(other_key), ''));
END $$;

SELECT guard_versions('users');
SELECT guard_versions('hosts', 'slug');
SELECT guard_versions('channels');
SELECT guard_versions('checks');
SELECT guard_versions('incidents');
SELECT guard_versions('schedules');
