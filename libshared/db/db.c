/*
 * The connection: opened when needed, closed at its first failure. libpq runs in non-blocking mode
 * under our own poll, because a stopped server on a local socket would otherwise block for ever.
 */
#include "db/db.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rand.h"
#include "base/str.h"
#include "db/internal.h"
#include "log/log.h"

enum { PREPARED_MAX = 4096, CONNECT_BACKOFF_BASE_MS = 100, CONNECT_BACKOFF_CAP_MS = 2000 };

/* --- opening and closing --- */

/* The caller's own -c options stay, and ours follow so that they win. */
static enum status options_of(const char *conninfo, char **out, struct errbuf *err)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &message);
    if (!options) {
        enum status st = err_set(err, ST_INVALID, "database connection: %s",
                                 message ? message : "not understood");
        PQfreemem(message);
        return st;
    }
    const char *given = "";
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (str_eq(o->keyword, "options") && o->val)
            given = o->val;
    }
    /* The planner reckons with disks that turn: a page of an index would cost as much as four of a
     * table read from its beginning, and lists would read whole tables. Compiling a plan takes
     * longer than any list may, and so does starting processes to help. What the caller gave for
     * these stays. */
    int n = asprintf(out,
                     "-c random_page_cost=1.1 -c jit=off -c max_parallel_workers_per_gather=0 %s "
                     "-c statement_timeout=%d -c TimeZone=UTC -c DateStyle=ISO -c bytea_output=hex",
                     given, LIMIT_DB_STATEMENT_MS);
    PQconninfoFree(options);
    return n < 0 ? ST_NO_MEMORY : ST_OK;
}

enum status db_new(const char *conninfo, const char *name, struct db **out, struct errbuf *err)
{
    AUTO_DB db = calloc(1, sizeof(*db));
    if (!db)
        return ST_NO_MEMORY;
    TRY(options_of(conninfo, &db->options, err));
    TRY(str_dup(conninfo, &db->conninfo));
    TRY(str_dup(name, &db->name));
    db->prepared = map_new(PREPARED_MAX);
    if (!db->prepared)
        return ST_NO_MEMORY;
    db->limit_ms = LIMIT_DB_STATEMENT_MS + DB_CLIENT_GRACE_MS;
    *out = take(&db);
    return ST_OK;
}

void db_disconnect(struct db *db)
{
    PQfinish(db->conn);
    db->conn = NULL;
    db->is_copying = false;
    PQfreemem(db->stream.message);
    db->stream.message = NULL;
    db->session_actor[0] = '\0';
    map_free(db->prepared);
    db->prepared = map_new(PREPARED_MAX);
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_disconnect(db);
    map_free(db->prepared);
    free(db->options);
    free(db->conninfo);
    free(db->name);
    free(db);
}

static void keep_error(struct db *db, const char *text)
{
    (void)str_copy(db->error, sizeof(db->error), text ? text : "");
    size_t len = strlen(db->error);
    while (len > 0 && (db->error[len - 1] == '\n' || db->error[len - 1] == ' '))
        db->error[--len] = '\0';
}

/* Time limits as library-notes has them: a vanished peer is noticed within seconds. Whatever the
 * connection string says of the same names wins, as it is expanded later. Kerberos must be asked
 * for: looking for tickets costs every process half a megabyte and every connection a little time.
 */
static PGconn *open_connection(const struct db *db)
{
    const char *const keywords[] = {"connect_timeout",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "client_encoding",
                                    "gssencmode",
                                    "dbname",
                                    "options",
                                    "application_name",
                                    NULL};
    const char *const values[] = {"5",       "10",         "5",         "3",      "15000", "UTF8",
                                  "disable", db->conninfo, db->options, db->name, NULL};
    return PQconnectdbParams(keywords, values, 1);
}

static void log_notice(void *arg, const char *message)
{
    (void)arg;
    log_debug("db_notice", kv_str("message", message));
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* A server that was restarted closed its idle connections. Seen before a request is sent, that
 * costs nobody anything: nothing can have been done yet, so a new connection will do. Between
 * requests there may be a few notices and parameters to read; what closes is seen at the latest in
 * the read after them. */
static void drop_if_dead(struct db *db)
{
    enum { READS = 4 };
    if (db->in_transaction || db->is_held || PQtransactionStatus(db->conn) != PQTRANS_IDLE)
        return;
    for (int i = 0; i < READS && is_readable(PQsocket(db->conn)); i++) {
        if (PQconsumeInput(db->conn) == 1 && PQstatus(db->conn) == CONNECTION_OK)
            continue;
        log_info("db_connection_closed", kv_str("error", PQerrorMessage(db->conn)));
        db_disconnect(db);
        return;
    }
}

static enum status tell_required(struct db *db)
{
    static const char sql[] = "SELECT set_config('tocsin.if_match', $1, false)";
    const char *const value = db->required;
    if (PQsendQueryParams(db->conn, sql, 1, NULL, &value, NULL, NULL, 0) == 0)
        return db_failed(db, "set_config", NULL);
    const enum status st = db_collect(db, "set_config", NULL);
    if (st != ST_OK)
        db_disconnect(db);
    return st;
}

enum status db_require(struct db *db, const char *text)
{
    if (!str_copy(db->required, sizeof(db->required), text)) {
        db->required[0] = '\0';
        return ST_TOO_LARGE;
    }
    /* A connection that is not there is told when it is opened. */
    return db->conn ? tell_required(db) : ST_OK;
}

enum status db_ready(struct db *db)
{
    if (db->in_transaction && db->failed != ST_OK)
        return db->failed;
    if (db->conn)
        drop_if_dead(db);
    if (db->conn)
        return ST_OK;
    if (db->is_held) {
        db->is_held_lost = true;
        return ST_UNAVAILABLE;
    }
    int64_t now = clock_mono_ms();
    if (now < db->connect_after_mono_ms)
        return ST_UNAVAILABLE;
    if (!db->prepared)
        db->prepared = map_new(PREPARED_MAX);
    if (!db->prepared)
        return ST_NO_MEMORY;

    db->conn = open_connection(db);
    if (!db->conn)
        return ST_NO_MEMORY;
    if (PQstatus(db->conn) == CONNECTION_OK && PQsetnonblocking(db->conn, 1) == 0) {
        (void)PQsetNoticeProcessor(db->conn, log_notice, NULL);
        db->connect_failures = 0;
        return db->required[0] == '\0' ? ST_OK : tell_required(db);
    }
    keep_error(db, PQerrorMessage(db->conn));
    db_disconnect(db);
    db->connect_after_mono_ms = clock_mono_ms() + 1 +
                                rand_backoff_ms(db->connect_failures, CONNECT_BACKOFF_BASE_MS,
                                                CONNECT_BACKOFF_CAP_MS);
    if (db->connect_failures++ == 0)
        log_warn("db_unavailable", kv_str("error", db->error));
    return ST_UNAVAILABLE;
}

bool db_is_connected(const struct db *db)
{
    return db->conn && PQstatus(db->conn) == CONNECTION_OK;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

/* --- failures --- */

/* As db.h has it. */
static enum status status_of(const char *sqlstate)
{
    static const struct {
        const char *prefix; /* a class, or a whole code */
        enum status status;
    } rows[] = {
        /* the first that fits counts */
        {"TC412", ST_PRECONDITION}, {"23505", ST_CONFLICT},    {"23P01", ST_CONFLICT},
        {"23", ST_INVALID},         {"22", ST_INVALID},        {"40001", ST_UNAVAILABLE},
        {"40P01", ST_UNAVAILABLE},  {"08", ST_UNAVAILABLE},    {"53", ST_UNAVAILABLE},
        {"57P", ST_UNAVAILABLE},    {"57014", ST_UNAVAILABLE}, {"55P03", ST_UNAVAILABLE},
        {"25006", ST_UNAVAILABLE},  {"25P03", ST_UNAVAILABLE}, {"26000", ST_UNAVAILABLE},
        {"0A000", ST_UNAVAILABLE},  {"XX001", ST_CORRUPT},     {"XX002", ST_CORRUPT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_starts(sqlstate, rows[i].prefix))
            return rows[i].status;
    }
    return ST_INTERNAL;
}

/* 26000 and 0A000: the server forgot a statement or the schema changed under a plan; a new
 * connection prepares anew. */
static bool is_connection_spoilt(const struct db *db)
{
    return PQstatus(db->conn) != CONNECTION_OK || db->sqlstate[0] == '\0' ||
           str_starts(db->sqlstate, "08") || str_starts(db->sqlstate, "57P") ||
           str_eq(db->sqlstate, "26000") || str_eq(db->sqlstate, "0A000");
}

enum status db_failed(struct db *db, const char *what, const PGresult *r)
{
    const char *sqlstate = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    (void)str_copy(db->sqlstate, sizeof(db->sqlstate), sqlstate ? sqlstate : "");
    keep_error(db, primary ? primary : PQerrorMessage(db->conn));
    db->is_serialization = str_eq(db->sqlstate, "40001") || str_eq(db->sqlstate, "40P01");

    enum status st = sqlstate ? status_of(db->sqlstate) : ST_UNAVAILABLE;
    if (st == ST_INTERNAL || st == ST_CORRUPT) {
        log_error("db_statement_failed", kv_str("statement", what),
                  kv_str("sqlstate", db->sqlstate), kv_str("error", db->error));
    }
    if (is_connection_spoilt(db)) {
        log_warn("db_connection_lost", kv_str("statement", what), kv_str("error", db->error));
        db_disconnect(db);
        st = ST_UNAVAILABLE;
    }
    if (db->in_transaction)
        db->failed = st;
    return st;
}

enum status db_gave_up(struct db *db, const char *what)
{
    log_warn("db_timeout", kv_str("statement", what), kv_i64("after_ms", db->limit_ms));
    keep_error(db, "no answer within the time limit");
    db->is_serialization = false;
    db_disconnect(db);
    if (db->in_transaction)
        db->failed = ST_UNAVAILABLE;
    return ST_UNAVAILABLE;
}
