/* Jobs that a live consumer holds without knowing it, after Redis lost the end of its file. */
#include "queue/queue.h"
#include "tests/kit/kit.h"

enum { LEASE_MS = 60000 };

/* As if the entry had been delivered that long ago. */
static void age(struct redis *r, const struct job *job, const char *idle_ms)
{
    assert_ok(redis_do(r, NULL, "XCLAIM", job->stream, "workers", "a", "0", job->entry, "IDLE",
                       idle_ms, "JUSTID"));
}

static int64_t waiting_after_maintenance(struct queue *q, struct redis *r)
{
    struct queue_stats s;
    AUTO_ARENA arena = arena_new(4096);
    assert_ok(redis_do(r, NULL, "DEL", queue_key(q, "sweeper", arena)));
    assert_ok(queue_maintain(q, r, clock_wall_ms(), NULL));
    assert_ok(queue_stats_get(q, r, &s));
    assert_int_equal(s.pending + s.waiting, 1);
    return s.waiting;
}

static void test_overdue_jobs_come_back(void **state)
{
    AUTO_REDIS r = kit_redis_open(kit_redis());
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch = {.arena = arena};
    struct queue *q = NULL;
    struct job job;
    assert_ok(queue_new("checks", 0, &q));
    assert_ok(job_init(&job, "check.scheduled", "{}", clock_wall_ms()));
    job.time_limit_ms = 3600 * 1000;
    assert_ok(queue_enqueue(q, r, &job));
    assert_ok(queue_heartbeat(q, r, "a", "{}", LEASE_MS));
    assert_ok(queue_fetch(q, r, "a", 10, 0, &batch));
    assert_int_equal(batch.count, 1);

    assert_int_equal(waiting_after_maintenance(q, r), 0);
    age(r, &batch.jobs[0], "4100000"); /* within its hour and the ten minutes beyond */
    assert_int_equal(waiting_after_maintenance(q, r), 0);
    age(r, &batch.jobs[0], "4300000");
    assert_int_equal(waiting_after_maintenance(q, r), 1);

    assert_ok(queue_fetch(q, r, "b", 10, 0, &batch));
    assert_int_equal(batch.count, 1);
    assert_true(uuid_eq(&batch.jobs[0].id, &job.id));
    assert_int_equal(batch.jobs[0].deliveries, 1);
    queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overdue_jobs_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
