/* tocsin-worker: runs checks and tasks and records what came of them. */
#include "daemon/daemon.h"
#include "services/worker/executor.h"
#include "services/worker/worker.h"

static enum status start(struct daemon *d, void **state, struct errbuf *err)
{
    struct worker *w = NULL;
    TRY(worker_start(&d->conf, &w, err));
    *state = w;
    return ST_OK;
}

static void stop(void *state, int64_t grace_ms)
{
    worker_stop(state, grace_ms);
}

int main(int argc, char **argv)
{
    static const struct service_option options[] = {
        {"queues", "WORKER_QUEUES", "A,B", "queues that it serves"},
        {"concurrency", "WORKER_CONCURRENCY", "N|MIN,MAX", "probes at a time"},
        {"executors", "WORKER_EXECUTORS", "N|MIN,MAX", "processes that run other tasks"},
    };
    static const struct service service = {
        .name = "worker",
        .bit = SVC_WORKER,
        .summary = "runs checks and other tasks and records what came of them",
        .options = options,
        .option_count = ARRAY_LEN(options),
        .start = start,
        .stop = stop,
    };
    if (executor_is_asked(argc, argv))
        return executor_main();
    return daemon_main(argc, argv, &service);
}
