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

/* --- cancel --- */

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

struct rule {
    const char *hash, *field, *bucket;
};

static enum status set_rule(struct queue *q, struct redis *r, const struct rule *rule,
                            const struct queue_rate *rate)
{
    if (rate && (rate->count < 0 || rate->period_ms <= 0 || !queue_rate_is_good(rate)))
        return ST_INVALID;
    AUTO_BUF text;
    buf_init(&text, 128);
    if (rate)
        buf_printf(&text, "%" PRId64 " %" PRId64 " %" PRId64, rate->count, rate->period_ms,
                   rate->burst);
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, rule->hash);
    rargs_str(&args, rule->field);
    rargs_str(&args, buf_cstr(&text));
    rargs_i64(&args, LIMIT_RATE_RULES);
    rargs_str(&args, rule->bucket);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_RATE, &args, &reply));
    return reply->integer == 1 ? ST_OK : ST_OVERLOADED;
}

enum { RULE_BYTES = 2 * QUEUE_TEXT_MAX + 32 };

enum status queue_rate_set(struct queue *q, struct redis *r, const char *task,
                           const struct queue_rate *rate)
{
    char bucket[RULE_BYTES];
    if (str_is_empty(task) || strlen(task) > QUEUE_TEXT_MAX)
        return ST_INVALID;
    (void)snprintf(bucket, sizeof(bucket), "bucket:%s", task);
    const struct rule rule = {.hash = "rates", .field = task, .bucket = bucket};
    return set_rule(q, r, &rule, rate);
}

enum status queue_key_rate_set(struct queue *q, struct redis *r, const char *task, const char *key,
                               const struct queue_rate *rate)
{
    char field[RULE_BYTES], bucket[RULE_BYTES + 16];
    if ((task && (str_is_empty(task) || strlen(task) > QUEUE_TEXT_MAX)) ||
        (key && (str_is_empty(key) || strlen(key) > QUEUE_TEXT_MAX)))
        return ST_INVALID;
    (void)snprintf(field, sizeof(field), "%zu:%s%s", task ? strlen(task) : 0, task ? task : "",
                   key ? key : "");
    (void)snprintf(bucket, sizeof(bucket), "kbucket:%s", field);
    const struct rule rule = {.hash = "key-rates", .field = field, .bucket = key ? bucket : ""};
    return set_rule(q, r, &rule, rate);
}

/* "11:check.adhocexample.com" → task and key */
static bool split_field(const char *field, struct arena *arena, struct rate_rule *out)
{
    char *rest = NULL;
    const unsigned long len = strtoul(field, &rest, 10);
    if (*rest != ':' || len > strlen(rest + 1))
        return false;
    const char *key = rest + 1 + len;
    out->task = len > 0 ? arena_strndup(arena, rest + 1, len) : NULL;
    out->key = *key ? arena_strdup(arena, key) : NULL;
    return (len == 0 || out->task) && (!*key || out->key);
}

static bool read_rule(const char *field, const char *text, bool is_key, struct arena *arena,
                      struct rate_rule *out)
{
    struct rate_rule rule = {.is_key = is_key};
    if (sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64, &rule.rate.count, &rule.rate.period_ms,
               &rule.rate.burst) != 3)
        return false;
    if (!is_key)
        rule.task = arena_strdup(arena, field);
    if (is_key ? !split_field(field, arena, &rule) : !rule.task)
        return false;
    *out = rule;
    return true;
}

enum status queue_rates_list(struct queue *q, struct redis *r, struct arena *arena,
                             struct rate_rule **out, size_t *count)
{
    const char *const suffix[] = {"rates", "key-rates"};
    AUTO_REPLY by_task = NULL;
    AUTO_REPLY by_key = NULL;
    redisReply **const reply[] = {&by_task, &by_key};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
        const char *key = queue_key(q, suffix[i], arena);
        if (!key)
            return ST_NO_MEMORY;
        TRY(redis_do(r, reply[i], "HGETALL", key));
        n += (*reply[i])->elements / 2;
    }
    struct rate_rule *list = arena_array(arena, n, sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    n = 0;
    for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
        const redisReply *all = *reply[i];
        for (size_t k = 0; k + 1 < all->elements; k += 2)
            n += read_rule(all->element[k]->str, all->element[k + 1]->str, i == 1, arena, &list[n]);
    }
    *out = list;
    *count = n;
    return ST_OK;
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
