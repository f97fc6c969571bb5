/* Frames into Redis Streams. */
#include "services/ingest/publish.h"

#include <stdio.h>
#include <string.h>

#include "base/crash.h"
#include "base/limits.h"
#include "log/log.h"
#include "services/ingest/wire.h"

void stream_key(int shard, char out[STREAM_KEY_BYTES])
{
    (void)snprintf(out, STREAM_KEY_BYTES, "{m:%d}:metrics", shard);
}

void stream_dead_key(int shard, char out[STREAM_KEY_BYTES])
{
    (void)snprintf(out, STREAM_KEY_BYTES, "{m:%d}:dead", shard);
}

static int shard_of(const struct uuid *host)
{
    return (int)(uuid_hash(host) % INGEST_SHARDS);
}

/* Appending while the stream was last seen full asks again first. */
static enum status check_room(struct publisher *p, struct redis *redis, int shard)
{
    if (atomic_load_explicit(&p->length[shard], memory_order_relaxed) < p->length_max)
        return ST_OK;
    char key[STREAM_KEY_BYTES];
    stream_key(shard, key);
    AUTO_REPLY reply = NULL;
    TRY(redis_do(redis, &reply, "XLEN", key));
    int64_t length = reply->type == REDIS_REPLY_INTEGER ? (int64_t)reply->integer : 0;
    atomic_store_explicit(&p->length[shard], length, memory_order_relaxed);
    return length < p->length_max ? ST_OK : ST_OVERLOADED;
}

static enum status append_frame(struct redis *redis, int shard, const struct buf *frame)
{
    char key[STREAM_KEY_BYTES];
    stream_key(shard, key);
    struct rargs a;
    rargs_init(&a, "XADD");
    rargs_str(&a, key);
    rargs_str(&a, "*");
    rargs_str(&a, "f");
    rargs_bytes(&a, frame->data, frame->len);
    return redis_append(redis, &a);
}

/* The frames of one shard, and a question for its length after them. *sent counts commands. */
static enum status append_shard(struct redis *redis, int shard, const struct scrape *scrapes,
                                size_t count, int64_t received_us, size_t *sent)
{
    AUTO_BUF frame;
    buf_init(&frame, 2 * LIMIT_METRIC_ENTRY_BYTES);
    size_t before = *sent;
    for (size_t i = 0; i < count; i++) {
        const struct scrape *s = &scrapes[i];
        if (shard_of(&s->host_id) != shard)
            continue;
        if (frame.len > 0 && frame.len + wire_size(s) > LIMIT_METRIC_ENTRY_BYTES) {
            TRY(append_frame(redis, shard, &frame));
            ++*sent;
            buf_reset(&frame);
        }
        if (frame.len == 0)
            wire_begin(&frame, received_us);
        wire_put(&frame, s);
        TRY(buf_status(&frame));
    }
    if (frame.len > 0) {
        TRY(append_frame(redis, shard, &frame));
        ++*sent;
    }
    if (*sent == before)
        return ST_OK;
    char key[STREAM_KEY_BYTES];
    stream_key(shard, key);
    struct rargs a;
    rargs_init(&a, "XLEN");
    rargs_str(&a, key);
    TRY(redis_append(redis, &a));
    ++*sent;
    return ST_OK;
}

/* Reads every reply, so that the connection stays in step; the first failure counts. */
static enum status fetch_replies(struct publisher *p, struct redis *redis, const int *shard_of,
                                 size_t count)
{
    enum status outcome = ST_OK;
    for (size_t i = 0; i < count; i++) {
        AUTO_REPLY reply = NULL;
        TRY(redis_fetch(redis, &reply));
        if (reply->type == REDIS_REPLY_INTEGER) {
            atomic_store_explicit(&p->length[shard_of[i]], (int64_t)reply->integer,
                                  memory_order_relaxed);
        } else if (reply->type == REDIS_REPLY_ERROR && outcome == ST_OK) {
            bool is_full = reply->len >= 3 && memcmp(reply->str, "OOM", 3) == 0;
            log_warn("ingest_append_refused", kv_str("error", reply->str));
            outcome = is_full ? ST_OVERLOADED : ST_UNAVAILABLE;
        }
    }
    return outcome;
}

enum status publish(struct publisher *p, struct redis *redis, struct arena *arena,
                    const struct scrape *scrapes, size_t count, int64_t received_us)
{
    bool is_used[INGEST_SHARDS] = {false};
    for (size_t i = 0; i < count; i++)
        is_used[shard_of(&scrapes[i].host_id)] = true;
    for (int shard = 0; shard < INGEST_SHARDS; shard++) {
        if (is_used[shard])
            TRY(check_room(p, redis, shard));
    }

    /* At most a command a scrape, and a length a shard. */
    int *shard_of = arena_array(arena, count + INGEST_SHARDS, sizeof(*shard_of));
    if (!shard_of)
        return ST_NO_MEMORY;
    size_t sent = 0;
    for (int shard = 0; shard < INGEST_SHARDS; shard++) {
        size_t first = sent;
        if (is_used[shard])
            TRY(append_shard(redis, shard, scrapes, count, received_us, &sent));
        for (size_t i = first; i < sent; i++)
            shard_of[i] = shard;
    }
    enum status st = fetch_replies(p, redis, shard_of, sent);
    CRASH_AT("ingest.after_xadd");
    return st;
}
