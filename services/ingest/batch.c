/* Storing what was read from a metrics stream. */
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/vec.h"
#include "log/log.h"
#include "services/ingest/position.h"
#include "services/ingest/wire.h"
#include "services/ingest/writer_internal.h"

#define COUNTER(name_, help_)                                    \
    {                                                            \
        .name = (name_), .help = (help_), .type = METRIC_COUNTER \
    }
#define GAUGE(name_, help_)                                    \
    {                                                          \
        .name = (name_), .help = (help_), .type = METRIC_GAUGE \
    }
static struct metric stored_values = COUNTER("tocsin_ingest_stored_values_total",
                                             "Values of scrapes written to PostgreSQL");
static struct metric stored_rows = COUNTER("tocsin_ingest_stored_rows_total",
                                           "Rows written to PostgreSQL");
static struct metric repeats = COUNTER("tocsin_ingest_repeats_total",
                                       "Rows left out since they were stored already");
static struct metric dead = COUNTER("tocsin_ingest_dead_total",
                                    "Stream entries put aside: they could not be stored");
static struct metric lag = GAUGE("tocsin_ingest_writer_lag_ms",
                                 "Age of the oldest entry of the last batch when read");
static struct metric batch_rows = GAUGE("tocsin_ingest_batch_rows", "Rows of the last batch");
static struct metric batch_time = {.name = "tocsin_ingest_batch_seconds",
                                   .help = "Time to write a batch",
                                   .type = METRIC_HISTOGRAM};
struct metric writer_stream_length[INGEST_SHARDS] = {
    {.name = "tocsin_ingest_stream_length",
     .help = "Entries that wait",
     .labels = "shard=\"0\"",
     .type = METRIC_GAUGE},
    {.name = "tocsin_ingest_stream_length",
     .help = "Entries that wait",
     .labels = "shard=\"1\"",
     .type = METRIC_GAUGE},
    {.name = "tocsin_ingest_stream_length",
     .help = "Entries that wait",
     .labels = "shard=\"2\"",
     .type = METRIC_GAUGE},
    {.name = "tocsin_ingest_stream_length",
     .help = "Entries that wait",
     .labels = "shard=\"3\"",
     .type = METRIC_GAUGE},
};

void batch_metrics_add(void)
{
    struct metric *const all[] = {&stored_values, &stored_rows, &repeats,   &dead,
                                  &lag,           &batch_rows,  &batch_time};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metrics_add(all[i]);
    for (size_t i = 0; i < ARRAY_LEN(writer_stream_length); i++)
        metrics_add(&writer_stream_length[i]);
}

/* --- putting aside --- */

static enum status bury(struct writer *w, int shard, const struct entry *e, const char *why)
{
    log_error("ingest_entry_dead", kv_i64("shard", shard), kv_str("entry", e->id),
              kv_str("reason", why));
    metric_inc(&dead);
    char key[STREAM_KEY_BYTES];
    stream_dead_key(shard, key);
    struct rargs a;
    rargs_init(&a, "XADD");
    rargs_str(&a, key);
    rargs_str(&a, "MAXLEN");
    rargs_i64(&a, LIMIT_METRIC_DEAD_LENGTH);
    rargs_str(&a, "*");
    rargs_str(&a, "entry");
    rargs_str(&a, e->id);
    rargs_str(&a, "reason");
    rargs_str(&a, why);
    rargs_str(&a, "f");
    rargs_bytes(&a, e->data ? e->data : "", e->data ? e->len : 0);
    return redis_call(w->redis, &a, NULL);
}

/* --- one batch --- */

typedef VEC(struct scrape) scrape_vec;

static enum status decode(struct writer *w, int shard, const struct entry *entries, size_t count,
                          scrape_vec *out)
{
    for (size_t i = 0; i < count; i++) {
        struct scrape *scrapes = NULL;
        size_t n = 0;
        struct errbuf err = {"has no frame"};
        enum status st = entries[i].data ? wire_decode(entries[i].data, entries[i].len, w->arena,
                                                       &scrapes, &n, &err)
                                         : ST_INVALID;
        if (st == ST_INVALID) {
            TRY(bury(w, shard, &entries[i], err.text));
            continue;
        }
        TRY(st);
        for (size_t k = 0; k < n; k++)
            TRY(vec_push(out, scrapes[k]));
    }
    return ST_OK;
}

static enum status forget_partitions(struct writer *w)
{
    struct map *fresh = map_new(WRITER_PARTITIONS_MAX);
    if (!fresh)
        return ST_NO_MEMORY;
    map_free(w->known);
    w->known = fresh;
    return ST_OK;
}

/* Partitions are made ahead by the scheduler; this is for late samples and for its absence. Each is
 * a transaction of its own, as it locks the whole table. */
static enum status ensure_partitions(struct writer *w, const struct scrape *scrapes, size_t count)
{
    static const int64_t hour_us = 3600LL * 1000000;
    for (size_t i = 0; i < count; i++) {
        bool with_tables = scrapes[i].layout_id == 0;
        int64_t key = scrapes[i].at_us / hour_us * 2 + with_tables;
        if (map_get(w->known, &key, sizeof(key)))
            continue;
        TRY(samples_partitions_ensure(w->db, w->arena, scrapes[i].at_us, with_tables));
        if (map_set(w->known, &key, sizeof(key), w) != ST_OK)
            TRY(forget_partitions(w)); /* only costs asking again */
    }
    return ST_OK;
}

/* Inside the transaction. *is_ours: the mark is where the entries were read from. */
static enum status store_locked(struct writer *w, int shard, const scrape_vec *scrapes,
                                const char *last_id, bool *is_ours, struct samples_stored *stored)
{
    struct shard *s = &w->shards[shard];
    char mark[INGEST_ENTRY_ID_BYTES];
    enum status st = ingest_mark_lock(w->db, w->arena, shard, mark);
    if (st == ST_NOT_FOUND) {
        s->busy_until_mono_ms = clock_mono_ms() + WRITER_BUSY_MS;
        return ST_OK;
    }
    TRY(st);
    if (!str_eq(mark, s->cursor)) {
        (void)str_copy(s->cursor, sizeof(s->cursor), mark); /* another writer was here */
        return ST_OK;
    }
    TRY(samples_store(w->db, w->arena, scrapes->at, scrapes->count, stored));
    CRASH_AT("ingest.after_copy");
    TRY(ingest_mark_set(w->db, w->arena, shard, last_id));
    CRASH_AT("ingest.before_commit");
    *is_ours = true;
    return ST_OK;
}

static enum status store_batch(struct writer *w, int shard, const scrape_vec *scrapes,
                               const char *last_id, bool *is_ours)
{
    struct samples_stored stored = {0};
    TRY(ensure_partitions(w, scrapes->at, scrapes->count));
    TRY(db_begin(w->db));
    enum status st = store_locked(w, shard, scrapes, last_id, is_ours, &stored);
    if (st == ST_OK && *is_ours)
        st = db_commit(w->db);
    else
        db_rollback(w->db);
    if (st != ST_OK || !*is_ours)
        return st;
    CRASH_AT("ingest.after_commit");
    (void)str_copy(w->shards[shard].cursor, INGEST_ENTRY_ID_BYTES, last_id);
    metric_add(&stored_values, (int64_t)stored.values);
    metric_add(&stored_rows, (int64_t)stored.rows);
    metric_add(&repeats, (int64_t)stored.repeats);
    metric_set(&batch_rows, (int64_t)stored.rows);
    return ST_OK;
}

/* Entries are deleted by id, not trimmed: an older one that was never stored stays to be found. */
static enum status delete_entries(struct writer *w, int shard, const struct entry *entries,
                                  size_t count)
{
    enum { PER_COMMAND = 60 };
    const char *key = w->shards[shard].key;
    size_t sent = 0;
    for (size_t i = 0; i < count; i += PER_COMMAND, sent++) {
        struct rargs a;
        rargs_init(&a, "XDEL");
        rargs_str(&a, key);
        for (size_t k = i; k < MIN_OF(i + PER_COMMAND, count); k++)
            rargs_str(&a, entries[k].id);
        TRY(redis_append(w->redis, &a));
    }
    struct rargs a;
    rargs_init(&a, "XLEN");
    rargs_str(&a, key);
    TRY(redis_append(w->redis, &a));
    for (size_t i = 0; i < sent; i++)
        TRY(redis_fetch(w->redis, NULL));
    AUTO_REPLY length = NULL;
    TRY(redis_fetch(w->redis, &length));
    if (length->type == REDIS_REPLY_INTEGER)
        metric_set(&writer_stream_length[shard], (int64_t)length->integer);
    return ST_OK;
}

/* Stores entries as one batch, and deletes them. ST_INVALID: PostgreSQL refuses something in it. */
static enum status take_batch(struct writer *w, int shard, const struct entry *entries,
                              size_t count, bool *is_ours)
{
    int64_t start_us = clock_mono_us();
    arena_reset(w->arena);
    scrape_vec scrapes = {0};
    enum status st = decode(w, shard, entries, count, &scrapes);
    if (st == ST_OK)
        st = store_batch(w, shard, &scrapes, entries[count - 1].id, is_ours);
    vec_done(&scrapes);
    if (st != ST_OK || !*is_ours)
        return st;
    metric_observe_us(&batch_time, clock_mono_us() - start_us);
    return delete_entries(w, shard, entries, count);
}

/* One entry that a batch may have failed for. A partition that retention took away meanwhile is
 * made again; what fails even so is put aside. */
static enum status take_suspect(struct writer *w, int shard, const struct entry *e, bool *is_ours)
{
    TRY(forget_partitions(w));
    enum status st = take_batch(w, shard, e, 1, is_ours);
    if (st != ST_INVALID)
        return st;
    char why[200];
    (void)str_copy(why, sizeof(why), db_error(w->db));
    TRY(bury(w, shard, e, why));
    const scrape_vec none = {0};
    TRY(store_batch(w, shard, &none, e->id, is_ours));
    return *is_ours ? delete_entries(w, shard, e, 1) : ST_OK;
}

enum status writer_take(struct writer *w, int shard, const struct entry *entries, size_t count)
{
    int64_t first_ms = entry_id_ms(entries[0].id);
    metric_set(&lag, MAX_OF(clock_wall_ms() - first_ms, (int64_t)0));
    bool is_ours = false;
    enum status st = take_batch(w, shard, entries, count, &is_ours);
    for (size_t i = 0; i < count && st == ST_INVALID; i++) {
        is_ours = false;
        enum status one = take_suspect(w, shard, &entries[i], &is_ours);
        if (one != ST_OK || !is_ours)
            return one;
        if (i + 1 == count)
            st = ST_OK;
    }
    return st;
}
