-- A recorder needs of a check only when it counts as down and as up again. With that beside the state, it
-- reads and locks one row a check, and not two: the state's row is what whoever writes a check's history
-- locks first.
ALTER TABLE check_state
    ADD COLUMN retries integer NOT NULL DEFAULT 2,    -- as the check has them
    ADD COLUMN recoveries integer NOT NULL DEFAULT 1;
ALTER TABLE check_state ALTER COLUMN retries DROP DEFAULT, ALTER COLUMN recoveries DROP DEFAULT;
UPDATE check_state s SET retries = c.retries, recoveries = c.recoveries
FROM checks c
WHERE c.id = s.check_id AND (c.retries, c.recoveries) <> (2, 1);

DROP TRIGGER check_state_org ON check_state;
DROP FUNCTION check_state_find_org();
CREATE FUNCTION check_state_find_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT org_id, retries, recoveries INTO NEW.org_id, NEW.retries, NEW.recoveries
    FROM checks WHERE id = NEW.check_id;
    RETURN NEW;
END $$;
CREATE TRIGGER check_state_check BEFORE INSERT ON check_state FOR EACH ROW
    WHEN (NEW.org_id IS NULL OR NEW.retries IS NULL OR NEW.recoveries IS NULL)
    EXECUTE FUNCTION check_state_find_check();

CREATE FUNCTION checks_policy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE check_state SET retries = NEW.retries, recoveries = NEW.recoveries WHERE check_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER checks_policy AFTER UPDATE OF retries, recoveries ON checks FOR EACH ROW
    WHEN ((OLD.retries, OLD.recoveries) IS DISTINCT FROM (NEW.retries, NEW.recoveries))
    EXECUTE FUNCTION checks_policy_changed();
