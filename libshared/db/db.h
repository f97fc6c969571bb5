/*
 * One PostgreSQL connection, used by one thread. Queries are named (db/query.h), prepared on first
 * use, and run with typed arguments. A connection that the server closed while it was idle is found
 * and opened again before anything is sent. One that is lost later is found by the call that meets
 * it (ST_UNAVAILABLE) and opened again by the next one; a statement that fails inside a transaction
 * makes the rest of it fail until db_rollback.
 *
 * What a status means: ST_UNAVAILABLE (57P0x, 08xxx, 53xxx, lost connection, time limit): try
 * later. ST_CONFLICT: a unique or exclusion constraint (23505, 23P01); ST_INVALID: another 23xxx or
 * 22xxx; ST_NOT_FOUND: db_query_one met no row. 40001 and 40P01 are ST_UNAVAILABLE as well
 * (retryable); db_transact retries them.
 */
#ifndef TOCSIN_DB_DB_H
#define TOCSIN_DB_DB_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/defs.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/uuid.h"
#include "db/query.h"

struct db;

/* `name` becomes application_name. Does not connect yet: the first query does. The library's
 * connection options (time limits, keep-alives: library-notes) are set here. ST_NO_MEMORY,
 * ST_INVALID (conninfo not understood). */
NODISCARD enum status db_new(const char *conninfo, const char *name, struct db **out,
                             struct errbuf *err);
void db_free(struct db *db);
static inline void db_freep(struct db **db)
{
    db_free(*db);
}
#define AUTO_DB CLEANUP(db_freep) struct db *
/* Connects if needed and asks for one row: for readiness. */
NODISCARD enum status db_ping(struct db *db);
/* Whether the last call left a live connection (no traffic). */
bool db_is_connected(const struct db *db);
/* The last error's text ("" if none): borrowed till the next call. */
const char *db_error(const struct db *db);

/* Arguments, in the order of $1, $2 …; values are copied into the arena or borrowed as said. */
struct db_args {
    struct arena *arena; /* for the texts of numbers and arrays */
    int count;
    bool failed; /* no memory, or more than LIMIT_DB_PARAMS: the query refuses to run */
    const char *value[LIMIT_DB_PARAMS];
    int length[LIMIT_DB_PARAMS];
    int format[LIMIT_DB_PARAMS]; /* 0 text, 1 binary */
};
void db_args_init(struct db_args *a, struct arena *arena);
void db_arg_null(struct db_args *a);
void db_arg_str(struct db_args *a, const char *s); /* borrowed; NULL is null */
void db_arg_i64(struct db_args *a, int64_t v);
void db_arg_bool(struct db_args *a, bool v);
void db_arg_uuid(struct db_args *a, const struct uuid *id);         /* NULL or nil is null */
void db_arg_time(struct db_args *a, int64_t wall_us);               /* timestamptz; 0 is null */
void db_arg_bytes(struct db_args *a, const void *data, size_t len); /* bytea, borrowed */
/* Arrays for unnest($n): text[], bigint[], boolean[], uuid[], timestamptz[]. A NULL string, nil
 * uuid or time 0 is a null element. */
void db_arg_strs(struct db_args *a, const char *const *v, size_t count);
void db_arg_i64s(struct db_args *a, const int64_t *v, size_t count);
void db_arg_uuids(struct db_args *a, const struct uuid *v, size_t count);
void db_arg_times(struct db_args *a, const int64_t *v, size_t count);
/* The same of one member of an array of structs, its values `stride` bytes apart:
 *     db_arg_uuids_of(&args, DB_COLUMN(rows, count, id));
 */
#define DB_COLUMN(rows, count, member) &(rows)->member, sizeof(*(rows)), (count)
void db_arg_strs_of(struct db_args *a, const char *const *first, size_t stride, size_t count);
void db_arg_i64s_of(struct db_args *a, const int64_t *first, size_t stride, size_t count);
void db_arg_bools_of(struct db_args *a, const bool *first, size_t stride, size_t count);
void db_arg_uuids_of(struct db_args *a, const struct uuid *first, size_t stride, size_t count);
void db_arg_times_of(struct db_args *a, const int64_t *first, size_t stride, size_t count);

static inline void pg_clear(PGresult **r)
{
    PQclear(*r);
    *r = NULL;
}
#define AUTO_RESULT CLEANUP(pg_clear) PGresult *

/* Runs a named query (args may be NULL). *out (may be NULL) is the caller's to PQclear. */
NODISCARD enum status db_query(struct db *db, const struct query *q, const struct db_args *args,
                               PGresult **out);
/* As above, but exactly one row is wanted: ST_NOT_FOUND when there is none. */
NODISCARD enum status db_query_one(struct db *db, const struct query *q, const struct db_args *args,
                                   PGresult **out);
/* Whose changes the next statements are: a JSON object (migrations: audit_who) that triggers see as
 * the setting tocsin.actor; NULL: nobody's in particular. It costs nothing until something is
 * written: it goes along with BEGIN, or precedes a single statement that is no SELECT, unless the
 * session has it already. ST_TOO_LARGE beyond LIMIT_DB_ACTOR_BYTES: it is nobody's then. */
NODISCARD enum status db_set_actor(struct db *db, const char *actor);
/* Rows touched by an INSERT/UPDATE/DELETE. */
int64_t db_affected(const PGresult *r);
/* Statements that are not prepared (migrations, partition DDL); several may be joined by ';'. */
NODISCARD enum status db_exec(struct db *db, const char *sql);

NODISCARD enum status db_begin(struct db *db);
/* ST_UNAVAILABLE here means "unknown outcome": repeat the whole transaction, idempotent by key. */
NODISCARD enum status db_commit(struct db *db);
/* Safe at any time; no effect outside a transaction. */
void db_rollback(struct db *db);
/* begin → fn → commit, rolled back unless fn returned ST_OK, and repeated (3 times, with jitter) on
 * serialization failure or deadlock. */
typedef enum status db_transaction_fn(struct db *db, void *arg);
NODISCARD enum status db_transact(struct db *db, db_transaction_fn *fn, void *arg);

/*
 * A transaction around everything that is done until it ends, whatever transactions that has of its
 * own: those become savepoints, and a statement that fails outside of them undoes itself alone.
 * COPY is not for this. After a lost connection all fails until it ends. db_hold_end commits, or
 * rolls back; ST_UNAVAILABLE from a commit means "unknown outcome", as above.
 */
NODISCARD enum status db_hold(struct db *db);
NODISCARD enum status db_hold_end(struct db *db, bool commit);

/*
 * Until it is called with "": a change or deletion of the row `<id>` fails with ST_PRECONDITION
 * unless its version is one of those named, in "<id> <version> <version> …" (tables that
 * guard_versions() knows, migrations/0006). Its owner's connection knows it also when it is opened
 * anew. ST_TOO_LARGE beyond 511 bytes.
 */
NODISCARD enum status db_require(struct db *db, const char *text);

/* COPY … FROM STDIN (FORMAT binary): open with the statement, put bytes (header and trailer are
 * ours), close. After a failure only db_rollback helps. */
NODISCARD enum status db_copy_begin(struct db *db, const char *copy_sql);
NODISCARD enum status db_copy_put(struct db *db, const void *data, size_t len);
NODISCARD enum status db_copy_end(struct db *db);

/*
 * Rows as the server finds them, however many, without keeping any: COPY … TO STDOUT of a query
 * without arguments, inside a transaction, whose rollback ends a stream that nobody wants any more.
 * Other statements must wait until it has ended. db_begin_reading begins a transaction for that:
 * all its statements see the same moment, and may take up to LIMIT_DB_STREAM_MS.
 */
enum { DB_STREAM_FIELDS = 8 };
struct db_field {
    const unsigned char *data; /* in binary form */
    int32_t len;               /* -1: null */
};
struct db_row {
    int count;
    struct db_field field[DB_STREAM_FIELDS]; /* until the next call */
};
enum db_stream {
    DB_STREAM_ROW,
    DB_STREAM_WAITS, /* nothing came so far */
    DB_STREAM_END
};
NODISCARD enum status db_begin_reading(struct db *db);
NODISCARD enum status db_stream_begin(struct db *db, const struct query *q);
/* Waits up to wait_ms, at least 1. ST_UNAVAILABLE also when the server was silent for the time
 * that a statement has; ST_CORRUPT: a row of more than DB_STREAM_FIELDS, or no row at all. */
NODISCARD enum status db_stream_next(struct db *db, int64_t wait_ms, struct db_row *row,
                                     enum db_stream *what);
struct uuid db_field_uuid(const struct db_field *f); /* nil when null, or of another type */
int64_t db_field_i64(const struct db_field *f);      /* smallint, integer, bigint; 0 when null */
bool db_field_bool(const struct db_field *f);        /* false when null */
int64_t db_field_time(const struct db_field *f);     /* timestamptz, as row_time has it */

/* Fields of a text-format result; strings copied into the arena (NULL when null or no memory). */
char *row_str(const PGresult *r, int row, const char *column, struct arena *arena);
int64_t row_i64(const PGresult *r, int row, const char *column);      /* 0 when null */
double row_f64(const PGresult *r, int row, const char *column);       /* NaN when null */
bool row_bool(const PGresult *r, int row, const char *column);        /* false when null */
struct uuid row_uuid(const PGresult *r, int row, const char *column); /* nil when null */
int64_t row_time(const PGresult *r, int row, const char *column); /* µs; 0 when null. The session's
                                       TimeZone is UTC and DateStyle ISO, set at connect */
bool row_is_null(const PGresult *r, int row, const char *column);
/* A one-dimensional text[] (or uuid[] …) as strings in the arena; NULL elements are "". ST_CORRUPT
 * for what is no array. */
NODISCARD enum status row_strs(const PGresult *r, int row, const char *column, struct arena *arena,
                               const char ***out, size_t *count);
/* A uuid[] in the arena; ST_CORRUPT for what is none. */
NODISCARD enum status row_uuids(const PGresult *r, int row, const char *column, struct arena *arena,
                                struct uuid **out, size_t *count);
/* Turns one row into the caller's struct; written on success only. */
typedef enum status row_read_fn(const PGresult *r, int row, struct arena *arena, void *out);
/* Every row through `read` into an array of structs of `bytes` bytes each, in the arena. */
NODISCARD enum status row_read_all(const PGresult *r, struct arena *arena, row_read_fn *read,
                                   size_t bytes, void **out, size_t *count);
/* bytea (hex format) decoded into the arena. */
NODISCARD enum status row_bytes(const PGresult *r, int row, const char *column, struct arena *arena,
                                const unsigned char **out, size_t *len);

#endif
