/*
 * Real worker processes with tasks that behave badly: each program that shares this is the test,
 * and with --worker a worker that knows these tasks, and with --executor one of its executors.
 */
#ifndef TOCSIN_TESTS_INTEGRATION_SERVICES_WORKER_TASKS_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_SERVICES_WORKER_TASKS_FIXTURE_H

#include "daemon/daemon.h"
#include "queue/inspect.h"
#include "services/worker/worker.h"
#include "tests/kit/kit.h"

enum { WAIT_MS = KIT_PATIENCE_MS, LIMIT_MS = 300, ARENA_BYTES = 64 << 20 };

/* Set between tf_setup and tf_teardown; the worker is that of the case. */
struct tasks_fixture {
    struct db *db;
    struct redis *redis;
    struct queue *q, *side;
    struct arena *arena;
    pid_t worker; /* 0: none */
};

extern struct tasks_fixture tf;

/* With settings beside the usual: "NAME=value", ends with NULL. */
void tf_spawn(const char *const *settings);
/* Waits for the worker to end; its status as waitpid gives it. */
int tf_reap(void);
/* Sends it a signal and waits for its end, which after SIGTERM must be a clean one. */
void tf_stop(int signal_number);
/* Gone, or only waiting for somebody to ask how it ended. */
bool tf_is_dead(pid_t pid);
/* Children of the worker, into pids[8]. */
size_t tf_executors(pid_t *pids);
/* How many executors the worker has. */
size_t tf_executor_count(void);
/* A job of one attempt whose outcome is kept. */
struct job tf_make(const char *task, const char *args);
/* The same, enqueued. */
struct uuid tf_put(const char *task, const char *args);
/* JOB_STATE_COUNT_ when nothing is known of the job. */
enum job_state tf_state_of(const struct uuid *id, struct job_view *view);
/* Whether the job is in this state now. */
bool tf_is_in(const struct uuid *id, enum job_state state);
/* Waits for its end; texts are valid till the next look at a job. */
void tf_must_end(const char *what, const struct uuid *id, enum job_state state, const char *error,
                 const char *result);
/* The number that a job's result is. */
int64_t tf_result_of(const struct uuid *id);
/* The worker does jobs. */
void tf_must_work(void);
/* Of each case. */
int tf_begin(void **state);
int tf_end(void **state);
#define TASK_CASE(name) cmocka_unit_test_setup_teardown(name, tf_begin, tf_end)
/* What main returns: runs the tests, or is a worker (--worker) or one of its executors. */
int tf_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count);

#endif
