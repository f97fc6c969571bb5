/* Jobs as stream fields, there and back; and what is refused. */
#include <string.h>

#include "base/str.h"
#include "queue/queue.h"
#include "tests/kit/kit.h"

enum { FIELDS_MAX = 64 };

/* A reply as hiredis would build it, on the caller's stack. */
struct fake_reply {
    redisReply list;
    redisReply *element[FIELDS_MAX];
    redisReply item[FIELDS_MAX];
};

static redisReply *reply_of(struct fake_reply *f, const char *const *value, const size_t *length,
                            size_t count)
{
    *f = (struct fake_reply){.list = {.type = REDIS_REPLY_ARRAY, .elements = count}};
    for (size_t i = 0; i < count; i++) {
        f->item[i] = (redisReply){.type = REDIS_REPLY_STRING,
                                  .str = (char *)(uintptr_t)value[i],
                                  .len = length ? length[i] : strlen(value[i])};
        f->element[i] = &f->item[i];
    }
    f->list.element = f->element;
    return &f->list;
}

static void must_round_trip(const struct job *job)
{
    struct rargs args;
    rargs_init(&args, NULL);
    job_encode(job, &args);
    assert_false(args.failed);

    AUTO_ARENA arena = arena_new(1 << 20);
    struct fake_reply f;
    struct job back;
    struct errbuf err = {{0}};
    if (job_decode(reply_of(&f, args.value, args.length, (size_t)args.count), arena, &back, &err) !=
        ST_OK)
        fail_msg("%s", err.text);
    assert_true(uuid_eq(&back.id, &job->id));
    assert_string_equal(back.task, job->task);
    assert_string_equal(back.args, job->args);
    assert_int_equal(back.attempt, job->attempt);
    assert_int_equal(back.max_attempts, job->max_attempts);
    assert_int_equal(back.priority, job->priority);
    assert_true(back.enqueued_at_ms == job->enqueued_at_ms);
    assert_true(back.not_before_ms == job->not_before_ms);
    assert_true(back.expires_at_ms == job->expires_at_ms);
    assert_true(back.time_limit_ms == job->time_limit_ms);
    assert_true(str_eq(back.dedup, job->dedup));
    assert_true(str_eq(back.group, job->group));
    assert_true(str_eq(back.trace, job->trace));
    assert_true(str_eq(back.reply, job->reply));
    assert_int_equal(back.deliveries, 1);
}

static void test_round_trip(void **state)
{
    struct job job;
    assert_ok(job_init(&job, "check.run", "{}", 1700000000000));
    must_round_trip(&job);
    assert_ok(job_init(&job, "check.scheduled", "{\"a\":\"ü\\n\"}", 1700000000000));
    job.priority = 0;
    job.attempt = 7;
    job.max_attempts = 9;
    job.not_before_ms = 1;
    job.expires_at_ms = INT64_MAX;
    job.time_limit_ms = 0;
    job.dedup = "d";
    job.group = "g";
    job.trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    job.reply = "tocsin:done";
    must_round_trip(&job);
}

static void test_task_table(void **state)
{
    struct job job;
    assert_status(ST_NOT_FOUND, job_init(&job, "check.nothing", "{}", 0));
    static const struct {
        const char *name;
        int priority, attempts;
    } rows[] = {{"check.scheduled", 1, 3}, {"check.run", 0, 1}, {"check.adhoc", 0, 1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct task *t = task_find(rows[i].name);
        assert_non_null(t);
        assert_string_equal(t->queue, "checks");
        assert_int_equal(t->priority, rows[i].priority);
        assert_int_equal(t->max_attempts, rows[i].attempts);
        assert_true(t->time_limit_ms > LIMIT_PROBE_TIMEOUT_MS);
    }
}

#define GOOD_ID "0190163d-8694-739b-aea5-966c26f8ad91"

static void test_refused(void **state)
{
    static const struct {
        const char *why;
        const char *field[12];
    } rows[] = {
        {"empty", {NULL}},
        {"no id", {"task", "t", "args", "{}"}},
        {"bad id", {"id", "7", "task", "t", "args", "{}"}},
        {"nil id", {"id", "00000000-0000-0000-0000-000000000000", "task", "t", "args", "{}"}},
        {"no task", {"id", GOOD_ID, "args", "{}"}},
        {"empty task", {"id", GOOD_ID, "task", "", "args", "{}"}},
        {"no args", {"id", GOOD_ID, "task", "t"}},
        {"odd", {"id", GOOD_ID, "task", "t", "args"}},
        {"attempt 0", {"id", GOOD_ID, "task", "t", "args", "{}", "attempt", "0"}},
        {"attempt text", {"id", GOOD_ID, "task", "t", "args", "{}", "attempt", "1x"}},
        {"attempt huge", {"id", GOOD_ID, "task", "t", "args", "{}", "attempt", "99999999999"}},
        {"priority", {"id", GOOD_ID, "task", "t", "args", "{}", "prio", "4"}},
        {"priority below", {"id", GOOD_ID, "task", "t", "args", "{}", "prio", "-1"}},
        {"time below", {"id", GOOD_ID, "task", "t", "args", "{}", "exp", "-1"}},
        {"lost", {"id", GOOD_ID, "task", "t", "args", "{}", "lost", "many"}},
    };
    AUTO_ARENA arena = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t count = 0;
        while (count < ARRAY_LEN(rows[i].field) && rows[i].field[count])
            count++;
        struct fake_reply f;
        struct job job;
        struct errbuf err = {{0}};
        if (job_decode(reply_of(&f, rows[i].field, NULL, count), arena, &job, &err) != ST_INVALID)
            fail_msg("accepted: %s", rows[i].why);
        assert_true(err.text[0] != '\0');
    }
    struct job job;
    assert_status(ST_INVALID, job_decode(NULL, arena, &job, NULL));
}

static void test_refused_bytes(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct fake_reply f;
    struct job job;
    const char *const value[] = {"id", GOOD_ID, "task", "t", "args", "{}\0x"};
    const size_t length[] = {2, 36, 4, 1, 4, 4};
    assert_status(ST_INVALID, job_decode(reply_of(&f, value, length, 6), arena, &job, NULL));

    AUTO_FREE char *big = calloc(1, LIMIT_JOB_ARGS_BYTES + 2);
    memset(big, 'x', LIMIT_JOB_ARGS_BYTES + 1);
    const char *const large[] = {"id", GOOD_ID, "task", "t", "args", big};
    assert_status(ST_INVALID, job_decode(reply_of(&f, large, NULL, 6), arena, &job, NULL));
    big[LIMIT_JOB_ARGS_BYTES] = '\0';
    assert_ok(job_decode(reply_of(&f, large, NULL, 6), arena, &job, NULL));
}

static void test_unknown_fields_pass(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    const char *const value[] = {"id",   GOOD_ID, "task",  "later", "args", "{}",
                                 "lost", "2",     "fancy", "new",   "prio", "3"};
    struct fake_reply f;
    struct job job;
    assert_ok(job_decode(reply_of(&f, value, NULL, 12), arena, &job, NULL));
    assert_string_equal(job.task, "later");
    assert_int_equal(job.deliveries, 3);
    assert_int_equal(job.priority, 3);
    assert_int_equal(job.attempt, 1);
}

static void test_queue_names(void **state)
{
    static const char *const bad[] = {"",  "a b", "a{b}",
                                      "A", "a:b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct queue *q = NULL;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(ST_INVALID, queue_new(bad[i], 0, &q));
    assert_status(ST_INVALID, queue_new("checks", -1, &q));
    assert_ok(queue_new("checks", 3, &q));
    AUTO_ARENA arena = arena_new(4096);
    assert_string_equal(queue_stream_key(q, 1), "{q:checks:3}:p1");
    assert_string_equal(queue_key(q, "dead", arena), "{q:checks:3}:dead");
    queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_task_table),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_bytes),
        cmocka_unit_test(test_unknown_fields_pass),
        cmocka_unit_test(test_queue_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
