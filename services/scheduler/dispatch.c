/* Batches as jobs of up to LIMIT_JOB_CHECKS checks, packed for the script. */
#include "services/scheduler/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/crash.h"
#include "base/str.h"
#include "gen/scripts.h"
#include "queue/check_jobs.h"

enum {
    KEY_BYTES = 64,
    PACKED_BYTES = 16 << 20,
    PACKED_KEEP_BYTES = 1 << 20,
    EXPIRY_MIN_MS = 60 * 1000,
    EXPIRY_MAX_MS = 3600 * 1000
};

struct dispatcher {
    struct redis *redis;
    struct queue *queue;
    const struct task *task;
    char fence[SCHED_SHARDS][KEY_BYTES];
    struct buf args;     /* JSON of one job */
    struct buf envelope; /* of one job */
    struct buf packed;   /* all jobs of a batch */
};

enum status dispatcher_new(struct redis *redis, struct dispatcher **out)
{
    struct dispatcher *d = calloc(1, sizeof(*d));
    if (!d)
        return ST_NO_MEMORY;
    d->redis = redis;
    d->task = task_find("check.scheduled");
    enum status st = d->task ? queue_new(task_queue(d->task), 0, &d->queue) : ST_NOT_FOUND;
    if (st != ST_OK) {
        free(d);
        return st;
    }
    /* Under the queue's hash tag, beside its streams. */
    for (int i = 0; i < SCHED_SHARDS; i++)
        (void)snprintf(d->fence[i], KEY_BYTES, "{q:%s:0}:fence:%d", task_queue(d->task), i);
    buf_init(&d->args, LIMIT_JOB_ARGS_BYTES);
    buf_init(&d->envelope, 2 * LIMIT_JOB_ARGS_BYTES);
    buf_init(&d->packed, PACKED_BYTES);
    *out = d;
    return ST_OK;
}

void dispatcher_free(struct dispatcher *d)
{
    if (!d)
        return;
    buf_done(&d->args);
    buf_done(&d->envelope);
    buf_done(&d->packed);
    queue_free(d->queue);
    free(d);
}

/* --- packing: MessagePack arrays of strings, as the script's cmsgpack reads them --- */

static void pack_u32(struct buf *b, unsigned char type, size_t n)
{
    const unsigned char head[] = {type, (unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                  (unsigned char)(n >> 8), (unsigned char)n};
    buf_append(b, head, sizeof(head));
}

static void pack_array(struct buf *b, size_t n)
{
    pack_u32(b, 0xdd, n);
}

static void pack_str(struct buf *b, const void *data, size_t len)
{
    pack_u32(b, 0xdb, len);
    buf_append(b, data, len);
}

/* One job of due[0 … count). A job that waited so long that its checks came round again is of no
 * use; the sweep says so. */
static enum status pack_job(struct dispatcher *d, int64_t tick_ms, const struct sched_due *due,
                            size_t count)
{
    struct check_scheduled work = {.count = count};
    int64_t longest_ms = 0;
    for (size_t i = 0; i < count; i++) {
        work.due[i] = (struct check_due){
            .check_id = due[i].id, .slot_ms = due[i].slot_ms, .prev_ms = due[i].prev_ms};
        longest_ms = MAX_OF(longest_ms, due[i].gap_ms);
    }
    buf_reset(&d->args);
    check_scheduled_encode(&work, &d->args);
    TRY(buf_status(&d->args));

    struct job job;
    TRY(job_init(&job, d->task->name, buf_cstr(&d->args), tick_ms));
    job.expires_at_ms = tick_ms +
                        MIN_OF(MAX_OF(longest_ms, (int64_t)EXPIRY_MIN_MS), (int64_t)EXPIRY_MAX_MS);
    struct rargs fields;
    rargs_init(&fields, NULL);
    job_encode(&job, &d->envelope, &fields);
    if (fields.failed)
        return ST_TOO_LARGE;
    pack_array(&d->packed, (size_t)fields.count);
    for (int i = 0; i < fields.count; i++)
        pack_str(&d->packed, fields.value[i], fields.length[i]);
    return ST_OK;
}

/* The batch's checks; its tasks go to their own queues. */
static enum status pack_batch(struct dispatcher *d, const struct sched_batch *b)
{
    struct sched_due group[LIMIT_JOB_CHECKS];
    size_t checks = 0, n = 0;
    if (d->packed.cap > PACKED_KEEP_BYTES)
        buf_done(&d->packed);
    buf_reset(&d->packed);
    for (size_t i = 0; i < b->count; i++)
        checks += !b->due[i].is_task;
    pack_array(&d->packed, (checks + LIMIT_JOB_CHECKS - 1) / LIMIT_JOB_CHECKS);
    for (size_t i = 0; i < b->count; i++) {
        if (b->due[i].is_task)
            continue;
        group[n++] = b->due[i];
        if (n == LIMIT_JOB_CHECKS) {
            TRY(pack_job(d, b->tick_ms, group, n));
            n = 0;
        }
    }
    if (n > 0)
        TRY(pack_job(d, b->tick_ms, group, n));
    return buf_status(&d->packed);
}

/* --- calling --- */

static enum status read_reply(const redisReply *r, int64_t *mark_ms)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 ||
        r->element[0]->type != REDIS_REPLY_STRING || r->element[1]->type != REDIS_REPLY_STRING)
        return ST_CORRUPT;
    const char *code = r->element[0]->str;
    const char *mark = r->element[1]->str;
    if (str_eq(code, "fenced"))
        return ST_CONFLICT;
    if (str_eq(code, "lost"))
        return ST_NOT_FOUND;
    if (str_eq(code, "full"))
        return ST_OVERLOADED;
    int64_t v = SCHED_NEVER;
    if (mark[0] != '\0' && str_to_i64(mark, &v) != ST_OK)
        return ST_CORRUPT;
    *mark_ms = v;
    return ST_OK;
}

static enum status call(struct dispatcher *d, int shard, const struct rargs *args, int64_t *mark_ms)
{
    const char *const keys[] = {d->fence[shard], queue_stream_key(d->queue, d->task->priority)};
    AUTO_REPLY reply = NULL;
    TRY(redis_script(d->redis, &SCRIPT_DISPATCH, keys, ARRAY_LEN(keys), args, &reply));
    return read_reply(reply, mark_ms);
}

enum status dispatcher_claim(struct dispatcher *d, int shard, int64_t epoch, int64_t *mark_ms)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, epoch);
    return call(d, shard, &args, mark_ms);
}

enum status dispatcher_rewind(struct dispatcher *d, int shard, int64_t epoch, int64_t mark_ms)
{
    int64_t before_ms = 0;
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, epoch);
    rargs_i64(&args, mark_ms);
    return call(d, shard, &args, &before_ms);
}

enum status dispatcher_publish(struct dispatcher *d, int shard, int64_t epoch, int64_t known_ms,
                               const struct sched_batch *batch)
{
    TRY(pack_batch(d, batch));
    int64_t before_ms = 0;
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, epoch);
    rargs_i64(&args, batch->tick_ms);
    rargs_i64(&args, known_ms);
    rargs_i64(&args, LIMIT_QUEUE_LENGTH);
    rargs_bytes(&args, d->packed.data, d->packed.len);
    CRASH_AT("scheduler.before_dispatch");
    TRY(call(d, shard, &args, &before_ms));
    CRASH_AT("scheduler.after_dispatch");
    return ST_OK;
}

enum status dispatcher_probe(struct dispatcher *d, int shard)
{
    AUTO_REPLY reply = NULL;
    TRY(redis_do(d->redis, &reply, "EXISTS", d->fence[shard]));
    return reply->integer > 0 ? ST_OK : ST_NOT_FOUND;
}
