-- :count enabled checks, all of them every minute, and their states. The ids are as ours are: the time
-- first, then chance; the last 12 digits are the check's number, its shard the number modulo 16.
SET session_replication_role = replica; -- no log of changes: these checks are there before anybody looks
SET synchronous_commit = off;
INSERT INTO organisations (id, name)
VALUES ('00000000-0000-7000-8000-000000000001', 'bench');
INSERT INTO checks (id, org_id, name, kind, plugin_type, config, schedule, shard)
SELECT (lpad(to_hex(1767225600000 + i), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' ||
        substr(md5(i::text), 4, 3) || lpad(to_hex(i), 12, '0'))::uuid,
       '00000000-0000-7000-8000-000000000001', 'check ' || i, 'website', 'website',
       '{"url": "http://192.0.2.1/"}', 'every minute', i % 16
FROM generate_series(0, :count - 1) i;
INSERT INTO check_last_runs (org_id, last_run_at, check_id, state) SELECT org_id, '-infinity', id, 'pending' FROM checks;
-- The states last: what is due from now on until the scheduler looks is late.
INSERT INTO check_state (check_id, org_id, retries, recoveries) SELECT id, org_id, retries, recoveries FROM checks;
SELECT check_counts_rebuild() \g /dev/null
ANALYZE checks, check_state, check_last_runs;
