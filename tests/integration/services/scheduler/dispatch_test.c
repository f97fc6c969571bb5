/* The publishing script: once a tick, for the newest owner only. */
#include <string.h>

#include "base/str.h"
#include "queue/check_jobs.h"
#include "services/scheduler/dispatch.h"
#include "tests/kit/kit.h"

#define T0 1700000000000LL

static struct redis *redis;
static struct dispatcher *dispatcher;

static int setup(void **state)
{
    redis = kit_redis_open(kit_redis());
    return dispatcher_new(redis, &dispatcher) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    dispatcher_free(dispatcher);
    redis_free(redis);
    return 0;
}

static int clean(void **state)
{
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(redis, &reply, "FLUSHDB"));
    return 0;
}

/* Batches of `count` checks; the storage is the caller's for the next call. */
static const struct sched_batch *batch_of(int64_t tick_ms, size_t count)
{
    static struct sched_due due[5000];
    static struct sched_batch b;
    assert_true(count <= ARRAY_LEN(due));
    for (size_t i = 0; i < count; i++)
        due[i] = (struct sched_due){.id = uuid_new(),
                                    .slot_ms = tick_ms - (int64_t)i,
                                    .prev_ms = tick_ms - (int64_t)i - 60000,
                                    .gap_ms = 60000};
    b = (struct sched_batch){.tick_ms = tick_ms, .due = due, .count = count};
    return &b;
}

static int64_t length(void)
{
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(redis, &reply, "XLEN", "{q:checks:0}:p1"));
    return reply->integer;
}

static void claim_at(int shard, int64_t epoch, int64_t mark_ms)
{
    assert_ok(dispatcher_rewind(dispatcher, shard, epoch, mark_ms));
}

static enum status publish(int shard, int64_t epoch, int64_t known_ms, int64_t tick_ms,
                           size_t count)
{
    return dispatcher_publish(dispatcher, shard, epoch, known_ms, batch_of(tick_ms, count));
}

static void test_once_a_tick(void **state)
{
    int64_t mark_ms = 0;
    assert_ok(dispatcher_claim(dispatcher, 4, 1, &mark_ms));
    assert_true(mark_ms == SCHED_NEVER);
    claim_at(4, 1, T0 - 10);
    assert_ok(publish(4, 1, T0 - 10, T0, 130));
    assert_int_equal(length(), 3); /* of 64, 64 and 2 */
    assert_ok(publish(4, 1, T0 - 10, T0, 130));
    assert_ok(publish(4, 1, T0 - 10, T0 - 1, 1));
    assert_int_equal(length(), 3);
    assert_ok(publish(4, 1, T0, T0 + 1, 1));
    assert_int_equal(length(), 4);
    /* Shards know nothing of each other. */
    claim_at(5, 1, T0 - 10);
    assert_ok(publish(5, 1, T0 - 10, T0, 1));
    assert_int_equal(length(), 5);
    /* A mark of a nonsensical time, or of what was lost, may be set back. */
    claim_at(4, 1, T0 - 1001);
    assert_ok(publish(4, 1, T0 - 1001, T0 - 1000, 1));
    assert_int_equal(length(), 6);
    assert_ok(dispatcher_claim(dispatcher, 4, 1, &mark_ms));
    assert_true(mark_ms == T0 - 1000);
}

static void test_only_the_newest_owner(void **state)
{
    int64_t mark_ms = 0;
    claim_at(4, 7, T0 - 10);
    assert_ok(publish(4, 7, T0 - 10, T0, 1));
    assert_ok(dispatcher_claim(dispatcher, 4, 8, &mark_ms));
    assert_true(mark_ms == T0);
    assert_status(ST_CONFLICT, publish(4, 7, T0, T0 + 9, 1));
    assert_status(ST_CONFLICT, dispatcher_rewind(dispatcher, 4, 7, T0 - 9));
    assert_status(ST_CONFLICT, dispatcher_claim(dispatcher, 4, 7, &mark_ms));
    assert_int_equal(length(), 1);
    assert_ok(publish(4, 8, T0, T0 + 9, 1));
    assert_int_equal(length(), 2);
}

static void test_loss_is_told(void **state)
{
    int64_t mark_ms = 0;
    assert_status(ST_NOT_FOUND, dispatcher_probe(dispatcher, 4));
    claim_at(4, 1, T0 - 10);
    assert_ok(dispatcher_probe(dispatcher, 4));
    assert_ok(publish(4, 1, T0 - 10, T0, 1));
    /* An older memory came back, as of a file that was cut off. */
    claim_at(4, 1, T0 - 10);
    assert_status(ST_NOT_FOUND, publish(4, 1, T0, T0 + 1, 1));
    (void)clean(NULL);
    assert_status(ST_NOT_FOUND, dispatcher_probe(dispatcher, 4));
    assert_status(ST_NOT_FOUND, publish(4, 1, T0, T0 + 1, 1));
    assert_int_equal(length(), 0);
    assert_ok(dispatcher_claim(dispatcher, 4, 1, &mark_ms));
    assert_true(mark_ms == SCHED_NEVER);
}

/* What a worker gets. */
static void test_jobs(void **state)
{
    AUTO_ARENA arena = arena_new(8 << 20);
    struct queue *queue = NULL;
    struct job_batch got = {.arena = arena};
    claim_at(0, 1, 0);
    assert_ok(publish(0, 1, 0, clock_wall_ms(), 65));
    assert_ok(queue_new("checks", 0, &queue));
    assert_ok(queue_fetch(queue, redis, "tester", 10, 0, &got));
    assert_int_equal(got.count, 2);
    struct check_scheduled work;
    assert_string_equal(got.jobs[0].task, "check.scheduled");
    assert_int_equal(got.jobs[0].priority, 1);
    assert_true(got.jobs[0].expires_at_ms == got.jobs[0].enqueued_at_ms + 60000);
    assert_ok(check_scheduled_decode(got.jobs[0].args, &work, NULL));
    assert_true(work.count == 64 && !work.is_retry);
    assert_true(work.due[0].prev_ms == work.due[0].slot_ms - 60000);
    assert_ok(check_scheduled_decode(got.jobs[1].args, &work, NULL));
    assert_int_equal(work.count, 1);
    assert_false(uuid_eq(&got.jobs[0].id, &got.jobs[1].id));
    queue_free(queue);
}

static void test_large_batch(void **state)
{
    claim_at(0, 1, 0);
    assert_ok(publish(0, 1, 0, T0, 5000));
    assert_int_equal(length(), (5000 + LIMIT_JOB_CHECKS - 1) / LIMIT_JOB_CHECKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_once_a_tick, clean),
        cmocka_unit_test_setup(test_only_the_newest_owner, clean),
        cmocka_unit_test_setup(test_loss_is_told, clean),
        cmocka_unit_test_setup(test_jobs, clean),
        cmocka_unit_test_setup(test_large_batch, clean),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
