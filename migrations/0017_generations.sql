-- Generations: what tells a kept reply from one that is out of date. Each transaction that changes what an
-- organisation's lists show leaves another number here, by triggers, so that nobody can forget to and no
-- crash comes between the two. The generation of a kind is the exclusive or of its rows' numbers: they are
-- random, so that no state that was lost (a crash with synchronous_commit off, an older backup) is ever
-- taken for a later one.
CREATE TABLE generations (
    org_id uuid NOT NULL,
    kind   smallint NOT NULL, -- store/generations.h
    value  bigint NOT NULL
) WITH (fillfactor = 20);
CREATE INDEX generations_org_kind ON generations (org_id, kind);
ALTER TABLE generations SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);

-- Nobody waits for anybody: a row that another transaction has taken is passed over, and where all are taken
-- there is one more, so that there are as many as ever wrote at once. Once a transaction is enough.
CREATE FUNCTION raise_generation(whose uuid, which smallint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fresh CONSTANT bigint := (random() * 9007199254740991)::bigint;
    place tid;
BEGIN
    IF EXISTS (SELECT FROM generations
               WHERE org_id = whose AND kind = which AND xmin = pg_current_xact_id()::xid) THEN
        RETURN;
    END IF;
    SELECT ctid INTO place FROM generations WHERE org_id = whose AND kind = which
    LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE generations SET value = fresh WHERE ctid = place;
    ELSE
        INSERT INTO generations (org_id, kind, value) VALUES (whose, which, fresh);
    END IF;
END $$;

-- The kind is the trigger's argument.
CREATE FUNCTION generation_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM raise_generation(org_id, TG_ARGV[0]::smallint)
    FROM (SELECT DISTINCT org_id FROM changed) AS whose;
    RETURN NULL;
END $$;

-- check_state and check_channels never change alone: with results and transitions, with checks.
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT * FROM (VALUES ('checks', 0), ('channels', 0), ('results', 1), ('transitions', 1),
                                   ('incidents', 1), ('outbox', 2)) AS v (name, kind) LOOP
        EXECUTE format('CREATE TRIGGER generation_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION generation_changed(%L)', t.name, t.kind);
        EXECUTE format('CREATE TRIGGER generation_update AFTER UPDATE ON %I REFERENCING NEW TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION generation_changed(%L)', t.name, t.kind);
        EXECUTE format('CREATE TRIGGER generation_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS changed
                        FOR EACH STATEMENT EXECUTE FUNCTION generation_changed(%L)', t.name, t.kind);
    END LOOP;
END $$;
