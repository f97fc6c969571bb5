/* The job queue against a real Redis: every way a delivery can end. */
#include "queue/queue.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/kit/kit.h"

enum { LEASE_MS = 10000, SHORT_LEASE_MS = 50 };

struct fixture {
    struct queue *q;
    struct redis *r;
    struct arena *arena;
    struct job_batch batch;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->r = kit_redis_open(kit_redis());
    assert_ok(redis_do(f->r, NULL, "FLUSHDB"));
    assert_ok(queue_new("checks", 0, &f->q));
    f->arena = arena_new(8 << 20);
    f->batch.arena = f->arena;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    queue_free(f->q);
    redis_free(f->r);
    arena_free(f->arena);
    free(f);
    return 0;
}

static struct job make_job(int priority)
{
    struct job job;
    assert_ok(job_init(&job, "check.scheduled", "{\"n\":1}", clock_wall_ms()));
    job.priority = priority;
    return job;
}

static struct uuid put(struct fixture *f, int priority)
{
    struct job job = make_job(priority);
    assert_ok(queue_enqueue(f->q, f->r, &job));
    return job.id;
}

static size_t fetch(struct fixture *f, const char *consumer, size_t max)
{
    assert_ok(queue_fetch(f->q, f->r, consumer, max, 0, &f->batch));
    return f->batch.count;
}

static struct queue_stats stats(struct fixture *f)
{
    struct queue_stats s;
    assert_ok(queue_stats_get(f->q, f->r, &s));
    return s;
}

#define assert_stats(f, waiting_, pending_, delayed_, dead_) \
    do {                                                     \
        struct queue_stats s_ = stats(f);                    \
        assert_int_equal(s_.waiting, waiting_);              \
        assert_int_equal(s_.pending, pending_);              \
        assert_int_equal(s_.delayed, delayed_);              \
        assert_int_equal(s_.dead, dead_);                    \
    } while (0)

static void test_fetch_and_ack(void **state)
{
    struct fixture *f = *state;
    struct uuid id = put(f, 1);
    assert_stats(f, 1, 0, 0, 0);
    assert_int_equal(fetch(f, "a", 10), 1);
    const struct job *job = &f->batch.jobs[0];
    assert_true(uuid_eq(&job->id, &id));
    assert_string_equal(job->task, "check.scheduled");
    assert_string_equal(job->args, "{\"n\":1}");
    assert_string_equal(job->stream, queue_stream_key(f->q, 1));
    assert_int_equal(job->deliveries, 1);
    assert_stats(f, 0, 1, 0, 0);
    assert_int_equal(fetch(f, "b", 10), 0);
    f->batch.count = 1;
    assert_ok(queue_ack(f->q, f->r, job, 1));
    assert_stats(f, 0, 0, 0, 0);
}

static void test_ack_in_batches_of_any_mix(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 400; i++)
        put(f, i % QUEUE_PRIORITIES);
    assert_int_equal(fetch(f, "a", 500), 400);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 250));
    assert_stats(f, 0, 150, 0, 0);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs + 250, 150));
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 400));
    assert_stats(f, 0, 0, 0, 0);
}

static void test_priorities_are_weighted(void **state)
{
    struct fixture *f = *state;
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        for (int i = 0; i < 100; i++)
            put(f, p);
    int got[QUEUE_PRIORITIES] = {0};
    assert_int_equal(fetch(f, "a", 30), 30);
    for (size_t i = 0; i < 30; i++)
        got[f->batch.jobs[i].priority]++;
    assert_int_equal(got[0], 16);
    assert_int_equal(got[1], 8);
    assert_int_equal(got[2], 4);
    assert_int_equal(got[3], 2);
    /* One at a time, the lowest gets its turn as well. */
    memset(got, 0, sizeof(got));
    for (int i = 0; i < 15; i++) {
        assert_int_equal(fetch(f, "a", 1), 1);
        got[f->batch.jobs[0].priority]++;
    }
    assert_int_equal(got[0], 8);
    assert_int_equal(got[1], 4);
    assert_int_equal(got[2], 2);
    assert_int_equal(got[3], 1);
}

static void test_one_priority_fills_the_batch(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 50; i++)
        put(f, 3);
    assert_int_equal(fetch(f, "a", 40), 40);
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_int_equal(fetch(f, "a", 40), 9);
}

static void test_block_ends_when_a_job_comes(void **state)
{
    struct fixture *f = *state;
    int64_t start = kit_real_mono_ms();
    assert_ok(queue_fetch(f->q, f->r, "a", 10, 60, &f->batch));
    assert_int_equal(f->batch.count, 0);
    assert_true(kit_real_mono_ms() - start >= 50);
    put(f, 2);
    assert_ok(queue_fetch(f->q, f->r, "a", 10, 10000, &f->batch));
    assert_int_equal(f->batch.count, 1);
}

static void test_retry_then_dead_letter(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    int64_t now = clock_wall_ms();
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(fetch(f, "a", 10), 1);
        struct job job = f->batch.jobs[0];
        assert_int_equal(job.attempt, attempt);
        /* Somebody else's delivery cannot be ended. */
        assert_status(ST_CONFLICT, queue_retry(f->q, f->r, "b", &job, "no", now));
        assert_ok(queue_retry(f->q, f->r, "a", &job, "it broke", now));
        assert_status(ST_CONFLICT, queue_retry(f->q, f->r, "a", &job, "again", now));
        if (attempt == 3)
            break;
        assert_stats(f, 0, 0, 1, 0);
        size_t moved = 0;
        assert_ok(queue_maintain(f->q, f->r, now, &moved));
        assert_int_equal(moved, 0);
        now += 60000;
        assert_ok(queue_maintain(f->q, f->r, now, &moved));
        assert_int_equal(moved, 1);
    }
    assert_stats(f, 0, 0, 0, 1);
    AUTO_REPLY dead = NULL;
    assert_ok(redis_do(f->r, &dead, "XRANGE", queue_key(f->q, "dead", f->arena), "-", "+"));
    const redisReply *fields = dead->element[0]->element[1];
    bool has_reason = false;
    for (size_t i = 0; i < fields->elements; i += 2)
        has_reason |= str_eq(fields->element[i]->str, "reason") &&
                      str_eq(fields->element[i + 1]->str, "it broke");
    assert_true(has_reason);
    /* A dead letter still reads as the job it was. */
    struct job job;
    assert_ok(job_decode(dead->element[0]->element[1], f->arena, &job, NULL));
    assert_int_equal(job.attempt, 3);
}

static void test_single_attempt_goes_to_the_dead(void **state)
{
    struct fixture *f = *state;
    struct job job;
    assert_ok(job_init(&job, "check.run", "{}", clock_wall_ms()));
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[0], "no", clock_wall_ms()));
    assert_stats(f, 0, 0, 0, 1);
}

static void test_delayed(void **state)
{
    struct fixture *f = *state;
    struct job job = make_job(0);
    job.args = "{\"text\":\"/ü\\n\"}";
    job.not_before_ms = job.enqueued_at_ms + 5000;
    job.reply = "done";
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_stats(f, 0, 0, 1, 0);
    size_t moved = 0;
    assert_ok(queue_maintain(f->q, f->r, job.not_before_ms - 1, &moved));
    assert_int_equal(moved, 0);
    assert_ok(queue_maintain(f->q, f->r, job.not_before_ms, &moved));
    assert_int_equal(moved, 1);
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &job.id));
    assert_string_equal(f->batch.jobs[0].args, job.args);
    assert_string_equal(f->batch.jobs[0].reply, "done");
    assert_int_equal(f->batch.jobs[0].priority, 0);
    assert_int_equal(f->batch.jobs[0].attempt, 1);
}

static void test_many_delayed_are_promoted(void **state)
{
    struct fixture *f = *state;
    int64_t due = 0;
    for (int i = 0; i < 250; i++) {
        struct job job = make_job(i % QUEUE_PRIORITIES);
        due = job.not_before_ms = job.enqueued_at_ms + 1000;
        assert_ok(queue_enqueue(f->q, f->r, &job));
    }
    size_t moved = 0;
    assert_ok(queue_maintain(f->q, f->r, due, &moved));
    assert_int_equal(moved, 250);
    assert_stats(f, 250, 0, 0, 0);
}

static void test_damaged_delayed_member(void **state)
{
    struct fixture *f = *state;
    const char *key = queue_key(f->q, "delayed", f->arena);
    const char *jobs = queue_key(f->q, "jobs", f->arena);
    assert_ok(redis_do(f->r, NULL, "ZADD", key, "1", "nothing", "1", "garbage", "1", "priority"));
    assert_ok(redis_do(f->r, NULL, "HSET", jobs, "garbage", "not packed"));
    assert_ok(
        redis_do(f->r, NULL, "HSET", jobs, "priority", "\x92\xa1j\xa6\x95\x01\x01\x01\x01\x09"));
    size_t moved = 0;
    assert_ok(queue_maintain(f->q, f->r, clock_wall_ms(), &moved));
    assert_int_equal(moved, 3);
    assert_stats(f, 0, 0, 0, 3);
}

static void test_expired_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct job job = make_job(1);
    job.expires_at_ms = clock_wall_ms() - 1;
    assert_ok(queue_enqueue(f->q, f->r, &job));
    job = make_job(1);
    job.expires_at_ms = clock_wall_ms() + 60000;
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &job.id));
    assert_stats(f, 0, 1, 0, 0);
}

static void test_undecodable_goes_to_the_dead(void **state)
{
    struct fixture *f = *state;
    const char *stream = queue_stream_key(f->q, 1);
    assert_ok(redis_do(f->r, NULL, "XADD", stream, "*", "hello", "world"));
    put(f, 1);
    assert_ok(redis_do(f->r, NULL, "XADD", stream, "*", "id", "x", "task", "t", "args", "{}"));
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_stats(f, 0, 1, 0, 2);
}

static void test_hand_back(void **state)
{
    struct fixture *f = *state;
    struct uuid id = put(f, 1);
    assert_int_equal(fetch(f, "a", 10), 1);
    struct job job = f->batch.jobs[0];
    assert_status(ST_CONFLICT, queue_hand_back(f->q, f->r, "b", &job));
    assert_ok(queue_hand_back(f->q, f->r, "a", &job));
    assert_status(ST_CONFLICT, queue_hand_back(f->q, f->r, "a", &job));
    assert_int_equal(fetch(f, "b", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &id));
    assert_int_equal(f->batch.jobs[0].attempt, 1);
    assert_int_equal(f->batch.jobs[0].deliveries, 1);
    /* An acknowledgement that comes late changes nothing. */
    assert_ok(queue_ack(f->q, f->r, &job, 1));
    assert_stats(f, 0, 1, 0, 0);
}

/* Housekeeping until something was moved: the reaper takes turns and leaves fresh entries alone. */
static bool maintained(struct fixture *f)
{
    size_t moved = 0;
    assert_ok(queue_maintain(f->q, f->r, clock_wall_ms(), &moved));
    return moved > 0;
}

static void test_dead_consumer_is_reaped(void **state)
{
    struct fixture *f = *state;
    assert_ok(queue_heartbeat(f->q, f->r, "dead", "{}", SHORT_LEASE_MS));
    assert_ok(queue_heartbeat(f->q, f->r, "alive", "{}", LEASE_MS));
    for (int i = 0; i < 150; i++)
        put(f, i % 2);
    assert_int_equal(fetch(f, "alive", 30), 30);
    AUTO_FREE struct job *held = calloc(30, sizeof(*held));
    memcpy(held, f->batch.jobs, 30 * sizeof(*held));
    assert_int_equal(fetch(f, "dead", 120), 120);
    assert_stats(f, 0, 150, 0, 0);

    assert_true(kit_wait(maintained(f), 5000));
    assert_true(kit_wait(stats(f).pending == 30, 5000));
    assert_stats(f, 120, 30, 0, 0);
    assert_int_equal(fetch(f, "alive", 200), 120);
    assert_int_equal(f->batch.jobs[0].deliveries, 2);
    assert_int_equal(f->batch.jobs[0].attempt, 1);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, f->batch.count));
    assert_ok(queue_ack(f->q, f->r, held, 30));
    assert_stats(f, 0, 0, 0, 0);

    /* The dead one is forgotten, the living one is not. */
    AUTO_REPLY consumers = NULL;
    assert_ok(
        redis_do(f->r, &consumers, "XINFO", "CONSUMERS", queue_stream_key(f->q, 0), "workers"));
    assert_int_equal(consumers->elements, 1);
    AUTO_REPLY members = NULL;
    assert_ok(redis_do(f->r, &members, "SMEMBERS", queue_key(f->q, "consumers", f->arena)));
    assert_int_equal(members->elements, 1);
    assert_string_equal(members->element[0]->str, "alive");
}

/* Past the backlog of its own priority: it has waited for a lease already. */
static void test_orphan_comes_first(void **state)
{
    struct fixture *f = *state;
    struct uuid id = put(f, 3);
    assert_ok(queue_heartbeat(f->q, f->r, "dead", "{}", SHORT_LEASE_MS));
    assert_int_equal(fetch(f, "dead", 1), 1);
    for (int i = 0; i < 100; i++)
        put(f, 3);
    assert_true(kit_wait(maintained(f), 5000));
    assert_int_equal(fetch(f, "alive", 15), 15);
    bool is_there = false;
    for (size_t i = 0; i < f->batch.count; i++) {
        if (!uuid_eq(&f->batch.jobs[i].id, &id))
            continue;
        is_there = true;
        assert_int_equal(f->batch.jobs[i].priority, 3); /* still its own */
        assert_int_equal(f->batch.jobs[i].deliveries, 2);
    }
    assert_true(is_there);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, f->batch.count));
    assert_stats(f, 86, 0, 0, 0);
}

static void test_poison_pill(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    for (int i = 1; i <= QUEUE_MAX_DELIVERIES; i++) {
        assert_int_equal(fetch(f, "victim", 1), 1);
        assert_int_equal(f->batch.jobs[0].deliveries, i);
        /* As when its worker dies, only sooner. */
        assert_ok(queue_leave(f->q, f->r, "victim"));
    }
    assert_int_equal(fetch(f, "victim", 1), 0);
    assert_stats(f, 0, 0, 0, 1);
}

static void test_leave_gives_everything_back(void **state)
{
    struct fixture *f = *state;
    assert_ok(queue_heartbeat(f->q, f->r, "a", "{}", LEASE_MS));
    put(f, 0);
    put(f, 2);
    assert_int_equal(fetch(f, "a", 10), 2);
    assert_ok(queue_leave(f->q, f->r, "a"));
    assert_stats(f, 2, 0, 0, 0);
    AUTO_REPLY consumers = NULL;
    assert_ok(
        redis_do(f->r, &consumers, "XINFO", "CONSUMERS", queue_stream_key(f->q, 0), "workers"));
    assert_int_equal(consumers->elements, 0);
    assert_int_equal(fetch(f, "b", 10), 2);
}

static void test_flushall_in_between(void **state)
{
    struct fixture *f = *state;
    put(f, 1);
    assert_int_equal(fetch(f, "a", 10), 1);
    struct job old = f->batch.jobs[0];
    assert_ok(redis_do(f->r, NULL, "FLUSHALL"));
    /* Ids of a new stream begin anew, with the millisecond: not within the same one. */
    int64_t now = clock_wall_ms();
    assert_true(kit_wait(clock_wall_ms() > now, 1000));
    struct uuid id = put(f, 1);
    /* The group is made again, and from the beginning: what was added before it is fetched. */
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &id));
    assert_ok(queue_ack(f->q, f->r, &old, 1));
    assert_status(ST_CONFLICT, queue_retry(f->q, f->r, "a", &old, "x", clock_wall_ms()));
    assert_stats(f, 0, 1, 0, 0);
    assert_ok(redis_do(f->r, NULL, "FLUSHALL"));
    assert_stats(f, 0, 0, 0, 0);
    assert_ok(queue_maintain(f->q, f->r, clock_wall_ms(), NULL));
    assert_ok(queue_leave(f->q, f->r, "a"));
    assert_int_equal(fetch(f, "a", 10), 0);
}

static void wait_until_blocked(struct redis *r)
{
    bool is_blocked = kit_wait(({
                                   AUTO_REPLY info = NULL;
                                   assert_ok(redis_do(r, &info, "INFO", "clients"));
                                   strstr(info->str, "blocked_clients:1") != NULL;
                               }),
                               5000);
    assert_true(is_blocked);
}

/* Once somebody blocks: empties Redis, then adds a job. */
static void *flush_and_put(void *arg)
{
    (void)arg;
    AUTO_REDIS r = kit_redis_open(kit_redis());
    wait_until_blocked(r);
    assert_ok(redis_do(r, NULL, "FLUSHALL"));
    struct queue *q = NULL;
    assert_ok(queue_new("checks", 0, &q));
    struct job job = make_job(1);
    assert_ok(queue_enqueue(q, r, &job));
    queue_free(q);
    return NULL;
}

static void test_flush_while_blocked(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flush_and_put, NULL), 0);
    int64_t deadline = kit_real_mono_ms() + 10000;
    while (f->batch.count == 0 && kit_real_mono_ms() < deadline)
        assert_ok(queue_fetch(f->q, f->r, "a", 10, 3000, &f->batch));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->batch.count, 1);
}

/* Once it blocks: kills the connection with this id. */
static void *kill_when_blocked(void *id)
{
    AUTO_REDIS r = kit_redis_open(kit_redis());
    wait_until_blocked(r);
    assert_ok(redis_do(r, NULL, "CLIENT", "KILL", "ID", (const char *)id));
    return NULL;
}

/* A fetch whose reply never comes. */
static void fetch_and_lose(struct fixture *f)
{
    pthread_t thread;
    AUTO_REPLY id = NULL;
    char text[24];
    assert_ok(redis_do(f->r, &id, "CLIENT", "ID"));
    (void)snprintf(text, sizeof(text), "%lld", id->integer);
    assert_int_equal(pthread_create(&thread, NULL, kill_when_blocked, text), 0);
    assert_status(ST_UNAVAILABLE, queue_fetch(f->q, f->r, "a", 10, 10000, &f->batch));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_lost_reply_is_asked_for_again(void **state)
{
    struct fixture *f = *state;
    AUTO_REDIS other = kit_redis_open(kit_redis());
    put(f, 1);
    assert_int_equal(fetch(f, "a", 10), 1);
    struct uuid held = f->batch.jobs[0].id;
    /* The server hands these to us, and we never hear of it. */
    struct uuid lost[3];
    for (int i = 0; i < 3; i++)
        lost[i] = put(f, 1);
    assert_ok(redis_do(other, NULL, "XREADGROUP", "GROUP", "workers", "a", "STREAMS",
                       queue_stream_key(f->q, 1), ">"));
    fetch_and_lose(f);
    put(f, 1);
    /* Exactly the lost ones, in pieces if need be; never the one that we hold. */
    assert_true(kit_wait(queue_fetch(f->q, f->r, "a", 2, 0, &f->batch) == ST_OK, 5000));
    assert_int_equal(f->batch.count, 2);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &lost[0]));
    assert_true(uuid_eq(&f->batch.jobs[1].id, &lost[1]));
    assert_int_equal(fetch(f, "a", 2), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &lost[2]));
    assert_int_equal(fetch(f, "a", 2), 1);
    assert_false(uuid_eq(&f->batch.jobs[0].id, &held));
    assert_int_equal(fetch(f, "a", 2), 0);
}

static void test_refused_jobs(void **state)
{
    struct fixture *f = *state;
    struct job job = make_job(1);
    AUTO_FREE char *big = malloc(LIMIT_JOB_ARGS_BYTES + 2);
    memset(big, 'x', LIMIT_JOB_ARGS_BYTES + 1);
    big[LIMIT_JOB_ARGS_BYTES + 1] = '\0';
    job.args = big;
    assert_status(ST_TOO_LARGE, queue_enqueue(f->q, f->r, &job));
    job = make_job(1);
    job.priority = QUEUE_PRIORITIES;
    assert_status(ST_INVALID, queue_enqueue(f->q, f->r, &job));
    assert_stats(f, 0, 0, 0, 0);
}

static void test_done_is_published(void **state)
{
    struct fixture *f = *state;
    AUTO_REDIS other = kit_redis_open(kit_redis());
    struct uuid id = uuid_new();
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    assert_ok(redis_subscribe(other, "kit:done"));
    assert_ok(queue_publish_done(f->r, "kit:done", &id, "{\"a\":1}", 7));
    AUTO_REPLY message = NULL;
    assert_ok(redis_next(other, 2000, &message));
    AUTO_BUF wanted;
    buf_init(&wanted, 256);
    buf_printf(&wanted, "%s {\"a\":1}", text);
    assert_string_equal(message->element[2]->str, buf_cstr(&wanted));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_fetch_and_ack),
        CASE(test_ack_in_batches_of_any_mix),
        CASE(test_priorities_are_weighted),
        CASE(test_one_priority_fills_the_batch),
        CASE(test_block_ends_when_a_job_comes),
        CASE(test_retry_then_dead_letter),
        CASE(test_single_attempt_goes_to_the_dead),
        CASE(test_delayed),
        CASE(test_many_delayed_are_promoted),
        CASE(test_damaged_delayed_member),
        CASE(test_expired_is_dropped),
        CASE(test_undecodable_goes_to_the_dead),
        CASE(test_hand_back),
        CASE(test_dead_consumer_is_reaped),
        CASE(test_orphan_comes_first),
        CASE(test_poison_pill),
        CASE(test_leave_gives_everything_back),
        CASE(test_flushall_in_between),
        CASE(test_flush_while_blocked),
        CASE(test_lost_reply_is_asked_for_again),
        CASE(test_refused_jobs),
        CASE(test_done_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
