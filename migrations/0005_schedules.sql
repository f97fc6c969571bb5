-- Schedules as people manage them, what became of their newest runs, and the outbox's rows until
-- their jobs have ended: what must be enqueued again when Redis lost its memory.
ALTER TABLE schedules
    ADD COLUMN time_zone      text,    -- of a cron schedule whose text names none; null: UTC
    ADD COLUMN expires_ms     bigint CHECK (expires_ms > 0), -- a run not begun so long after its slot is dropped
    ADD COLUMN created_by     uuid REFERENCES users ON DELETE SET NULL,
    -- The newest run, by a slot or by hand.
    ADD COLUMN last_run_at    timestamptz,
    ADD COLUMN last_job_id    uuid,
    ADD COLUMN last_job_queue text,
    ADD COLUMN last_job_state text,    -- as it was last seen; null: it was not found any more
    -- The newest run by a slot that is not known to have ended.
    ADD COLUMN open_slot_at   timestamptz,
    ADD COLUMN open_job_id    uuid,
    ADD COLUMN open_job_queue text,
    DROP CONSTRAINT schedules_overlap_check,
    ADD CONSTRAINT schedules_overlap_check CHECK (overlap IN ('skip', 'queue', 'allow'));
CREATE INDEX schedules_running ON schedules (id)
    WHERE open_job_id IS NOT NULL OR last_job_state IN ('queued', 'delayed', 'running');

CREATE OR REPLACE FUNCTION schedules_before_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    NEW.updated_at := now();
    IF OLD.schedule IS DISTINCT FROM NEW.schedule OR OLD.time_zone IS DISTINCT FROM NEW.time_zone
       OR (NEW.enabled AND NOT OLD.enabled) THEN
        NEW.expected_from := now();
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER schedules_edit BEFORE UPDATE OF name, task, args, schedule, time_zone, queue,
    priority, enabled, catch_up, overlap, jitter_ms, expires_ms ON schedules
    FOR EACH ROW EXECUTE FUNCTION schedules_before_update();
CREATE OR REPLACE TRIGGER schedules_change AFTER INSERT OR DELETE OR UPDATE OF name, task, args, schedule,
    time_zone, queue, priority, enabled, catch_up, overlap, jitter_ms, expires_ms ON schedules
    FOR EACH ROW EXECUTE FUNCTION checks_log_change();

-- A row is published first, and deleted when its job has ended.
ALTER TABLE job_outbox ADD COLUMN job_id uuid, ADD COLUMN published_at timestamptz;
CREATE INDEX job_outbox_waiting ON job_outbox (id) WHERE published_at IS NULL AND error IS NULL;
CREATE INDEX job_outbox_published ON job_outbox (id) WHERE published_at IS NOT NULL;

-- How far counters in Redis have come, as PostgreSQL knows it: one that is behind has lost its memory.
CREATE TABLE redis_marks (
    name text PRIMARY KEY,
    mark bigint NOT NULL DEFAULT 0
);
INSERT INTO redis_marks (name) VALUES ('job_outbox');
