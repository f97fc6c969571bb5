/* The thread that hears which jobs are done. */
#include "services/api/waiter.h"

#include <string.h>

#include "base/limits.h"
#include "base/stage.h"
#include "log/log.h"
#include "queue/check_jobs.h"
#include "redis/redis.h"

enum { NEXT_MS = 200, RETRY_MS = 250 };

struct waiter {
    struct http_server *server;
    struct gathers *gathers;
    struct redis *redis;
    struct stage *stage;
};

/* "<uuid> <payload>" */
static void wake(struct waiter *w, const char *text, size_t len)
{
    char id_text[UUID_TEXT_BYTES];
    struct uuid id;
    if (len < UUID_TEXT_BYTES || text[UUID_TEXT_BYTES - 1] != ' ')
        return;
    memcpy(id_text, text, UUID_TEXT_BYTES - 1);
    id_text[UUID_TEXT_BYTES - 1] = '\0';
    if (uuid_parse(id_text, &id) != ST_OK)
        return;
    const char *payload = text + UUID_TEXT_BYTES;
    len -= UUID_TEXT_BYTES;
    if (!gather_hear(w->gathers, w->server, &id, payload, len))
        (void)http_wake(w->server, &id, payload, len);
}

/* Until the connection is lost or the service stops. */
static void listen_on(struct waiter *w, struct stage *stage)
{
    while (!stage_is_stopping(stage)) {
        AUTO_REPLY message = NULL;
        enum status st = redis_next(w->redis, NEXT_MS, &message);
        if (st == ST_TIMEOUT)
            continue;
        if (st != ST_OK)
            return;
        /* ["message", channel, payload] */
        if (message->type == REDIS_REPLY_ARRAY && message->elements == 3 &&
            message->element[2]->type == REDIS_REPLY_STRING)
            wake(w, message->element[2]->str, message->element[2]->len);
    }
}

static void run(struct stage *stage, void *arg)
{
    struct waiter *w = arg;
    bool was_up = true;
    while (!stage_is_stopping(stage)) {
        enum status st = redis_subscribe(w->redis, CHECK_DONE_CHANNEL);
        if (st == ST_OK)
            listen_on(w, stage);
        if (was_up != (st == ST_OK))
            log_info("waiter_subscription", kv_bool("up", st == ST_OK));
        was_up = st == ST_OK;
        (void)stage_sleep(stage, RETRY_MS);
    }
}

enum status waiter_start(const struct conf *conf, struct http_server *server,
                         struct gathers *gathers, struct waiter **out, struct errbuf *err)
{
    struct waiter *w = calloc(1, sizeof(*w));
    if (!w)
        return ST_NO_MEMORY;
    w->server = server;
    w->gathers = gathers;
    enum status st = redis_new(conf->redis_url, LIMIT_REDIS_COMMAND_MS, &w->redis, err);
    if (st == ST_OK)
        st = stage_start("waiter", run, w, &w->stage);
    if (st != ST_OK) {
        waiter_stop(w);
        return st;
    }
    *out = w;
    return ST_OK;
}

void waiter_stop(struct waiter *w)
{
    if (!w)
        return;
    stage_join(w->stage);
    redis_free(w->redis);
    free(w);
}
