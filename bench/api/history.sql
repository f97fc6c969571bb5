-- What the checks of the organisation :org have behind them, as a grown installation has it: results of a
-- month, transitions, rollups as housekeeping makes them, incidents, deliveries, the audit log, people, keys.
-- The oldest check has a year of every minute behind it, and :deep transitions; all others share :wide of them.
SET session_replication_role = replica; -- no counters, no log: they are filled in at the end
SET synchronous_commit = off;
SET work_mem = '256MB';
SELECT partition_ensure('check_hours', 'day', now() - d * interval '1 day') FROM generate_series(0, 100) d \g /dev/null
SELECT partition_ensure('results', 'day', now() - d * interval '1 day') FROM generate_series(0, 31) d \g /dev/null

CREATE TEMP TABLE named AS
SELECT id AS check_id, legacy_id, row_number() OVER (ORDER BY legacy_id) AS n, name FROM checks WHERE org_id = :'org';
ANALYZE named;

-- Results: the first check every minute of 31 days, the next hundred every five minutes, all others five.
CREATE TEMP TABLE runs AS
SELECT check_id, n, at, row_number() OVER () AS i
FROM (SELECT check_id, n, date_trunc('minute', now()) - m * interval '1 minute' AS at
      FROM named, generate_series(1, 31 * 1440) m WHERE n = 1
      UNION ALL
      SELECT check_id, n, date_trunc('minute', now()) - (5 * m + n % 5) * interval '1 minute'
      FROM named, generate_series(1, 31 * 288) m WHERE n BETWEEN 2 AND 101
      UNION ALL
      SELECT check_id, n, date_trunc('minute', now()) - (5 * m + n % 5) * interval '1 minute'
      FROM named, generate_series(1, 5) m WHERE n > 101) AS r;
INSERT INTO results (check_id, slot_at, location, trigger, id, org_id, status, message, response_us, lag_us, raw_data, executed_at)
SELECT check_id, at, 'default', 'schedule',
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' ||
        substr(md5(i::text), 4, 3) || lpad(to_hex(i), 12, '0'))::uuid,
       :'org', CASE WHEN i % 97 = 0 THEN 'error' WHEN i % 89 = 0 THEN 'warning' WHEN i % 1009 = 0 THEN 'missed' ELSE 'success' END,
       'Website responded with status 200', 20000 + i % 30000, 900, '{"status_code": 200, "response_time_ms": 34.2}',
       at + interval '40 milliseconds'
FROM runs ORDER BY at;
DROP TABLE runs;

-- Rollups: of all results, and of the first check for as long as they are kept.
CREATE TEMP TABLE summed AS
SELECT check_id, hour_of(slot_at) AS at, latency_bucket(response_us) AS bucket,
       count(*) FILTER (WHERE status = 'success') AS success, count(*) FILTER (WHERE status = 'warning') AS warning,
       count(*) FILTER (WHERE status = 'error') AS error, count(*) FILTER (WHERE status = 'missed') AS missed,
       count(*) AS measured, sum(response_us) AS sum_us, min(response_us) AS min_us, max(response_us) AS max_us
FROM results WHERE slot_at < hour_of(now() - interval '10 minutes') GROUP BY 1, 2, 3;
INSERT INTO check_hours (check_id, at, success, warning, error, missed, measured, sum_us, min_us, max_us, buckets, counts)
SELECT check_id, at, sum(success), sum(warning), sum(error), sum(missed), sum(measured), sum(sum_us), min(min_us), max(max_us),
       array_agg(bucket ORDER BY bucket), array_agg(measured ORDER BY bucket)
FROM summed GROUP BY check_id, at;
DROP TABLE summed;
CREATE TEMP TABLE bars AS
SELECT array_agg(b::smallint ORDER BY b) AS buckets, array_agg(1::integer ORDER BY b) AS counts
FROM generate_series(230, 290) b;
INSERT INTO check_hours (check_id, at, success, warning, error, missed, measured, sum_us, min_us, max_us, buckets, counts)
SELECT check_id, hour_of(now()) - h * interval '1 hour', 59, 0, 1, 0, 60, 60 * 34200, 20000, 50000, b.buckets, b.counts
FROM named, bars b, generate_series(31 * 24 + 1, 100 * 24 - 24) h WHERE n = 1
ON CONFLICT DO NOTHING;
INSERT INTO check_days (check_id, at, success, warning, error, missed, measured, sum_us, min_us, max_us, buckets, counts)
SELECT check_id, date_bin('1 day', now(), '2000-01-01 00:00:00+00') - d * interval '1 day', 1416, 0, 24, 0, 1440, 1440 * 34200,
       20000, 50000, b.buckets, b.counts
FROM named, bars b, generate_series(1, 400) d WHERE n <= 101;
UPDATE rollup_progress SET hours_to = hour_of(now() - interval '10 minutes'), closed_to = hour_of(now() - interval '10 minutes'),
       days_to = date_bin('1 day', now() - interval '10 minutes', '2000-01-01 00:00:00+00');
INSERT INTO result_tallies (org_id, at, grain, success, warning, error, missed)
SELECT org_id, CASE WHEN recent THEN at ELSE hour_of(at) END, CASE WHEN recent THEN 'minute' ELSE 'hour' END,
       count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'warning'),
       count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE status = 'missed')
FROM (SELECT org_id, status, slot_at AS at, slot_at > now() - interval '2 days' AS recent FROM results) r
GROUP BY 1, 2, 3;

-- Transitions: up, down, up, degraded in turns; to the uptime API the last two are one status.
INSERT INTO transitions (check_id, sequence, org_id, at, from_state, to_state, reason, uptime)
SELECT check_id, s, :'org', at, step[1 + s % 4], step[1 + (s + 1) % 4], 'Website responded with status 503',
       CASE s % 4 WHEN 0 THEN 'DOWN' WHEN 1 THEN 'UP' END
FROM (SELECT check_id, s, now() - (:deep - s) * interval '1 year' / :deep AS at
      FROM named, generate_series(1, :deep) s WHERE n = 1
      UNION ALL
      SELECT check_id, s, now() - (random() + 20 - s) * interval '18 days'
      FROM named, generate_series(1, 20) s WHERE n BETWEEN 2 AND 1 + :wide / 20) t,
     (VALUES (ARRAY['up', 'down', 'up', 'degraded'])) AS v (step)
ORDER BY at;
UPDATE check_state s SET sequence = t.sequence
FROM (SELECT check_id, max(sequence) AS sequence FROM transitions GROUP BY 1) t WHERE t.check_id = s.check_id;

-- Incidents and what was told of them.
INSERT INTO incidents (id, org_id, check_id, check_name, status, severity, title, cause, started_at, resolved_at, sequence, created_at, updated_at)
SELECT uuid7(), :'org', c.check_id, c.name, CASE WHEN i % 40 = 0 THEN 'open' ELSE 'resolved' END, 'critical', c.name || ' is down',
       'Website responded with status 503', at, CASE WHEN i % 40 <> 0 THEN at + interval '7 minutes' END, 2, at, at + interval '7 minutes'
FROM (SELECT i, now() - i * interval '20 minutes' AS at, CASE WHEN i % 20 = 7 THEN 1 ELSE i END AS n
      FROM generate_series(1, 20000) i) t JOIN named c USING (n);
INSERT INTO channels (id, org_id, name, type, config)
SELECT uuid7(), :'org', 'channel ' || i, 'webhook', '{"url": "https://hooks.example.com/1"}' FROM generate_series(1, 100) i;
CREATE TEMP TABLE heard AS SELECT id, row_number() OVER () - 1 AS n FROM channels WHERE org_id = :'org';
CREATE TEMP TABLE told AS SELECT id, check_id, started_at, row_number() OVER (ORDER BY started_at) AS n FROM incidents;
INSERT INTO outbox (id, org_id, event, incident_id, check_id, sequence, channel_id, channel_type, payload, status, attempts,
                    next_at, created_at, finished_at, response_code)
SELECT uuid7(), :'org', 'check.down', t.id, t.check_id, 1 + i / 20000, h.id, 'webhook',
       jsonb_build_object('event', 'check.down', 'check_name', t.check_id, 'message', repeat('x', 300)),
       CASE WHEN i % 50 = 0 THEN 'failed' ELSE 'delivered' END, 1, t.started_at, t.started_at, t.started_at + interval '1 second', 200
FROM generate_series(1, 50000) i JOIN told t ON t.n = 1 + i % 20000 JOIN heard h ON h.n = i % 100;
INSERT INTO incident_events (id, incident_id, at, type, message)
SELECT uuid7(), id, now() + i * interval '1 second', 'commented', 'looked at it again'
FROM told, generate_series(1, 1000) i WHERE n = 1;

-- The audit log, people, their keys, sessions and invitations, schedules, servers.
INSERT INTO users (id, org_id, username, email, password_hash, role, created_at)
SELECT uuid7(), :'org', 'person' || i, 'person' || i || '@example.com', '!', CASE WHEN i % 50 = 0 THEN 'admin' ELSE 'viewer' END,
       now() - i * interval '1 hour'
FROM generate_series(1, 10000) i;
CREATE TEMP TABLE people AS SELECT id, username, row_number() OVER (ORDER BY created_at) AS n FROM users;
INSERT INTO audit_log (id, org_id, at, action, object_type, object_id, object_name, actor_type, user_id, username, address, request_id, before, after)
SELECT uuid7(), :'org', now() - i * interval '5 minutes', CASE WHEN i % 100 = 0 THEN 'user.login_failed' ELSE 'check.update' END,
       CASE WHEN i % 100 = 0 THEN 'user' ELSE 'check' END, c.check_id::text, c.name, 'user', p.id, p.username,
       '192.0.2.' || i % 250, 'request-' || i, '{"name": "before"}', '{"name": "after"}'
FROM generate_series(1, 100000) i JOIN named c ON c.n = 1 + i % 1000 JOIN people p ON p.n = 1 + i % 500;
INSERT INTO api_keys (id, org_id, user_id, name, prefix, key_hash, scopes, created_at, revoked_at)
SELECT uuid7(), :'org', p.id, 'key ' || i, 'bench' || i, '\x00', ARRAY['checks:read'], now() - i * interval '1 minute',
       CASE WHEN i % 3 = 0 THEN now() END
FROM generate_series(1, 10000) i JOIN people p ON p.n = i;
INSERT INTO refresh_tokens (id, user_id, family, token_hash, expires_at, used_at, created_at)
SELECT uuid7(), u.id, md5(u.id::text || f)::uuid, decode(md5(u.id::text || f || '.' || k), 'hex'), now() + interval '30 days',
       CASE WHEN k < 10 THEN now() END, now() - (10 - k) * interval '1 minute'
FROM (SELECT id FROM users WHERE email = :'email') u, generate_series(1, 500) f, generate_series(1, 10) k;
INSERT INTO refresh_tokens (id, user_id, family, token_hash, expires_at)
SELECT uuid7(), id, id, decode(md5(id::text), 'hex'), now() + interval '30 days' FROM people;
INSERT INTO invitations (id, org_id, email, role, token_hash, created_at, expires_at)
SELECT uuid7(), :'org', 'guest' || i || '@example.com', 'viewer', decode(md5('i' || i), 'hex'), now() - i * interval '1 minute',
       now() + (2500 - i) * interval '1 minute'
FROM generate_series(1, 5000) i;
INSERT INTO schedules (id, org_id, name, task, schedule, shard, created_at)
SELECT uuid7(), :'org', 'nightly ' || i, 'queue.echo', '0 3 * * *', i % 16, now() - i * interval '1 minute'
FROM generate_series(1, 1000) i;
INSERT INTO hosts (id, org_id, slug, name, host, created_at, last_seen_at)
SELECT uuid7(), :'org', 'server-' || i, 'server ' || i, '192.0.2.1', now() - i * interval '1 minute', now()
FROM generate_series(1, 1000) i;
INSERT INTO series (host_id, metric_type, metric_name)
SELECT id, 'system', 'metric_' || i FROM hosts, generate_series(1, 100) i WHERE slug = 'server-1';
INSERT INTO layouts (host_id, digest, series_ids)
SELECT host_id, md5('layout')::uuid, array_agg(id ORDER BY id) FROM series GROUP BY 1;
INSERT INTO scrapes (host_id, at, layout_id, values)
SELECT l.host_id, now() - i * interval '10 seconds', l.id, v.values
FROM layouts l, generate_series(0, 8000) i,
     (SELECT array_agg(random()) AS values FROM generate_series(1, 100)) v;
SET session_replication_role = DEFAULT;
SELECT check_counts_rebuild() \g /dev/null
VACUUM ANALYZE; -- as autovacuum leaves them
