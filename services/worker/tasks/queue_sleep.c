/* queue.sleep: takes its time, and ends early when it is told to. Shows limits, cancelling,
 * draining and progress. */
#include "queue/tasks.h"
#include "services/worker/tasks/task.h"

enum { STEP_MS = 1000 };

static enum status run(struct task_run *t)
{
    const struct queue_sleep_args *args = t->args;
    const int64_t total_ms = (int64_t)(args->seconds.v * 1000);
    int64_t slept_ms = 0;
    while (slept_ms < total_ms) {
        const int64_t step_ms = MIN_OF(total_ms - slept_ms, (int64_t)STEP_MS);
        if (!task_sleep(t, step_ms))
            return ST_STOPPED;
        slept_ms += step_ms;
        task_progress(t, "%d %%", (int)(slept_ms * 100 / total_ms));
    }
    struct jw *w = task_result(t);
    jw_object(w);
    jw_kv_f64(w, "slept", (double)slept_ms / 1000);
    jw_end(w);
    return ST_OK;
}

const struct task_handler task_queue_sleep = {.name = "queue.sleep", .run = run};
