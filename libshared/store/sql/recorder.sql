-- The statements of the recorder's transaction, in its order. The states are locked in the order of
-- their checks' ids before anything is written, so that recorders queue up and never cross; whoever
-- deletes a check locks its state first, too.

-- name: recorder_lock
SELECT check_id AS id, org_id, retries, recoveries, state, since, failures, successes, last_run_at,
       last_slot_at, settled_to, incident_id, sequence
FROM check_state
WHERE check_id = ANY ($1::uuid[])
ORDER BY check_id
FOR UPDATE

-- name: recorder_insert_results
INSERT INTO results (check_id, slot_at, location, trigger, id, org_id, status, message, response_us,
                     lag_us, raw_data, executed_at)
SELECT r.check_id, r.slot_at, r.location, r.trigger, r.id, r.org_id, r.status, r.message,
       nullif(r.response_us, -1), nullif(r.lag_us, -1), r.raw_data::jsonb, r.executed_at
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::uuid[], $6::uuid[],
            $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::text[], $12::timestamptz[])
     AS r (check_id, slot_at, location, trigger, id, org_id, status, message, response_us, lag_us,
           raw_data, executed_at)
ON CONFLICT DO NOTHING
RETURNING id

-- name: recorder_find_results
SELECT k.n, r.id
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) WITH ORDINALITY
     AS k (check_id, slot_at, location, trigger, n)
JOIN results r ON r.check_id = k.check_id AND r.slot_at = k.slot_at AND r.location = k.location
              AND r.trigger = k.trigger

-- name: recorder_open_incidents
SELECT id, check_id
FROM incidents
WHERE check_id = ANY ($1::uuid[]) AND status <> 'resolved'
ORDER BY check_id
FOR UPDATE

-- name: recorder_update_states
UPDATE check_state s
SET state = u.state,
    since = u.since,
    failures = u.failures,
    successes = u.successes,
    last_slot_at = u.last_slot_at,
    last_run_at = coalesce(u.last_run_at, s.last_run_at),
    last_status = coalesce(u.last_status, s.last_status),
    last_message = coalesce(u.last_message, s.last_message),
    last_response_us = CASE WHEN u.last_run_at IS NULL THEN s.last_response_us
                            ELSE nullif(u.last_response_us, -1) END,
    settled_to = u.settled_to,
    incident_id = u.incident_id,
    sequence = u.sequence
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[],
            $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[], $10::bigint[],
            $11::timestamptz[], $12::uuid[], $13::bigint[])
     AS u (check_id, state, since, failures, successes, last_slot_at, last_run_at, last_status,
           last_message, last_response_us, settled_to, incident_id, sequence)
WHERE s.check_id = u.check_id

-- name: recorder_move_last_runs
UPDATE check_last_runs r
SET last_run_at = u.last_run_at, state = u.state
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[])
     AS u (check_id, org_id, before, last_run_at, state)
WHERE r.org_id = u.org_id AND r.last_run_at = coalesce(u.before, '-infinity')
  AND r.check_id = u.check_id

-- Where somebody wrote a last run past the recorder, or one of before check_last_runs did: there is no
-- index by check for this.
-- name: recorder_forget_last_runs
DELETE FROM check_last_runs WHERE check_id = ANY ($1::uuid[])

-- name: recorder_mend_last_runs
INSERT INTO check_last_runs (org_id, last_run_at, check_id, state)
SELECT org_id, coalesce(last_run_at, '-infinity'), check_id, state
FROM check_state WHERE check_id = ANY ($1::uuid[])

-- name: recorder_insert_transitions
INSERT INTO transitions (check_id, sequence, org_id, at, from_state, to_state, reason, result_id,
                         incident_id)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[],
                     $6::text[], $7::text[], $8::uuid[], $9::uuid[])

-- An incident that somebody has resolved by hand keeps that, but counts the notice of recovery.
-- name: recorder_resolve_incidents
UPDATE incidents i
SET status = 'resolved',
    resolved_at = coalesce(i.resolved_at, u.at),
    sequence = i.sequence + 1,
    updated_at = now()
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, at)
WHERE i.id = u.id

-- name: recorder_insert_incidents
INSERT INTO incidents (id, org_id, check_id, check_name, status, severity, title, cause, started_at,
                       resolved_at, sequence)
SELECT u.id, c.org_id, c.id, c.name,
       CASE WHEN u.resolved_at IS NULL THEN 'open' ELSE 'resolved' END, 'critical',
       c.name || ' is down', u.cause, u.started_at, u.resolved_at,
       CASE WHEN u.resolved_at IS NULL THEN 1 ELSE 2 END
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
     AS u (id, check_id, cause, started_at, resolved_at)
JOIN checks c ON c.id = u.check_id

-- name: recorder_insert_incident_events
INSERT INTO incident_events (id, incident_id, at, type, message)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[])

-- One row for each channel of the check (else the organisation's default ones), and one for the
-- check's own webhook_url.
-- name: recorder_insert_outbox
INSERT INTO outbox (id, org_id, event, incident_id, check_id, sequence, channel_id, channel_type,
                    target, payload)
SELECT uuid7(), c.org_id, e.event, i.id, c.id, n.sequence, t.channel_id, t.type, t.target,
       jsonb_build_object(
           'event', e.event,
           'incident_id', i.id,
           'sequence', n.sequence,
           'severity', i.severity,
           'organisation', jsonb_build_object('id', o.id, 'name', o.name),
           'check_id', c.id,
           'check_name', c.name,
           'kind', c.kind,
           'target', coalesce(c.config->>'url', c.config->>'host', c.config->>'hostname',
                              c.config->>'domain', ''),
           'previous_state', e.from_state,
           'state', e.to_state,
           'message', e.message,
           'at', to_char(e.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'started_at', to_char(i.started_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'duration_s', CASE WHEN e.event = 'check.up' THEN
               round(extract(epoch FROM greatest(e.at - i.started_at, interval '0'))::numeric, 3) END)
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::timestamptz[])
     AS e (check_id, incident_id, event, from_state, to_state, message, at)
JOIN checks c ON c.id = e.check_id
JOIN organisations o ON o.id = c.org_id
JOIN incidents i ON i.id = e.incident_id
CROSS JOIN LATERAL (
    SELECT CASE e.event WHEN 'check.down' THEN 1 ELSE i.sequence END AS sequence) n
CROSS JOIN LATERAL (
    SELECT ch.id AS channel_id, ch.type, NULL::text AS target
    FROM channels ch
    WHERE ch.org_id = c.org_id AND ch.enabled
      AND CASE WHEN EXISTS (SELECT 1 FROM check_channels cc WHERE cc.check_id = c.id)
               THEN EXISTS (SELECT 1 FROM check_channels cc
                            WHERE cc.check_id = c.id AND cc.channel_id = ch.id)
               ELSE ch.is_default END
    UNION ALL
    SELECT NULL, 'webhook', c.webhook_url WHERE c.webhook_url <> '') t
ON CONFLICT DO NOTHING

-- name: recorder_ensure_partition
SELECT partition_ensure('results', 'day', $1::timestamptz)
