/*
 * Fetching: one pipelined XREADGROUP a priority, each with its share of the batch, so that lower
 * priorities never starve; what is left of the batch goes to the highest priority that has more.
 *
 * A reply that is lost on its way leaves entries with us that we never saw, and no lease ends for a
 * consumer that lives. New entries come in the order of their ids, so those after the newest one
 * received are exactly the lost ones: the next fetch asks for them.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/str.h"
#include "log/log.h"
#include "queue/internal.h"

enum { GROUP_TRIES = 2, SLICE_MS = 1000 /* of blocking: a pause is seen after that */ };

/* Whose turn it is, slot by slot: 8 : 4 : 2 : 1, interleaved, for batches of any size. */
static const unsigned char turns[] = {0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0};

struct fetch_marks {
    char last[QUEUE_PRIORITIES][QUEUE_ENTRY_BYTES];
};

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

/* Sets aside what must not run at all; `job` may be no more than the entry's place. */
static enum status bury(const struct fetch *f, const struct job *job, const char *reason)
{
    struct job_outcome dead = {.state = JOB_DEAD, .error = reason, .finished_at_ms = f->now_ms};
    enum status st = queue_end_unrun(f->q, f->r, f->consumer, job, &dead);
    return st == ST_CONFLICT ? ST_OK : st;
}

/* Keeps the job, or sets aside what must not run. The reply lies in the arena. */
static enum status take_entry(const struct fetch *f, const char *stream, const redisReply *reply)
{
    if (reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING)
        return ST_CORRUPT;
    struct job job;
    struct errbuf why = {{0}};
    enum status st = job_decode(reply->element[1], f->out->arena, &job, &why);
    if (st == ST_INVALID) {
        char reason[sizeof(why.text) + 16];
        struct job unread = {.stream = stream, .entry = reply->element[0]->str, .attempt = 1};
        (void)snprintf(reason, sizeof(reason), "undecodable: %s", why.text);
        return bury(f, &unread, reason);
    }
    TRY(st);
    job.stream = stream;
    job.entry = reply->element[0]->str;
    if (job.deliveries > QUEUE_MAX_DELIVERIES)
        return bury(f, &job, "poison: five workers died of it when they had it alone");
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

enum { BROKEN_TELL_MS = 60 * 1000 };

/* Somebody else's key in place of a stream: that priority is empty until it is gone, the others go
 * on. */
static void stream_broken(struct queue *q, int priority)
{
    const int64_t now = clock_mono_ms();
    q->is_broken[priority] = true;
    if (q->broken_told_mono_ms != 0 && now - q->broken_told_mono_ms < BROKEN_TELL_MS)
        return;
    q->broken_told_mono_ms = now;
    log_error("queue_broken", kv_str("key", q->stream[priority]),
              kv_str("error", "it holds something else than a stream"));
}

/* What an error in place of a stream's entries means. */
static enum status stream_error(struct queue *q, int priority, const redisReply *reply)
{
    if (str_starts(reply->str, "WRONGTYPE")) {
        stream_broken(q, priority);
        return ST_OK;
    }
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
    if (reading == READ_NEW)
        TRY(queue_control_append(f->q, f->r));
    /* All replies are fetched before any is acted on: acting talks to Redis, too. */
    redisReply *replies[QUEUE_PRIORITIES] = {NULL};
    enum status st = ST_OK;
    for (int p = 0; p < QUEUE_PRIORITIES && st == ST_OK; p++) {
        if (share[p] > 0)
            st = redis_fetch_into(f->r, f->out->arena, &replies[p]);
    }
    if (st == ST_OK && reading == READ_NEW)
        st = queue_control_fetch(f->q, f->r);
    if (st != ST_OK)
        f->q->has_lost_reply = true;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        size_t entries = 0;
        enum status taken = ST_OK;
        if (replies[p])
            f->q->is_broken[p] = false;
        if (replies[p] && replies[p]->type == REDIS_REPLY_ERROR)
            taken = stream_error(f->q, p, replies[p]);
        else if (replies[p])
            taken = take_reply(f, replies[p], &entries);
        if (taken != ST_OK && taken != ST_CONFLICT)
            f->q->has_lost_reply = true;
        st = st == ST_OK ? taken : st;
        has_more[p] = entries == share[p] && !f->q->is_broken[p];
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

/* One read of several streams does not say which of them is none. */
static enum status find_broken(const struct fetch *f)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        AUTO_REPLY type = NULL;
        TRY(redis_do(f->r, &type, "TYPE", f->q->stream[p]));
        f->q->is_broken[p] = false;
        if (!str_eq(type->str, "stream") && !str_eq(type->str, "none"))
            stream_broken(f->q, p);
    }
    return ST_OK;
}

/* Of each stream at most this many, since one read serves all of them. */
static size_t share_of_blocking(const struct fetch *f)
{
    return MAX_OF(f->max / QUEUE_PRIORITIES, (size_t)1);
}

/* Who has waited in vain will, by the end of this wait, need a new look at what was asked of the
 * queue: it comes along, instead of waking him once more. */
static enum status call_and_look(const struct fetch *f, const struct rargs *args, int64_t block_ms,
                                 redisReply **reply)
{
    redisReply *entries = NULL;
    TRY(redis_append(f->r, args));
    TRY(queue_control_append(f->q, f->r));
    TRY(redis_await_block(f->r, block_ms));
    TRY(redis_fetch_into(f->r, f->out->arena, &entries));
    TRY(queue_control_fetch(f->q, f->r));
    if (entries->type == REDIS_REPLY_ERROR)
        return redis_refused(f->r, entries);
    *reply = entries;
    return ST_OK;
}

static enum status read_blocking(const struct fetch *f, int64_t block_ms)
{
    struct rargs args;
    int streams = 0;
    read_args(f, share_of_blocking(f), block_ms, &args);
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        if (f->q->is_broken[p])
            continue;
        rargs_str(&args, f->q->stream[p]);
        streams++;
    }
    for (int i = 0; i < streams; i++)
        rargs_str(&args, ">");
    if (streams == 0) {
        (void)poll(NULL, 0, (int)block_ms);
        return ST_OK;
    }
    redisReply *reply = NULL;
    size_t entries = 0;
    enum status st = f->q->is_idle
                         ? call_and_look(f, &args, block_ms, &reply)
                         : redis_call_blocking_into(f->r, &args, block_ms, f->out->arena, &reply);
    if (st == ST_CORRUPT)
        return find_broken(f);
    if (st == ST_OK)
        st = take_reply(f, reply, &entries);
    if (st != ST_OK && st != ST_CONFLICT)
        f->q->has_lost_reply = true;
    f->q->is_idle = st == ST_OK && entries == 0;
    return st;
}

static enum status pump(const struct fetch *f)
{
    const enum status st = queue_pump(f->q, f->r, f->max);
    if (st != ST_CORRUPT)
        return st;
    /* Lines that are none move nothing; the streams go on. */
    f->q->seen.has_lines = false;
    return ST_OK;
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
    /* Nothing was left a moment ago: one round trip less for what comes next. Not for few at a
     * time, as the read takes some of each stream. */
    if (f->q->is_drained && block_ms > 0 && f->max >= QUEUE_PRIORITIES && !f->q->seen.has_lines) {
        f->q->is_drained = false;
        return read_blocking(f, block_ms);
    }
    if (f->q->seen.has_lines)
        TRY(pump(f));
    shares_of(f->q, f->max, share);
    TRY(read_round(f, READ_NEW, share, has_more));
    TRY(read_rest(f, has_more));
    if (f->out->count == 0 && block_ms > 0 && !f->q->seen.has_lines)
        TRY(read_blocking(f, block_ms));
    return ST_OK;
}

/* The group of every stream, from id 0, where it is missing. */
static enum status make_groups(struct queue *q, struct redis *r)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        /* From 0: what was added before the group is work as well. */
        enum status st = redis_do(r, NULL, "XGROUP", "CREATE", q->stream[p], QUEUE_GROUP, "0",
                                  "MKSTREAM");
        if (st == ST_CORRUPT)
            stream_broken(q, p);
        else if (st != ST_OK && st != ST_CONFLICT)
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

/* Where there are tenants, more may wait in their lines than a read of the streams tells. */
static bool has_drained(const struct fetch *f)
{
    for (size_t i = 0; i < f->out->count; i++) {
        if (f->out->jobs[i].tenant)
            return false;
    }
    /* A round notices when a broken stream has been mended. */
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        if (f->q->is_broken[p])
            return false;
    }
    return f->out->count < share_of_blocking(f);
}

/* One slice of waiting. ST_OK without jobs: nothing came, or the queue is paused. */
static enum status fetch_slice(const struct fetch *f, int64_t block_ms)
{
    TRY(queue_control_refresh(f->q, f->r));
    /* What is ours already is no news: only new entries are held back by a pause. */
    if (f->q->seen.is_paused && !f->q->has_lost_reply) {
        (void)poll(NULL, 0, (int)MIN_OF(block_ms, (int64_t)QUEUE_CONTROL_MS));
        return ST_OK;
    }
    enum status st = fetch_once(f, block_ms);
    /* No group: the first start, or everything was flushed, perhaps one after the other. What came
     * so far is kept. */
    for (int i = 0; i < GROUP_TRIES && st == ST_CONFLICT && f->out->count == 0; i++) {
        TRY(make_groups(f->q, f->r));
        st = fetch_once(f, block_ms);
    }
    f->q->is_drained = st == ST_OK && has_drained(f);
    return st == ST_CONFLICT ? ST_UNAVAILABLE : st;
}

/* Jobs that must not start now leave the batch. Should that fail half-way, all of it is asked for
 * again: it is as if the reply had been lost. */
static enum status admit(const struct fetch *f, const struct fetch_marks *before)
{
    enum status st = queue_admit(f->q, f->r, f->consumer, f->now_ms, f->out->jobs, &f->out->count);
    if (st == ST_OK)
        return ST_OK;
    memcpy(f->q->last, before->last, sizeof(before->last));
    f->q->has_lost_reply = true;
    f->out->count = 0;
    return st;
}

/* Events are for people who watch: a failure shows with the next call. */
static void tell_started(const struct fetch *f)
{
    size_t commands = 0;
    enum status st = queue_events_append(f->q, f->r, "started", f->out->jobs, f->out->count,
                                         &commands);
    for (size_t i = 0; i < commands && st == ST_OK; i++)
        st = redis_fetch(f->r, NULL);
}

enum status queue_fetch(struct queue *q, struct redis *r, const char *consumer, size_t max,
                        int64_t block_ms, struct job_batch *out)
{
    max = MIN_OF(max, (size_t)LIMIT_FETCH_BATCH);
    out->count = 0;
    out->jobs = arena_array(out->arena, max, sizeof(*out->jobs));
    if (!out->jobs)
        return ST_NO_MEMORY;
    if (max == 0)
        return ST_OK;
    use_consumer(q, consumer);
    struct fetch f = {.q = q, .r = r, .consumer = consumer, .max = max, .out = out};
    const int64_t deadline = clock_mono_ms() + block_ms;
    int64_t left_ms = block_ms;
    enum status st = ST_OK;
    do {
        struct fetch_marks before;
        memcpy(before.last, q->last, sizeof(before.last));
        f.now_ms = clock_wall_ms();
        st = fetch_slice(&f, MIN_OF(left_ms, (int64_t)SLICE_MS));
        if (out->count > 0) {
            f.now_ms = clock_wall_ms(); /* it may have waited */
            CRASH_AT("queue.after_fetch");
            /* Jobs in hand count for more than the failure after them, which the next call meets.
             */
            st = admit(&f, &before);
            queue_count_deliveries(out->jobs, out->count, f.now_ms);
            tell_started(&f);
        }
        left_ms = MIN_OF(deadline - clock_mono_ms(), left_ms - 1);
    } while (st == ST_OK && out->count == 0 && left_ms > 0);
    return st;
}
