/* What XPENDING and XINFO say of a queue. */
#include "tests/chaos/look.h"

#include <stdio.h>

void look_print_pending(const struct queue *q, struct redis *r)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        AUTO_REPLY held = NULL;
        const char *stream = queue_stream_key(q, p);
        if (redis_do(r, &held, "XPENDING", stream, "workers", "-", "+", "20") != ST_OK)
            continue;
        for (size_t i = 0; i < held->elements; i++) {
            redisReply **e = held->element[i]->element;
            printf("# %s %s held by %s for %lld ms, delivered %lld times\n", stream, e[0]->str,
                   e[1]->str, e[2]->integer, e[3]->integer);
        }
    }
}

int64_t look_count_consumers(const struct queue *q, struct redis *r)
{
    int64_t count = 0;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        AUTO_REPLY info = NULL;
        if (redis_do(r, &info, "XINFO", "CONSUMERS", queue_stream_key(q, p), "workers") == ST_OK)
            count += (int64_t)info->elements;
    }
    return count;
}
