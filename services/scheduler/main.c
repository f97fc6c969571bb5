/* tocsin-scheduler: issues the periodic work. */
#include "daemon/daemon.h"
#include "services/scheduler/scheduler.h"

static enum status start(struct daemon *d, void **state, struct errbuf *err)
{
    struct scheduler *s = NULL;
    TRY(scheduler_start(&d->conf, &s, err));
    *state = s;
    return ST_OK;
}

/* Nothing to finish: a shard is given up between two ticks. */
static void stop(void *state, int64_t grace_ms)
{
    (void)grace_ms;
    scheduler_stop(state);
}

int main(int argc, char **argv)
{
    static const struct service service = {
        .name = "scheduler",
        .bit = SVC_SCHEDULER,
        .summary = "Issues the checks that are due, exactly once a slot.",
        .start = start,
        .stop = stop,
    };
    return daemon_main(argc, argv, &service);
}
