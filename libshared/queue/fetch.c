/*
 * Fetching: one pipelined XREADGROUP a priority, each with its share of the batch, so that lower
 * priorities never starve; what is left of the batch goes to the highest priority that has more.
 *
 * A reply that is lost on its way leaves entries with us that we never saw, and no lease ends for a
 * consumer that lives. New entries come in the order of their ids, so those after the newest one
 * received are exactly the lost ones: the next fetch asks for them.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/str.h"
#include "log/log.h"
#include "queue/internal.h"

enum { GROUP_TRIES = 2 };

struct metric queue_dead_metric = {.name = "tocsin_queue_dead_letters_total",
                                   .help = "Jobs set aside as dead letters",
                                   .type = METRIC_COUNTER};
struct metric queue_expired_metric = {.name = "tocsin_queue_expired_total",
                                      .help = "Jobs dropped because they had expired",
                                      .type = METRIC_COUNTER};

/* Whose turn it is, slot by slot: 8 : 4 : 2 : 1, interleaved, for batches of any size. */
static const unsigned char turns[] = {0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0};

struct fetch {
    struct queue *q;
    struct redis *r;
    const char *consumer;
    size_t max;
    int64_t now_ms;
    struct job_batch *out;
};

static void shares_of(struct queue *q, size_t max, size_t share[QUEUE_PRIORITIES])
{
    memset(share, 0, sizeof(size_t) * QUEUE_PRIORITIES);
    /* Whole rounds first: the batch may be large. */
    size_t rounds = max / ARRAY_LEN(turns);
    for (size_t i = 0; i < ARRAY_LEN(turns); i++)
        share[turns[i]] += rounds;
    for (size_t i = 0; i < max % ARRAY_LEN(turns); i++) {
        share[turns[q->turn]]++;
        q->turn = (q->turn + 1) % ARRAY_LEN(turns);
    }
}

static void read_args(const struct fetch *f, size_t count, int64_t block_ms, struct rargs *args)
{
    rargs_init(args, "XREADGROUP");
    rargs_str(args, "GROUP");
    rargs_str(args, QUEUE_GROUP);
    rargs_str(args, f->consumer);
    rargs_str(args, "COUNT");
    rargs_i64(args, (int64_t)count);
    if (block_ms > 0) {
        rargs_str(args, "BLOCK");
        rargs_i64(args, block_ms);
    }
    rargs_str(args, "STREAMS");
}

/* --- one entry --- */

static enum status bury(const struct fetch *f, const char *stream, const char *entry,
                        const char *reason)
{
    metric_inc(&queue_dead_metric);
    log_warn("job_dead", kv_str("stream", stream), kv_str("entry", entry),
             kv_str("reason", reason));
    enum status st = queue_end_delivery(f->q, f->r, stream, f->consumer, entry, 0, reason,
                                        f->now_ms);
    return st == ST_CONFLICT ? ST_OK : st;
}

/* Keeps the job, or sets aside what must not run. */
static enum status take_entry(const struct fetch *f, const char *stream, const redisReply *reply)
{
    if (reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING)
        return ST_CORRUPT;
    struct job job;
    struct errbuf why = {{0}};
    const char *entry = reply->element[0]->str;
    enum status st = job_decode(reply->element[1], f->out->arena, &job, &why);
    if (st == ST_INVALID) {
        char reason[sizeof(why.text) + 16];
        (void)snprintf(reason, sizeof(reason), "undecodable: %s", why.text);
        return bury(f, stream, entry, reason);
    }
    TRY(st);
    if (job.deliveries > QUEUE_MAX_DELIVERIES)
        return bury(f, stream, entry, "poison: every worker that took it died");
    job.stream = stream;
    job.entry = arena_strdup(f->out->arena, entry);
    if (!job.entry)
        return ST_NO_MEMORY;
    if (job.expires_at_ms > 0 && job.expires_at_ms <= f->now_ms) {
        metric_inc(&queue_expired_metric);
        return queue_ack(f->q, f->r, &job, 1);
    }
    /* Blocking on several streams may bring a few more than there is room for. */
    if (f->out->count == f->max) {
        st = queue_hand_back(f->q, f->r, f->consumer, &job);
        return st == ST_CONFLICT ? ST_OK : st;
    }
    f->out->jobs[f->out->count++] = job;
    return ST_OK;
}

static int priority_of(const struct queue *q, const char *key)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        if (str_eq(q->stream[p], key))
            return p;
    }
    return -1;
}

static enum status take_stream(const struct fetch *f, int priority, const redisReply *entries)
{
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];
        TRY(take_entry(f, f->q->stream[priority], entry));
        /* Only now: what could not be taken is asked for again. */
        (void)str_copy(f->q->last[priority], QUEUE_ENTRY_BYTES, entry->element[0]->str);
    }
    return ST_OK;
}

/* A reply of XREADGROUP: [[stream, [[entry, fields], …]], …] or nil. *entries: how many it held. */
static enum status take_reply(const struct fetch *f, const redisReply *reply, size_t *entries)
{
    enum status st = ST_OK;
    *entries = 0;
    if (reply->type != REDIS_REPLY_ARRAY)
        return ST_OK;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *pair = reply->element[i];
        int priority = pair->elements == 2 ? priority_of(f->q, pair->element[0]->str) : -1;
        if (priority < 0)
            return ST_CORRUPT;
        enum status taken = take_stream(f, priority, pair->element[1]);
        st = st == ST_OK ? taken : st;
        *entries += pair->element[1]->elements;
    }
    return st;
}

/* --- reading --- */

static enum status error_status(const redisReply *reply)
{
    return str_starts(reply->str, "NOGROUP") ? ST_CONFLICT : ST_IO;
}

/* Whether the reader wants new entries, or those of its own that it never received. */
enum reading { READ_NEW, READ_LOST };

/* One pipelined round over the priorities. has_more[p]: the stream gave all that was asked. */
static enum status read_round(const struct fetch *f, enum reading reading,
                              const size_t share[QUEUE_PRIORITIES], bool has_more[QUEUE_PRIORITIES])
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        if (share[p] == 0)
            continue;
        struct rargs args;
        read_args(f, share[p], 0, &args);
        rargs_str(&args, f->q->stream[p]);
        rargs_str(&args, reading == READ_NEW ? ">" : f->q->last[p]);
        TRY(redis_append(f->r, &args));
    }
    /* All replies are fetched before any is acted on: acting talks to Redis, too. */
    redisReply *replies[QUEUE_PRIORITIES] = {NULL};
    enum status st = ST_OK;
    for (int p = 0; p < QUEUE_PRIORITIES && st == ST_OK; p++) {
        if (share[p] > 0)
            st = redis_fetch(f->r, &replies[p]);
    }
    if (st != ST_OK)
        f->q->has_lost_reply = true;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        size_t entries = 0;
        enum status taken = ST_OK;
        if (replies[p])
            taken = replies[p]->type == REDIS_REPLY_ERROR ? error_status(replies[p])
                                                          : take_reply(f, replies[p], &entries);
        if (taken != ST_OK && taken != ST_CONFLICT)
            f->q->has_lost_reply = true;
        st = st == ST_OK ? taken : st;
        has_more[p] = entries == share[p];
        redis_reply_freep(&replies[p]);
    }
    return st;
}

static enum status read_lost(const struct fetch *f)
{
    size_t share[QUEUE_PRIORITIES] = {0};
    bool has_more[QUEUE_PRIORITIES];
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        if (f->out->count == f->max)
            return ST_OK;
        share[p] = f->max - f->out->count;
        TRY(read_round(f, READ_LOST, share, has_more));
        if (has_more[p])
            return ST_OK;
        share[p] = 0;
    }
    f->q->has_lost_reply = false;
    return ST_OK;
}

/* What the shares left of the batch, from the highest priority on. */
static enum status read_rest(const struct fetch *f, const bool has_more[QUEUE_PRIORITIES])
{
    for (int p = 0; p < QUEUE_PRIORITIES && f->out->count < f->max; p++) {
        if (!has_more[p])
            continue;
        size_t share[QUEUE_PRIORITIES] = {0};
        bool ignored[QUEUE_PRIORITIES];
        share[p] = f->max - f->out->count;
        TRY(read_round(f, READ_NEW, share, ignored));
    }
    return ST_OK;
}

static enum status read_blocking(const struct fetch *f, int64_t block_ms)
{
    struct rargs args;
    read_args(f, MAX_OF(f->max / QUEUE_PRIORITIES, (size_t)1), block_ms, &args);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        rargs_str(&args, f->q->stream[p]);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        rargs_str(&args, ">");
    AUTO_REPLY reply = NULL;
    size_t entries = 0;
    enum status st = redis_call_blocking(f->r, &args, block_ms, &reply);
    if (st == ST_OK)
        st = take_reply(f, reply, &entries);
    if (st != ST_OK && st != ST_CONFLICT)
        f->q->has_lost_reply = true;
    return st;
}

static enum status fetch_once(const struct fetch *f, int64_t block_ms)
{
    size_t share[QUEUE_PRIORITIES];
    bool has_more[QUEUE_PRIORITIES];
    if (f->q->has_lost_reply) {
        TRY(read_lost(f));
        if (f->out->count > 0 || f->q->has_lost_reply)
            return ST_OK;
    }
    shares_of(f->q, f->max, share);
    TRY(read_round(f, READ_NEW, share, has_more));
    TRY(read_rest(f, has_more));
    if (f->out->count == 0 && block_ms > 0)
        TRY(read_blocking(f, block_ms));
    return ST_OK;
}

enum status queue_make_groups(struct queue *q, struct redis *r)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        /* From 0: what was added before the group is work as well. */
        enum status st = redis_do(r, NULL, "XGROUP", "CREATE", q->stream[p], QUEUE_GROUP, "0",
                                  "MKSTREAM");
        if (st != ST_OK && st != ST_CONFLICT)
            return st;
    }
    return ST_OK;
}

/* A consumer that is new to us has received nothing. */
static void use_consumer(struct queue *q, const char *consumer)
{
    if (str_eq(q->consumer, consumer))
        return;
    (void)str_copy(q->consumer, sizeof(q->consumer), consumer);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        (void)str_copy(q->last[p], QUEUE_ENTRY_BYTES, "0-0");
    q->has_lost_reply = false;
}

enum status queue_fetch(struct queue *q, struct redis *r, const char *consumer, size_t max,
                        int64_t block_ms, struct job_batch *out)
{
    out->count = 0;
    out->jobs = arena_array(out->arena, max, sizeof(*out->jobs));
    if (!out->jobs)
        return ST_NO_MEMORY;
    if (max == 0)
        return ST_OK;
    use_consumer(q, consumer);
    struct fetch f = {
        .q = q, .r = r, .consumer = consumer, .max = max, .now_ms = clock_wall_ms(), .out = out};
    enum status st = fetch_once(&f, block_ms);
    /* No group: the first start, or everything was flushed, perhaps one after the other. What came
     * so far is kept. */
    for (int i = 0; i < GROUP_TRIES && st == ST_CONFLICT && out->count == 0; i++) {
        TRY(queue_make_groups(q, r));
        st = fetch_once(&f, block_ms);
    }
    if (out->count > 0) {
        CRASH_AT("queue.after_fetch");
        /* Jobs in hand count for more than the failure after them, which the next call meets. */
        return ST_OK;
    }
    return st == ST_CONFLICT ? ST_UNAVAILABLE : st;
}
