/* An attempt at a job in an executor: when it began, how far it came, and what its end means. */
#include <inttypes.h>
#include <stdio.h>

#include "base/crash.h"
#include "base/str.h"
#include "services/worker/pool_internal.h"

static int64_t after(int64_t now_ms, int64_t ms)
{
    int64_t at = 0;
    return __builtin_add_overflow(now_ms, ms, &at) ? INT64_MAX : at;
}

void attempt_begin(struct child *c, struct work *work, int64_t now_ms)
{
    const struct job *job = &work->job;
    const int64_t limit_ms = job->time_limit_ms > 0 ? job->time_limit_ms : LIMIT_TASK_MS;
    c->state = CHILD_BUSY;
    c->work = work;
    c->since_ms = now_ms;
    c->started_us = clock_mono_us();
    c->told = TASK_GO;
    c->ran_out = false;
    c->hard_at_ms = after(now_ms, limit_ms);
    c->soft_at_ms = job->soft_limit_ms > 0 ? after(now_ms, job->soft_limit_ms) : INT64_MAX;
    c->kill_at_ms = INT64_MAX;
    (void)pthread_mutex_lock(&work->worker->lock);
    work->is_started = true;
    work->started_at_ms = clock_wall_ms();
    (void)pthread_mutex_unlock(&work->worker->lock);
}

void attempt_set_progress(struct work *work, const char *text)
{
    (void)pthread_mutex_lock(&work->worker->lock);
    (void)str_copy(work->task->progress, sizeof(work->task->progress), text);
    (void)pthread_mutex_unlock(&work->worker->lock);
}

void attempt_end(struct pool *p, struct child *c, enum task_how how, const char *reason)
{
    struct work *work = c->work;
    struct task_end *task = work->task;
    c->work = NULL;
    task->how = how;
    (void)str_copy(task->reason, sizeof(task->reason), reason);
    pool_done(p, work, clock_mono_us() - c->started_us);
}

static void say_limit(const char *which, int64_t ms, char out[LIMIT_TASK_REASON])
{
    (void)snprintf(out, LIMIT_TASK_REASON, "ran into its %s limit of %" PRId64 ".%" PRId64 " s",
                   which, ms / 1000, ms % 1000 / 100);
}

/* Why the attempt of an executor that is gone failed. */
static enum task_how verdict(const struct child *c, const char *what, char out[LIMIT_TASK_REASON])
{
    out[0] = '\0';
    if (c->ran_out) {
        say_limit("time", c->work->job.time_limit_ms, out);
        return TASK_RETRY;
    }
    if (c->told == TASK_STOP_CANCEL)
        return TASK_CANCELLED;
    if (c->told == TASK_STOP_DRAIN)
        return TASK_HANDED_BACK;
    (void)snprintf(out, LIMIT_TASK_REASON, "%s", what);
    return TASK_RETRY;
}

void attempt_lost(struct pool *p, struct child *c, const char *what)
{
    char reason[LIMIT_TASK_REASON];
    const enum task_how how = verdict(c, what, reason);
    attempt_end(p, c, how, reason);
}

void attempt_done(struct pool *p, struct child *c, const struct frame_done *done)
{
    struct task_end *task = c->work->task;
    enum task_how how = status_is_retryable(done->status) ? TASK_RETRY : TASK_FINAL;
    char limit[LIMIT_TASK_REASON];
    const char *reason = done->reason;
    if (done->status == ST_OK) {
        how = TASK_SUCCEEDED;
        if (done->has_result)
            task->result = arena_strdup(c->work->arena, done->result);
        if (done->has_result && !task->result) {
            how = TASK_RETRY;
            reason = "no memory for the result";
        }
    } else if (c->told == TASK_STOP_CANCEL) {
        how = TASK_CANCELLED;
    } else if (c->told == TASK_STOP_DRAIN && done->status == ST_STOPPED) {
        how = TASK_HANDED_BACK;
    } else if (c->told == TASK_STOP_SOFT_LIMIT && done->status == ST_STOPPED) {
        say_limit("soft time", c->work->job.soft_limit_ms, limit);
        reason = limit;
    }
    CRASH_AT("worker.after_task");
    attempt_end(p, c, how, reason);
}
