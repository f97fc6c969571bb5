-- The checks of an organisation in the order of their last runs; -infinity: never. It changes with every
-- result. An index of check_state would cost as much to write, but its rows could no longer be updated in
-- place, and with every result all its indexes would grow.
CREATE TABLE check_last_runs (
    org_id      uuid NOT NULL,
    last_run_at timestamptz NOT NULL,
    check_id    uuid NOT NULL,
    state       text NOT NULL
);

-- All rows anew: for who has written states past the recorder.
CREATE FUNCTION check_last_runs_rebuild() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE check_state IN SHARE ROW EXCLUSIVE MODE;
    TRUNCATE check_last_runs;
    INSERT INTO check_last_runs (org_id, last_run_at, check_id, state)
    SELECT org_id, coalesce(last_run_at, '-infinity'), check_id, state FROM check_state ORDER BY 1, 2 DESC, 3;
END $$;
SELECT check_last_runs_rebuild();
CREATE UNIQUE INDEX check_last_runs_order ON check_last_runs (org_id, last_run_at DESC, check_id)
    INCLUDE (state);

-- Runs are told by the recorder, with those of its whole batch; the rest is seldom.
CREATE FUNCTION check_state_ordered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO check_last_runs (org_id, last_run_at, check_id, state)
        SELECT org_id, coalesce(last_run_at, '-infinity'), check_id, state FROM added;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM check_last_runs
        WHERE org_id = OLD.org_id AND last_run_at = coalesce(OLD.last_run_at, '-infinity')
          AND check_id = OLD.check_id;
    ELSE
        UPDATE check_last_runs SET state = NEW.state
        WHERE org_id = OLD.org_id AND last_run_at = coalesce(OLD.last_run_at, '-infinity')
          AND check_id = OLD.check_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_state_ordered_insert AFTER INSERT ON check_state REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_state_ordered();
CREATE TRIGGER check_state_ordered_update AFTER UPDATE ON check_state FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state AND OLD.last_run_at IS NOT DISTINCT FROM NEW.last_run_at)
    EXECUTE FUNCTION check_state_ordered();
CREATE TRIGGER check_state_ordered_delete AFTER DELETE ON check_state FOR EACH ROW
    EXECUTE FUNCTION check_state_ordered();
