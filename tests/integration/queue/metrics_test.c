/* What is counted where: by task in the process that works, by queue from what lies in Redis. */
#include <string.h>

#include "obs/metrics.h"
#include "queue/control.h"
#include "queue/metrics.h"
#include "tests/kit/queue.h"

#define fetch queue_fixture_fetch
#define put queue_fixture_put
#define end queue_fixture_end

static void must_show(const char *const *lines, size_t count)
{
    AUTO_BUF page;
    buf_init(&page, 1u << 20);
    metrics_write(&page);
    for (size_t i = 0; i < count; i++) {
        if (!strstr(buf_cstr(&page), lines[i]))
            fail_msg("missing %s in\n%s", lines[i], buf_cstr(&page));
    }
}

static void test_by_task(void **state)
{
    struct queue_fixture *f = *state;
    struct job jobs[6];
    queue_metrics_add();
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = queue_fixture_job();
        jobs[i].max_attempts = i == 2 ? 1 : 3;
    }
    jobs[3].expires_at_ms = 1;
    jobs[4].task = "of.another.program";
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        put(f, &jobs[i]);
    assert_int_equal(fetch(f, "a", 10), 5);
    int64_t now = clock_wall_ms();
    end(f, "a", 0, JOB_SUCCEEDED, NULL);
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[1], "no", now));
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[2], "no", now));
    end(f, "a", 3, JOB_SUCCEEDED, NULL);
    end(f, "a", 4, JOB_DEAD, "for good");
    queue_metrics_ran("queue.noop", 2000);
    static const char *const lines[] = {
        "# TYPE tocsin_task_processed_total counter\n",
        "tocsin_task_processed_total{task=\"queue.noop\"} 4\n",
        "tocsin_task_processed_total{task=\"other\"} 1\n",
        "tocsin_task_failed_total{task=\"queue.noop\"} 3\n",
        "tocsin_task_retried_total{task=\"queue.noop\"} 1\n",
        "tocsin_task_dead_total{task=\"queue.noop\"} 2\n",
        "tocsin_task_expired_total{task=\"queue.noop\"} 1\n",
        "# TYPE tocsin_task_wait_seconds histogram\n",
        "tocsin_task_wait_seconds_count{task=\"queue.noop\"} 4\n",
        "tocsin_task_duration_seconds_bucket{task=\"queue.noop\",le=\"0.0025\"} 1\n",
        "tocsin_task_duration_seconds_count{task=\"check.run\"} 0\n",
    };
    must_show(lines, ARRAY_LEN(lines));
}

static void test_by_queue(void **state)
{
    struct queue_fixture *f = *state;
    queue_gauges_add();
    for (int i = 0; i < 4; i++) {
        struct job job = queue_fixture_job();
        job.not_before_ms = i == 3 ? job.enqueued_at_ms + 60000 : 0;
        put(f, &job);
    }
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_ok(queue_retry(f->q, f->r, "a", &f->batch.jobs[0], "no", clock_wall_ms()));
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_ok(queue_pause(f->q, f->r, "ada", clock_wall_ms()));
    assert_ok(redis_do(f->r, NULL, "SET", "{q:default:0}:p3", "not ours"));
    assert_ok(redis_do(f->r, NULL, "SADD", "tocsin:queues", "bad \"name\"\n", "side"));
    assert_ok(queue_gauges_refresh(f->r, clock_wall_ms()));
    static const char *const lines[] = {
        "tocsin_queue_up 1\n",
        "tocsin_queue_depth{queue=\"default\",priority=\"2\"} 1\n",
        "tocsin_queue_lag{queue=\"default\"} 1\n",
        "tocsin_queue_in_flight{queue=\"default\"} 1\n",
        "tocsin_queue_delayed{queue=\"default\"} 2\n",
        "tocsin_queue_dead{queue=\"default\"} 0\n",
        "# TYPE tocsin_queue_oldest_age_seconds gauge\n",
        "tocsin_queue_enqueued_total{queue=\"default\"} 4\n",
        "tocsin_queue_processed_total{queue=\"default\"} 1\n",
        "tocsin_queue_failed_total{queue=\"default\"} 1\n",
        "tocsin_queue_retried_total{queue=\"default\"} 1\n",
        "tocsin_queue_redelivered_total{queue=\"default\"} 0\n",
        "tocsin_queue_paused{queue=\"default\"} 1\n",
        "tocsin_queue_broken{queue=\"default\"} 1\n",
        "tocsin_queue_broken{queue=\"side\"} 0\n",
        "tocsin_queue_left_out 0\n",
    };
    must_show(lines, ARRAY_LEN(lines));
    queue_gauges_clear();
    AUTO_BUF page;
    buf_init(&page, 1u << 20);
    metrics_write(&page);
    assert_null(strstr(buf_cstr(&page), "tocsin_queue_depth"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {QUEUE_CASE(test_by_task), QUEUE_CASE(test_by_queue)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
