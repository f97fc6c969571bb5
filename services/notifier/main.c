/* tocsin-notifier: delivers what the outbox holds. */
#include "daemon/daemon.h"
#include "services/notifier/notifier.h"

static enum status start(struct daemon *d, void **state, struct errbuf *err)
{
    struct notifier *n = calloc(1, sizeof(*n));
    if (!n)
        return ST_NO_MEMORY;
    n->conf = &d->conf;
    const enum status st = notifier_start(n, err);
    if (st != ST_OK) {
        free(n);
        return st;
    }
    *state = n;
    return ST_OK;
}

static void stop(void *state, int64_t grace_ms)
{
    notifier_stop(state, grace_ms);
    /* Freed by the process's end: its metrics may still be read until then. */
}

int main(int argc, char **argv)
{
    static const struct service notifier = {
        .name = "notifier",
        .bit = SVC_NOTIFIER,
        .summary = "Delivers notifications: mails and webhooks",
        .start = start,
        .stop = stop,
    };
    return daemon_main(argc, argv, &notifier);
}
