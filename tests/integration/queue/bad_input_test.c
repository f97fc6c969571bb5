/* What else may lie in Redis: entries that are none, newer ones, keys of another type. Each has a
 * state that can be seen, and nothing else stops. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "tests/kit/queue.h"

#define PREFIX "{q:default:0}:"
#define fetch queue_fixture_fetch
#define put queue_fixture_put
#define info queue_fixture_info
#define maintain queue_fixture_maintain

/* --- entries --- */

/* One that is whole, as text for MessagePack below. */
#define ID \
    "\xb0" \
    "0123456789abcdef"
#define BYTES(text) text, sizeof(text) - 1
static const struct {
    const char *field, *value;
    size_t len;
    const char *more, *more_value; /* beside it, NULL */
    const char *says;
} entries[] = {
    {"j", BYTES(""), NULL, NULL, "envelope"},
    {"j", BYTES("no message pack"), NULL, NULL, "envelope"},
    {"what", BYTES("ever"), NULL, NULL, "no envelope"},
    {"j", BYTES("\x92\x02" ID), NULL, NULL, "newer"},
    {"j", BYTES("\x92\xcf\x7f\xff\xff\xff\xff\xff\xff\xff" ID), NULL, NULL, "newer"},
    {"j",
     BYTES("\x92\xa1"
           "1" ID),
     NULL, NULL, "envelope"},
    {"j", BYTES("\x91\x01"), NULL, NULL, "envelope"},
    {"j",
     BYTES("\x94\x01\xa4"
           "0123"
           "\xa1t\xa2{}"),
     NULL, NULL, "uuid"},
    {"j", BYTES("\x94\x01\x07\xa1t\xa2{}"), NULL, NULL, "uuid"},
    {"j", BYTES("\x94\x01" ID "\xa1t"), NULL, NULL, "ends early"},
    {"j", BYTES("\x94\x01" ID "\x05\xa2{}"), NULL, NULL, "task is of another type"},
    {"j", BYTES("\x94\x01" ID "\xa1t\x05"), NULL, NULL, "args is of another type"},
    {"j", BYTES("\x94\x01" ID "\xa3t\0t\xa2{}"), NULL, NULL, "NUL"},
    {"j", BYTES("\x95\x01" ID "\xa1t\xa2{}\x04"), NULL, NULL, "priority is not in its range"},
    {"j",
     BYTES("\x95\x01" ID "\xa1t\xa2{}\xa1"
           "1"),
     NULL, NULL, "priority is of another type"},
    {"j", BYTES("\x96\x01" ID "\xa1t\xa2{}\x01\x00"), NULL, NULL, "max attempts"},
    {"j", BYTES("\x94\x01" ID "\xc0\xa2{}"), NULL, NULL, "missing"},
    {"j", BYTES("\xdd\xff\xff\xff\xff\x01"), NULL, NULL, "uuid"},
    {"j", BYTES("\x96\x01" ID "\xa1t\xa2{}\x01\x03"), "attempt", "many", "attempt"},
    {"j", BYTES("\x96\x01" ID "\xa1t\xa2{}\x01\x03"), "attempt", "0", "attempt"},
    {"j", BYTES("\x96\x01" ID "\xa1t\xa2{}\x01\x03"), "lost", "-1", "lost"},
    {"j", BYTES("\x96\x01" ID "\xa1t\xa2{}\x01\x03"), "granted", "soon", "granted"},
};

static void add_entry(struct queue_fixture *f, size_t i)
{
    struct rargs a;
    rargs_init(&a, "XADD");
    rargs_str(&a, queue_stream_key(f->q, 1));
    rargs_str(&a, "*");
    rargs_str(&a, entries[i].field);
    rargs_bytes(&a, entries[i].value, entries[i].len);
    if (entries[i].more) {
        rargs_str(&a, entries[i].more);
        rargs_str(&a, entries[i].more_value);
    }
    assert_ok(redis_call(f->r, &a, NULL));
}

static void test_entries_that_are_no_jobs(void **state)
{
    struct queue_fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        struct job good = queue_fixture_job();
        good.priority = 1;
        add_entry(f, i);
        put(f, &good);
        /* The one behind it comes. */
        assert_int_equal(fetch(f, "a", 10), 1);
        assert_true(uuid_eq(&f->batch.jobs[0].id, &good.id));
        queue_fixture_end(f, "a", 0, JOB_SUCCEEDED, NULL);
        struct job_page page;
        assert_ok(kit_jobs_list(f->q, f->r, JOB_DEAD, NULL, 1, f->arena, &page));
        assert_int_equal(page.count, 1);
        if (!strstr(page.jobs[0].error, entries[i].says))
            fail_msg("entry %zu: \"%s\" is not in \"%s\"", i, entries[i].says, page.jobs[0].error);
    }
    assert_int_equal(info(f).dead, ARRAY_LEN(entries));
    assert_int_equal(info(f).in_flight, 0);
    int64_t moved = 0;
    assert_ok(queue_dead_requeue_all(f->q, f->r, "t", &moved));
    assert_ok(queue_purge(f->q, f->r, JOB_DEAD, NULL));
    assert_int_equal(info(f).dead, 0);
}

static void test_delayed_that_are_no_jobs(void **state)
{
    struct queue_fixture *f = *state;
    static const char *const values[] = {"", "x", "\x91\xa1j", "\x92\xa1j\x05", "\x92\xa1j\xa1x"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "id-%zu", i);
        assert_ok(redis_do(f->r, NULL, "ZADD", PREFIX "delayed", "1", id));
        assert_ok(redis_do(f->r, NULL, "HSET", PREFIX "jobs", id, values[i]));
    }
    assert_ok(redis_do(f->r, NULL, "ZADD", PREFIX "delayed", "1", "nobody"));
    struct job_page page;
    assert_ok(kit_jobs_list(f->q, f->r, JOB_DELAYED, NULL, 10, f->arena, &page));
    assert_int_equal(page.count, ARRAY_LEN(values) + 1);
    struct job good = queue_fixture_job();
    good.not_before_ms = good.enqueued_at_ms + 1;
    put(f, &good);
    assert_int_equal(maintain(f, clock_wall_ms() + 60000), ARRAY_LEN(values) + 2);
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_int_equal(info(f).dead, ARRAY_LEN(values) + 1);
    assert_int_equal(info(f).delayed, 0);
}

/* --- keys --- */

/* Everything that a queue does, with one key broken; what still has to work is said by the row. */
enum works { NOTHING = 0, ENQUEUES = 1, RUNS = 2, RETRIES = 4, BURIES = 8, ALL = 15 };
static const struct {
    const char *key, *says;
    unsigned works;
} keys[] = {
    {"p2", "p2 is a string", NOTHING},
    {"p0", "p0 is a string", ALL},
    {"delayed", "delayed is a string", ENQUEUES | RUNS | BURIES},
    {"jobs", "jobs is a string", ENQUEUES | RUNS | BURIES},
    {"dead", "dead is a string", ENQUEUES | RUNS | RETRIES},
    {"stats", "stats is a string", ALL},
    {"events", "events is a string", ALL},
    {"control", "control is a string", ALL},
    {"rates", "rates is a string", ALL},
    {"key-rates", "key-rates is a string", ALL},
    {"cancelled", "cancelled is a string", ALL},
    {"consumers", "consumers is a string", ALL},
    {"lines", "lines is a string", ALL},
    {"ring:2", "ring:2 is a string", ALL},
    {"running:k", "", ALL},
    {"wait:k", "", ALL},
    {"kbucket:10:queue.noopk", "", ALL},
    {"unique:u", "", ALL},
};

/* `state` is how the attempt ended. */
static void must_end(struct queue_fixture *f, enum job_state how, bool works, const char *key)
{
    struct job job = queue_fixture_job();
    job.key = "k";
    job.key_limit = 5;
    job.key_rate = (struct queue_rate){.count = 100, .period_ms = 1000, .burst = 100};
    job.max_attempts = how == JOB_DEAD ? 1 : 3;
    job.result_ttl_ms = 60000;
    put(f, &job);
    if (fetch(f, "a", 10) != 1)
        fail_msg("%s: nothing was fetched", key);
    const struct job *got = &f->batch.jobs[0];
    const struct job_outcome ok = {.state = JOB_SUCCEEDED, .result = "{}"};
    const enum status st = how == JOB_SUCCEEDED
                               ? queue_finish(f->q, f->r, "a", got, &ok, 1)
                               : queue_retry(f->q, f->r, "a", got, "no", clock_wall_ms());
    /* Whatever is broken, nobody is asked to try for ever. */
    if (st != ST_OK && st != ST_CONFLICT)
        fail_msg("%s: %s", key, status_name(st));
    if (!works)
        return;
    assert_ok(st);
    struct job_view v;
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    const enum job_state want = how == JOB_FAILED ? JOB_DELAYED : how;
    if (v.state != want)
        fail_msg("%s: %s, not %s", key, job_state_name(v.state), job_state_name(want));
}

/* What only looks and keeps house works, whatever is broken. */
static void must_go_on(struct queue_fixture *f, const char *key)
{
    static const enum job_state states[] = {JOB_QUEUED, JOB_DELAYED, JOB_RUNNING, JOB_DEAD};
    struct job_page page;
    struct job_view view;
    struct uuid nobody = uuid_new();
    struct worker_view *workers = NULL;
    const char **names = NULL;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        assert_ok(kit_jobs_list(f->q, f->r, states[i], NULL, 10, f->arena, &page));
    assert_status(ST_NOT_FOUND, queue_job_get(f->q, f->r, &nobody, f->arena, &view));
    assert_ok(queue_workers_list(f->q, f->r, f->arena, &workers, &count));
    assert_ok(queue_names(f->r, f->arena, &names, &count));
    assert_true(count > 0);
    assert_ok(queue_heartbeat(f->q, f->r, "b", "{}", 60000));
    assert_ok(queue_maintain(f->q, f->r, clock_wall_ms() + 100000, NULL));
    assert_ok(queue_leave(f->q, f->r, "b"));
    /* Waiting waits, and does not spin. */
    int64_t began = kit_real_mono_ms();
    assert_ok(queue_fetch(f->q, f->r, "a", 10, 60, &f->batch));
    if (f->batch.count == 0 && kit_real_mono_ms() - began < 50)
        fail_msg("%s: did not wait", key);
}

static void test_keys_of_another_type(void **state)
{
    struct queue_fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char key[96];
        (void)snprintf(key, sizeof(key), PREFIX "%s", keys[i].key);
        assert_ok(redis_do(f->r, NULL, "FLUSHDB"));
        assert_ok(redis_do(f->r, NULL, "SET", key, "somebody else's"));
        struct job high = queue_fixture_job(), job = queue_fixture_job();
        high.priority = 1;
        put(f, &high);
        const enum status st = queue_enqueue(f->q, f->r, &job);
        if ((st == ST_OK) != ((keys[i].works & ENQUEUES) != 0))
            fail_msg("%s: enqueue: %s", keys[i].key, status_name(st));
        assert_true(st == ST_OK || st == ST_CORRUPT);
        const char *broken = info(f).broken;
        if (keys[i].says[0] ? !broken || !strstr(broken, keys[i].says) : broken != NULL)
            fail_msg("%s: says %s", keys[i].key, broken ? broken : "nothing");
        const size_t want = keys[i].works & ENQUEUES ? 2 : 1;
        if (fetch(f, "a", 10) != want)
            fail_msg("%s: %zu were fetched", keys[i].key, f->batch.count);
        assert_ok(queue_ack(f->q, f->r, f->batch.jobs, f->batch.count));
        must_go_on(f, keys[i].key);
        if (keys[i].works & RUNS) {
            must_end(f, JOB_SUCCEEDED, true, keys[i].key);
            must_end(f, JOB_FAILED, (keys[i].works & RETRIES) != 0, keys[i].key);
            must_end(f, JOB_DEAD, (keys[i].works & BURIES) != 0, keys[i].key);
        }
        must_go_on(f, keys[i].key);
    }
}

/* Mended, it goes on by itself; a job that could not wait is a dead letter that says so. */
static void test_mended(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = queue_fixture_job();
    put(f, &job);
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_ok(redis_do(f->r, NULL, "SET", PREFIX "delayed", "x"));
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[0], "no", clock_wall_ms()));
    assert_ok(redis_do(f->r, NULL, "DEL", PREFIX "delayed"));
    struct job_view v;
    assert_ok(queue_job_get(f->q, f->r, &job.id, f->arena, &v));
    assert_int_equal(v.state, JOB_DEAD);
    assert_non_null(strstr(v.error, "cannot wait"));
    assert_ok(queue_dead_requeue(f->q, f->r, &job.id));
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 1));

    assert_ok(redis_do(f->r, NULL, "DEL", PREFIX "p2"));
    assert_ok(redis_do(f->r, NULL, "SET", PREFIX "p2", "x"));
    for (int i = 0; i < 3; i++)
        assert_ok(queue_fetch(f->q, f->r, "a", 10, 20, &f->batch));
    assert_ok(redis_do(f->r, NULL, "DEL", PREFIX "p2"));
    put(f, &job);
    assert_true(kit_wait(fetch(f, "a", 10) == 1, KIT_PATIENCE_MS));
}

/* A group or a chain that leads nowhere does not keep its job from ending. */
static void test_followers_in_broken_keys(void **state)
{
    struct queue_fixture *f = *state;
    char name[GROUP_NAME_BYTES], key[160];
    const struct group g = {.id = uuid_new(), .queue = "default", .total = 1};
    assert_ok(queue_group_create(f->r, &g, name));
    (void)snprintf(key, sizeof(key), PREFIX "group:%s", strchr(name, '/') + 1);
    assert_ok(redis_do(f->r, NULL, "DEL", key));
    assert_ok(redis_do(f->r, NULL, "SET", key, "x"));
    struct job job = queue_fixture_job();
    job.group = name;
    put(f, &job);
    assert_int_equal(fetch(f, "a", 1), 1);
    queue_fixture_end(f, "a", 0, JOB_SUCCEEDED, NULL);
    assert_int_equal(info(f).in_flight, 0);
    /* The list of names, too, is only a list. */
    assert_ok(redis_do(f->r, NULL, "SET", "tocsin:queues", "x"));
    struct queue *fresh = NULL;
    assert_ok(queue_new("side", 0, &fresh));
    AUTO_REDIS other = kit_redis_open(kit_redis());
    assert_ok(queue_enqueue(
        fresh, other,
        &(struct job){.id = uuid_new(), .task = "t", .args = "{}", .max_attempts = 1}));
    queue_free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_entries_that_are_no_jobs), QUEUE_CASE(test_delayed_that_are_no_jobs),
        QUEUE_CASE(test_keys_of_another_type),     QUEUE_CASE(test_mended),
        QUEUE_CASE(test_followers_in_broken_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
