/* Names of keys, and everything about a job except fetching it and caring for the dead. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/crash.h"
#include "base/rand.h"
#include "base/str.h"
#include "gen/scripts.h"
#include "log/log.h"
#include "queue/internal.h"

enum { QUEUE_NAME_MAX = 40, FALLBACK_RETRY_BASE_MS = 1000, FALLBACK_RETRY_CAP_MS = 60000 };

/* --- keys --- */

/* Queue names become part of keys and their hash tag. */
static bool is_queue_name(const char *name)
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
    if (!is_queue_name(name) || shard < 0)
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
    make_key(q, "reaper", q->reaper);
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

/* --- adding --- */

static enum status check_job(const struct job *job)
{
    if (job->priority < 0 || job->priority >= QUEUE_PRIORITIES || !job->task || !job->args ||
        uuid_is_nil(&job->id))
        return ST_INVALID;
    return strlen(job->args) > LIMIT_JOB_ARGS_BYTES ? ST_TOO_LARGE : ST_OK;
}

enum status queue_enqueue(struct queue *q, struct redis *r, const struct job *job)
{
    TRY(check_job(job));
    bool is_delayed = job->not_before_ms > job->enqueued_at_ms;
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, LIMIT_QUEUE_LENGTH);
    rargs_i64(&args, is_delayed ? job->not_before_ms : 0);
    job_encode(job, &args);

    const char *const keys[] = {q->stream[job->priority], q->delayed};
    AUTO_REPLY reply = NULL;
    TRY(redis_script(r, &SCRIPT_ENQUEUE, keys, ARRAY_LEN(keys), &args, &reply));
    return reply->integer == 1 ? ST_OK : ST_OVERLOADED;
}

/* --- ending --- */

struct id_list {
    const char **value;
    size_t *length;
    int count;
};

/* "XACK key group id…" or "XDEL key id…" of the jobs that came from this stream. */
static enum status append_ids(struct redis *r, struct id_list *list, const char *command,
                              const char *stream, const struct job *jobs, size_t count)
{
    bool is_ack = command[1] == 'A';
    list->count = 0;
    list->value[list->count++] = command;
    list->value[list->count++] = stream;
    if (is_ack)
        list->value[list->count++] = QUEUE_GROUP;
    int first = list->count;
    for (size_t i = 0; i < count; i++) {
        if (str_eq(jobs[i].stream, stream))
            list->value[list->count++] = jobs[i].entry;
    }
    if (list->count == first)
        return ST_OK;
    for (int i = 0; i < list->count; i++)
        list->length[i] = strlen(list->value[i]);
    return redis_append_argv(r, list->count, list->value, list->length);
}

static enum status append_ack(struct queue *q, struct redis *r, struct id_list *list,
                              const struct job *jobs, size_t count, size_t *commands)
{
    struct rargs multi, exec;
    rargs_init(&multi, "MULTI");
    rargs_init(&exec, "EXEC");
    TRY(redis_append(r, &multi));
    *commands = 2;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        size_t here = 0;
        for (size_t i = 0; i < count; i++)
            here += str_eq(jobs[i].stream, q->stream[p]);
        if (here == 0)
            continue;
        TRY(append_ids(r, list, "XACK", q->stream[p], jobs, count));
        TRY(append_ids(r, list, "XDEL", q->stream[p], jobs, count));
        *commands += 2;
    }
    return redis_append(r, &exec);
}

enum status queue_ack(struct queue *q, struct redis *r, const struct job *jobs, size_t count)
{
    if (count == 0)
        return ST_OK;
    CRASH_AT("queue.before_ack");
    AUTO_FREE const char **value = calloc(count + 3, sizeof(*value));
    AUTO_FREE size_t *length = calloc(count + 3, sizeof(*length));
    if (!value || !length)
        return ST_NO_MEMORY;
    struct id_list list = {.value = value, .length = length};
    size_t commands = 0;
    TRY(append_ack(q, r, &list, jobs, count, &commands));

    enum status st = ST_OK;
    for (size_t i = 0; i < commands; i++) {
        AUTO_REPLY reply = NULL;
        TRY(redis_fetch(r, &reply));
        /* The last is EXEC's: an array, unless the transaction was refused. */
        if (reply->type == REDIS_REPLY_ERROR)
            st = str_starts(reply->str, "OOM") ? ST_OVERLOADED : ST_IO;
    }
    if (st == ST_OK)
        CRASH_AT("queue.after_ack");
    return st;
}

enum status queue_end_delivery(struct queue *q, struct redis *r, const char *stream,
                               const char *consumer, const char *entry, int64_t due_ms,
                               const char *reason, int64_t now_ms)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_str(&args, consumer);
    rargs_str(&args, entry);
    rargs_i64(&args, due_ms);
    rargs_str(&args, reason);
    rargs_i64(&args, now_ms);
    rargs_i64(&args, LIMIT_DEAD_LETTERS);
    const char *const keys[] = {stream, q->delayed, q->dead};
    AUTO_REPLY reply = NULL;
    TRY(redis_script(r, &SCRIPT_RETRY, keys, ARRAY_LEN(keys), &args, &reply));
    return reply->integer == 1 ? ST_OK : ST_CONFLICT;
}

enum status queue_retry(struct queue *q, struct redis *r, const char *consumer,
                        const struct job *job, const char *reason, int64_t now_ms)
{
    const struct task *task = task_find(job->task);
    int64_t base_ms = task ? task->retry_base_ms : FALLBACK_RETRY_BASE_MS;
    int64_t cap_ms = task ? task->retry_cap_ms : FALLBACK_RETRY_CAP_MS;
    bool is_last = job->attempt >= job->max_attempts;
    /* At least a millisecond later: 0 stands for the dead letters. */
    int64_t due_ms = is_last ? 0 : now_ms + 1 + rand_backoff_ms(job->attempt - 1, base_ms, cap_ms);
    TRY(queue_end_delivery(q, r, job->stream, consumer, job->entry, due_ms, reason, now_ms));
    if (is_last) {
        metric_inc(&queue_dead_metric);
        log_warn("job_dead", kv_uuid("job", job->id), kv_str("task", job->task),
                 kv_i64("attempts", job->attempt), kv_str("reason", reason));
    }
    return ST_OK;
}

enum status queue_hand_back(struct queue *q, struct redis *r, const char *consumer,
                            const struct job *job)
{
    (void)q;
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_str(&args, consumer);
    rargs_str(&args, job->entry);
    const char *const keys[] = {job->stream};
    AUTO_REPLY reply = NULL;
    TRY(redis_script(r, &SCRIPT_HAND_BACK, keys, ARRAY_LEN(keys), &args, &reply));
    return reply->integer == 1 ? ST_OK : ST_CONFLICT;
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
