/* Stream ids and the state of a stream. */
#include "services/ingest/position.h"

#include <errno.h>

#include "base/str.h"
#include "services/ingest/publish.h"

struct entry_id {
    uint64_t ms, seq;
};

static struct entry_id parse(const char *text)
{
    struct entry_id id = {0, 0};
    char *end = NULL;
    errno = 0;
    uint64_t ms = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '-')
        return id;
    const char *rest = end + 1;
    uint64_t seq = strtoull(rest, &end, 10);
    if (errno != 0 || end == rest || *end != '\0')
        return id;
    return (struct entry_id){ms, seq};
}

int entry_id_compare(const char *a, const char *b)
{
    struct entry_id x = parse(a), y = parse(b);
    if (x.ms != y.ms)
        return x.ms < y.ms ? -1 : 1;
    return x.seq < y.seq ? -1 : x.seq > y.seq;
}

int64_t entry_id_ms(const char *id)
{
    return (int64_t)parse(id).ms;
}

enum status position_read(struct redis *redis, int shard, struct position *out)
{
    char key[STREAM_KEY_BYTES];
    stream_key(shard, key);
    struct rargs a;
    rargs_init(&a, "XINFO");
    rargs_str(&a, "STREAM");
    rargs_str(&a, key);
    TRY(redis_append(redis, &a));
    AUTO_REPLY reply = NULL;
    TRY(redis_fetch(redis, &reply));

    struct position p = {0};
    if (reply->type == REDIS_REPLY_ERROR) {
        if (!strstr(reply->str, "no such key"))
            return ST_IO;
        *out = p;
        return ST_OK;
    }
    p.exists = true;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
        const char *name = reply->element[i]->str;
        const redisReply *v = reply->element[i + 1];
        if (str_eq(name, "length") && v->type == REDIS_REPLY_INTEGER)
            p.length = (int64_t)v->integer;
        else if (str_eq(name, "last-generated-id") && v->type == REDIS_REPLY_STRING)
            (void)str_copy(p.last_generated, sizeof(p.last_generated), v->str);
        else if (str_eq(name, "first-entry") && v->type == REDIS_REPLY_ARRAY && v->elements > 0)
            (void)str_copy(p.first, sizeof(p.first), v->element[0]->str);
    }
    *out = p;
    return ST_OK;
}

enum position_verdict position_judge(const struct position *p, const char *mark)
{
    if (!p->exists)
        return POSITION_GOOD; /* nothing to read; new ids grow with the clock */
    if (entry_id_compare(p->last_generated, mark) < 0)
        return POSITION_AHEAD;
    if (p->first[0] && entry_id_compare(p->first, mark) <= 0)
        return POSITION_LEFTOVER;
    return POSITION_GOOD;
}
