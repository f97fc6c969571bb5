-- The installation's own schedules: of no organisation, seen and paused by its operators. The shards
-- follow from the ids, as everywhere.
INSERT INTO schedules (id, org_id, name, task, schedule, shard) VALUES
    ('00000000-0000-7000-8000-000000000501', NULL, 'system.partitions', 'system.partitions', 'every hour', 11),
    ('00000000-0000-7000-8000-000000000502', NULL, 'system.retention', 'system.retention', 'every hour', 14),
    ('00000000-0000-7000-8000-000000000503', NULL, 'system.cleanup', 'system.cleanup', 'every 10 minutes', 1);
