-- Tenants, people, credentials, hosts, checks and what they yield, notifications, metrics.
-- Forward only: a migration that ran is never changed, a new one follows it.

-- A version 7 uuid (RFC 9562), for rows that a statement makes from other rows.
CREATE FUNCTION uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
        substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

CREATE TABLE organisations (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    username      text NOT NULL,
    email         text NOT NULL,
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'owner')),
    is_active     boolean NOT NULL DEFAULT true,
    token_epoch   bigint NOT NULL DEFAULT 0,   -- raised to end all sessions
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz
);
CREATE UNIQUE INDEX users_username_key ON users (lower(username));
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE INDEX users_org ON users (org_id);

-- A refresh token is used once; the next one is of the same family. Using one twice ends the family.
CREATE TABLE refresh_tokens (
    id          uuid PRIMARY KEY,
    user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    family      uuid NOT NULL,
    token_hash  bytea NOT NULL UNIQUE,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    revoked_at  timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);

-- A host is a chatops server and a secumon agent at once: admin_status is what people set,
-- connectivity follows from last_seen_at.
CREATE TABLE hosts (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    slug            text NOT NULL,             -- agent id in paths and metrics: "server-001"
    name            text NOT NULL,
    host            text,                      -- address to reach it by
    port            integer NOT NULL DEFAULT 22 CHECK (port BETWEEN 1 AND 65535),
    hostname        text,
    ip_address      text,
    os              text,
    os_version      text,
    agent_version   text,
    admin_status    text NOT NULL DEFAULT 'active' CHECK (admin_status IN ('active', 'inactive')),
    labels          jsonb NOT NULL DEFAULT '{}',
    last_seen_at    timestamptz,
    last_metrics_at timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, slug)
);
-- An agent whose id is no slug ("Web.Example.com") is known by its name.
CREATE INDEX hosts_org_name ON hosts (org_id, name);

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    user_id      uuid REFERENCES users ON DELETE CASCADE,
    host_id      uuid REFERENCES hosts ON DELETE CASCADE,
    name         text NOT NULL,
    prefix       text NOT NULL UNIQUE,
    key_hash     bytea NOT NULL,
    scopes       text[] NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_org ON api_keys (org_id);

CREATE TABLE channels (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    name            text NOT NULL,
    type            text NOT NULL,
    config          jsonb NOT NULL DEFAULT '{}',   -- without secrets
    secret          bytea,                         -- sealed JSON object of the secret fields
    enabled         boolean NOT NULL DEFAULT true,
    is_default      boolean NOT NULL DEFAULT false,
    disabled_reason text,                          -- set when the notifier gave it up (410 Gone)
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, name)
);

CREATE TABLE checks (
    id                uuid PRIMARY KEY,
    org_id            uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    legacy_id         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    name              text NOT NULL,
    kind              text NOT NULL,               -- canonical name: "website"
    plugin_type       text NOT NULL,               -- as the user wrote it, an alias perhaps
    config            jsonb NOT NULL DEFAULT '{}', -- without secrets
    secret            bytea,                       -- sealed JSON object of the secret fields
    enabled           boolean NOT NULL DEFAULT true,
    schedule          text NOT NULL,               -- as the user wrote it
    timeout_ms        bigint NOT NULL DEFAULT 10000 CHECK (timeout_ms > 0),
    retries           integer NOT NULL DEFAULT 2 CHECK (retries BETWEEN 1 AND 100),
    retry_interval    text,                        -- schedule text for soft states; null: as schedule
    recoveries        integer NOT NULL DEFAULT 1 CHECK (recoveries BETWEEN 1 AND 100),
    webhook_url       text,
    tags              text[] NOT NULL DEFAULT '{}',
    group_name        text,
    revision          bigint NOT NULL DEFAULT 1,
    shard             smallint NOT NULL CHECK (shard BETWEEN 0 AND 15),
    created_by        uuid REFERENCES users ON DELETE SET NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX checks_org_created ON checks (org_id, created_at DESC, id);

CREATE TABLE check_channels (
    check_id   uuid NOT NULL REFERENCES checks ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    PRIMARY KEY (check_id, channel_id)
);
CREATE INDEX check_channels_channel ON check_channels (channel_id);

-- What the schedulers read instead of reloading all checks. A reader takes rows whose transaction
-- is older than every running one, so that a late commit is never skipped.
CREATE TABLE check_changes (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    check_id uuid NOT NULL,
    shard    smallint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX check_changes_xid ON check_changes (xid, id);

CREATE FUNCTION checks_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO check_changes (check_id, shard) VALUES (OLD.id, OLD.shard);
    ELSE
        INSERT INTO check_changes (check_id, shard) VALUES (NEW.id, NEW.shard);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER checks_change AFTER INSERT OR UPDATE OR DELETE ON checks
    FOR EACH ROW EXECUTE FUNCTION checks_log_change();

-- The one state of a check; changed only by the recorder's transaction and by pausing.
CREATE TABLE check_state (
    check_id       uuid PRIMARY KEY REFERENCES checks ON DELETE CASCADE,
    state          text NOT NULL DEFAULT 'pending' CHECK (state IN
                   ('pending', 'up', 'degraded', 'down', 'unknown', 'maintenance', 'paused')),
    since          timestamptz NOT NULL DEFAULT now(),
    failures       integer NOT NULL DEFAULT 0,     -- in a row, counting towards down
    successes      integer NOT NULL DEFAULT 0,     -- in a row, counting towards up
    last_slot_at   timestamptz,                    -- newest slot folded in
    last_run_at    timestamptz,
    last_status    text,                           -- success, warning, error
    last_message   text,
    last_response_us bigint,
    settled_to     timestamptz NOT NULL DEFAULT now(), -- every slot up to here has a result
    incident_id    uuid,                           -- the open one
    sequence       bigint NOT NULL DEFAULT 0       -- of transitions
) WITH (fillfactor = 70);

-- What was not expected before is not missing: slots count from a check's newest schedule, or from
-- when it was switched on again.
CREATE FUNCTION checks_expect_from_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE check_state SET settled_to = greatest(settled_to, now()) WHERE check_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER checks_expect AFTER UPDATE ON checks FOR EACH ROW
    WHEN (OLD.schedule IS DISTINCT FROM NEW.schedule OR (NEW.enabled AND NOT OLD.enabled))
    EXECUTE FUNCTION checks_expect_from_now();

-- At most one stored result per (check, slot, location, trigger). Partitioned by day of the slot.
-- id is a version 7 uuid whose time part is the slot's, so that a look-up by id meets one partition.
CREATE TABLE results (
    check_id      uuid NOT NULL,
    slot_at       timestamptz NOT NULL,
    location      text NOT NULL,
    trigger       text NOT NULL CHECK (trigger IN ('schedule', 'manual', 'retry')),
    id            uuid NOT NULL,
    org_id        uuid NOT NULL,
    status        text NOT NULL CHECK (status IN ('success', 'warning', 'error', 'missed')),
    message       text NOT NULL,
    response_us   bigint,                          -- null: nothing was measured
    lag_us        bigint,                          -- slot to start of the probe: our own queueing
    raw_data      jsonb NOT NULL DEFAULT '{}',
    executed_at   timestamptz NOT NULL,
    PRIMARY KEY (check_id, slot_at, location, trigger)
) PARTITION BY RANGE (slot_at);
CREATE INDEX results_org_slot ON results (org_id, slot_at DESC, id);

-- The status time series.
CREATE TABLE transitions (
    check_id    uuid NOT NULL REFERENCES checks ON DELETE CASCADE,
    sequence    bigint NOT NULL,
    org_id      uuid NOT NULL,
    at          timestamptz NOT NULL,              -- when the result that caused it was taken
    from_state  text NOT NULL,
    to_state    text NOT NULL,
    reason      text NOT NULL,
    result_id   uuid,
    incident_id uuid,
    PRIMARY KEY (check_id, sequence)
);
CREATE INDEX transitions_org_at ON transitions (org_id, at DESC);

CREATE TABLE incidents (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    check_id        uuid REFERENCES checks ON DELETE SET NULL,
    check_name      text NOT NULL,
    status          text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'acknowledged', 'resolved')),
    severity        text NOT NULL DEFAULT 'critical' CHECK (severity IN ('info', 'warning', 'critical')),
    title           text NOT NULL,
    cause           text NOT NULL,
    started_at      timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by uuid REFERENCES users ON DELETE SET NULL,
    resolved_at     timestamptz,
    resolved_by     uuid REFERENCES users ON DELETE SET NULL,  -- null: by recovery
    sequence        bigint NOT NULL DEFAULT 0,     -- of notifications: part of the delivery key
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX incidents_one_open ON incidents (check_id) WHERE status <> 'resolved';
CREATE INDEX incidents_org_started ON incidents (org_id, started_at DESC, id);

CREATE TABLE incident_events (
    id          uuid PRIMARY KEY,
    incident_id uuid NOT NULL REFERENCES incidents ON DELETE CASCADE,
    at          timestamptz NOT NULL DEFAULT now(),
    type        text NOT NULL CHECK (type IN ('opened', 'acknowledged', 'commented', 'resolved')),
    user_id     uuid REFERENCES users ON DELETE SET NULL,
    message     text NOT NULL DEFAULT ''
);
CREATE INDEX incident_events_incident ON incident_events (incident_id, at, id);

-- The outbox: written in the transaction that made the transition; the notifier claims rows, sends,
-- and records each attempt in the same row, which stays as the record of the delivery.
CREATE TABLE outbox (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES organisations ON DELETE CASCADE,
    event         text NOT NULL,                   -- check.down, check.up, channel.test …
    incident_id   uuid,
    check_id      uuid,
    sequence      bigint NOT NULL,
    channel_id    uuid REFERENCES channels ON DELETE CASCADE, -- null: the check's own webhook_url
    channel_type  text NOT NULL,
    target        text,                            -- the URL, where channel_id is null
    payload       jsonb NOT NULL,
    status        text NOT NULL DEFAULT 'pending' CHECK (status IN
                  ('pending', 'delivered', 'failed', 'cancelled')),
    attempts      integer NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL DEFAULT now(),
    claimed_by    text,
    claimed_until timestamptz,
    last_error    text,
    response_code integer,
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz
) WITH (fillfactor = 70);
-- The delivery key (incident, sequence, channel) is the webhook id and the mail's Message-ID.
CREATE UNIQUE INDEX outbox_key ON outbox (incident_id, sequence,
    coalesce(channel_id, '00000000-0000-0000-0000-000000000000'::uuid)) WHERE incident_id IS NOT NULL;
CREATE INDEX outbox_due ON outbox (next_at) WHERE status = 'pending';
CREATE INDEX outbox_org_created ON outbox (org_id, created_at DESC, id);

-- One lease a shard of schedules, on the database's clock; a new owner raises the epoch.
CREATE TABLE scheduler_shards (
    shard        smallint PRIMARY KEY,
    owner        text,
    epoch        bigint NOT NULL DEFAULT 0,
    leased_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO scheduler_shards (shard) SELECT generate_series(0, 15);

-- Schedulers that are alive, with or without shards: what a fair share is follows from their number.
CREATE TABLE scheduler_members (
    owner      text PRIMARY KEY,
    seen_until timestamptz NOT NULL
);

-- Housekeeping tasks (partitions, retention) run by whichever scheduler gets there first.
CREATE TABLE housekeeping (
    task     text PRIMARY KEY,
    ran_at   timestamptz NOT NULL DEFAULT '-infinity'
);

-- Metrics: one row per host and scrape (design: PostgreSQL is bound by rows, not by values).
CREATE TABLE series (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id     uuid NOT NULL REFERENCES hosts ON DELETE CASCADE,
    metric_type text NOT NULL,
    metric_name text NOT NULL,
    tags        jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (host_id, metric_type, metric_name, tags)
);
-- An ordered list of series that arrive together; values of a scrape are in this order.
CREATE TABLE layouts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id    uuid NOT NULL REFERENCES hosts ON DELETE CASCADE,
    digest     uuid NOT NULL,                  -- of series_ids: a long array does not fit an index
    series_ids bigint[] NOT NULL,
    UNIQUE (host_id, digest)
);
CREATE TABLE scrapes (
    host_id   uuid NOT NULL,
    at        timestamptz NOT NULL,
    layout_id bigint NOT NULL,
    values    float8[] NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX scrapes_host_at ON scrapes (host_id, at DESC);

CREATE TABLE disk_samples (
    host_id         uuid NOT NULL,
    at              timestamptz NOT NULL,
    device          text NOT NULL,
    mount_point     text NOT NULL,
    filesystem      text NOT NULL,
    total_bytes     bigint, used_bytes bigint, available_bytes bigint,
    usage_percent   float8,
    inodes_total    bigint, inodes_used bigint,
    inodes_percent  float8
) PARTITION BY RANGE (at);
CREATE INDEX disk_samples_host_at ON disk_samples (host_id, at DESC);

CREATE TABLE network_samples (
    host_id      uuid NOT NULL,
    at           timestamptz NOT NULL,
    interface    text NOT NULL,
    bytes_sent   bigint, bytes_recv bigint,
    packets_sent bigint, packets_recv bigint,
    errors_in    bigint, errors_out bigint,
    drop_in      bigint, drop_out bigint,
    is_up        boolean
) PARTITION BY RANGE (at);
CREATE INDEX network_samples_host_at ON network_samples (host_id, at DESC);

CREATE TABLE process_samples (
    host_id        uuid NOT NULL,
    at             timestamptz NOT NULL,
    pid            bigint NOT NULL,
    name           text NOT NULL,
    cmdline        text NOT NULL DEFAULT '',
    username       text NOT NULL DEFAULT '',
    cpu_percent    float8,
    memory_bytes   bigint,
    memory_percent float8,
    num_threads    bigint,
    status         text NOT NULL DEFAULT ''
) PARTITION BY RANGE (at);
CREATE INDEX process_samples_host_at ON process_samples (host_id, at DESC);

-- How far the writer has read each metrics stream; advanced in the transaction of the COPY.
CREATE TABLE ingest_marks (
    shard      smallint PRIMARY KEY,
    entry_id   text NOT NULL DEFAULT '0-0',
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO ingest_marks (shard) SELECT generate_series(0, 3);

-- Makes the partition of `parent` that holds `at`: unit 'hour' or 'day'. Safe to race.
CREATE FUNCTION partition_ensure(parent text, unit text, at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    lower_at timestamptz := date_trunc(unit, at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    upper_at timestamptz := lower_at + ('1 ' || unit)::interval;
    child text := parent || '_p' || to_char(lower_at AT TIME ZONE 'UTC',
                  CASE unit WHEN 'hour' THEN 'YYYYMMDDHH24' ELSE 'YYYYMMDD' END);
BEGIN
    IF to_regclass(child) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('partition:' || parent));
    IF to_regclass(child) IS NULL THEN
        -- Attaching, unlike CREATE … PARTITION OF, lets readers and writers of the parent go on.
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                       child, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       parent, child, lower_at, upper_at);
    END IF;
END $$;

-- Drops partitions of `parent` that ended before `before`; returns how many.
CREATE FUNCTION partition_drop_before(parent text, before timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    child record;
    dropped integer := 0;
    width interval;
BEGIN
    FOR child IN
        SELECT c.relname AS name, substring(c.relname FROM '_p([0-9]+)$') AS stamp
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        JOIN pg_class p ON p.oid = i.inhparent
        WHERE p.relname = parent AND c.relname ~ '_p[0-9]+$'
    LOOP
        width := CASE length(child.stamp) WHEN 10 THEN interval '1 hour' ELSE interval '1 day' END;
        IF to_timestamp(rpad(child.stamp, 10, '0'), 'YYYYMMDDHH24')::timestamp AT TIME ZONE 'UTC'
           + width <= before THEN
            EXECUTE format('DROP TABLE %I', child.name);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;

-- Today's and the coming partitions, so that the first start needs no housekeeping to have run.
SELECT partition_ensure('results', 'day', now() + d * interval '1 day') FROM generate_series(-1, 7) d;
SELECT partition_ensure(t, 'day', now() + d * interval '1 day')
    FROM generate_series(-1, 7) d, unnest(ARRAY['disk_samples', 'network_samples', 'process_samples']) t;
SELECT partition_ensure('scrapes', 'hour', now() + h * interval '1 hour') FROM generate_series(-24, 48) h;
