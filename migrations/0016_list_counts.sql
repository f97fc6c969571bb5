-- Lists of a hundred thousand checks: totals that are kept instead of counted, indices that hold all that
-- a page is picked by, and states by organisation.

-- How many checks an organisation has in all (what 'all') and of each enabled, kind, group, tag and
-- state. The sum of n counts: writers only add rows, so that they never wait for each other, and
-- housekeeping sums them up (as result_tallies).
CREATE TABLE check_counts (
    org_id uuid NOT NULL,
    what   text NOT NULL CHECK (what IN ('all', 'enabled', 'kind', 'group', 'tag', 'state')),
    value  text NOT NULL,
    n      bigint NOT NULL
);
CREATE INDEX check_counts_key ON check_counts (org_id, what, value) INCLUDE (n);
ALTER TABLE check_counts SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);

-- Under what a check is counted; a tag that it has twice counts once.
CREATE FUNCTION check_facts(enabled boolean, kind text, group_name text, tags text[])
RETURNS TABLE (what text, value text) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT f.what, f.value
    FROM (VALUES ('all', ''), ('enabled', enabled::text), ('kind', kind), ('group', group_name))
         AS f (what, value)
    WHERE f.value IS NOT NULL
    UNION ALL
    SELECT DISTINCT 'tag', t FROM unnest(tags) AS t
$$;

LOCK TABLE checks, check_state IN SHARE ROW EXCLUSIVE MODE;

-- A check stays with its organisation for good: its state may know it. What lists are ordered and
-- picked by comes first: a row is read up to the last column that is asked for.
ALTER TABLE check_state RENAME TO check_state_before;
ALTER TABLE check_state_before RENAME CONSTRAINT check_state_pkey TO check_state_before_pkey;
CREATE TABLE check_state (
    check_id       uuid PRIMARY KEY REFERENCES checks ON DELETE CASCADE,
    org_id         uuid NOT NULL,
    last_run_at    timestamptz,
    since          timestamptz NOT NULL DEFAULT now(),
    settled_to     timestamptz NOT NULL DEFAULT now(), -- every slot up to here has a result
    last_slot_at   timestamptz,                    -- newest slot folded in
    sequence       bigint NOT NULL DEFAULT 0,      -- of transitions
    last_response_us bigint,
    incident_id    uuid,                           -- the open one
    failures       integer NOT NULL DEFAULT 0,     -- in a row, counting towards down
    successes      integer NOT NULL DEFAULT 0,     -- in a row, counting towards up
    state          text NOT NULL DEFAULT 'pending' CHECK (state IN
                   ('pending', 'up', 'degraded', 'down', 'unknown', 'maintenance', 'paused')),
    last_status    text,                           -- success, warning, error
    last_message   text
) WITH (fillfactor = 70);
INSERT INTO check_state (check_id, org_id, last_run_at, since, settled_to, last_slot_at, sequence, last_response_us,
                         incident_id, failures, successes, state, last_status, last_message)
SELECT s.check_id, c.org_id, s.last_run_at, s.since, s.settled_to, s.last_slot_at, s.sequence, s.last_response_us,
       s.incident_id, s.failures, s.successes, s.state, s.last_status, s.last_message
FROM check_state_before s JOIN checks c ON c.id = s.check_id;
DROP TABLE check_state_before;
CREATE FUNCTION check_state_find_org() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.org_id := (SELECT org_id FROM checks WHERE id = NEW.check_id);
    RETURN NEW;
END $$;
CREATE TRIGGER check_state_org BEFORE INSERT ON check_state FOR EACH ROW
    WHEN (NEW.org_id IS NULL) EXECUTE FUNCTION check_state_find_org();
CREATE INDEX check_state_state ON check_state (org_id, state, check_id);

-- All counts anew from the rows: for who has written these without triggers.
CREATE FUNCTION check_counts_rebuild() RETURNS void LANGUAGE sql AS $$
    LOCK TABLE checks, check_state IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM check_counts;
    INSERT INTO check_counts (org_id, what, value, n)
    SELECT c.org_id, f.what, f.value, count(*)
    FROM checks c CROSS JOIN LATERAL check_facts(c.enabled, c.kind, c.group_name, c.tags) f
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT org_id, 'state', state, count(*) FROM check_state GROUP BY 1, 3;
$$;
SELECT check_counts_rebuild();

-- Once a statement, whoever writes checks.
CREATE FUNCTION checks_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT c.org_id, f.what, f.value, count(*)
        FROM added c CROSS JOIN LATERAL check_facts(c.enabled, c.kind, c.group_name, c.tags) f
        GROUP BY 1, 2, 3;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT c.org_id, f.what, f.value, -count(*)
        FROM removed c CROSS JOIN LATERAL check_facts(c.enabled, c.kind, c.group_name, c.tags) f
        GROUP BY 1, 2, 3;
    ELSE
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT d.org_id, f.what, f.value, sum(d.n)
        FROM (SELECT org_id, enabled, kind, group_name, tags, 1 AS n FROM added
              UNION ALL
              SELECT org_id, enabled, kind, group_name, tags, -1 FROM removed) d
        CROSS JOIN LATERAL check_facts(d.enabled, d.kind, d.group_name, d.tags) f
        GROUP BY 1, 2, 3
        HAVING sum(d.n) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER checks_counted_insert AFTER INSERT ON checks REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION checks_count();
CREATE TRIGGER checks_counted_update AFTER UPDATE ON checks
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION checks_count();
CREATE TRIGGER checks_counted_delete AFTER DELETE ON checks REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION checks_count();

-- A recorder writes states with every result, and seldom another state: a condition that PostgreSQL
-- tests by itself keeps that as cheap as it was, where transition tables would copy every row.
CREATE FUNCTION check_state_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT org_id, 'state', state, count(*) FROM added GROUP BY 1, 3;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT org_id, 'state', state, -count(*) FROM removed GROUP BY 1, 3;
    ELSE
        INSERT INTO check_counts (org_id, what, value, n)
        VALUES (OLD.org_id, 'state', OLD.state, -1), (NEW.org_id, 'state', NEW.state, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_state_counted_insert AFTER INSERT ON check_state REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_state_count();
CREATE TRIGGER check_state_counted_update AFTER UPDATE ON check_state FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION check_state_count();
CREATE TRIGGER check_state_counted_delete AFTER DELETE ON check_state REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION check_state_count();

-- A page's ids, and parts of names that are too short for checks_name_part, come from the index alone.
-- PostgreSQL takes lower(name) from there only when name is there too; enabled and kind are what whole
-- lists are asked for by. Read backwards, it is in the order of the list; its pages fill up as they
-- would not if every new check came first.
DROP INDEX checks_org_created;
CREATE INDEX checks_org_created ON checks (org_id, created_at, id DESC, lower(name)) INCLUDE (name, enabled, kind);
DROP INDEX checks_org_name;
CREATE INDEX checks_org_name ON checks (org_id, lower(name), created_at DESC, id) INCLUDE (name, enabled, kind);
