-- What the uptime API tells of transitions, kept with them, and indices that hold all that lists of
-- transitions are picked by.

-- The status that a website came to by a transition; null: it is no website, or had that status before.
ALTER TABLE transitions ADD COLUMN uptime text;
ALTER TABLE transitions DISABLE TRIGGER USER; -- nothing that anybody reads changes
UPDATE transitions t
SET uptime = uptime_status(t.to_state)
FROM checks c
WHERE c.id = t.check_id AND c.kind = 'website' AND uptime_status(t.from_state) <> uptime_status(t.to_state);
ALTER TABLE transitions ENABLE TRIGGER USER;

CREATE FUNCTION transitions_find_uptime() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT kind FROM checks WHERE id = NEW.check_id) = 'website' THEN
        NEW.uptime := uptime_status(NEW.to_state);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER transitions_uptime BEFORE INSERT ON transitions FOR EACH ROW
    WHEN (uptime_status(NEW.from_state) <> uptime_status(NEW.to_state))
    EXECUTE FUNCTION transitions_find_uptime();

-- Of one check by sequence; of an organisation's websites by time, by status and by number; of one website.
ALTER TABLE transitions DROP CONSTRAINT transitions_pkey,
    ADD PRIMARY KEY (check_id, sequence) INCLUDE (at, to_state);
DROP INDEX transitions_org_at;
CREATE INDEX transitions_uptime_at ON transitions (org_id, at DESC, legacy_id DESC)
    INCLUDE (uptime, check_id, sequence) WHERE uptime IS NOT NULL;
CREATE INDEX transitions_uptime_status ON transitions (org_id, uptime, at DESC, legacy_id DESC)
    INCLUDE (check_id, sequence) WHERE uptime IS NOT NULL;
CREATE INDEX transitions_uptime_number ON transitions (org_id, legacy_id)
    INCLUDE (at, uptime, check_id, sequence) WHERE uptime IS NOT NULL;
CREATE INDEX transitions_uptime_check ON transitions (check_id, at DESC, legacy_id DESC)
    INCLUDE (org_id, uptime, sequence) WHERE uptime IS NOT NULL;
-- Websites in the order of their URLs, which may be too long for an index.
CREATE INDEX checks_website_url ON checks (org_id, left(config ->> 'url', 200)) WHERE kind = 'website';

-- How many websites have each state (what 'website'), and how often websites came to each status (what
-- 'change'), beside what is counted of all checks.
LOCK TABLE checks, check_state, transitions IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE check_counts DROP CONSTRAINT check_counts_what_check,
    ADD CHECK (what IN ('all', 'enabled', 'kind', 'group', 'tag', 'state', 'website', 'change'));
CREATE OR REPLACE FUNCTION check_counts_rebuild() RETURNS void LANGUAGE sql AS $$
    LOCK TABLE checks, check_state, transitions IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM check_counts;
    INSERT INTO check_counts (org_id, what, value, n)
    SELECT c.org_id, f.what, f.value, count(*)
    FROM checks c CROSS JOIN LATERAL check_facts(c.enabled, c.kind, c.group_name, c.tags) f
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT org_id, 'state', state, count(*) FROM check_state GROUP BY 1, 3
    UNION ALL
    SELECT c.org_id, 'website', s.state, count(*)
    FROM checks c JOIN check_state s ON s.check_id = c.id
    WHERE c.kind = 'website' GROUP BY 1, 3
    UNION ALL
    SELECT org_id, 'change', uptime, count(*) FROM transitions WHERE uptime IS NOT NULL GROUP BY 1, 3;
$$;
SELECT check_counts_rebuild();

CREATE OR REPLACE FUNCTION check_state_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT org_id, 'state', state, count(*) FROM added GROUP BY 1, 3;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT org_id, 'state', state, -count(*) FROM removed GROUP BY 1, 3;
    ELSE
        INSERT INTO check_counts (org_id, what, value, n)
        SELECT d.org_id, w.what, d.state, d.n
        FROM (VALUES (OLD.org_id, OLD.state, -1), (NEW.org_id, NEW.state, 1)) AS d (org_id, state, n),
             (SELECT 'state' UNION ALL
              SELECT 'website' FROM (SELECT kind FROM checks WHERE id = NEW.check_id OFFSET 0) AS c
              WHERE kind = 'website') AS w (what);
    END IF;
    RETURN NULL;
END $$;
-- The plan is kept that is made for the first check of all, or for one among a million, and is good for ten
-- thousand of an import as well if each is looked up by its id.
CREATE FUNCTION check_state_count_websites() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO check_counts (org_id, what, value, n)
    SELECT a.org_id, 'website', a.state, count(*)
    FROM added a CROSS JOIN LATERAL (SELECT kind FROM checks WHERE id = a.check_id OFFSET 0) AS c
    WHERE c.kind = 'website' GROUP BY 1, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER check_state_counted_websites AFTER INSERT ON check_state REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_state_count_websites();

CREATE FUNCTION transitions_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO check_counts (org_id, what, value, n)
    SELECT org_id, 'change', uptime, count(*) FROM added WHERE uptime IS NOT NULL GROUP BY 1, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER transitions_counted AFTER INSERT ON transitions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION transitions_count();

-- A website that goes, or a check that comes to be one or ceases to be: its state and its transitions do not
-- know. The state is locked after the check, as recorders do, so that it is the last one.
CREATE FUNCTION checks_count_website(c checks, times bigint) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    its_state text;
BEGIN
    SELECT state INTO its_state FROM check_state WHERE check_id = c.id FOR UPDATE;
    INSERT INTO check_counts (org_id, what, value, n)
    SELECT c.org_id, 'website', its_state, times WHERE its_state IS NOT NULL
    UNION ALL
    SELECT c.org_id, 'change', uptime, times * count(*)
    FROM transitions WHERE check_id = c.id AND uptime IS NOT NULL GROUP BY 3;
END $$;
CREATE FUNCTION checks_website_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM checks_count_website(OLD, -1);
    RETURN OLD;
END $$;
CREATE TRIGGER checks_website_delete BEFORE DELETE ON checks FOR EACH ROW
    WHEN (OLD.kind = 'website') EXECUTE FUNCTION checks_website_gone();
CREATE FUNCTION checks_website_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind <> 'website' THEN
        PERFORM checks_count_website(NEW, -1);
        UPDATE transitions SET uptime = NULL WHERE check_id = NEW.id AND uptime IS NOT NULL;
    ELSE
        PERFORM FROM check_state WHERE check_id = NEW.id FOR UPDATE;
        UPDATE transitions SET uptime = uptime_status(to_state)
        WHERE check_id = NEW.id AND uptime_status(from_state) <> uptime_status(to_state);
        PERFORM checks_count_website(NEW, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER checks_website_update AFTER UPDATE OF kind ON checks FOR EACH ROW
    WHEN ((OLD.kind = 'website') <> (NEW.kind = 'website')) EXECUTE FUNCTION checks_website_changed();
