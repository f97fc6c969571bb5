/* The writer's thread: waits for entries, hands them on, keeps marks and stores in view. */
#include "services/ingest/writer.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/rand.h"
#include "base/str.h"
#include "log/log.h"
#include "obs/health.h"
#include "services/ingest/position.h"
#include "services/ingest/writer_internal.h"

enum {
    BLOCK_MS = 500,  /* also how long a stop may wait, and how often marks are checked */
    COUNT_MIN = 16,  /* entries of one read … */
    COUNT_MAX = 256, /* … so that entries of the greatest size stay below 32 MiB a shard */
    BATCH_BYTES = 8 << 20,
    BACKOFF_MS = 100,
    BACKOFF_CAP_MS = 2000,
    LEFTOVER_CHECKS = 3 /* another writer may be about to delete what it has just stored */
};
#define BATCH_ARENA_BYTES ((size_t)256 << 20)

static struct health_item health_database = {.name = "database", .is_required = true};
static struct health_item health_redis = {.name = "redis", .is_required = true};

void writer_metrics_add(void)
{
    batch_metrics_add();
    health_add(&health_database);
    health_add(&health_redis);
}

/* --- reading --- */

static const redisReply *frame_of(const redisReply *fields)
{
    for (size_t i = 0; fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements; i += 2) {
        if (str_eq(fields->element[i]->str, "f"))
            return fields->element[i + 1];
    }
    return NULL;
}

/* The entries of one stream's part of an XREAD reply; borrowed from it. */
static size_t read_entries(const redisReply *list, struct entry *out, size_t max, size_t *bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < list->elements && n < max; i++) {
        const redisReply *e = list->element[i];
        if (e->type != REDIS_REPLY_ARRAY || e->elements != 2)
            continue;
        const redisReply *frame = frame_of(e->element[1]);
        out[n++] = (struct entry){.id = e->element[0]->str,
                                  .data = frame ? frame->str : NULL,
                                  .len = frame ? frame->len : 0};
        *bytes += frame ? frame->len : 0;
    }
    return n;
}

static int shard_of_key(const struct writer *w, const char *text)
{
    for (int i = 0; i < INGEST_SHARDS; i++) {
        if (str_eq(w->shards[i].key, text))
            return i;
    }
    return -1;
}

static enum status take_reply(struct writer *w, const redisReply *reply)
{
    struct entry entries[COUNT_MAX];
    size_t bytes = 0, total = 0;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *stream = reply->element[i];
        if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2)
            continue;
        int shard = shard_of_key(w, stream->element[0]->str);
        size_t n = read_entries(stream->element[1], entries, COUNT_MAX, &bytes);
        if (shard < 0 || n == 0)
            continue;
        total += n;
        TRY(writer_take(w, shard, entries, n));
    }
    /* The next read is sized by what entries are like now. */
    if (total > 0) {
        int64_t each = (int64_t)(bytes / total) + 1;
        w->count = MAX_OF((int64_t)COUNT_MIN, MIN_OF((int64_t)COUNT_MAX, BATCH_BYTES / each));
    }
    return ST_OK;
}

/* false: other writers are at all shards. */
static bool build_read(struct writer *w, struct rargs *a)
{
    bool is_free[INGEST_SHARDS];
    int n = 0;
    int64_t now_ms = clock_mono_ms();
    for (int i = 0; i < INGEST_SHARDS; i++) {
        is_free[i] = w->shards[i].busy_until_mono_ms <= now_ms;
        n += is_free[i];
    }
    rargs_init(a, "XREAD");
    rargs_str(a, "COUNT");
    rargs_i64(a, w->count);
    rargs_str(a, "BLOCK");
    /* With a shard left out, only as long as it is. */
    rargs_i64(a, n == INGEST_SHARDS ? BLOCK_MS : WRITER_BUSY_MS);
    rargs_str(a, "STREAMS");
    for (int i = 0; i < INGEST_SHARDS; i++) {
        if (is_free[i])
            rargs_str(a, w->shards[i].key);
    }
    for (int i = 0; i < INGEST_SHARDS; i++) {
        if (is_free[i])
            rargs_str(a, w->shards[i].cursor);
    }
    return n > 0;
}

/* --- marks --- */

static enum status restart_mark(struct writer *w, int shard)
{
    struct shard *s = &w->shards[shard];
    arena_reset(w->arena);
    TRY(db_begin(w->db));
    char mark[INGEST_ENTRY_ID_BYTES] = "";
    enum status st = ingest_mark_lock(w->db, w->arena, shard, mark);
    if (st == ST_OK && str_eq(mark, s->cursor))
        st = ingest_mark_set(w->db, w->arena, shard, "0-0");
    if (st != ST_OK) {
        db_rollback(w->db);
        return st == ST_NOT_FOUND ? ST_OK : st; /* another writer sees to it */
    }
    return db_commit(w->db);
}

/* Whether Redis still has what the marks speak of. Reading again is harmless: rows that are stored
 * are left out. */
static enum status check_shard(struct writer *w, int shard)
{
    struct shard *s = &w->shards[shard];
    struct position p;
    TRY(position_read(w->redis, shard, &p));
    metric_set(&writer_stream_length[shard], p.length);
    enum position_verdict verdict = position_judge(&p, s->cursor);
    s->leftover_checks = verdict == POSITION_LEFTOVER ? s->leftover_checks + 1 : 0;
    if (verdict == POSITION_GOOD ||
        (verdict == POSITION_LEFTOVER && s->leftover_checks < LEFTOVER_CHECKS))
        return ST_OK;
    log_warn("ingest_mark_restarted", kv_i64("shard", shard), kv_str("mark", s->cursor),
             kv_str("last_generated", p.last_generated));
    s->leftover_checks = 0;
    return restart_mark(w, shard);
}

static enum status read_marks(struct writer *w)
{
    char marks[INGEST_SHARDS][INGEST_ENTRY_ID_BYTES] = {"0-0", "0-0", "0-0", "0-0"};
    enum status st = ingest_marks_read(w->db, marks);
    health_set(&health_database, st == ST_OK);
    TRY(st);
    for (int i = 0; i < INGEST_SHARDS; i++)
        (void)str_copy(w->shards[i].cursor, sizeof(w->shards[i].cursor), marks[i]);
    w->has_marks = true;
    return ST_OK;
}

/* At start, after a failure, and whenever nothing came for a while. */
static enum status look_around(struct writer *w)
{
    TRY(read_marks(w));
    for (int i = 0; i < INGEST_SHARDS; i++)
        TRY(check_shard(w, i));
    return read_marks(w);
}

/* --- the thread --- */

static enum status turn(struct writer *w)
{
    if (!w->has_marks)
        TRY(look_around(w));
    struct rargs a;
    if (!build_read(w, &a)) {
        (void)stage_sleep(w->stage, WRITER_BUSY_MS);
        return ST_OK;
    }
    AUTO_REPLY reply = NULL;
    enum status st = redis_call_blocking(w->redis, &a, BLOCK_MS, &reply);
    health_set(&health_redis, st == ST_OK);
    TRY(st);
    if (reply->type != REDIS_REPLY_ARRAY)
        return look_around(w);
    return take_reply(w, reply);
}

static void run(struct stage *stage, void *arg)
{
    struct writer *w = arg;
    while (!stage_is_stopping(stage)) {
        enum status st = turn(w);
        if (st == ST_OK) {
            if (w->failures > 0)
                log_info("ingest_writer_recovered", kv_i64("failures", w->failures));
            w->failures = 0;
            continue;
        }
        /* Whatever it was, the outcome is unknown: PostgreSQL tells where we are. */
        w->has_marks = false;
        if (w->failures++ == 0)
            log_warn("ingest_writer_failing", kv_status(st), kv_str("database", db_error(w->db)),
                     kv_str("redis", redis_error(w->redis)));
        health_set(&health_database, db_is_connected(w->db));
        health_set(&health_redis, redis_is_connected(w->redis));
        (void)stage_sleep(stage, BACKOFF_MS + rand_backoff_ms(MIN_OF(w->failures, 10), BACKOFF_MS,
                                                              BACKOFF_CAP_MS));
    }
}

static void writer_free(struct writer *w)
{
    if (!w)
        return;
    db_free(w->db);
    redis_free(w->redis);
    arena_free(w->arena);
    map_free(w->known);
    free(w);
}

static void writer_freep(struct writer **w)
{
    writer_free(*w);
}

enum status writer_start(const struct conf *conf, struct writer **out, struct errbuf *err)
{
    CLEANUP(writer_freep) struct writer *w = calloc(1, sizeof(*w));
    if (!w)
        return ST_NO_MEMORY;
    w->count = COUNT_MIN;
    w->arena = arena_new(BATCH_ARENA_BYTES);
    w->known = map_new(WRITER_PARTITIONS_MAX);
    if (!w->arena || !w->known)
        return ST_NO_MEMORY;
    for (int i = 0; i < INGEST_SHARDS; i++)
        stream_key(i, w->shards[i].key);
    TRY(db_new(conf->database_url, "tocsin-ingest writer", &w->db, err));
    TRY(redis_new(conf->redis_url, LIMIT_REDIS_COMMAND_MS, &w->redis, err));
    TRY(stage_start("writer", run, w, &w->stage));
    *out = take(&w);
    return ST_OK;
}

void writer_stop(struct writer *w)
{
    if (!w)
        return;
    stage_join(w->stage);
    writer_free(w);
}
