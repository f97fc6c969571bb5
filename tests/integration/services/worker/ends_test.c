/* How workers end, what becomes of their executors, and of the jobs that ran. */
#include "tests/integration/services/worker/tasks_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/str.h"
#include "queue/control.h"

static int64_t waiting(void)
{
    struct queue_stats stats;
    assert_ok(queue_stats_get(tf.q, tf.redis, &stats));
    return stats.waiting;
}

static void a_stop_gives_back_what_runs(void **state)
{
    pid_t pids[8];
    tf_spawn(NULL);
    const struct uuid soft = tf_put("test.polite", "{}");
    struct job deaf = tf_make("test.hang", "{}");
    deaf.time_limit_ms = 60000;
    assert_ok(queue_enqueue(tf.q, tf.redis, &deaf));
    assert_true(kit_wait(tf_is_in(&soft, JOB_RUNNING) && tf_is_in(&deaf.id, JOB_RUNNING), WAIT_MS));
    assert_true(kit_wait(tf_executor_count() == 2, WAIT_MS));
    const size_t count = tf_executors(pids);
    const int64_t began = kit_real_mono_ms();
    tf_stop(SIGTERM);
    assert_true(kit_real_mono_ms() - began < 30000); /* they would run for a minute */
    for (size_t i = 0; i < count; i++)
        assert_true(tf_is_dead(pids[i]));
    assert_int_equal(waiting(), 2);
    struct job_view view;
    assert_int_equal(tf_state_of(&soft, &view), JOB_QUEUED);
    assert_int_equal(view.job.attempt, 1);
}

static void a_killed_worker_takes_its_executors_along(void **state)
{
    static const int signals[] = {SIGKILL, SIGSEGV};
    pid_t pids[8];
    kit_sql(tf.db, "DELETE FROM runs; DELETE FROM effects");
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        tf_spawn(NULL);
        const struct uuid id = tf_put("test.ledger", i == 0 ? "{\"linger_ms\":60000}" : "{}");
        if (i == 0)
            assert_true(kit_wait(kit_sql_i64(tf.db, "SELECT count(*) FROM runs") == 1, WAIT_MS));
        else
            tf_must_end("ledger", &id, JOB_SUCCEEDED, NULL, NULL);
        const size_t count = tf_executors(pids);
        assert_true(count > 0);
        tf_stop(signals[i]);
        for (size_t k = 0; k < count; k++)
            assert_true(kit_wait(tf_is_dead(pids[k]), WAIT_MS));
        if (i == 0)
            assert_ok(queue_cancel(tf.q, tf.redis, &id, clock_wall_ms(), NULL));
    }
}

/* A second TERM waits for nobody. */
static void a_second_term_ends_all_at_once(void **state)
{
    static const char *const settings[] = {"DRAIN_GRACE=1m", NULL};
    pid_t pids[8];
    tf_spawn(settings);
    struct job deaf = tf_make("test.hang", "{}");
    deaf.time_limit_ms = 60000;
    assert_ok(queue_enqueue(tf.q, tf.redis, &deaf));
    assert_true(kit_wait(tf_is_in(&deaf.id, JOB_RUNNING) && tf_executors(pids) == 1, WAIT_MS));
    const pid_t pid = tf.worker;
    const int64_t began = kit_real_mono_ms();
    /* Until the first one is taken note of, a second is the same one. */
    assert_true(kit_wait((kill(pid, SIGTERM), tf_is_dead(pid)), WAIT_MS));
    const int status = tf_reap();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
    assert_true(kit_real_mono_ms() - began < 30000); /* the grace is a minute */
    assert_true(kit_wait(tf_is_dead(pids[0]), WAIT_MS));
}

/* What ran when its worker was killed runs again, on another one. */
static void orphaned_jobs_run_again(void **state)
{
    static const char *const points[] = {"worker.before_task", "worker.after_task",
                                         "executor.before_done"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        char crash_at[64];
        const char *const settings[] = {crash_at, "WORKER_LEASE=600ms", NULL};
        (void)snprintf(crash_at, sizeof(crash_at), "CRASH_AT=%s", points[i]);
        kit_sql(tf.db, "DELETE FROM runs; DELETE FROM effects");
        tf_spawn(settings);
        struct job job = tf_make("test.ledger", "{}");
        job.max_attempts = 2;
        assert_ok(queue_enqueue(tf.q, tf.redis, &job));
        if (str_starts(points[i], "worker.")) {
            assert_true(WIFSIGNALED(tf_reap()));
            tf_spawn(NULL);
        } else {
            assert_true(kit_wait(tf_is_in(&job.id, JOB_DEAD), WAIT_MS));
            tf_stop(SIGTERM);
            tf_spawn(NULL);
            assert_ok(queue_dead_requeue(tf.q, tf.redis, &job.id));
        }
        tf_must_end(points[i], &job.id, JOB_SUCCEEDED, NULL, NULL);
        assert_int_equal(kit_sql_i64(tf.db, "SELECT count(*) FROM effects"), 1);
        tf_stop(SIGTERM);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TASK_CASE(a_stop_gives_back_what_runs),
        TASK_CASE(a_killed_worker_takes_its_executors_along),
        TASK_CASE(a_second_term_ends_all_at_once),
        TASK_CASE(orphaned_jobs_run_again),
    };
    return tf_main(argc, argv, tests, ARRAY_LEN(tests));
}
