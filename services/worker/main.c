/* tocsin-worker: runs checks and records what they found. */
#include "daemon/daemon.h"
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
    static const struct service service = {
        .name = "worker",
        .bit = SVC_WORKER,
        .summary = "runs checks and records their results",
        .start = start,
        .stop = stop,
    };
    return daemon_main(argc, argv, &service);
}
