/* Whole schedulers as processes: what they put into the queue is the ledger. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "base/vec.h"
#include "json/parse.h"
#include "queue/queue.h"
#include "queue/check_jobs.h"
#include "tests/kit/kit.h"

#define STREAM "{q:checks:0}:p1"

static const char *database, *redis_url;
static struct db *db;
static struct redis *redis;
static struct uuid org;

struct line {
    char id[UUID_TEXT_BYTES];
    int64_t slot_ms, prev_ms;
};
typedef VEC(struct line) ledger_t;

static int setup(void **state)
{
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    redis = kit_redis_open(redis_url);
    org = kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    redis_free(redis);
    db_free(db);
    return 0;
}

/* Each test starts with nothing. */
static int clean(void **state)
{
    AUTO_REPLY reply = NULL;
    kit_sql(
        db,
        "DELETE FROM checks; DELETE FROM schedules; UPDATE scheduler_shards SET owner = NULL, leased_until ="
        " '-infinity'; DELETE FROM scheduler_members");
    assert_ok(redis_do(redis, &reply, "FLUSHDB"));
    return 0;
}

/* --- processes --- */

static pid_t start_with(const char *name, const char *value)
{
    const char *bin = getenv("TOCSIN_TEST_BIN");
    char path[512];
    assert_non_null(bin);
    (void)snprintf(path, sizeof(path), "%s/tocsin-scheduler", bin);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves nobody behind */
    (void)setenv("TOCSIN_DATABASE_URL", database, 1);
    (void)setenv("TOCSIN_REDIS_URL", redis_url, 1);
    (void)setenv("TOCSIN_HEALTH_PORT", "0", 1);
    (void)setenv("TOCSIN_SCHEDULER_LEASE", "500ms", 1);
    (void)setenv("TOCSIN_LOG_LEVEL", "warn", 1);
    if (name)
        (void)setenv(name, value, 1);
    (void)execl(path, path, (char *)NULL);
    _exit(127);
}

static pid_t start(void)
{
    return start_with(NULL, NULL);
}

static void end(pid_t pid, int signal)
{
    int status = 0;
    assert_int_equal(kill(pid, signal), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (signal == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int64_t shards_leased(void)
{
    return kit_sql_i64(db, "SELECT count(*) FROM scheduler_shards WHERE leased_until > now()");
}

static int64_t owners(void)
{
    return kit_sql_i64(db, "SELECT count(DISTINCT owner) FROM scheduler_shards"
                           " WHERE leased_until > now()");
}

static int64_t smallest_share(void)
{
    return kit_sql_i64(db, "SELECT min(n) FROM (SELECT count(*) n FROM scheduler_shards"
                           " WHERE leased_until > now() GROUP BY owner) s");
}

/* --- the ledger --- */

static struct uuid make_check(const char *schedule)
{
    kit_sql(db, "BEGIN"); /* no scheduler sees it with another schedule */
    struct uuid id = kit_check(db, &org, "scheduled");
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    kit_sql(db, "UPDATE checks SET schedule = '%s' WHERE id = '%s'", schedule, text);
    kit_sql(db, "COMMIT");
    return id;
}

static void add_job(ledger_t *ledger, const redisReply *entry)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job job;
    assert_ok(job_decode(entry->element[1], arena, &job, NULL));
    json_t *json = json_loads(job.args, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "trigger")), "schedule");
    size_t i = 0;
    json_t *due = NULL;
    json_array_foreach (json_object_get(json, "checks"), i, due) {
        struct line line = {
            .slot_ms = json_integer_value(json_object_get(due, "slot")),
            .prev_ms = json_integer_value(json_object_get(due, "prev")),
        };
        (void)str_copy(line.id, sizeof(line.id), json_string_value(json_object_get(due, "id")));
        assert_ok(vec_push(ledger, line));
    }
    json_decref(json);
}

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int by_id = strcmp(x->id, y->id);
    return by_id ? by_id : x->slot_ms < y->slot_ms ? -1 : x->slot_ms > y->slot_ms;
}

/* By check, then by slot. */
static void read_ledger(ledger_t *ledger)
{
    AUTO_REPLY reply = NULL;
    ledger->count = 0;
    assert_ok(redis_do(redis, &reply, "XRANGE", STREAM, "-", "+"));
    for (size_t i = 0; i < reply->elements; i++)
        add_job(ledger, reply->element[i]);
    if (ledger->count > 0)
        qsort(ledger->at, ledger->count, sizeof(*ledger->at), compare_lines);
}

static size_t count_of(const char *id)
{
    ledger_t ledger = {0};
    size_t n = 0;
    read_ledger(&ledger);
    for (size_t i = 0; i < ledger.count; i++)
        n += id == NULL || strcmp(ledger.at[i].id, id) == 0;
    vec_done(&ledger);
    return n;
}

/* No slot twice, none left out between the first and the last of each check; how many checks. A new
 * check's first run (with no slot before it) comes at once, before its first slot. */
static size_t audit(void)
{
    ledger_t ledger = {0};
    size_t checks = 0;
    read_ledger(&ledger);
    for (size_t i = 0; i < ledger.count; i++) {
        if (i == 0 || strcmp(ledger.at[i - 1].id, ledger.at[i].id) != 0) {
            checks++;
            continue;
        }
        bool is_after_first = ledger.at[i - 1].prev_ms == 0;
        if (is_after_first ? ledger.at[i].slot_ms == ledger.at[i - 1].slot_ms
                           : ledger.at[i].prev_ms != ledger.at[i - 1].slot_ms)
            fail_msg("%s: slot %lld follows %lld, not %lld", ledger.at[i].id,
                     (long long)ledger.at[i].slot_ms, (long long)ledger.at[i - 1].slot_ms,
                     (long long)ledger.at[i].prev_ms);
    }
    vec_done(&ledger);
    return checks;
}

/* --- tests --- */

static void test_share_and_takeover(void **state)
{
    enum { CHECKS = 64 };
    for (int i = 0; i < CHECKS; i++)
        (void)make_check(i % 2 ? "every 1 second" : "every 2 seconds");
    pid_t a = start();
    assert_true(kit_wait(shards_leased() == 16, 10000));
    pid_t b = start();
    assert_true(kit_wait(owners() == 2 && smallest_share() == 8, 10000));
    assert_true(kit_wait(count_of(NULL) > CHECKS, 10000));
    end(a, SIGKILL);
    size_t before = count_of(NULL);
    assert_true(kit_wait(owners() == 1 && shards_leased() == 16, 5000));
    assert_true(kit_wait(count_of(NULL) > before + CHECKS / 2, 15000));
    end(b, SIGTERM);
    assert_int_equal(shards_leased(), 0); /* at once, not when the lease runs out */
    assert_int_equal(audit(), CHECKS);

    /* A restart goes on where it was. */
    before = count_of(NULL);
    a = start();
    assert_true(kit_wait(count_of(NULL) > before + CHECKS / 2, 15000));
    end(a, SIGTERM);
    assert_int_equal(audit(), CHECKS);
}

static void test_death_around_a_dispatch(void **state)
{
    static const char *const points[] = {"scheduler.before_dispatch:9",
                                         "scheduler.after_dispatch:9"};
    enum { CHECKS = 40 };
    for (int i = 0; i < CHECKS; i++)
        (void)make_check("every 1 second");
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        int status = 0;
        pid_t pid = start_with("TOCSIN_CRASH_AT", points[i]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    size_t before = count_of(NULL);
    pid_t pid = start();
    assert_true(kit_wait(count_of(NULL) > before + CHECKS, 15000));
    end(pid, SIGTERM);
    assert_int_equal(audit(), CHECKS);
}

static void test_redis_loses_its_memory(void **state)
{
    enum { CHECKS = 20 };
    for (int i = 0; i < CHECKS; i++)
        (void)make_check("every 1 second");
    pid_t pid = start();
    assert_true(kit_wait(count_of(NULL) > CHECKS, 15000));
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(redis, &reply, "FLUSHDB"));
    /* What was lost without a result comes again, and then it goes on. */
    assert_true(kit_wait(count_of(NULL) > (size_t)2 * CHECKS, 15000));
    end(pid, SIGTERM);
    assert_int_equal(audit(), CHECKS);
}

/* --- tasks --- */

static void make_schedule(const char *name, const char *overlap, struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    *id = uuid_new();
    uuid_format(id, text);
    kit_sql(db,
            "INSERT INTO schedules (id, name, task, args, schedule, queue, overlap, shard)"
            " VALUES ('%s', '%s', 'check.run',"
            " '{\"check_id\": \"00000000-0000-7000-8000-000000000001\", \"slot_us\": null}',"
            " 'every 1 second', '%s', '%s', %d)",
            text, name, name, overlap, (int)(uuid_hash(id) % 16));
}

static size_t jobs_of(const char *name)
{
    char key[64];
    AUTO_REPLY reply = NULL;
    (void)snprintf(key, sizeof(key), "{q:%s:0}:p0", name);
    assert_ok(redis_do(redis, &reply, "XLEN", key));
    return (size_t)reply->integer;
}

static int64_t slots_since(const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    return kit_sql_i64(db,
                       "SELECT coalesce(round(extract(epoch FROM last_slot_at - created_at)), -1)"
                       "::bigint FROM schedules WHERE id = '%s'",
                       text);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The jobs of a schedule whose runs may overlap: one a slot. What a relay that was killed had in
 * hand comes after what the next one finds. */
static void audit_jobs(void)
{
    int64_t slots[256];
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(redis, &reply, "XRANGE", "{q:each:0}:p0", "-", "+"));
    const size_t count = reply->elements;
    assert_in_range(count, 1, ARRAY_LEN(slots));
    for (size_t i = 0; i < count; i++) {
        struct job job;
        struct check_run run;
        AUTO_ARENA arena = arena_new(65536);
        assert_non_null(arena);
        assert_ok(job_decode(reply->element[i]->element[1], arena, &job, NULL));
        assert_string_equal(job.task, "check.run");
        assert_ok(check_run_decode(job.args, &run, NULL));
        slots[i] = run.slot_us;
    }
    qsort(slots, count, sizeof(*slots), by_number);
    for (size_t i = 1; i < count; i++) {
        if (slots[i] == slots[i - 1] || slots[i] % 1000 != 0)
            fail_msg("slots %lld, %lld", (long long)slots[i - 1], (long long)slots[i]);
    }
}

static struct uuid make_check_named(const char *schedule, char text[UUID_TEXT_BYTES])
{
    struct uuid id = make_check(schedule);
    uuid_format(&id, text);
    return id;
}

/* Checks and schedules that are made, changed and deleted under a running scheduler, all at once as
 * each of them takes some seconds of waiting. */
static void test_edits_are_seen(void **state)
{
    char often[UUID_TEXT_BYTES], other[UUID_TEXT_BYTES], rare[UUID_TEXT_BYTES],
        yearly[UUID_TEXT_BYTES], monthly[UUID_TEXT_BYTES], each_text[UUID_TEXT_BYTES];
    struct uuid each, single, later;
    make_schedule("each", "allow", &each);
    uuid_format(&each, each_text);
    pid_t pid = start(); /* one is loaded, the others come with the log of changes */
    assert_true(kit_wait(shards_leased() == 16, 10000));
    make_schedule("single", "skip", &single);
    (void)make_check_named("every 1 second", often);
    (void)make_check_named("CRON_TZ=Europe/Berlin 0 0 29 2 *", rare);
    assert_true(kit_wait(count_of(rare) == 1, 5000)); /* a new check runs at once */
    assert_true(kit_wait(count_of(often) >= 2, 10000));
    assert_true(kit_wait(jobs_of("each") >= 3, 10000));
    assert_true(kit_wait(slots_since(&single) >= 3, 10000));
    assert_int_equal(jobs_of("single"), 1); /* nobody has run the first one yet */

    kit_sql(db, "UPDATE checks SET enabled = false WHERE id = '%s'", often);
    kit_sql(db, "UPDATE checks SET name = 'another' WHERE id = '%s'", rare);
    kit_sql(db, "UPDATE schedules SET enabled = false WHERE id = '%s'", each_text);
    /* Seen after the changes above. */
    (void)make_check_named("every 1 second", other);
    (void)make_check_named("@yearly", yearly);
    make_schedule("later", "allow", &later);
    assert_true(kit_wait(count_of(other) >= 2 && jobs_of("later") >= 1, 10000));
    assert_true(kit_wait(count_of(yearly) == 1, 5000));
    const size_t checks_at = count_of(often), jobs_at = jobs_of("each");
    assert_true(kit_wait(count_of(other) >= 4 && jobs_of("later") >= 3, 10000));
    assert_int_equal(count_of(often), checks_at);
    assert_int_equal(jobs_of("each"), jobs_at);
    assert_true(count_of(rare) == 1 && count_of(yearly) == 1);

    /* The next owner goes on: nothing that ran runs again. */
    kit_sql(db, "UPDATE checks SET enabled = true WHERE id = '%s'", often);
    kit_sql(db, "UPDATE schedules SET enabled = true WHERE id = '%s'", each_text);
    kit_sql(db, "DELETE FROM checks WHERE id = '%s'", other);
    assert_true(kit_wait(count_of(often) > checks_at && jobs_of("each") > jobs_at, 10000));
    end(pid, SIGKILL);
    const size_t before = jobs_of("each"), deleted_at = count_of(other);
    pid = start();
    assert_true(kit_wait(shards_leased() == 16, 10000));
    (void)make_check_named("@monthly", monthly);
    assert_true(kit_wait(count_of(monthly) == 1, 5000));
    assert_true(kit_wait(jobs_of("each") >= before + 2, 10000));
    assert_true(count_of(rare) == 1 && count_of(yearly) == 1);
    assert_int_equal(count_of(other), deleted_at);
    end(pid, SIGTERM);
    audit_jobs();
}

static void test_lost_lease_stops_dispatch(void **state)
{
    struct uuid id = make_check("every 1 second");
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    pid_t pid = start();
    assert_true(kit_wait(count_of(text) >= 1, 10000));
    kit_sql(db, "UPDATE scheduler_shards SET owner = 'someone', epoch = epoch + 1,"
                " leased_until = now() + interval '1 minute'");
    /* At its next renewal it knows. */
    int64_t renewed = kit_sql_i64(db, "SELECT (extract(epoch FROM max(seen_until)) * 1000)::bigint"
                                      " FROM scheduler_members");
    assert_true(
        kit_wait(kit_sql_i64(db, "SELECT (extract(epoch FROM max(seen_until)) * 1000)::bigint"
                                 " FROM scheduler_members") > renewed + 200,
                 5000));
    size_t before = count_of(text);
    assert_false(kit_wait(count_of(text) > before, 1300));

    /* Free again: taken over within the wait for a lease, and what was due meanwhile runs once. */
    kit_sql(db, "UPDATE scheduler_shards SET owner = NULL");
    assert_true(kit_wait(count_of(text) > before, 5000));
    end(pid, SIGTERM);
}

static void test_old_epoch_is_fenced(void **state)
{
    struct uuid id = make_check("every 1 second");
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    pid_t pid = start();
    assert_true(kit_wait(count_of(text) >= 1, 10000));
    /* Somebody with a newer epoch has claimed all shards in Redis, while the database still says
     * that they are this one's: it gives them back, and gets a newer epoch yet. */
    for (int i = 0; i < 16; i++) {
        AUTO_REPLY reply = NULL;
        char key[64];
        (void)snprintf(key, sizeof(key), "{q:checks:0}:fence:%d", i);
        assert_ok(redis_do(redis, &reply, "HINCRBY", key, "epoch", "1"));
    }
    size_t before = count_of(text);
    assert_true(kit_wait(count_of(text) >= before + 3, 10000));
    end(pid, SIGTERM);
    assert_int_equal(audit(), 1);
}

/* --- the database's clock --- */

enum { HOUR_S = 3600 };

/* now() and clock_timestamp() of everybody who is not told otherwise: the database's own clock, as
 * far as a name without a schema goes, is set without any help of the programs under test. */
static void fake_clock(void)
{
    kit_sql(db, "CREATE SCHEMA fake; CREATE TABLE fake.clock AS SELECT interval '0' AS by;"
                "CREATE FUNCTION fake.now() RETURNS timestamptz STABLE LANGUAGE sql AS"
                " 'SELECT pg_catalog.now() + by FROM fake.clock';"
                "CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql"
                " AS 'SELECT pg_catalog.clock_timestamp() + by FROM fake.clock';"
                "DO $$BEGIN EXECUTE format('ALTER DATABASE %%I SET search_path ="
                " fake, pg_catalog, public', current_database()); END$$");
}

static void set_clock(int64_t seconds)
{
    kit_sql(db, "UPDATE fake.clock SET by = interval '%lld seconds'", (long long)seconds);
}

static int64_t leased_of(const char *owner_like)
{
    return kit_sql_i64(db,
                       "SELECT count(*) FROM scheduler_shards WHERE owner LIKE '%%:%s:%%'"
                       " AND leased_until BETWEEN pg_catalog.now() + (SELECT by FROM fake.clock)"
                       " AND pg_catalog.now() + (SELECT by FROM fake.clock) + interval '1 minute'",
                       owner_like);
}

/* Slots of a check, of which none comes twice; how many times one was left out. */
static size_t count_holes(const ledger_t *l, size_t *checks)
{
    size_t holes = 0;
    *checks = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (i == 0 || strcmp(l->at[i - 1].id, l->at[i].id) != 0) {
            (*checks)++;
            continue;
        }
        assert_true(l->at[i].slot_ms > l->at[i - 1].slot_ms);
        holes += l->at[i - 1].prev_ms != 0 && l->at[i].prev_ms != l->at[i - 1].slot_ms;
    }
    return holes;
}

/* The database's clock steps by an hour, back and forth: all live on it, and nobody stands still,
 * runs anything twice, or makes up for an hour that there was not. */
static void test_clock_of_the_database(void **state)
{
    enum { CHECKS = 24 };
    static const struct {
        int64_t at_s;
        bool is_ahead; /* of all that was: slots in between are left out, once */
        bool dies;     /* one of the two, just before */
    } steps[] = {{HOUR_S, true, false},
                 {0, false, true},
                 {-HOUR_S, false, false},
                 {2 * HOUR_S, true, false}};
    ledger_t ledger = {0};
    size_t checks = 0, holes_max = 0;
    fake_clock();
    for (int i = 0; i < CHECKS; i++)
        (void)make_check("every 1 second");
    pid_t pids[] = {start(), start()};
    char one[16];
    assert_true(kit_wait(owners() == 2 && smallest_share() == 8, 10000));
    assert_true(kit_wait(count_of(NULL) > CHECKS, 10000));
    const size_t first = count_of(NULL);
    size_t most = 0;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i].dies)
            end(pids[1], SIGKILL);
        set_clock(steps[i].at_s);
        const size_t before = count_of(NULL);
        const int64_t began_ms = kit_real_mono_ms();
        /* Every shard goes on. */
        (void)snprintf(one, sizeof(one), "%d", (int)pids[0]);
        if (steps[i].dies)
            assert_true(kit_wait(leased_of(one) == 16, 5000));
        assert_true(kit_wait(count_of(NULL) >= before + (size_t)2 * CHECKS, 10000));
        const int64_t took_ms = kit_real_mono_ms() - began_ms;
        /* … at its pace: what was on its way comes on top, and what is up to ten seconds late,
         * perhaps only after the next step. */
        const size_t ran = count_of(NULL) - first;
        most += (size_t)(CHECKS * (took_ms / 1000 + 3 + (steps[i].is_ahead ? 10 : 0)));
        if (ran > most)
            fail_msg("step %zu: %zu runs by now, not %zu", i, ran, most);
        holes_max += steps[i].is_ahead ? CHECKS : 0;
        read_ledger(&ledger);
        const size_t holes = count_holes(&ledger, &checks);
        assert_int_equal(checks, CHECKS);
        if (holes > holes_max)
            fail_msg("step %zu: %zu holes, not %zu", i, holes, holes_max);
    }
    end(pids[0], SIGTERM);
    vec_done(&ledger);
    kit_sql(db, "DROP SCHEMA fake CASCADE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_share_and_takeover, clean),
        cmocka_unit_test_setup(test_death_around_a_dispatch, clean),
        cmocka_unit_test_setup(test_redis_loses_its_memory, clean),
        cmocka_unit_test_setup(test_edits_are_seen, clean),
        cmocka_unit_test_setup(test_lost_lease_stops_dispatch, clean),
        cmocka_unit_test_setup(test_old_epoch_is_fenced, clean),
        cmocka_unit_test_setup(test_clock_of_the_database, clean),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
