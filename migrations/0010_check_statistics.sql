-- Statistics of checks: counts as results arrive, totals of hours and days, and indices for lists.

-- How many results of each status an organisation has in a minute (`grain` 'minute', also where many
-- rows are of the same minute) or in an hour. Writers only add rows, so that they never wait for
-- each other; housekeeping sums them up.
CREATE TABLE result_tallies (
    org_id  uuid NOT NULL,
    at      timestamptz NOT NULL,
    grain   text NOT NULL DEFAULT 'new' CHECK (grain IN ('new', 'minute', 'hour')),
    success bigint NOT NULL,
    warning bigint NOT NULL,
    error   bigint NOT NULL,
    missed  bigint NOT NULL
);
CREATE INDEX result_tallies_org_at ON result_tallies (org_id, at)
    INCLUDE (success, warning, error, missed);
ALTER TABLE result_tallies SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- What one check's results of an hour or a day come to. A histogram has 16 buckets for each doubling
-- of the response time: bucket b holds 2^(b/16) to 2^((b+1)/16) microseconds, so that a percentile
-- read from it is at most 2.2 % off. Only buckets with something in them are kept.
CREATE TABLE check_hours (
    check_id uuid NOT NULL,
    at       timestamptz NOT NULL,
    success  integer NOT NULL,
    warning  integer NOT NULL,
    error    integer NOT NULL,
    missed   integer NOT NULL,
    measured integer NOT NULL,               -- results with a response time
    sum_us   bigint NOT NULL,
    min_us   bigint,
    max_us   bigint,
    buckets  smallint[] NOT NULL,
    counts   integer[] NOT NULL,
    PRIMARY KEY (check_id, at)
) PARTITION BY RANGE (at);
CREATE TABLE check_days (LIKE check_hours INCLUDING CONSTRAINTS, PRIMARY KEY (check_id, at));
CREATE INDEX check_days_at ON check_days (at);

CREATE FUNCTION latency_bucket(us bigint) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN us IS NULL THEN NULL
                WHEN us < 1 THEN 0
                ELSE floor(16 * ln(us::float8) / ln(2::float8)) END::smallint
$$;

CREATE FUNCTION hour_of(at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT date_bin('1 hour', at, '2000-01-01 00:00:00+00')
$$;

-- Hours before `hours_to`, and days before `days_to`, have been summed up. An hour before `closed_to`
-- is not waited for any more: who adds a result to it leaves a row in rollup_late. Summing up begins
-- when every transaction that may not have seen `closed_to` is over: those older than `barrier`.
CREATE TABLE rollup_progress (
    id        smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    hours_to  timestamptz NOT NULL,
    days_to   timestamptz NOT NULL,
    closed_to timestamptz NOT NULL,
    barrier   xid8                            -- null: not asked for yet
);
CREATE TABLE rollup_late (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    check_id uuid NOT NULL,
    at       timestamptz NOT NULL
);

-- Begun here, so that no result is stored between the first count and the trigger.
LOCK TABLE results IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO result_tallies (org_id, at, grain, success, warning, error, missed)
SELECT org_id, hour_of(slot_at), 'hour', count(*) FILTER (WHERE status = 'success'),
       count(*) FILTER (WHERE status = 'warning'), count(*) FILTER (WHERE status = 'error'),
       count(*) FILTER (WHERE status = 'missed')
FROM results
GROUP BY 1, 2;
INSERT INTO rollup_progress (hours_to, days_to, closed_to)
SELECT h, date_bin('1 day', h, '2000-01-01 00:00:00+00'), h
FROM (SELECT hour_of(least(min(at), now())) AS h FROM result_tallies) AS first;

-- Once a statement, whoever stores results: only rows that are really new are in new_results.
CREATE FUNCTION results_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO result_tallies (org_id, at, success, warning, error, missed)
    SELECT org_id, date_bin('1 minute', slot_at, '2000-01-01 00:00:00+00'),
           count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'warning'),
           count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE status = 'missed')
    FROM new_results
    GROUP BY 1, 2;
    INSERT INTO rollup_late (check_id, at)
    SELECT DISTINCT check_id, hour_of(slot_at)
    FROM new_results
    WHERE slot_at < (SELECT closed_to FROM rollup_progress);
    RETURN NULL;
END $$;
CREATE TRIGGER results_counted AFTER INSERT ON results REFERENCING NEW TABLE AS new_results
    FOR EACH STATEMENT EXECUTE FUNCTION results_count();

SELECT partition_ensure('check_hours', 'day', now() + d * interval '1 day') FROM generate_series(-1, 7) d;

-- Lists. What is not well is rare, and what people look for.
CREATE INDEX results_not_well ON results (org_id, status, slot_at DESC, id) WHERE status <> 'success';
CREATE INDEX incidents_check_started ON incidents (check_id, started_at DESC);
CREATE INDEX check_state_state ON check_state (state);
CREATE INDEX checks_org_name ON checks (org_id, lower(name), created_at DESC, id);
CREATE INDEX checks_org_updated ON checks (org_id, updated_at DESC, created_at DESC, id);
CREATE INDEX checks_org_group ON checks (org_id, group_name) WHERE group_name IS NOT NULL;
CREATE INDEX checks_tags ON checks USING gin (tags);

-- Finding part of a name. The extension comes with PostgreSQL, but installing it is the owner's right:
-- without it the search reads all names.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX checks_name_part ON checks USING gin (lower(name) gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'no index for parts of names: %', SQLERRM;
END $$;

-- What another system, or an imported file, calls a check: the stable key of an import.
ALTER TABLE checks ADD COLUMN external_id text;
CREATE UNIQUE INDEX checks_external_id ON checks (org_id, external_id) WHERE external_id IS NOT NULL;
