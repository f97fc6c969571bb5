-- :count checks of the organisation :org with tags, groups and states, as a grown installation has.
SET session_replication_role = replica; -- no log of changes, no audit: they were always there
INSERT INTO checks (id, org_id, name, kind, plugin_type, config, schedule, shard, tags, group_name, created_at)
SELECT (lpad(to_hex(1767225600000 + i), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' ||
        substr(md5(i::text), 4, 3) || lpad(to_hex(i), 12, '0'))::uuid,
       :'org'::uuid, 'shop ' || md5(i::text), 'website', 'website',
       jsonb_build_object('url', 'https://host' || i || '.example.com/health', 'expected_status', 200),
       'every 5 minutes', i % 16, ARRAY['team-' || i % 20, CASE WHEN i % 10 = 0 THEN 'critical' ELSE 'normal' END],
       'group ' || i % 200, timestamptz '2026-01-01' + i * interval '1 second'
FROM generate_series(1, :count) i;
INSERT INTO check_state (check_id, org_id, retries, recoveries, state, last_run_at, last_status, last_message, last_response_us)
SELECT id, org_id, retries, recoveries, CASE WHEN shard = 3 AND legacy_id % 7 = 0 THEN 'down' ELSE 'up' END, now() - random() * interval '5 minutes', 'success',
       'Website responded with status 200', 34200
FROM checks;
SELECT check_counts_rebuild(), check_last_runs_rebuild() \g /dev/null
VACUUM ANALYZE checks, check_state, check_last_runs; -- as autovacuum leaves them
