/* The queue: fetching, acknowledging, priorities, retries, delays, expiry. */
#include "queue/queue.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "tests/integration/queue/fixture.h"

static void test_fetch_and_ack(void **state)
{
    struct queue_fixture *f = *state;
    struct uuid id = fx_put(f, 1);
    assert_stats(f, 1, 0, 0, 0);
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    const struct job *job = &f->batch.jobs[0];
    assert_true(uuid_eq(&job->id, &id));
    assert_string_equal(job->task, "check.scheduled");
    assert_string_equal(job->args, "{\"n\":1}");
    assert_string_equal(job->stream, queue_stream_key(f->q, 1));
    assert_int_equal(job->deliveries, 1);
    assert_stats(f, 0, 1, 0, 0);
    assert_int_equal(fx_fetch(f, "b", 10), 0);
    f->batch.count = 1;
    assert_ok(queue_ack(f->q, f->r, job, 1));
    assert_stats(f, 0, 0, 0, 0);
}

static void test_ack_in_batches_of_any_mix(void **state)
{
    struct queue_fixture *f = *state;
    for (int i = 0; i < 400; i++)
        fx_put(f, i % QUEUE_PRIORITIES);
    assert_int_equal(fx_fetch(f, "a", 500), 400);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 250));
    assert_stats(f, 0, 150, 0, 0);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs + 250, 150));
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 400));
    assert_stats(f, 0, 0, 0, 0);
}

static void test_priorities_are_weighted(void **state)
{
    struct queue_fixture *f = *state;
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        for (int i = 0; i < 100; i++)
            fx_put(f, p);
    int got[QUEUE_PRIORITIES] = {0};
    assert_int_equal(fx_fetch(f, "a", 30), 30);
    for (size_t i = 0; i < 30; i++)
        got[f->batch.jobs[i].priority]++;
    assert_int_equal(got[0], 16);
    assert_int_equal(got[1], 8);
    assert_int_equal(got[2], 4);
    assert_int_equal(got[3], 2);
    /* One at a time, the lowest gets its turn as well. */
    memset(got, 0, sizeof(got));
    for (int i = 0; i < 15; i++) {
        assert_int_equal(fx_fetch(f, "a", 1), 1);
        got[f->batch.jobs[0].priority]++;
    }
    assert_int_equal(got[0], 8);
    assert_int_equal(got[1], 4);
    assert_int_equal(got[2], 2);
    assert_int_equal(got[3], 1);
}

static void test_one_priority_fills_the_batch(void **state)
{
    struct queue_fixture *f = *state;
    for (int i = 0; i < 50; i++)
        fx_put(f, 3);
    assert_int_equal(fx_fetch(f, "a", 40), 40);
    assert_int_equal(fx_fetch(f, "a", 1), 1);
    assert_int_equal(fx_fetch(f, "a", 40), 9);
}

static void test_block_ends_when_a_job_comes(void **state)
{
    struct queue_fixture *f = *state;
    int64_t start = kit_real_mono_ms();
    assert_ok(queue_fetch(f->q, f->r, "a", 10, 60, &f->batch));
    assert_int_equal(f->batch.count, 0);
    assert_true(kit_real_mono_ms() - start >= 50);
    fx_put(f, 2);
    assert_ok(queue_fetch(f->q, f->r, "a", 10, 10000, &f->batch));
    assert_int_equal(f->batch.count, 1);
}

static void test_retry_then_dead_letter(void **state)
{
    struct queue_fixture *f = *state;
    fx_put(f, 1);
    int64_t now = clock_wall_ms();
    for (int attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(fx_fetch(f, "a", 10), 1);
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
    struct queue_fixture *f = *state;
    struct job job;
    assert_ok(job_init(&job, "check.run", "{}", clock_wall_ms()));
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_int_equal(fx_fetch(f, "a", 1), 1);
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[0], "no", clock_wall_ms()));
    assert_stats(f, 0, 0, 0, 1);
}

static void test_delayed(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = fx_make_job(0);
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
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &job.id));
    assert_string_equal(f->batch.jobs[0].args, job.args);
    assert_string_equal(f->batch.jobs[0].reply, "done");
    assert_int_equal(f->batch.jobs[0].priority, 0);
    assert_int_equal(f->batch.jobs[0].attempt, 1);
}

static void test_many_delayed_are_promoted(void **state)
{
    struct queue_fixture *f = *state;
    int64_t due = 0;
    for (int i = 0; i < 250; i++) {
        struct job job = fx_make_job(i % QUEUE_PRIORITIES);
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
    struct queue_fixture *f = *state;
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
    struct queue_fixture *f = *state;
    struct job job = fx_make_job(1);
    job.expires_at_ms = clock_wall_ms() - 1;
    assert_ok(queue_enqueue(f->q, f->r, &job));
    job = fx_make_job(1);
    job.expires_at_ms = clock_wall_ms() + 60000;
    assert_ok(queue_enqueue(f->q, f->r, &job));
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &job.id));
    assert_stats(f, 0, 1, 0, 0);
}

static void test_undecodable_goes_to_the_dead(void **state)
{
    struct queue_fixture *f = *state;
    const char *stream = queue_stream_key(f->q, 1);
    assert_ok(redis_do(f->r, NULL, "XADD", stream, "*", "hello", "world"));
    fx_put(f, 1);
    assert_ok(redis_do(f->r, NULL, "XADD", stream, "*", "id", "x", "task", "t", "args", "{}"));
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    assert_stats(f, 0, 1, 0, 2);
}

static void test_hand_back(void **state)
{
    struct queue_fixture *f = *state;
    struct uuid id = fx_put(f, 1);
    assert_int_equal(fx_fetch(f, "a", 10), 1);
    struct job job = f->batch.jobs[0];
    assert_status(ST_CONFLICT, queue_hand_back(f->q, f->r, "b", &job));
    assert_ok(queue_hand_back(f->q, f->r, "a", &job));
    assert_status(ST_CONFLICT, queue_hand_back(f->q, f->r, "a", &job));
    assert_int_equal(fx_fetch(f, "b", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &id));
    assert_int_equal(f->batch.jobs[0].attempt, 1);
    assert_int_equal(f->batch.jobs[0].deliveries, 1);
    /* An acknowledgement that comes late changes nothing. */
    assert_ok(queue_ack(f->q, f->r, &job, 1));
    assert_stats(f, 0, 1, 0, 0);
}

static void test_refused_jobs(void **state)
{
    struct queue_fixture *f = *state;
    struct job job = fx_make_job(1);
    AUTO_FREE char *big = malloc(LIMIT_JOB_ARGS_BYTES + 2);
    memset(big, 'x', LIMIT_JOB_ARGS_BYTES + 1);
    big[LIMIT_JOB_ARGS_BYTES + 1] = '\0';
    job.args = big;
    assert_status(ST_TOO_LARGE, queue_enqueue(f->q, f->r, &job));
    job = fx_make_job(1);
    job.priority = QUEUE_PRIORITIES;
    assert_status(ST_INVALID, queue_enqueue(f->q, f->r, &job));
    assert_stats(f, 0, 0, 0, 0);
}

static void test_done_is_published(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_REDIS other = kit_redis_open(kit_redis());
    struct uuid id = uuid_new();
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    assert_ok(redis_subscribe(other, "kit:done"));
    assert_ok(queue_publish_done(f->r, "kit:done", &id, "{\"a\":1}", 7));
    AUTO_REPLY message = NULL;
    assert_ok(redis_next(other, KIT_PATIENCE_MS, &message));
    AUTO_BUF wanted;
    buf_init(&wanted, 256);
    buf_printf(&wanted, "%s {\"a\":1}", text);
    assert_string_equal(message->element[2]->str, buf_cstr(&wanted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_fetch_and_ack),
        QUEUE_CASE(test_ack_in_batches_of_any_mix),
        QUEUE_CASE(test_priorities_are_weighted),
        QUEUE_CASE(test_one_priority_fills_the_batch),
        QUEUE_CASE(test_block_ends_when_a_job_comes),
        QUEUE_CASE(test_retry_then_dead_letter),
        QUEUE_CASE(test_single_attempt_goes_to_the_dead),
        QUEUE_CASE(test_delayed),
        QUEUE_CASE(test_many_delayed_are_promoted),
        QUEUE_CASE(test_damaged_delayed_member),
        QUEUE_CASE(test_expired_is_dropped),
        QUEUE_CASE(test_undecodable_goes_to_the_dead),
        QUEUE_CASE(test_hand_back),
        QUEUE_CASE(test_refused_jobs),
        QUEUE_CASE(test_done_is_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
