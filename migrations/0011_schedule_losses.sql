-- When runs were enqueued, and when Redis was last found to have lost its memory: a job from before
-- that is not over because Redis does not know it.
ALTER TABLE schedules ADD COLUMN last_job_at timestamptz, ADD COLUMN open_job_at timestamptz;
ALTER TABLE redis_marks ADD COLUMN lost_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE OR REPLACE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF name, task, args, schedule, time_zone,
    queue, priority, enabled, catch_up, overlap, jitter_ms, expires_ms ON schedules
    FOR EACH ROW EXECUTE FUNCTION audit_row('schedule',
        'revision,shard,created_by,last_slot_at,last_run_at,last_job_id,last_job_queue,last_job_state,'
        'last_job_at,open_slot_at,open_job_id,open_job_queue,open_job_at,expected_from,created_at,updated_at',
        '');
