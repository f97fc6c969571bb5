-- The record of changes knows the columns that schedules got meanwhile.
CREATE OR REPLACE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF name, task, args, schedule, time_zone,
    queue, priority, enabled, catch_up, overlap, jitter_ms, expires_ms ON schedules
    FOR EACH ROW EXECUTE FUNCTION audit_row('schedule',
        'revision,shard,created_by,last_slot_at,last_run_at,last_job_id,last_job_queue,last_job_state,'
        'open_slot_at,open_job_id,open_job_queue,expected_from,created_at,updated_at', '');
