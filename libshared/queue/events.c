/* The stream of events of a queue: bounded, and for what succeeds only written while it is read. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "queue/inspect.h"
#include "queue/internal.h"

#define TAIL_MS "5000" /* a reader that asked so long ago is gone */

enum status queue_tail_refresh(struct queue *q, struct redis *r)
{
    int64_t now = clock_mono_ms(), seen = q->tail_mono_ms;
    if (seen != 0 && now - seen < QUEUE_CONTROL_MS)
        return ST_OK;
    AUTO_REPLY reply = NULL;
    TRY(redis_do(r, &reply, "EXISTS", q->tail));
    q->has_tail = reply->integer == 1;
    q->tail_mono_ms = now;
    return ST_OK;
}

enum status queue_events_append(struct queue *q, struct redis *r, const char *event,
                                const struct job *jobs, size_t count, size_t *commands)
{
    if (!q->has_tail)
        return ST_OK;
    for (size_t i = 0; i < count; i++) {
        struct rargs args;
        rargs_init(&args, "XADD");
        rargs_str(&args, q->events);
        rargs_str(&args, "MAXLEN");
        rargs_str(&args, "~");
        rargs_i64(&args, LIMIT_JOB_EVENTS);
        rargs_str(&args, "*");
        rargs_str(&args, "event");
        rargs_str(&args, event);
        rargs_str(&args, "id");
        rargs_uuid(&args, &jobs[i].id);
        rargs_str(&args, "task");
        rargs_str(&args, jobs[i].task);
        rargs_str(&args, "attempt");
        rargs_i64(&args, jobs[i].attempt);
        TRY(redis_append(r, &args));
        ++*commands;
    }
    return ST_OK;
}

static enum status read_field(const char *name, const redisReply *value, struct arena *arena,
                              struct job_event *e)
{
    if (str_eq(name, "event")) {
        e->event = value->str;
    } else if (str_eq(name, "id")) {
        (void)(uuid_parse(value->str, &e->id) == ST_OK);
    } else if (str_eq(name, "task")) {
        e->task = value->str;
    } else if (str_eq(name, "reason")) {
        e->reason = value->len > 0 ? value->str : NULL;
    } else if (str_eq(name, "attempt")) {
        (void)(str_to_i64(value->str, &e->attempt) == ST_OK);
    } else if (str_eq(name, "j")) {
        struct job job;
        enum status st = job_unpack(value->str, value->len, arena, &job, NULL);
        if (st == ST_OK) {
            e->id = job.id;
            e->task = job.task;
            e->attempt = 1;
        }
        return st == ST_NO_MEMORY ? st : ST_OK;
    }
    return ST_OK;
}

static enum status read_event(const redisReply *entry, struct arena *arena, struct job_event *out)
{
    if (entry->elements != 2 || entry->element[1]->type != REDIS_REPLY_ARRAY)
        return ST_CORRUPT;
    const redisReply *fields = entry->element[1];
    struct job_event e = {.entry = entry->element[0]->str, .event = "unknown"};
    e.at_ms = strtoll(e.entry, NULL, 10);
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        TRY(read_field(fields->element[i]->str, fields->element[i + 1], arena, &e));
    *out = e;
    return ST_OK;
}

/* The newest entry's id. */
static enum status newest(struct queue *q, struct redis *r, struct arena *arena, const char **out)
{
    AUTO_REPLY reply = NULL;
    TRY(redis_do(r, &reply, "XREVRANGE", q->events, "+", "-", "COUNT", "1"));
    *out = "0-0";
    if (reply->elements == 1 && reply->element[0]->elements == 2)
        *out = arena_strdup(arena, reply->element[0]->element[0]->str);
    return *out ? ST_OK : ST_NO_MEMORY;
}

static bool is_entry(const char *s)
{
    size_t len = strlen(s);
    return len > 0 && len < QUEUE_ENTRY_BYTES && strspn(s, "0123456789-") == len;
}

enum status queue_events_read(struct queue *q, struct redis *r, const char *cursor, size_t max,
                              struct arena *arena, struct job_event **out, size_t *count,
                              const char **next)
{
    TRY(redis_do(r, NULL, "SET", q->tail, "1", "PX", TAIL_MS));
    *count = 0;
    *out = NULL;
    if (str_eq(cursor, "$"))
        return newest(q, r, arena, next);
    if (!is_entry(cursor))
        return ST_INVALID;
    char from[QUEUE_ENTRY_BYTES + 1], most[24];
    (void)snprintf(from, sizeof(from), "(%s", cursor);
    (void)snprintf(most, sizeof(most), "%zu", MIN_OF(max, (size_t)LIMIT_JOB_LIST));
    struct rargs args;
    rargs_init(&args, "XRANGE");
    rargs_str(&args, q->events);
    rargs_str(&args, from);
    rargs_str(&args, "+");
    rargs_str(&args, "COUNT");
    rargs_str(&args, most);
    redisReply *reply = NULL;
    TRY(redis_call_blocking_into(r, &args, 0, arena, &reply));
    struct job_event *list = arena_array(arena, reply->elements, sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < reply->elements; i++)
        TRY(read_event(reply->element[i], arena, &list[i]));
    *next = reply->elements > 0 ? list[reply->elements - 1].entry : arena_strdup(arena, cursor);
    *out = list;
    *count = reply->elements;
    return *next ? ST_OK : ST_NO_MEMORY;
}
