/* A connection that listens to a channel. */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "redis/internal.h"

enum status redis_subscribe(struct redis *r, const char *channel)
{
    TRY(redis_do(r, NULL, "SUBSCRIBE", channel));
    r->is_subscribed = true;
    return ST_OK;
}

enum status redis_next(struct redis *r, int64_t timeout_ms, redisReply **out)
{
    if (!r->c)
        return ST_UNAVAILABLE;
    int64_t deadline = clock_mono_ms() + timeout_ms;
    for (;;) {
        void *reply = NULL;
        errno = 0;
        if (redisGetReplyFromReader(r->c, &reply) != REDIS_OK)
            return redis_lost(r);
        if (reply) {
            *out = reply;
            return ST_OK;
        }
        /* Waiting here and not in hiredis: its time limit would spoil the connection. */
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0)
            return ST_TIMEOUT;
        struct pollfd p = {.fd = r->c->fd, .events = POLLIN};
        int n = poll(&p, 1, (int)MIN_OF(left, (int64_t)INT32_MAX));
        if (n > 0 && redisBufferRead(r->c) != REDIS_OK)
            return redis_lost(r);
    }
}
