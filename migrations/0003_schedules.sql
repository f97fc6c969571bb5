-- Schedules of tasks other than checks: any task of the queue can have one. They share the checks'
-- shards, leases and log of changes; `id` and `shard` mean the same there.
CREATE TABLE schedules (
    id            uuid PRIMARY KEY,
    org_id        uuid REFERENCES organisations ON DELETE CASCADE, -- null: the system's own
    name          text NOT NULL,
    task          text NOT NULL,
    args          jsonb NOT NULL DEFAULT '{}',    -- "slot_us": null is filled with the slot's time
    schedule      text NOT NULL,                  -- as the user wrote it
    queue         text,                           -- null: the task's own
    priority      smallint CHECK (priority BETWEEN 0 AND 3), -- null: the task's own
    enabled       boolean NOT NULL DEFAULT true,
    catch_up      text NOT NULL DEFAULT 'run_once' CHECK (catch_up IN ('run_once', 'skip')),
    overlap       text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'allow')),
    jitter_ms     bigint NOT NULL DEFAULT 0 CHECK (jitter_ms BETWEEN 0 AND 3600000),
    revision      bigint NOT NULL DEFAULT 1,
    shard         smallint NOT NULL CHECK (shard BETWEEN 0 AND 15),
    last_slot_at  timestamptz,                    -- newest slot that was dispatched, or skipped
    expected_from timestamptz NOT NULL DEFAULT now(), -- slots count from here on
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (org_id, name)
);

CREATE FUNCTION schedules_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    NEW.updated_at := now();
    IF OLD.schedule IS DISTINCT FROM NEW.schedule OR (NEW.enabled AND NOT OLD.enabled) THEN
        NEW.expected_from := now();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER schedules_edit BEFORE UPDATE OF name, task, args, schedule, queue, priority, enabled,
    catch_up, overlap, jitter_ms ON schedules
    FOR EACH ROW EXECUTE FUNCTION schedules_before_update();

-- Not for last_slot_at, which the scheduler itself writes.
CREATE TRIGGER schedules_change AFTER INSERT OR DELETE OR UPDATE OF name, task, args, schedule, queue,
    priority, enabled, catch_up, overlap, jitter_ms ON schedules
    FOR EACH ROW EXECUTE FUNCTION checks_log_change();
