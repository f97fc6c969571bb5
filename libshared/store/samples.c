/* Scrapes and structured samples, copied into PostgreSQL in binary. */
#include "store/samples.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"
#include "gen/queries.h"

enum table { TABLE_SCRAPES, TABLE_DISKS, TABLE_NETWORKS, TABLE_PROCESSES, TABLE_COUNT_ };

/* One row of a batch, whatever its table. */
struct row {
    const struct scrape *scrape;
    size_t index; /* within the scrape's list */
};

struct store {
    struct db *db;
    struct arena *arena;
    const struct scrape *scrapes;
    size_t count;
    struct map *seen; /* keys of rows that are stored, or were met before in this batch */
    struct samples_stored stored;
};

static size_t rows_of(const struct scrape *s, enum table t)
{
    switch (t) {
    case TABLE_SCRAPES:
        return s->layout_id != 0 ? 1 : 0;
    case TABLE_DISKS:
        return s->disk_count;
    case TABLE_NETWORKS:
        return s->network_count;
    case TABLE_PROCESSES:
        return s->process_count;
    case TABLE_COUNT_:
        break;
    }
    abort();
}

/* --- binary COPY rows (PostgreSQL documentation, COPY: Binary Format) --- */

static void put_u16(struct buf *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    buf_append(b, &v, sizeof(v));
}

static void put_u32(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_append(b, &v, sizeof(v));
}

static void put_u64(struct buf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buf_append(b, &v, sizeof(v));
}

static const uint32_t null_length = UINT32_MAX;

static void field_i64(struct buf *b, int64_t v)
{
    if (v == SAMPLE_NONE) {
        put_u32(b, null_length);
        return;
    }
    put_u32(b, sizeof(v));
    put_u64(b, (uint64_t)v);
}

static uint64_t f64_bits(double v)
{
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static void field_f64(struct buf *b, double v)
{
    if (isnan(v)) {
        put_u32(b, null_length);
        return;
    }
    put_u32(b, sizeof(v));
    put_u64(b, f64_bits(v));
}

static void field_bool(struct buf *b, int64_t v)
{
    if (v == SAMPLE_NONE) {
        put_u32(b, null_length);
        return;
    }
    put_u32(b, 1);
    buf_char(b, v ? 1 : 0);
}

static void field_text(struct buf *b, const char *s)
{
    size_t len = strlen(s);
    put_u32(b, (uint32_t)len);
    buf_append(b, s, len);
}

/* host_id and at, which every table begins with. Timestamps count from 2000. */
static void row_begin(struct buf *b, uint16_t fields, const struct scrape *s)
{
    static const int64_t epoch_2000_us = 946684800LL * 1000000;
    put_u16(b, fields);
    put_u32(b, sizeof(s->host_id.b));
    buf_append(b, s->host_id.b, sizeof(s->host_id.b));
    field_i64(b, s->at_us - epoch_2000_us);
}

static void row_scrape(struct buf *b, const struct scrape *s, size_t index)
{
    static const uint32_t float8_oid = 701;
    (void)index;
    row_begin(b, 4, s);
    field_i64(b, s->layout_id);
    /* An array: dimensions, no nulls, element type, then length and lower bound of the dimension.
     */
    uint32_t count = (uint32_t)s->value_count;
    put_u32(b, 20 + count * 12);
    put_u32(b, 1);
    put_u32(b, 0);
    put_u32(b, float8_oid);
    put_u32(b, count);
    put_u32(b, 1);
    for (uint32_t i = 0; i < count; i++) {
        put_u32(b, sizeof(double));
        put_u64(b, f64_bits(s->values[i]));
    }
}

static void row_disk(struct buf *b, const struct scrape *s, size_t index)
{
    const struct disk_sample *d = &s->disks[index];
    row_begin(b, 12, s);
    field_text(b, d->device);
    field_text(b, d->mount_point);
    field_text(b, d->filesystem);
    field_i64(b, d->total_bytes);
    field_i64(b, d->used_bytes);
    field_i64(b, d->available_bytes);
    field_f64(b, d->usage_percent);
    field_i64(b, d->inodes_total);
    field_i64(b, d->inodes_used);
    field_f64(b, d->inodes_percent);
}

static void row_network(struct buf *b, const struct scrape *s, size_t index)
{
    const struct network_sample *n = &s->networks[index];
    row_begin(b, 12, s);
    field_text(b, n->interface);
    field_i64(b, n->bytes_sent);
    field_i64(b, n->bytes_recv);
    field_i64(b, n->packets_sent);
    field_i64(b, n->packets_recv);
    field_i64(b, n->errors_in);
    field_i64(b, n->errors_out);
    field_i64(b, n->drop_in);
    field_i64(b, n->drop_out);
    field_bool(b, n->is_up);
}

static void row_process(struct buf *b, const struct scrape *s, size_t index)
{
    const struct process_sample *p = &s->processes[index];
    row_begin(b, 11, s);
    field_i64(b, p->pid);
    field_text(b, p->name);
    field_text(b, p->cmdline);
    field_text(b, p->username);
    field_f64(b, p->cpu_percent);
    field_i64(b, p->memory_bytes);
    field_f64(b, p->memory_percent);
    field_i64(b, p->num_threads);
    field_text(b, p->status);
}

/* What tells rows of one host and instant apart. */
static const char *key_scrape(struct arena *arena, const struct scrape *s, size_t index)
{
    (void)index;
    return arena_printf(arena, "%lld", (long long)s->layout_id);
}

static const char *key_disk(struct arena *arena, const struct scrape *s, size_t index)
{
    return arena_printf(arena, "%s\n%s", s->disks[index].device, s->disks[index].mount_point);
}

static const char *key_network(struct arena *arena, const struct scrape *s, size_t index)
{
    (void)arena;
    return s->networks[index].interface;
}

static const char *key_process(struct arena *arena, const struct scrape *s, size_t index)
{
    return arena_printf(arena, "%lld", (long long)s->processes[index].pid);
}

static const struct {
    const struct query *existing;
    const char *key_column;
    const char *copy;
    const char *(*key)(struct arena *arena, const struct scrape *s, size_t index);
    void (*row)(struct buf *b, const struct scrape *s, size_t index);
} tables[TABLE_COUNT_] = {
    [TABLE_SCRAPES] = {&Q_SCRAPES_EXISTING, "layout_id",
                       "COPY scrapes (host_id, at, layout_id, values) FROM STDIN (FORMAT binary)",
                       key_scrape, row_scrape},
    [TABLE_DISKS] = {&Q_DISK_SAMPLES_EXISTING, "key",
                     "COPY disk_samples (host_id, at, device, mount_point, filesystem, "
                     "total_bytes, used_bytes, available_bytes, usage_percent, inodes_total, "
                     "inodes_used, inodes_percent) FROM STDIN (FORMAT binary)",
                     key_disk, row_disk},
    [TABLE_NETWORKS] = {&Q_NETWORK_SAMPLES_EXISTING, "key",
                        "COPY network_samples (host_id, at, interface, bytes_sent, bytes_recv, "
                        "packets_sent, packets_recv, errors_in, errors_out, drop_in, drop_out, "
                        "is_up) FROM STDIN (FORMAT binary)",
                        key_network, row_network},
    [TABLE_PROCESSES] = {&Q_PROCESS_SAMPLES_EXISTING, "key",
                         "COPY process_samples (host_id, at, pid, name, cmdline, username, "
                         "cpu_percent, memory_bytes, memory_percent, num_threads, status) "
                         "FROM STDIN (FORMAT binary)",
                         key_process, row_process},
};

/* --- leaving out what is there --- */

/* *is_new: the row was not met before. */
static enum status remember(struct map *seen, enum table t, const struct uuid *host, int64_t at_us,
                            const char *key, bool *is_new)
{
    unsigned char bytes[1 + sizeof(host->b) + sizeof(at_us) + 2 * LIMIT_METRIC_TEXT + 8];
    size_t len = key ? strlen(key) : SIZE_MAX;
    size_t head = 1 + sizeof(host->b) + sizeof(at_us);
    if (len > sizeof(bytes) - head)
        return key ? ST_INVALID : ST_NO_MEMORY;
    bytes[0] = (unsigned char)t;
    memcpy(bytes + 1, host->b, sizeof(host->b));
    memcpy(bytes + 1 + sizeof(host->b), &at_us, sizeof(at_us));
    memcpy(bytes + head, key, len);
    *is_new = map_get(seen, bytes, head + len) == NULL;
    return *is_new ? map_set(seen, bytes, head + len, seen) : ST_OK;
}

static enum status find_existing(struct store *s, enum table t)
{
    struct uuid *hosts = arena_array(s->arena, s->count, sizeof(*hosts));
    int64_t *times = arena_array(s->arena, s->count, sizeof(*times));
    if (!hosts || !times)
        return ST_NO_MEMORY;
    size_t n = 0;
    int64_t low = INT64_MAX, high = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (rows_of(&s->scrapes[i], t) == 0)
            continue;
        hosts[n] = s->scrapes[i].host_id;
        times[n++] = s->scrapes[i].at_us;
        low = MIN_OF(low, s->scrapes[i].at_us);
        high = MAX_OF(high, s->scrapes[i].at_us);
    }
    if (n == 0)
        return ST_OK;

    struct db_args a;
    db_args_init(&a, s->arena);
    db_arg_uuids(&a, hosts, n);
    db_arg_times(&a, times, n);
    db_arg_time(&a, low);
    db_arg_time(&a, high);
    AUTO_RESULT r = NULL;
    TRY(db_query(s->db, tables[t].existing, &a, &r));
    for (int row = 0; row < PQntuples(r); row++) {
        struct uuid host = row_uuid(r, row, "host_id");
        const char *key = row_str(r, row, tables[t].key_column, s->arena);
        bool is_new = false;
        TRY(remember(s->seen, t, &host, row_time(r, row, "at"), key, &is_new));
    }
    return ST_OK;
}

/* --- the copy --- */

enum { COPY_CHUNK_BYTES = 256 * 1024, COPY_ROW_MAX_BYTES = 16 * 1024 };

/* The limit leaves room for one more row after each test: layouts and texts are bounded. */
static enum status copy_flush(struct db *db, struct buf *out, size_t above)
{
    TRY(buf_status(out));
    if (out->len <= above)
        return ST_OK;
    TRY(db_copy_put(db, out->data, out->len));
    buf_reset(out);
    return ST_OK;
}

static enum status copy_rows(struct store *s, enum table t, const struct row *rows, size_t count)
{
    AUTO_BUF out;
    buf_init(&out, COPY_CHUNK_BYTES + COPY_ROW_MAX_BYTES);
    TRY(db_copy_begin(s->db, tables[t].copy));
    for (size_t i = 0; i < count; i++) {
        tables[t].row(&out, rows[i].scrape, rows[i].index);
        TRY(copy_flush(s->db, &out, COPY_CHUNK_BYTES));
    }
    TRY(copy_flush(s->db, &out, 0));
    return db_copy_end(s->db);
}

static enum status store_table(struct store *s, enum table t)
{
    size_t total = 0;
    for (size_t i = 0; i < s->count; i++)
        total += rows_of(&s->scrapes[i], t);
    if (total == 0)
        return ST_OK;
    struct row *rows = arena_array(s->arena, total, sizeof(*rows));
    if (!rows)
        return ST_NO_MEMORY;
    TRY(find_existing(s, t));

    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct scrape *scrape = &s->scrapes[i];
        size_t count = rows_of(scrape, t);
        for (size_t k = 0; k < count; k++) {
            bool is_new = false;
            const char *key = tables[t].key(s->arena, scrape, k);
            TRY(remember(s->seen, t, &scrape->host_id, scrape->at_us, key, &is_new));
            if (!is_new) {
                s->stored.repeats++;
                continue;
            }
            rows[n++] = (struct row){scrape, k};
            s->stored.values += t == TABLE_SCRAPES ? scrape->value_count : 0;
        }
    }
    s->stored.rows += n;
    return n > 0 ? copy_rows(s, t, rows, n) : ST_OK;
}

static enum status mark_seen(struct store *s)
{
    struct uuid *hosts = arena_array(s->arena, s->count, sizeof(*hosts));
    int64_t *seen = arena_array(s->arena, s->count, sizeof(*seen));
    int64_t *metrics = arena_array(s->arena, s->count, sizeof(*metrics));
    AUTO_MAP at = map_new(s->count);
    if (!hosts || !seen || !metrics || !at)
        return ST_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct scrape *scrape = &s->scrapes[i];
        const struct uuid *known = map_get(at, scrape->host_id.b, sizeof(scrape->host_id.b));
        size_t k = known ? (size_t)(known - hosts) : n++;
        if (!known) {
            hosts[k] = scrape->host_id;
            TRY(map_set(at, scrape->host_id.b, sizeof(scrape->host_id.b), &hosts[k]));
        }
        seen[k] = MAX_OF(seen[k], scrape->received_us);
        metrics[k] = MAX_OF(metrics[k], scrape->at_us);
    }
    struct db_args a;
    db_args_init(&a, s->arena);
    db_arg_uuids(&a, hosts, n);
    db_arg_times(&a, seen, n);
    db_arg_times(&a, metrics, n);
    return db_query(s->db, &Q_HOSTS_SEEN, &a, NULL);
}

enum status samples_store(struct db *db, struct arena *arena, const struct scrape *scrapes,
                          size_t count, struct samples_stored *out)
{
    AUTO_MAP seen = map_new(SIZE_MAX);
    if (!seen)
        return ST_NO_MEMORY;
    struct store s = {.db = db, .arena = arena, .scrapes = scrapes, .count = count, .seen = seen};
    for (enum table t = 0; t < TABLE_COUNT_; t++)
        TRY(store_table(&s, t));
    if (count > 0)
        TRY(mark_seen(&s));
    *out = s.stored;
    return ST_OK;
}

/* --- marks and partitions --- */

enum status ingest_marks_read(struct db *db, char marks[][INGEST_ENTRY_ID_BYTES])
{
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_INGEST_MARKS, NULL, &r));
    for (int row = 0; row < PQntuples(r); row++) {
        int64_t shard = row_i64(r, row, "shard");
        int column = PQfnumber(r, "entry_id");
        if (shard >= 0 && shard < INGEST_SHARDS && column >= 0)
            (void)str_copy(marks[shard], INGEST_ENTRY_ID_BYTES, PQgetvalue(r, row, column));
    }
    return ST_OK;
}

enum status ingest_mark_lock(struct db *db, struct arena *arena, int shard,
                             char out[INGEST_ENTRY_ID_BYTES])
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_i64(&a, shard);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_INGEST_MARK_LOCK, &a, &r));
    const char *text = row_str(r, 0, "entry_id", arena);
    if (!text)
        return ST_NO_MEMORY;
    (void)str_copy(out, INGEST_ENTRY_ID_BYTES, text);
    return ST_OK;
}

enum status ingest_mark_set(struct db *db, struct arena *arena, int shard, const char *entry_id)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_i64(&a, shard);
    db_arg_str(&a, entry_id);
    return db_query(db, &Q_INGEST_MARK_SET, &a, NULL);
}

enum status samples_partitions_ensure(struct db *db, struct arena *arena, int64_t at_us,
                                      bool with_tables)
{
    static const struct {
        const char *table, *unit;
        bool is_table;
    } parents[] = {{"scrapes", "hour", false},
                   {"disk_samples", "day", true},
                   {"network_samples", "day", true},
                   {"process_samples", "day", true}};
    for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
        if (parents[i].is_table && !with_tables)
            continue;
        struct db_args a;
        db_args_init(&a, arena);
        db_arg_str(&a, parents[i].table);
        db_arg_str(&a, parents[i].unit);
        db_arg_time(&a, at_us);
        TRY(db_query(db, &Q_INGEST_PARTITION_ENSURE, &a, NULL));
    }
    return ST_OK;
}
