/* The wake stage: a word on Redis that outbox rows were committed. Without Redis they are found all
 * the same, only later, when the claim stage looks by itself. */
#include "base/rand.h"
#include "log/log.h"
#include "queue/check_jobs.h"
#include "services/notifier/notifier.h"

enum { LISTEN_MS = 500, BACKOFF_MS = 200, BACKOFF_CAP_MS = 5000 };

static enum status listen_once(struct stage *stage, struct notifier *n, struct redis *redis)
{
    TRY(redis_subscribe(redis, OUTBOX_WAKE_CHANNEL));
    status_redis(true);
    stage_wake(n->claim); /* for what came while nobody listened */
    while (!stage_is_stopping(stage)) {
        AUTO_REPLY message = NULL;
        const enum status st = redis_next(redis, LISTEN_MS, &message);
        if (st == ST_OK)
            stage_wake(n->claim);
        else if (st != ST_TIMEOUT)
            return st;
    }
    return ST_OK;
}

void wake_run(struct stage *stage, void *arg)
{
    struct notifier *n = arg;
    int failures = 0;
    while (!stage_is_stopping(stage)) {
        AUTO_REDIS redis = NULL;
        struct errbuf err = {0};
        enum status st = redis_new(n->conf->redis_url, LIMIT_REDIS_COMMAND_MS, &redis, &err);
        if (st == ST_OK)
            st = listen_once(stage, n, redis);
        if (st == ST_OK)
            return;
        status_redis(false);
        if (failures == 0)
            log_warn("redis_lost", kv_status(st),
                     kv_str("error", redis ? redis_error(redis) : err.text));
        (void)stage_sleep(stage,
                          BACKOFF_MS + rand_backoff_ms(failures, BACKOFF_MS, BACKOFF_CAP_MS));
        failures = failures < 10 ? failures + 1 : 10;
    }
}
