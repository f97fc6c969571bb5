/* COPY in both directions, in its binary form (PostgreSQL manual, COPY, binary format). */
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "db/internal.h"

/* Signature, no flags, no header extension. */
static const char header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

/* --- to the server --- */

enum status db_copy_begin(struct db *db, const char *copy_sql)
{
    AUTO_RESULT r = NULL;
    TRY(db_ready(db));
    TRY(db_exec_now(db, copy_sql, &r));
    if (PQresultStatus(r) != PGRES_COPY_IN)
        return ST_INTERNAL;
    db->is_copying = true;
    return db_copy_put(db, header, sizeof(header));
}

enum status db_copy_put(struct db *db, const void *data, size_t len)
{
    if (!db->is_copying || !db->conn)
        return db->failed != ST_OK ? db->failed : ST_INTERNAL;
    const char *at = data;
    while (len > 0) {
        /* Flushed piece by piece, so that libpq's buffer stays small. */
        size_t piece = MIN_OF(len, (size_t)(256 * 1024));
        if (PQputCopyData(db->conn, at, (int)piece) != 1)
            return db_failed(db, "COPY", NULL);
        TRY(db_flush(db, clock_mono_ms() + db->limit_ms));
        at += piece;
        len -= piece;
    }
    return ST_OK;
}

enum status db_copy_end(struct db *db)
{
    static const char trailer[2] = "\377\377";
    TRY(db_copy_put(db, trailer, sizeof(trailer)));
    if (PQputCopyEnd(db->conn, NULL) != 1)
        return db_failed(db, "COPY", NULL);
    db->is_copying = false;
    return db_collect(db, "COPY", NULL);
}

/* --- from the server --- */

enum status db_begin_reading(struct db *db)
{
    char sql[160];
    (void)snprintf(sql, sizeof(sql),
                   "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                   "SET LOCAL statement_timeout = %d",
                   LIMIT_DB_STREAM_MS);
    TRY(db_begin(db));
    const enum status st = db_exec(db, sql);
    if (st != ST_OK)
        db_rollback(db);
    return st;
}

enum status db_stream_begin(struct db *db, const struct query *q)
{
    if (!db->in_transaction || db->is_copying)
        return ST_INTERNAL;
    AUTO_FREE char *sql = NULL;
    AUTO_RESULT r = NULL;
    if (asprintf(&sql, "COPY (%s) TO STDOUT (FORMAT binary)", q->sql) < 0)
        return ST_NO_MEMORY;
    TRY(db_ready(db));
    TRY(db_exec_now(db, sql, &r));
    if (PQresultStatus(r) != PGRES_COPY_OUT)
        return ST_INTERNAL;
    db->is_copying = true;
    db->stream.at = db->stream.len = 0;
    db->stream.has_header = false;
    db->stream.deadline_mono_ms = clock_mono_ms() + db->limit_ms;
    return ST_OK;
}

/* What the server sends is no such stream, which only a new connection mends. */
static enum status corrupt(struct db *db)
{
    db_disconnect(db);
    db->failed = ST_CORRUPT;
    return ST_CORRUPT;
}

static bool take_bytes(struct db *db, void *out, size_t n)
{
    if (db->stream.len - db->stream.at < n)
        return false;
    memcpy(out, db->stream.message + db->stream.at, n);
    db->stream.at += n;
    return true;
}

static bool take_header(struct db *db)
{
    char found[sizeof(header)];
    if (db->stream.has_header)
        return true;
    db->stream.has_header = true;
    return take_bytes(db, found, sizeof(found)) && memcmp(found, header, sizeof(header)) == 0;
}

static bool take_field(struct db *db, struct db_field *out)
{
    uint32_t size = 0;
    if (!take_bytes(db, &size, sizeof(size)))
        return false;
    out->len = (int32_t)be32toh(size);
    out->data = (const unsigned char *)db->stream.message + db->stream.at;
    if (out->len < 0)
        return out->len == -1;
    if (db->stream.len - db->stream.at < (size_t)out->len)
        return false;
    db->stream.at += (size_t)out->len;
    return true;
}

/* Of the message that is there, the next row. A trailer has no fields: *count is -1. */
static bool take_row(struct db *db, struct db_row *row)
{
    uint16_t count = 0;
    if (!take_header(db) || !take_bytes(db, &count, sizeof(count)))
        return false;
    row->count = (int16_t)be16toh(count);
    if (row->count > DB_STREAM_FIELDS)
        return false;
    for (int i = 0; i < row->count; i++) {
        if (!take_field(db, &row->field[i]))
            return false;
    }
    return true;
}

/* The next message, if one comes within wait_ms. */
static enum status receive(struct db *db, int64_t wait_ms, enum db_stream *what)
{
    int64_t until_mono_ms = -1;
    PQfreemem(db->stream.message);
    db->stream.message = NULL;
    for (;;) {
        const int n = PQgetCopyData(db->conn, &db->stream.message, 1);
        if (n > 0) {
            db->stream.at = 0;
            db->stream.len = (size_t)n;
            *what = DB_STREAM_ROW;
            return ST_OK;
        }
        if (n < 0) {
            db->is_copying = false;
            *what = DB_STREAM_END;
            return db_collect(db, "COPY", NULL);
        }
        /* The limit is on the server's silence, not on how long all of it takes. */
        if (until_mono_ms < 0)
            until_mono_ms = clock_mono_ms() + wait_ms;
        const int64_t deadline = MIN_OF(until_mono_ms, db->stream.deadline_mono_ms);
        if (db_wait_socket(db, POLLIN, deadline) != ST_OK) {
            if (clock_mono_ms() >= db->stream.deadline_mono_ms)
                return db_gave_up(db, "COPY");
            *what = DB_STREAM_WAITS;
            return ST_OK;
        }
        if (PQconsumeInput(db->conn) == 0)
            return db_failed(db, "COPY", NULL);
        db->stream.deadline_mono_ms = clock_mono_ms() + db->limit_ms;
    }
}

enum status db_stream_next(struct db *db, int64_t wait_ms, struct db_row *row, enum db_stream *what)
{
    if (!db->is_copying || !db->conn)
        return db->failed != ST_OK ? db->failed : ST_INTERNAL;
    for (;;) {
        if (db->stream.at == db->stream.len) {
            TRY(receive(db, wait_ms, what));
            if (*what != DB_STREAM_ROW)
                return ST_OK;
        }
        if (!take_row(db, row))
            return corrupt(db);
        *what = DB_STREAM_ROW;
        if (row->count >= 0)
            return ST_OK;
    }
}

/* --- fields --- */

static bool has_size(const struct db_field *f, size_t n)
{
    return f->len >= 0 && (size_t)f->len == n;
}

struct uuid db_field_uuid(const struct db_field *f)
{
    struct uuid id = {{0}};
    if (has_size(f, sizeof(id.b)))
        memcpy(id.b, f->data, sizeof(id.b));
    return id;
}

int64_t db_field_i64(const struct db_field *f)
{
    uint64_t v = 0;
    if (f->len < 0 || (size_t)f->len > sizeof(v))
        return 0;
    for (int32_t i = 0; i < f->len; i++)
        v = v << 8 | f->data[i];
    /* A narrower number's sign is its own. */
    const int unused = 64 - 8 * f->len;
    return f->len == 0 ? 0 : (int64_t)(v << unused) >> unused;
}

bool db_field_bool(const struct db_field *f)
{
    return has_size(f, 1) && f->data[0] != 0;
}

int64_t db_field_time(const struct db_field *f)
{
    /* From 2000 on, and ±infinity as row_time has it. */
    const int64_t epoch_us = 946684800LL * 1000000;
    if (!has_size(f, sizeof(int64_t)))
        return 0;
    const int64_t v = db_field_i64(f);
    return v == INT64_MAX || v == INT64_MIN ? v : v + epoch_us;
}
