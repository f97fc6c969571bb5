/* queue.fail: fails as it is told. Shows retries, dead letters and what watches them. */
#include "queue/tasks.h"
#include "services/worker/tasks/task.h"

static enum status run(struct task_run *t)
{
    const struct queue_fail_args *args = t->args;
    if (args->times.set && t->job->attempt > args->times.v)
        return ST_OK;
    return task_fail(t, args->is_final.v ? ST_INVALID : ST_UNAVAILABLE, "%s",
                     args->message.set ? args->message.v : "failed as asked");
}

const struct task_handler task_queue_fail = {.name = "queue.fail", .run = run};
