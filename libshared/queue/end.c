/* Every way a delivery ends: acknowledged, tried again, given back, or finished for good. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/rand.h"
#include "base/str.h"
#include "gen/scripts.h"
#include "json/write.h"
#include "log/log.h"
#include "queue/group.h"
#include "queue/internal.h"

enum { FALLBACK_RETRY_BASE_MS = 1000, FALLBACK_RETRY_CAP_MS = 60000 };

const char *job_state_name(enum job_state state)
{
    static const char *const names[] = {"queued", "delayed", "running",   "succeeded",
                                        "failed", "dead",    "cancelled", "expired"};
    _Static_assert(ARRAY_LEN(names) == JOB_STATE_COUNT_, "a name for every state");
    return names[state];
}

bool job_is_plain(const struct job *job)
{
    return job->result_ttl_ms == 0 && !job->dedup && !job->key && !job->group && !job->chain;
}

/* --- acknowledging --- */

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
    struct rargs multi, exec, counted;
    redis_route(r, q->prefix);
    rargs_init(&multi, "MULTI");
    rargs_init(&exec, "EXEC");
    TRY(redis_append(r, &multi));
    *commands = 3;
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
    rargs_init(&counted, "HINCRBY");
    rargs_str(&counted, q->stats);
    rargs_str(&counted, "succeeded");
    rargs_i64(&counted, (int64_t)count);
    TRY(redis_append(r, &counted));
    TRY(queue_events_append(q, r, "succeeded", jobs, count, commands));
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
    TRY(queue_tail_refresh(q, r));
    TRY(append_ack(q, r, &list, jobs, count, &commands));

    enum status st = ST_OK;
    for (size_t i = 0; i < commands; i++) {
        AUTO_REPLY reply = NULL;
        TRY(redis_fetch(r, &reply));
        /* The last is EXEC's: an array, unless the transaction was refused. */
        if (reply->type == REDIS_REPLY_ERROR)
            st = str_starts(reply->str, "OOM") ? ST_OVERLOADED : ST_IO;
    }
    TRY(st);
    CRASH_AT("queue.after_ack");
    for (size_t i = 0; i < count; i++)
        queue_count_end(jobs[i].task, JOB_SUCCEEDED);
    return ST_OK;
}

/* --- for good --- */

/* "{q:checks:0}:p1" → 1 */
static int64_t priority_of(const char *stream)
{
    size_t len = strlen(stream);
    return len > 0 ? stream[len - 1] - '0' : 0;
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* Ids of what was to follow the job, by comma: they are kept with its result. */
static enum status write_chain(const struct job *job, struct buf *out)
{
    struct uuid *ids = NULL;
    size_t count = 0;
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    const enum status st = job_chain_ids(job->chain, arena, &ids, &count);
    if (st != ST_OK)
        return st == ST_INVALID ? ST_OK : st;
    for (size_t i = 0; i < count; i++) {
        char id[UUID_TEXT_BYTES];
        uuid_format(&ids[i], id);
        buf_printf(out, "%s%s", i > 0 ? "," : "", id);
    }
    return buf_status(out);
}

/* finish.lua: ST_CONFLICT when the entry is not ours any more. An entry that could not be read
 * comes as a job with the nil id. */
static enum status end_job(struct queue *q, struct redis *r, const char *consumer,
                           const struct job *job, const struct job_outcome *o)
{
    bool is_read = !uuid_is_nil(&job->id);
    AUTO_BUF chain;
    buf_init(&chain, LIMIT_CHAIN_JOBS * UUID_TEXT_BYTES);
    if (o->result && strlen(o->result) > LIMIT_JOB_RESULT_BYTES)
        return ST_TOO_LARGE;
    if (job->chain && job->result_ttl_ms > 0)
        TRY(write_chain(job, &chain));
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_str(&args, consumer);
    rargs_i64(&args, priority_of(job->stream));
    rargs_str(&args, job->entry);
    if (is_read)
        rargs_uuid(&args, &job->id);
    else
        rargs_str(&args, "");
    rargs_str(&args, job_state_name(o->state));
    rargs_str(&args, or_empty(o->error));
    rargs_str(&args, or_empty(o->result));
    rargs_i64(&args, o->started_at_ms);
    rargs_i64(&args, o->finished_at_ms);
    rargs_i64(&args, job->attempt);
    rargs_str(&args, or_empty(job->task));
    rargs_i64(&args, job->result_ttl_ms);
    rargs_str(&args, or_empty(job->dedup));
    rargs_str(&args, or_empty(job->key));
    rargs_i64(&args, LIMIT_DEAD_LETTERS);
    rargs_str(&args, or_empty(job->tenant));
    rargs_i64(&args, job->enqueued_at_ms);
    rargs_str(&args, or_empty(job->group));
    rargs_str(&args, buf_cstr(&chain));
    AUTO_REPLY reply = NULL;
    enum status st = queue_script(q, r, &SCRIPT_FINISH, &args, &reply);
    if (st == ST_CORRUPT) {
        /* No place for its dead letter. It stays in flight until somebody mends the key. */
        log_error("job_not_ended", kv_str("stream", job->stream), kv_str("entry", job->entry),
                  kv_str("error", redis_error(r)));
        return ST_CONFLICT;
    }
    TRY(st);
    if (reply->integer != 1)
        return ST_CONFLICT;
    queue_count_end(job->task, o->state);
    if (o->state == JOB_DEAD) {
        log_warn("job_dead", kv_uuid("job", job->id), kv_str("task", or_empty(job->task)),
                 kv_i64("attempts", job->attempt), kv_str("stream", job->stream),
                 kv_str("entry", job->entry), kv_str("reason", or_empty(o->error)));
    }
    return ST_OK;
}

enum status queue_follow_up(struct redis *r, const struct job *job,
                            const struct job_outcome *outcome)
{
    enum status st = ST_OK;
    if (job->chain && outcome->state == JOB_SUCCEEDED)
        st = job_chain_next(r, job, outcome);
    if (st == ST_OK && job->group)
        st = job_group_done(r, job, outcome);
    if (st != ST_CORRUPT)
        return st;
    /* Somebody else's keys in its way: the job itself has ended all the same. */
    log_error("job_not_followed", kv_uuid("job", job->id), kv_str("error", redis_error(r)));
    return ST_OK;
}

/* Who lost his lease meanwhile has nothing to say of what follows the job: another one runs it. */
static enum status must_be_ours(struct redis *r, const char *consumer, const struct job *job)
{
    AUTO_REPLY held = NULL;
    if (!job->chain && !job->group)
        return ST_OK;
    enum status st = redis_do(r, &held, "XPENDING", job->stream, QUEUE_GROUP, job->entry,
                              job->entry, "1", consumer);
    if (st == ST_CORRUPT)
        return ST_CONFLICT;
    TRY(st);
    return held->type == REDIS_REPLY_ARRAY && held->elements == 1 ? ST_OK : ST_CONFLICT;
}

/* The same after what follows the job: its chain, its group. */
static enum status end_one(struct queue *q, struct redis *r, const char *consumer,
                           const struct job *job, const struct job_outcome *outcome)
{
    TRY(must_be_ours(r, consumer, job));
    /* Before the acknowledgement: after a crash in between they are found done already. */
    TRY(queue_follow_up(r, job, outcome));
    CRASH_AT("queue.before_finish");
    return end_job(q, r, consumer, job, outcome);
}

static const char *why_unrun(const struct job_outcome *o)
{
    if (o->state == JOB_CANCELLED)
        return "The job was cancelled";
    return o->state == JOB_EXPIRED ? "The job's time was over before its turn came"
                                   : or_empty(o->error);
}

enum status queue_end_unrun(struct queue *q, struct redis *r, const char *consumer,
                            const struct job *job, const struct job_outcome *outcome)
{
    if (job->reply) {
        AUTO_BUF payload;
        struct jw w;
        buf_init(&payload, LIMIT_JOB_RESULT_BYTES);
        jw_init(&w, &payload);
        jw_object(&w);
        jw_kv_str(&w, "error", why_unrun(outcome));
        jw_end(&w);
        TRY(buf_status(&payload));
        TRY(queue_publish_done(r, job->reply, &job->id, payload.data, payload.len));
    }
    return end_one(q, r, consumer, job, outcome);
}

/* Beside the way the job goes on: its attempt came to nothing. */
static void count_failure(const char *task)
{
    queue_count(task, QUEUE_PROCESSED);
    queue_count(task, QUEUE_FAILED);
}

enum status queue_finish(struct queue *q, struct redis *r, const char *consumer,
                         const struct job *jobs, const struct job_outcome *outcomes, size_t count)
{
    AUTO_FREE struct job *plain = calloc(MAX_OF(count, (size_t)1), sizeof(*plain));
    if (!plain)
        return ST_NO_MEMORY;
    size_t plains = 0;
    for (size_t i = 0; i < count; i++) {
        if (outcomes[i].state == JOB_SUCCEEDED && job_is_plain(&jobs[i])) {
            plain[plains++] = jobs[i];
            continue;
        }
        enum status st = end_one(q, r, consumer, &jobs[i], &outcomes[i]);
        if (st != ST_OK && st != ST_CONFLICT)
            return st;
        if (st == ST_OK && outcomes[i].state == JOB_DEAD)
            count_failure(jobs[i].task);
    }
    return queue_ack(q, r, plain, plains);
}

/* --- again --- */

/* The key of the delayed jobs holds something else: a dead letter can be requeued later. */
static enum status cannot_wait(struct queue *q, struct redis *r, const char *consumer,
                               const struct job *job, const struct delay *d)
{
    char reason[QUEUE_TEXT_MAX];
    (void)snprintf(reason, sizeof(reason),
                   "it cannot wait, the key of delayed jobs is broken: %.150s",
                   or_empty(d->reason));
    const struct job_outcome dead = {
        .state = JOB_DEAD, .error = reason, .finished_at_ms = clock_wall_ms()};
    return end_one(q, r, consumer, job, &dead);
}

enum status queue_delay(struct queue *q, struct redis *r, const char *consumer,
                        const struct job *job, const struct delay *d)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_str(&args, consumer);
    rargs_i64(&args, priority_of(job->stream));
    rargs_str(&args, job->entry);
    rargs_i64(&args, d->due_ms);
    rargs_str(&args, or_empty(d->reason));
    rargs_uuid(&args, &job->id);
    rargs_str(&args, d->is_retry ? "retried" : "held");
    rargs_i64(&args, d->granted_ms);
    rargs_str(&args, or_empty(job->key));
    rargs_str(&args, d->waits_for_key ? "1" : "0");
    rargs_i64(&args, d->key_granted_ms);
    AUTO_REPLY reply = NULL;
    enum status st = queue_script(q, r, &SCRIPT_RETRY, &args, &reply);
    if (st == ST_CORRUPT)
        return cannot_wait(q, r, consumer, job, d);
    TRY(st);
    return reply->integer == 1 ? ST_OK : ST_CONFLICT;
}

enum status queue_retry(struct queue *q, struct redis *r, const char *consumer,
                        const struct job *job, const char *reason, int64_t now_ms)
{
    if (job->attempt >= job->max_attempts) {
        struct job_outcome dead = {.state = JOB_DEAD, .error = reason, .finished_at_ms = now_ms};
        TRY(end_one(q, r, consumer, job, &dead));
        count_failure(job->task);
        return ST_OK;
    }
    const struct task *task = task_find(job->task);
    int64_t base_ms = task ? task->retry_base_ms : FALLBACK_RETRY_BASE_MS;
    int64_t cap_ms = task ? task->retry_cap_ms : FALLBACK_RETRY_CAP_MS;
    struct delay d = {
        .due_ms = now_ms + 1 + rand_backoff_ms(job->attempt - 1, base_ms, cap_ms),
        .reason = reason,
        .is_retry = true,
    };
    TRY(queue_delay(q, r, consumer, job, &d));
    count_failure(job->task);
    queue_count(job->task, QUEUE_RETRIED);
    return ST_OK;
}

enum status queue_hand_back(struct queue *q, struct redis *r, const char *consumer,
                            const struct job *job)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_str(&args, consumer);
    rargs_i64(&args, priority_of(job->stream));
    rargs_str(&args, job->entry);
    rargs_uuid(&args, &job->id);
    rargs_str(&args, or_empty(job->key));
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_HAND_BACK, &args, &reply));
    return reply->integer == 1 ? ST_OK : ST_CONFLICT;
}
