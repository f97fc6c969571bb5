/* What the promises of the queue rest on: settings of the Redis server. */
#include "base/str.h"
#include "redis/redis.h"

static enum status config_get(struct redis *r, const char *name, char *out, size_t cap)
{
    AUTO_REPLY reply = NULL;
    out[0] = '\0';
    enum status st = redis_do(r, &reply, "CONFIG", "GET", name);
    if (st == ST_INTERNAL)
        return ST_OK; /* hidden by an ACL or renamed */
    TRY(st);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->str)
        (void)str_copy(out, cap, reply->element[1]->str);
    return ST_OK;
}

enum status redis_check_durability(struct redis *r, struct errbuf *err)
{
    static const struct {
        const char *name, *wanted, *why;
    } rows[] = {
        {"maxmemory-policy", "noeviction", "queued jobs could be evicted"},
        {"appendonly", "yes", "queued jobs would be lost in a restart"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char value[64];
        enum status st = config_get(r, rows[i].name, value, sizeof(value));
        if (st != ST_OK)
            return err_set(err, ST_UNAVAILABLE, "Redis: %.200s", redis_error(r));
        if (value[0] != '\0' && !str_eq(value, rows[i].wanted))
            return err_set(err, ST_INVALID, "Redis has %s %s, so %s: CONFIG SET %s %s",
                           rows[i].name, value, rows[i].why, rows[i].name, rows[i].wanted);
    }
    return ST_OK;
}
