/*
 * How a task is executed: its file here has one function and one const entry. It runs in an
 * executor, a process of its own: it may block, fail, crash or never return without anybody else
 * noticing. Time limits, cancelling, retries and storing the result belong to the runner, never to
 * a task. A job may be run more than once (docs/queue.md): what must happen once keeps a key of its
 * own in PostgreSQL (t->job->id is the same at every attempt).
 */
#ifndef TOCSIN_WORKER_TASKS_TASK_H
#define TOCSIN_WORKER_TASKS_TASK_H

#include "base/arena.h"
#include "conf/conf.h"
#include "db/db.h"
#include "json/schema.h"
#include "json/write.h"
#include "net/egress.h"
#include "queue/queue.h"

struct executor;

struct task_run {
    const struct job *job; /* attempt, max_attempts, tenant … */
    const void *args;      /* as the schema of the row binds them; NULL without one */
    json_t *args_json;     /* the same as they came: borrowed */
    int64_t slot_us;       /* of a row that takes_slot, scheduled: the time it is for; else 0 */
    json_t *previous;      /* what came before it (queue/group.h), where it takes that; NULL */
    struct arena *arena;   /* as long as the attempt */
    const struct conf *conf;
    struct executor *executor; /* the runner's */
};

struct task_handler {
    const char *name; /* of its row in queue/tasks.c */
    /* ST_OK: done. A status that is retryable (base/status.h): tried again as the row says. Any
     * other: final, a dead letter. After task_should_stop: ST_STOPPED. */
    enum status (*run)(struct task_run *t);
};

/* By name; NULL when this program cannot run it. */
const struct task_handler *task_handler_find(const char *name);
/* Handlers beside those of tasks.def: for test programs, before threads start. Borrowed for ever.
 */
FOR_TESTS void task_handlers_add(const struct task_handler *handlers, size_t count);

/* Why a task is to end. */
enum task_stop {
    TASK_GO,
    TASK_STOP_SOFT_LIMIT, /* the hard limit kills later */
    TASK_STOP_CANCEL,     /* killed after TOCSIN_EXECUTOR_GRACE */
    TASK_STOP_DRAIN,      /* the worker stops: the job goes back to the queue */
    TASK_STOP_ORPHAN      /* the worker is gone */
};
/* Ask now and then: a task that works for long should end soon after this is no longer TASK_GO. */
enum task_stop task_should_stop(struct task_run *t);
/* Waits; false at once when the task should stop. */
bool task_sleep(struct task_run *t, int64_t ms);

/* Says why it failed, for people (printf-like), and returns `st`:
 *     return task_fail(t, ST_UNAVAILABLE, "the mirror answered %d", code); */
enum status task_fail(struct task_run *t, enum status st, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Begins the result: write one JSON value. At most LIMIT_JOB_RESULT_BYTES. */
struct jw *task_result(struct task_run *t);
/* How far it is, shown with the worker while the task runs (printf-like, up to
 * LIMIT_TASK_PROGRESS bytes). */
void task_progress(struct task_run *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The executor's connection, made at first use and kept for the next job; NULL without memory. A
 * transaction that a task leaves open is rolled back. */
struct db *task_db(struct task_run *t);
/* Where connections may go; NULL when the settings are wrong. */
const struct egress *task_egress(struct task_run *t);

#endif
