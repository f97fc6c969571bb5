/* queue.echo: its result is its arguments, what came before it, and where it ran. */
#include <unistd.h>

#include "services/worker/tasks/task.h"

static enum status run(struct task_run *t)
{
    char host[65] = "";
    (void)gethostname(host, sizeof(host) - 1);
    struct jw *w = task_result(t);
    jw_object(w);
    jw_key(w, "args");
    jw_json(w, t->args_json);
    if (t->previous) {
        jw_key(w, "previous");
        jw_json(w, t->previous);
    }
    jw_kv_i64(w, "attempt", t->job->attempt);
    jw_kv_str(w, "host", host);
    jw_kv_i64(w, "pid", getpid());
    jw_end(w);
    return ST_OK;
}

const struct task_handler task_queue_echo = {.name = "queue.echo", .run = run};
