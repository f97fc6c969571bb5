/* Adding jobs: plain ones many at a time, the others by a script that knows keys and tenants. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "gen/scripts.h"
#include "queue/control.h"
#include "queue/internal.h"

enum { CHUNK_BYTES = 4 << 20 };

static enum status check_text(const char *text)
{
    return text && (str_is_empty(text) || strlen(text) > QUEUE_TEXT_MAX) ? ST_INVALID : ST_OK;
}

static enum status check_job(const struct job *job)
{
    if (job->priority < 0 || job->priority >= QUEUE_PRIORITIES || !job->task || !job->args ||
        uuid_is_nil(&job->id) || job->max_attempts < 1 || job->max_attempts > JOB_ATTEMPTS_MAX ||
        strlen(job->task) > JOB_TASK_MAX || job->key_limit < 0 ||
        !queue_rate_is_good(&job->key_rate) || (job->queue && !queue_name_is_good(job->queue)))
        return ST_INVALID;
    const char *const texts[] = {job->task,  job->dedup, job->group,  job->trace,
                                 job->reply, job->key,   job->tenant, job->idempotency};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        TRY(check_text(texts[i]));
    if (job->chain && strlen(job->chain) > JOB_CHAIN_MAX)
        return ST_TOO_LARGE;
    return strlen(job->args) > LIMIT_JOB_ARGS_BYTES ? ST_TOO_LARGE : ST_OK;
}

static bool is_delayed(const struct job *job)
{
    return job->not_before_ms > job->enqueued_at_ms;
}

/* Whether a place in a stream is all there is to it. */
static bool is_direct(const struct job *job)
{
    return !is_delayed(job) && !job->dedup && !job->idempotency && !job->tenant;
}

/* --- many --- */

/* One script's worth of plain jobs, laid end to end. */
struct chunk {
    struct buf envelopes;
    const char *value[5 + 2 * LIMIT_ENQUEUE_BATCH];
    size_t length[5 + 2 * LIMIT_ENQUEUE_BATCH];
    size_t start[LIMIT_ENQUEUE_BATCH + 1];
    size_t count;
};

static void chunk_free(struct chunk **c)
{
    if (*c)
        buf_done(&(*c)->envelopes);
    free(*c);
}

static enum status chunk_add(struct chunk *c, const struct job *job)
{
    static const char digits[] = "0\0001\0002\0003";
    TRY(check_job(job));
    size_t at = 5 + 2 * c->count;
    job_pack(job, &c->envelopes);
    TRY(buf_status(&c->envelopes));
    c->value[at] = digits + (ptrdiff_t)2 * job->priority;
    c->length[at] = 1;
    c->start[++c->count] = c->envelopes.len;
    return ST_OK;
}

static enum status chunk_send(struct chunk *c, struct queue *q, struct redis *r, size_t *added)
{
    if (c->count == 0)
        return ST_OK;
    char limit[24];
    (void)snprintf(limit, sizeof(limit), "%d", LIMIT_QUEUE_LENGTH);
    c->value[2] = "1";
    c->value[3] = q->prefix;
    c->value[4] = limit;
    for (size_t i = 2; i < 5; i++)
        c->length[i] = strlen(c->value[i]);
    /* Only now: the buffer has moved while it grew. */
    for (size_t i = 0; i < c->count; i++) {
        c->value[6 + 2 * i] = c->envelopes.data + c->start[i];
        c->length[6 + 2 * i] = c->start[i + 1] - c->start[i];
    }
    TRY(queue_remember(q, r));
    AUTO_REPLY reply = NULL;
    TRY(redis_script_argv(r, &SCRIPT_ENQUEUE_MANY, (int)(5 + 2 * c->count), c->value, c->length,
                          &reply));
    size_t taken = (size_t)MAX_OF(reply->integer, 0);
    *added += taken;
    enum status st = taken == c->count ? ST_OK : ST_OVERLOADED;
    c->count = 0;
    buf_reset(&c->envelopes);
    return st;
}

/* The run of direct jobs from the first on, as far as one script takes them. */
static enum status add_run(struct chunk *c, struct queue *q, struct redis *r,
                           const struct job *jobs, size_t count, size_t *added)
{
    enum status st = ST_OK;
    size_t bytes = 0;
    while (c->count < count && c->count < LIMIT_ENQUEUE_BATCH && is_direct(&jobs[c->count])) {
        bytes += jobs[c->count].args ? strlen(jobs[c->count].args) : 0;
        if (c->count > 0 && bytes > CHUNK_BYTES / 2)
            break;
        st = chunk_add(c, &jobs[c->count]);
        if (st != ST_OK)
            break;
    }
    /* What comes before a job that is refused is added all the same. */
    TRY(chunk_send(c, q, r, added));
    return st;
}

enum status queue_enqueue_many(struct queue *q, struct redis *r, const struct job *jobs,
                               size_t count, size_t *added)
{
    size_t ignored = 0;
    size_t *done = added ? added : &ignored;
    *done = 0;
    CLEANUP(chunk_free) struct chunk *c = calloc(1, sizeof(*c));
    if (!c)
        return ST_NO_MEMORY;
    buf_init(&c->envelopes, CHUNK_BYTES);
    while (*done < count) {
        const struct job *job = &jobs[*done];
        if (is_direct(job)) {
            TRY(add_run(c, q, r, job, count - *done, done));
            continue;
        }
        TRY(queue_enqueue_once(q, r, job, NULL, NULL));
        ++*done;
    }
    return ST_OK;
}

/* --- one --- */

static enum status add_direct(struct queue *q, struct redis *r, const struct job *job)
{
    AUTO_BUF envelope;
    buf_init(&envelope, CHUNK_BYTES);
    job_pack(job, &envelope);
    TRY(buf_status(&envelope));
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, LIMIT_QUEUE_LENGTH);
    rargs_i64(&args, job->priority);
    rargs_bytes(&args, envelope.data, envelope.len);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_ENQUEUE_ONE, &args, &reply));
    return reply->integer == 1 ? ST_OK : ST_OVERLOADED;
}

static enum status submit(struct queue *q, struct redis *r, const struct job *job,
                          redisReply **reply)
{
    AUTO_BUF envelope;
    buf_init(&envelope, CHUNK_BYTES);
    job_pack(job, &envelope);
    TRY(buf_status(&envelope));
    /* A key outlives its job when Redis lost the job, but not for ever. */
    int64_t held_ms = MAX_OF(job->not_before_ms - job->enqueued_at_ms, 0) + LIMIT_JOB_ONCE_MS;
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, LIMIT_QUEUE_LENGTH);
    rargs_i64(&args, is_delayed(job) ? job->not_before_ms : 0);
    rargs_i64(&args, job->priority);
    rargs_uuid(&args, &job->id);
    rargs_bytes(&args, envelope.data, envelope.len);
    rargs_str(&args, job->dedup ? job->dedup : "");
    rargs_i64(&args, held_ms);
    rargs_str(&args, job->idempotency ? job->idempotency : "");
    rargs_i64(&args, job->idempotency_ttl_ms > 0 ? job->idempotency_ttl_ms : LIMIT_JOB_ONCE_MS);
    rargs_str(&args, job->tenant ? job->tenant : "");
    return queue_script(q, r, &SCRIPT_SUBMIT, &args, reply);
}

enum status queue_enqueue_once(struct queue *q, struct redis *r, const struct job *job,
                               struct uuid *id, bool *is_new)
{
    TRY(check_job(job));
    TRY(queue_remember(q, r));
    struct uuid there = job->id;
    bool is_added = true;
    if (is_direct(job)) {
        TRY(add_direct(q, r, job));
    } else {
        AUTO_REPLY reply = NULL;
        TRY(submit(q, r, job, &reply));
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
            uuid_parse(reply->element[1]->str, &there) != ST_OK)
            return ST_CORRUPT;
        if (str_eq(reply->element[0]->str, "full"))
            return ST_OVERLOADED;
        is_added = !str_eq(reply->element[0]->str, "taken");
        if (str_eq(reply->element[0]->str, "unwanted"))
            TRY(queue_cancel(q, r, &job->id, clock_wall_ms(), NULL));
    }
    if (id)
        *id = there;
    if (is_new)
        *is_new = is_added;
    return ST_OK;
}

enum status queue_enqueue(struct queue *q, struct redis *r, const struct job *job)
{
    return queue_enqueue_once(q, r, job, NULL, NULL);
}
