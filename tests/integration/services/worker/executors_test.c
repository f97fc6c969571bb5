/* How executors come, go and are replaced. */
#include "tests/integration/services/worker/tasks_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/str.h"
#include "queue/control.h"
#include "services/worker/tasks/task.h"

static void executors_come_and_go(void **state)
{
    static const char *const settings[] = {"WORKER_EXECUTORS=1,3", "EXECUTOR_IDLE=200ms", NULL};
    struct uuid ids[6];
    tf_spawn(settings);
    assert_true(kit_wait(tf_executor_count() == 1, WAIT_MS));
    /* They run until they were seen. */
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = tf_put("test.polite", "{}");
    assert_true(kit_wait(tf_executor_count() == 3, WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_ok(queue_cancel(tf.q, tf.redis, &ids[i], clock_wall_ms(), NULL));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        tf_must_end("polite", &ids[i], JOB_CANCELLED, NULL, NULL);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TASK_CASE(executors_come_and_go),
        TASK_CASE(executors_are_replaced),
        TASK_CASE(orphans_are_waited_for),
        TASK_CASE(queues_do_not_shut_each_other_out),
        TASK_CASE(executors_that_do_not_start_cost_no_attempt),
    };
    return tf_main(argc, argv, tests, ARRAY_LEN(tests));
}
