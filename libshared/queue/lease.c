/*
 * Leases and housekeeping. A consumer lives as long as its heartbeat key; what a dead one held goes
 * back into the stream in one script that looks at the heartbeat itself.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "gen/scripts.h"
#include "log/log.h"
#include "queue/internal.h"

enum {
    REAP_EVERY_MS = 250, /* by whichever worker comes first */
    /* A worker that fetches right after Redis lost its heartbeat renews it within this time. */
    REAP_IDLE_MS = 1000,
    /* Suspects: the next come when those before have ended, or have run for so long without harm.
     */
    SUSPECT_RUNS_MS = 30 * 1000,
    SUSPECT_LOOK_MS = 200,
    /* Beyond its time limit a job may wait this long for its turn in its worker. */
    OVERDUE_MS = 10 * 60 * 1000,
    OVERDUE_EVERY_MS = 30 * 1000
};

enum status queue_heartbeat_key(const struct queue *q, const char *consumer, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%sworker:%s", q->prefix, consumer);
    return n > 0 && (size_t)n < cap ? ST_OK : ST_INVALID;
}

/* Where a key holds something else there is nothing to do, and everything else goes on; the numbers
 * of the queue say what is broken. */
static enum status unless_corrupt(enum status st)
{
    return st == ST_CORRUPT ? ST_OK : st;
}

enum status queue_heartbeat(struct queue *q, struct redis *r, const char *consumer,
                            const char *info_json, int64_t lease_ms)
{
    char key[QUEUE_KEY_BYTES + QUEUE_CONSUMER_BYTES];
    TRY(queue_heartbeat_key(q, consumer, key, sizeof(key)));
    struct rargs set, add;
    rargs_init(&set, "SET");
    rargs_str(&set, key);
    rargs_str(&set, info_json);
    rargs_str(&set, "PX");
    rargs_i64(&set, lease_ms);
    rargs_init(&add, "SADD");
    rargs_str(&add, q->consumers);
    rargs_str(&add, consumer);
    TRY(redis_call(r, &set, NULL));
    TRY(unless_corrupt(redis_call(r, &add, NULL)));
    return queue_remember(q, r);
}

/* --- the dead --- */

struct reaping {
    const char *consumer;
    bool has_died;
    int64_t now_ms;
};

/* Moves everything that the consumer holds of one stream, a batch a script. */
static enum status reap_stream(struct queue *q, struct redis *r, int priority,
                               const struct reaping *which, size_t *moved)
{
    for (int round = 0; round < QUEUE_ROUNDS_MAX; round++) {
        struct rargs args;
        rargs_init(&args, NULL);
        rargs_str(&args, QUEUE_GROUP);
        rargs_str(&args, which->consumer);
        rargs_i64(&args, priority);
        rargs_i64(&args, QUEUE_SCRIPT_BATCH);
        rargs_i64(&args, which->has_died ? REAP_IDLE_MS : 0);
        rargs_str(&args, which->has_died ? "1" : "0");
        rargs_i64(&args, which->now_ms);
        rargs_i64(&args, QUEUE_SUSPECT_LOST);
        rargs_i64(&args, SUSPECT_LOOK_MS);
        AUTO_REPLY reply = NULL;
        enum status st = queue_script(q, r, &SCRIPT_REAP, &args, &reply);
        if (st == ST_CONFLICT || st == ST_CORRUPT)
            return ST_OK; /* no group or no stream, nothing held */
        TRY(st);
        *moved += (size_t)reply->integer;
        if (reply->integer < QUEUE_SCRIPT_BATCH)
            return ST_OK;
    }
    return ST_OK;
}

static void reaped(const char *consumer, size_t moved)
{
    if (moved == 0)
        return;
    metric_add(&queue_reaped_metric, (int64_t)moved);
    log_warn("worker_reaped", kv_str("consumer", consumer), kv_i64("jobs", (int64_t)moved));
}

enum status queue_leave(struct queue *q, struct redis *r, const char *consumer)
{
    char key[QUEUE_KEY_BYTES + QUEUE_CONSUMER_BYTES];
    TRY(queue_heartbeat_key(q, consumer, key, sizeof(key)));
    TRY(redis_do(r, NULL, "DEL", key));
    TRY(unless_corrupt(redis_do(r, NULL, "SREM", q->consumers, consumer)));
    const struct reaping which = {.consumer = consumer};
    size_t moved = 0;
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        TRY(reap_stream(q, r, p, &which, &moved));
    reaped(consumer, moved);
    return ST_OK;
}

/* A consumer that had no heartbeat a moment ago; the script looks again. */
static enum status reap_dead(struct queue *q, struct redis *r, int priority, const char *consumer,
                             int64_t now_ms, size_t *moved)
{
    const struct reaping which = {.consumer = consumer, .has_died = true, .now_ms = now_ms};
    size_t n = 0;
    TRY(reap_stream(q, r, priority, &which, &n));
    TRY(unless_corrupt(redis_do(r, NULL, "SREM", q->consumers, consumer)));
    reaped(consumer, n);
    *moved += n;
    return ST_OK;
}

/* What live consumers hold without knowing it: the backstop behind the leases. */
static enum status free_overdue(struct queue *q, struct redis *r, size_t *moved)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        const char *const keys[] = {q->stream[p]};
        struct rargs args;
        rargs_init(&args, NULL);
        rargs_str(&args, QUEUE_GROUP);
        rargs_i64(&args, QUEUE_SCRIPT_BATCH);
        rargs_i64(&args, OVERDUE_MS);
        AUTO_REPLY reply = NULL;
        enum status st = redis_script(r, &SCRIPT_OVERDUE, keys, ARRAY_LEN(keys), &args, &reply);
        if (st == ST_CONFLICT || st == ST_CORRUPT)
            continue; /* no group or no stream, nothing held */
        TRY(st);
        *moved += (size_t)reply->integer;
        if (reply->integer > 0)
            log_warn("jobs_overdue", kv_str("stream", q->stream[p]),
                     kv_i64("jobs", reply->integer));
    }
    return ST_OK;
}

/* One script: how many it looked at, and how many of them it moved. */
static enum status promote_batch(struct queue *q, struct redis *r, int64_t now_ms, int64_t *seen,
                                 size_t *moved)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_i64(&args, now_ms);
    rargs_i64(&args, QUEUE_SCRIPT_BATCH);
    rargs_i64(&args, LIMIT_DEAD_LETTERS);
    rargs_str(&args, QUEUE_GROUP);
    rargs_i64(&args, QUEUE_SUSPECT_LOST);
    rargs_i64(&args, QUEUE_ALONE_LOST);
    rargs_i64(&args, QUEUE_SUSPECTS);
    rargs_i64(&args, SUSPECT_RUNS_MS);
    rargs_i64(&args, SUSPECT_LOOK_MS);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_PROMOTE, &args, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return ST_CORRUPT;
    *seen = reply->element[0]->integer;
    *moved += (size_t)reply->element[1]->integer;
    return ST_OK;
}

static enum status promote(struct queue *q, struct redis *r, int64_t now_ms, size_t *moved)
{
    int64_t n = QUEUE_SCRIPT_BATCH;
    for (int i = 0; i < QUEUE_ROUNDS_MAX && n == QUEUE_SCRIPT_BATCH; i++)
        TRY(promote_batch(q, r, now_ms, &n, moved));
    return ST_OK;
}

/* One worker at a time looks for the dead, and one for what is held too long. */
static enum status look_for_chores(struct queue *q, struct redis *r, int64_t now_ms,
                                   redisReply **out)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_i64(&args, now_ms);
    rargs_i64(&args, REAP_EVERY_MS);
    rargs_i64(&args, OVERDUE_EVERY_MS);
    TRY(queue_script(q, r, &SCRIPT_CHORES, &args, out));
    return (*out)->type == REDIS_REPLY_ARRAY && (*out)->elements >= 2 ? ST_OK : ST_CORRUPT;
}

enum status queue_maintain(struct queue *q, struct redis *r, int64_t now_ms, size_t *moved)
{
    size_t n = 0;
    AUTO_REPLY chores = NULL;
    TRY(look_for_chores(q, r, now_ms, &chores));
    for (size_t i = 2; i + 1 < chores->elements; i += 2) {
        const char *priority = chores->element[i]->str;
        TRY(reap_dead(q, r, (priority[0] - '0') & (QUEUE_PRIORITIES - 1),
                      chores->element[i + 1]->str, now_ms, &n));
    }
    if (chores->element[0]->integer > 0)
        TRY(unless_corrupt(promote(q, r, now_ms, &n)));
    if (str_eq(chores->element[1]->str, "1"))
        TRY(free_overdue(q, r, &n));
    if (moved)
        *moved = n;
    return ST_OK;
}
