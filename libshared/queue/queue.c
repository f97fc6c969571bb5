/* Names of keys; numbers of a queue; telling who waits. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "queue/internal.h"

/* --- keys --- */

/* Queue names become part of keys and their hash tag. */
bool queue_name_is_good(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= QUEUE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == len;
}

static void make_key(const struct queue *q, const char *suffix, char out[QUEUE_KEY_BYTES])
{
    (void)snprintf(out, QUEUE_KEY_BYTES, "%.70s%.20s", q->prefix, suffix);
}

enum status queue_new(const char *name, int shard, struct queue **out)
{
    if (!queue_name_is_good(name) || shard < 0)
        return ST_INVALID;
    struct queue *q = calloc(1, sizeof(*q));
    if (!q)
        return ST_NO_MEMORY;
    (void)snprintf(q->prefix, sizeof(q->prefix), "{q:%s:%d}:", name, shard);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        make_key(q, (const char[]){'p', (char)('0' + p), '\0'}, q->stream[p]);
    make_key(q, "delayed", q->delayed);
    make_key(q, "dead", q->dead);
    make_key(q, "consumers", q->consumers);
    make_key(q, "stats", q->stats);
    make_key(q, "control", q->control);
    make_key(q, "cancelled", q->cancelled);
    make_key(q, "lines", q->lines);
    make_key(q, "events", q->events);
    make_key(q, "tail", q->tail);
    (void)str_copy(q->name, sizeof(q->name), name);
    *out = q;
    return ST_OK;
}

void queue_free(struct queue *q)
{
    free(q);
}

const char *queue_stream_key(const struct queue *q, int priority)
{
    return q->stream[priority];
}

const char *queue_key(const struct queue *q, const char *suffix, struct arena *arena)
{
    return arena_printf(arena, "%s%s", q->prefix, suffix);
}

enum status queue_script(const struct queue *q, struct redis *r, const struct redis_script *script,
                         const struct rargs *args, redisReply **reply)
{
    const char *const keys[] = {q->prefix};
    return redis_script(r, script, keys, ARRAY_LEN(keys), args, reply);
}

enum status queue_remember(struct queue *q, struct redis *r)
{
    /* A generation counts connections from 1 on; 0: none yet. */
    uint64_t now = redis_generation(r);
    if (now != 0 && q->remembered == now)
        return ST_OK;
    const enum status st = redis_do(r, NULL, "SADD", QUEUE_NAMES_KEY, q->name);
    /* Somebody else's key: the queue works without being listed. */
    if (st != ST_CORRUPT)
        TRY(st);
    q->remembered = redis_generation(r);
    return ST_OK;
}

/* --- looking and telling --- */

/* Entries handed out and not acknowledged; a stream without the group has none. */
static enum status pending_of(struct redis *r, const char *stream, int64_t *out)
{
    AUTO_REPLY reply = NULL;
    enum status st = redis_do(r, &reply, "XPENDING", stream, QUEUE_GROUP);
    *out = 0;
    if (st == ST_CONFLICT)
        return ST_OK;
    TRY(st);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
        *out = reply->element[0]->integer;
    return ST_OK;
}

static enum status length_of(struct redis *r, const char *command, const char *key, int64_t *out)
{
    AUTO_REPLY reply = NULL;
    TRY(redis_do(r, &reply, command, key));
    *out = reply->integer;
    return ST_OK;
}

enum status queue_stats_get(struct queue *q, struct redis *r, struct queue_stats *out)
{
    struct queue_stats s = {0};
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        int64_t length = 0, pending = 0;
        TRY(pending_of(r, q->stream[p], &pending));
        TRY(length_of(r, "XLEN", q->stream[p], &length));
        s.pending += pending;
        s.waiting += MAX_OF(length - pending, 0);
    }
    TRY(length_of(r, "ZCARD", q->delayed, &s.delayed));
    TRY(length_of(r, "XLEN", q->dead, &s.dead));
    *out = s;
    return ST_OK;
}

enum status queue_publish_done(struct redis *r, const char *channel, const struct uuid *job_id,
                               const char *payload, size_t len)
{
    AUTO_BUF message;
    buf_init(&message, len + UUID_TEXT_BYTES + 1);
    char id[UUID_TEXT_BYTES];
    uuid_format(job_id, id);
    buf_str(&message, id);
    buf_char(&message, ' ');
    buf_append(&message, payload, len);
    TRY(buf_status(&message));
    struct rargs args;
    rargs_init(&args, "PUBLISH");
    rargs_str(&args, channel);
    rargs_bytes(&args, message.data, message.len);
    return redis_call(r, &args, NULL);
}
