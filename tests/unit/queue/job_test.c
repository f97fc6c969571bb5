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
    AUTO_BUF storage;
    buf_init(&storage, 1 << 20);
    rargs_init(&args, NULL);
    job_encode(job, &storage, &args);
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
    assert_true(str_eq(back.tenant, job->tenant));
    assert_true(str_eq(back.key, job->key));
    assert_true(str_eq(back.chain, job->chain));
    assert_int_equal(back.key_limit, job->key_limit);
    assert_memory_equal(&back.key_rate, &job->key_rate, sizeof(back.key_rate));
    assert_true(back.soft_limit_ms == job->soft_limit_ms);
    assert_true(back.result_ttl_ms == job->result_ttl_ms);
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
    job.tenant = "org";
    job.key = "a key that is longer than thirty-one bytes";
    job.key_limit = 300;
    job.soft_limit_ms = 70000;
    job.result_ttl_ms = 5000000000;
    job.chain = "00";
    job.key_rate = (struct queue_rate){.count = 10, .period_ms = 60000, .burst = 3};
    must_round_trip(&job);
}

static void test_task_table(void **state)
{
    struct job job;
    assert_status(ST_NOT_FOUND, job_init(&job, "check.nothing", "{}", 0));
    static const struct {
        const char *name;
        int priority, attempts;
    } rows[] = {{"check.scheduled", 1, 3}, {"check.run", 2, 1}, {"check.adhoc", 0, 1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct task *t = task_find(rows[i].name);
        assert_non_null(t);
        assert_string_equal(t->queue, "checks");
        assert_int_equal(t->priority, rows[i].priority);
        assert_int_equal(t->max_attempts, rows[i].attempts);
        assert_true(t->time_limit_ms > LIMIT_PROBE_TIMEOUT_MS);
    }
}

#define ID \
    "\xb0" \
    "0123456789abcdef"
#define GOOD                                                                            \
    "\x97\x01" ID "\xa1t\xa2{}\x03\x01\x07" /* task t, args {}, priority 3, max 1, at 7 \
                                             */
#define FIELD(s) (s), sizeof(s) - 1

static void test_refused(void **state)
{
    static const struct {
        const char *why, *envelope;
        size_t len;
        const char *name, *value; /* another field, NULL */
    } rows[] = {
        {"empty", FIELD(""), NULL, NULL},
        {"no array", FIELD("\x01"), NULL, NULL},
        {"array of nothing", FIELD("\x90"), NULL, NULL},
        {"newer version", FIELD("\x97\x02" ID "\xa1t\xa2{}\x03\x01\x07"), NULL, NULL},
        {"version is text",
         FIELD("\x97\xa1"
               "1" ID "\xa1t\xa2{}\x03\x01\x07"),
         NULL, NULL},
        {"short id", FIELD("\x97\x01\xa1x\xa1t\xa2{}\x03\x01\x07"), NULL, NULL},
        {"nil id", FIELD("\x97\x01\xb0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xa1t\xa2{}\x03\x01\x07"),
         NULL, NULL},
        {"no task", FIELD("\x92\x01" ID), NULL, NULL},
        {"empty task", FIELD("\x97\x01" ID "\xa0\xa2{}\x03\x01\x07"), NULL, NULL},
        {"no args", FIELD("\x93\x01" ID "\xa1t"), NULL, NULL},
        {"args nil", FIELD("\x97\x01" ID "\xa1t\xc0\x03\x01\x07"), NULL, NULL},
        {"ends early", FIELD("\x97\x01" ID "\xa1t\xa2{}\x03\x01"), NULL, NULL},
        {"text ends early", FIELD("\x94\x01" ID "\xa1t\xa9{}"), NULL, NULL},
        {"length of 4 GB", FIELD("\x94\x01" ID "\xdb\xff\xff\xff\xfft"), NULL, NULL},
        {"NUL in args", FIELD("\x97\x01" ID "\xa1t\xa3{}\0\x03\x01\x07"), NULL, NULL},
        {"priority 4", FIELD("\x97\x01" ID "\xa1t\xa2{}\x04\x01\x07"), NULL, NULL},
        {"priority is text",
         FIELD("\x97\x01" ID "\xa1t\xa2{}\xa1"
               "3\x01\x07"),
         NULL, NULL},
        {"negative number", FIELD("\x97\x01" ID "\xa1t\xa2{}\xff\x01\x07"), NULL, NULL},
        {"number beyond 63 bits",
         FIELD("\x97\x01" ID "\xa1t\xa2{}\x03\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), NULL,
         NULL},
        {"max 0", FIELD("\x97\x01" ID "\xa1t\xa2{}\x03\0\x07"), NULL, NULL},
        {"attempt 0", FIELD(GOOD), "attempt", "0"},
        {"attempt text", FIELD(GOOD), "attempt", "1x"},
        {"attempt huge", FIELD(GOOD), "attempt", "99999999999"},
        {"lost", FIELD(GOOD), "lost", "many"},
    };
    AUTO_ARENA arena = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *value[] = {"j", rows[i].envelope, rows[i].name, rows[i].value};
        size_t length[] = {1, rows[i].len, rows[i].name ? strlen(rows[i].name) : 0,
                           rows[i].value ? strlen(rows[i].value) : 0};
        struct fake_reply f;
        struct job job;
        struct errbuf err = {{0}};
        if (job_decode(reply_of(&f, value, length, rows[i].name ? 4 : 2), arena, &job, &err) !=
            ST_INVALID)
            fail_msg("accepted: %s", rows[i].why);
        assert_true(err.text[0] != '\0');
    }
    struct job job;
    struct errbuf err = {{0}};
    assert_status(ST_INVALID, job_decode(NULL, arena, &job, NULL));
    assert_status(ST_INVALID, job_unpack(FIELD("\x92\x02" ID), arena, &job, &err));
    assert_non_null(strstr(err.text, "newer"));
    struct fake_reply f;
    const char *const odd[] = {"j"}, *const none[] = {"id", "x"};
    assert_status(ST_INVALID, job_decode(reply_of(&f, odd, NULL, 1), arena, &job, NULL));
    assert_status(ST_INVALID, job_decode(reply_of(&f, none, NULL, 2), arena, &job, NULL));
}

static void test_large_arguments(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    AUTO_FREE char *big = calloc(1, LIMIT_JOB_ARGS_BYTES + 2);
    memset(big, 'x', LIMIT_JOB_ARGS_BYTES);
    struct job job, back;
    assert_ok(job_init(&job, "check.run", big, 1));
    AUTO_BUF b;
    buf_init(&b, 1 << 20);
    job_pack(&job, &b);
    assert_ok(job_unpack(b.data, b.len, arena, &back, NULL));
    assert_string_equal(back.args, big);
    big[LIMIT_JOB_ARGS_BYTES] = 'x';
    buf_reset(&b);
    job_pack(&job, &b);
    assert_status(ST_INVALID, job_unpack(b.data, b.len, arena, &back, NULL));
}

/* Nothing of the copy lies in the original's memory. */
static void test_a_copy_stands_alone(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    char text[] = "original";
    struct job job = {.id = uuid_new(), .max_attempts = 1, .takes_previous = 1, .attempt = 2};
    struct job copy;
    const char **const texts[] = {&job.task,  &job.args,   &job.reply,  &job.trace,      &job.dedup,
                                  &job.key,   &job.tenant, &job.group,  &job.chain,      &job.queue,
                                  &job.entry, &job.stream, &job.reason, &job.idempotency};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = text;
    assert_ok(job_copy(&job, arena, &copy));
    text[0] = 'O';
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const size_t at = (size_t)((const char *)texts[i] - (const char *)&job);
        const char *copied = *(const char *const *)(const void *)((const char *)&copy + at);
        assert_string_equal(copied, "original");
    }
    assert_true(uuid_eq(&copy.id, &job.id));
    assert_int_equal(copy.attempt, 2);
}

static void test_newer_writers_pass(void **state)
{
    /* Fields beside the envelope and elements behind its end that this program does not know. */
    AUTO_ARENA arena = arena_new(1 << 20);
    const char *const value[] = {"j", GOOD, "lost", "2", "fancy", "new", "attempt", "4"};
    struct fake_reply f;
    struct job job;
    assert_ok(job_decode(reply_of(&f, value, NULL, 8), arena, &job, NULL));
    assert_string_equal(job.task, "t");
    assert_string_equal(job.args, "{}");
    assert_int_equal(job.deliveries, 3);
    assert_int_equal(job.priority, 3);
    assert_int_equal(job.attempt, 4);
    assert_int_equal(job.enqueued_at_ms, 7);
    AUTO_BUF b;
    buf_init(&b, 4096);
    struct job known = {
        .id = uuid_new(), .task = "t", .args = "{}", .max_attempts = 1, .chain = "c"};
    job_pack(&known, &b);
    b.data[2]++; /* array 16: the count's low byte */
    buf_str(&b, "\x07");
    assert_ok(job_unpack(b.data, b.len, arena, &job, NULL));
    assert_string_equal(job.chain, "c");
}

static void test_routes(void **state)
{
    const struct task *noop = task_find("queue.noop"), *run = task_find("check.run");
    assert_string_equal(task_queue(noop), "default");
    assert_ok(task_routes_set("check.run=fast,queue.*=side", NULL));
    assert_string_equal(task_queue(noop), "side");
    assert_string_equal(task_queue(run), "fast");
    assert_string_equal(task_queue(task_find("check.adhoc")), "checks");
    static const char *const bad[] = {"x", "=y", "x=", "x=A", "x=a b", "a=b,c"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct errbuf err = {{0}};
        assert_status(ST_INVALID, task_routes_set(bad[i], &err));
        assert_true(err.text[0] != '\0');
    }
    assert_ok(task_routes_set("", NULL));
    assert_string_equal(task_queue(noop), "default");
}

/* Slow tasks on the checks' queue would keep the checks from being fetched. */
static void test_the_queue_of_checks(void **state)
{
    const struct task *noop = task_find("queue.noop"), *run = task_find("check.run");
    assert_false(task_fits_queue(noop, "checks"));
    assert_true(task_fits_queue(noop, "default"));
    assert_true(task_fits_queue(noop, "reports"));
    assert_true(task_fits_queue(run, "checks"));
    assert_true(task_fits_queue(run, "default"));
    assert_ok(task_routes_set("check.run=fast", NULL));
    assert_false(task_fits_queue(noop, "fast"));
    /* Whoever leads both to one queue has chosen so. */
    assert_ok(task_routes_set("*=all", NULL));
    assert_true(task_fits_queue(noop, "all"));
    assert_ok(task_routes_set("", NULL));
    /* What is due comes before runs that nobody waits for. */
    assert_true(run->priority > task_find("check.scheduled")->priority);
    assert_true(run->priority > QUEUE_WAITED_PRIORITY);
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
        cmocka_unit_test(test_large_arguments),
        cmocka_unit_test(test_a_copy_stands_alone),
        cmocka_unit_test(test_newer_writers_pass),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_the_queue_of_checks),
        cmocka_unit_test(test_queue_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
