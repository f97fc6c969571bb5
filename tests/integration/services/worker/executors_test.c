/* How executors come, go, are replaced, and end with their worker. */
#include "tests/integration/services/worker/tasks_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "queue/control.h"
#include "services/worker/tasks/task.h"

/* --- how many at a time --- */

static void executors_come_and_go(void **state)
{
    static const char *const settings[] = {"WORKER_EXECUTORS=1,3", "EXECUTOR_IDLE=200ms", NULL};
    struct uuid ids[6];
    tf_spawn(settings);
    assert_true(kit_wait(tf_executor_count() == 1, WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = tf_put("queue.sleep", "{\"seconds\":0.4}");
    assert_true(kit_wait(tf_executor_count() == 3, WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        tf_must_end("sleep", &ids[i], JOB_SUCCEEDED, NULL, NULL);
    assert_true(kit_wait(tf_executor_count() == 1, WAIT_MS));
    tf_must_work();
    tf_stop(SIGTERM);
}

static void executors_are_replaced(void **state)
{
    static const char *const by_jobs[] = {"WORKER_EXECUTORS=1", "EXECUTOR_JOBS=1", NULL};
    static const char *const by_memory[] = {"WORKER_EXECUTORS=1", "EXECUTOR_MEMORY=64", NULL};
    const char *const *const settings[] = {by_jobs, by_memory};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        tf_spawn(settings[i]);
        const struct uuid first = tf_put("test.grow", "{}");
        const int64_t first_pid = tf_result_of(&first);
        const struct uuid second = tf_put("test.grow", "{}");
        assert_int_not_equal(tf_result_of(&second), first_pid);
        assert_true(kit_wait(tf_is_dead((pid_t)first_pid), WAIT_MS));
        tf_stop(SIGTERM);
    }
}

/* "… S <parent> …" of /proc; 0: there is no such process, not even one that nobody waited for. */
static pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    (void)fclose(f);
    return parent;
}

/* A worker need not have an init: what its tasks leave behind is waited for. */
static void orphans_are_waited_for(void **state)
{
    (void)state;
    static const char *const settings[] = {"WORKER_EXECUTORS=0,1", "EXECUTOR_JOBS=1", NULL};
    tf_spawn(settings);
    const struct uuid id = tf_put("test.orphan", "{}");
    const pid_t orphan = (pid_t)tf_result_of(&id);
    assert_true(kit_wait(parent_of(orphan) == tf.worker, WAIT_MS));
    assert_int_equal(kill(orphan, SIGKILL), 0);
    assert_true(kit_wait(parent_of(orphan) == 0, WAIT_MS));
    tf_must_work();
    tf_stop(SIGTERM);
}

/* Long jobs of one queue leave room for another. */
static void queues_do_not_shut_each_other_out(void **state)
{
    tf_spawn(NULL);
    for (int i = 0; i < 8; i++) {
        const struct job job = tf_make("test.polite", "{}");
        assert_ok(queue_enqueue(tf.side, tf.redis, &job));
    }
    assert_true(kit_wait(tf_executor_count() >= 3, WAIT_MS));
    tf_must_work();
    /* What waits for an executor is not kept from other workers. */
    struct queue_stats stats;
    assert_true(kit_wait((queue_stats_get(tf.side, tf.redis, &stats) == ST_OK &&
                          stats.pending == 3 && stats.waiting == 5),
                         WAIT_MS));
}

/* --- ends of workers --- */

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
    assert_true(kit_real_mono_ms() - began < 5000);
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
    assert_true(kit_real_mono_ms() - began < 5000);
    assert_true(kit_wait(tf_is_dead(pids[0]), WAIT_MS));
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Executors that cannot start cost no job an attempt: jobs wait, and go on when they can. */
static void executors_that_do_not_start_cost_no_attempt(void **state)
{
    char path[256], setting[320];
    const char *const settings[] = {setting, NULL};
    (void)snprintf(path, sizeof(path), "%s/location", kit_dir());
    (void)snprintf(setting, sizeof(setting), "LOCATION_FILE=%s", path);
    write_text(path, "here");
    tf_spawn(settings);
    /* With a lease it has read its settings. */
    assert_true(kit_wait(({
                             struct worker_view *views = NULL;
                             size_t count = 0;
                             arena_reset(tf.arena);
                             assert_ok(
                                 queue_workers_list(tf.q, tf.redis, tf.arena, &views, &count));
                             count == 1 && views[0].info;
                         }),
                         WAIT_MS));
    assert_int_equal(unlink(path), 0);
    const struct uuid id = tf_put("queue.echo", "{}");
    (void)kit_wait(false, 700);
    assert_true(tf_is_in(&id, JOB_QUEUED) || tf_is_in(&id, JOB_RUNNING));
    write_text(path, "here");
    tf_must_end("late start", &id, JOB_SUCCEEDED, NULL, "\"attempt\":1,");
    tf_stop(SIGTERM);
}

/* What ran when its worker was killed runs again, on another one. */
static void orphaned_jobs_run_again(void **state)
{
    static const char *const points[] = {"worker.before_task", "worker.after_task",
                                         "executor.before_done"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        char crash_at[64];
        const char *const settings[] = {crash_at, NULL};
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
    int code = 0;
    if (tf_runs_as_worker(argc, argv, &code))
        return code;
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, tf_begin, tf_end)
        CASE(executors_come_and_go),          CASE(executors_are_replaced),
        CASE(orphans_are_waited_for),         CASE(queues_do_not_shut_each_other_out),
        CASE(a_stop_gives_back_what_runs),    CASE(a_killed_worker_takes_its_executors_along),
        CASE(a_second_term_ends_all_at_once), CASE(executors_that_do_not_start_cost_no_attempt),
        CASE(orphaned_jobs_run_again),
    };
    return cmocka_run_group_tests(tests, tf_setup, tf_teardown);
}
