/* Pause, cancel, limits; and how a fetch learns of them without asking for each job. */
#include "queue/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "gen/scripts.h"
#include "log/log.h"
#include "queue/internal.h"

/* --- what a fetch sees --- */

enum { CONTROL_COMMANDS = 5 };

enum status queue_control_append(struct queue *q, struct redis *r)
{
    struct rargs a;
    rargs_init(&a, "HEXISTS");
    rargs_str(&a, q->control);
    rargs_str(&a, "paused");
    TRY(redis_append(r, &a));
    rargs_init(&a, "HEXISTS");
    rargs_str(&a, q->control);
    rargs_str(&a, "rates");
    TRY(redis_append(r, &a));
    rargs_init(&a, "ZCARD");
    rargs_str(&a, q->cancelled);
    TRY(redis_append(r, &a));
    rargs_init(&a, "HMGET");
    rargs_str(&a, q->lines);
    for (int64_t p = 0; p < QUEUE_PRIORITIES; p++)
        rargs_i64(&a, p);
    TRY(redis_append(r, &a));
    rargs_init(&a, "EXISTS");
    rargs_str(&a, q->tail);
    return redis_append(r, &a);
}

static bool has_number(const redisReply *list)
{
    for (size_t i = 0; i < list->elements; i++) {
        int64_t n = 0;
        if (list->element[i]->str && str_to_i64(list->element[i]->str, &n) == ST_OK && n > 0)
            return true;
    }
    return false;
}

enum status queue_control_fetch(struct queue *q, struct redis *r)
{
    redisReply *reply[CONTROL_COMMANDS] = {NULL};
    enum status st = ST_OK;
    for (int i = 0; i < CONTROL_COMMANDS && st == ST_OK; i++)
        st = redis_fetch(r, &reply[i]);
    if (st == ST_OK) {
        q->seen = (struct queue_control){
            .at_mono_ms = clock_mono_ms(),
            .is_paused = reply[0]->integer == 1,
            .has_rates = reply[1]->integer == 1,
            .has_cancelled = reply[2]->integer > 0,
            .has_lines = has_number(reply[3]),
        };
        q->has_tail = reply[4]->integer == 1;
        q->tail_mono_ms = q->seen.at_mono_ms;
    }
    for (int i = 0; i < CONTROL_COMMANDS; i++)
        redis_reply_freep(&reply[i]);
    return st;
}

enum status queue_control_refresh(struct queue *q, struct redis *r)
{
    int64_t age_ms = clock_mono_ms() - q->seen.at_mono_ms;
    if (q->seen.at_mono_ms != 0 && age_ms >= 0 && age_ms < QUEUE_CONTROL_MS)
        return ST_OK;
    TRY(queue_control_append(q, r));
    return queue_control_fetch(q, r);
}

enum status queue_pump(struct queue *q, struct redis *r, size_t max)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, (int64_t)max);
    rargs_str(&args, QUEUE_GROUP);
    return queue_script(q, r, &SCRIPT_PUMP, &args, NULL);
}

/* --- pause --- */

enum status queue_pause(struct queue *q, struct redis *r, const char *by, int64_t now_ms)
{
    AUTO_BUF why;
    buf_init(&why, 512);
    buf_printf(&why, "%" PRId64 " %.400s", now_ms, by ? by : "");
    TRY(buf_status(&why));
    TRY(redis_do(r, NULL, "HSETNX", q->control, "paused", buf_cstr(&why)));
    log_info("queue_paused", kv_str("queue", q->prefix), kv_str("by", by ? by : ""));
    return ST_OK;
}

enum status queue_resume(struct queue *q, struct redis *r)
{
    TRY(redis_do(r, NULL, "HDEL", q->control, "paused"));
    log_info("queue_resumed", kv_str("queue", q->prefix));
    return ST_OK;
}

enum status queue_is_paused(struct queue *q, struct redis *r, bool *out)
{
    AUTO_REPLY reply = NULL;
    TRY(redis_do(r, &reply, "HEXISTS", q->control, "paused"));
    *out = reply->integer == 1;
    return ST_OK;
}

/* --- cancel --- */

void queue_cancel_channel(const struct queue *q, char out[QUEUE_CHANNEL_BYTES])
{
    (void)snprintf(out, QUEUE_CHANNEL_BYTES, "%.80scancel", q->prefix);
}

/* A delayed job that was taken away still counts for its group. */
static enum status end_cancelled(struct redis *r, const redisReply *fields, int64_t now_ms)
{
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct job job;
    if (job_decode((redisReply *)(uintptr_t)fields, arena, &job, NULL) != ST_OK)
        return ST_OK;
    struct job_outcome o = {.state = JOB_CANCELLED, .finished_at_ms = now_ms};
    return queue_follow_up(r, &job, &o);
}

enum status queue_cancel(struct queue *q, struct redis *r, const struct uuid *id, int64_t now_ms,
                         enum job_state *state)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_uuid(&args, id);
    rargs_i64(&args, now_ms);
    rargs_i64(&args, LIMIT_JOB_CANCEL_MS);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_CANCEL, &args, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 || !reply->element[0]->str)
        return ST_CORRUPT;
    const char *what = reply->element[0]->str;
    if (str_eq(what, "ended"))
        return ST_CONFLICT;
    bool was_delayed = str_eq(what, "cancelled");
    if (was_delayed && reply->elements == 2)
        TRY(end_cancelled(r, reply->element[1], now_ms));
    if (state)
        *state = was_delayed ? JOB_CANCELLED : JOB_QUEUED;
    return ST_OK;
}

enum status queue_cancel_wanted(struct queue *q, struct redis *r, const struct job *jobs,
                                size_t count, bool *wanted)
{
    AUTO_FREE const char **value = calloc(count + 2, sizeof(*value));
    AUTO_FREE size_t *length = calloc(count + 2, sizeof(*length));
    AUTO_FREE char *ids = calloc(count + 1, UUID_TEXT_BYTES);
    if (!value || !length || !ids)
        return ST_NO_MEMORY;
    if (count == 0)
        return ST_OK;
    value[0] = "ZMSCORE";
    value[1] = q->cancelled;
    for (size_t i = 0; i < count; i++) {
        uuid_format(&jobs[i].id, ids + i * UUID_TEXT_BYTES);
        value[2 + i] = ids + i * UUID_TEXT_BYTES;
    }
    for (size_t i = 0; i < count + 2; i++)
        length[i] = strlen(value[i]);
    TRY(redis_append_argv(r, (int)(count + 2), value, length));
    AUTO_REPLY reply = NULL;
    TRY(redis_fetch(r, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
        return ST_IO;
    for (size_t i = 0; i < count; i++)
        wanted[i] = reply->element[i]->type != REDIS_REPLY_NIL;
    return ST_OK;
}

/* --- limits --- */

enum status queue_rate_set(struct queue *q, struct redis *r, const char *task,
                           const struct queue_rate *rate)
{
    if (str_is_empty(task) || strlen(task) > QUEUE_TEXT_MAX)
        return ST_INVALID;
    if (rate && (rate->count < 0 || rate->period_ms <= 0 || rate->burst < 0))
        return ST_INVALID;
    AUTO_BUF rule;
    buf_init(&rule, 128);
    if (rate)
        buf_printf(&rule, "%" PRId64 " %" PRId64 " %" PRId64, rate->count, rate->period_ms,
                   rate->burst);
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, task);
    rargs_str(&args, buf_cstr(&rule));
    rargs_i64(&args, LIMIT_RATE_RULES);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_RATE, &args, &reply));
    return reply->integer == 1 ? ST_OK : ST_OVERLOADED;
}

/* One batch; a function of its own because the analyser loses replies that live in a loop. */
static enum status purge_some(struct queue *q, struct redis *r, enum job_state state, int64_t *out)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, job_state_name(state));
    rargs_i64(&args, LIMIT_ENQUEUE_BATCH);
    rargs_str(&args, QUEUE_GROUP);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_PURGE, &args, &reply));
    *out = reply->integer;
    return ST_OK;
}

enum status queue_purge(struct queue *q, struct redis *r, enum job_state state, int64_t *removed)
{
    if (state != JOB_QUEUED && state != JOB_DELAYED && state != JOB_DEAD)
        return ST_INVALID;
    int64_t total = 0, some = 0;
    do {
        TRY(purge_some(q, r, state, &some));
        total += some;
    } while (some > 0);
    if (removed)
        *removed = total;
    return ST_OK;
}
