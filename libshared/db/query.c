/* One statement: sent, waited for within a time limit, answered. */
#include "db/query.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "db/internal.h"

enum status db_wait_socket(const struct db *db, short events, int64_t deadline_mono_ms)
{
    for (;;) {
        int64_t left = deadline_mono_ms - clock_mono_ms();
        if (left <= 0)
            return ST_TIMEOUT;
        struct pollfd p = {.fd = PQsocket(db->conn), .events = events};
        int n = poll(&p, 1, (int)MIN_OF(left, (int64_t)INT32_MAX));
        if (n > 0 || (n < 0 && errno != EINTR))
            return ST_OK;
    }
}

enum status db_flush(struct db *db, int64_t deadline_mono_ms)
{
    for (;;) {
        int more = PQflush(db->conn);
        if (more == 0)
            return ST_OK;
        if (more < 0)
            return db_failed(db, "flush", NULL);
        if (db_wait_socket(db, POLLIN | POLLOUT, deadline_mono_ms) != ST_OK)
            return db_gave_up(db, "flush");
        if (PQconsumeInput(db->conn) == 0)
            return db_failed(db, "flush", NULL);
    }
}

enum status db_collect(struct db *db, const char *what, PGresult **out)
{
    int64_t deadline = clock_mono_ms() + db->limit_ms;
    TRY(db_flush(db, deadline));

    AUTO_RESULT last = NULL;
    for (;;) {
        while (PQisBusy(db->conn)) {
            if (db_wait_socket(db, POLLIN, deadline) != ST_OK)
                return db_gave_up(db, what);
            if (PQconsumeInput(db->conn) == 0)
                return db_failed(db, what, last);
        }
        PGresult *r = PQgetResult(db->conn);
        if (!r)
            break;
        /* The first failure is the reason; what follows it is noise. */
        if (last && PQresultStatus(last) == PGRES_FATAL_ERROR) {
            PQclear(r);
        } else {
            PQclear(last);
            last = r;
        }
        if (PQresultStatus(last) == PGRES_COPY_IN || PQresultStatus(last) == PGRES_COPY_OUT)
            break;
    }
    switch (last ? PQresultStatus(last) : PGRES_EMPTY_QUERY) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
        if (out)
            *out = take(&last);
        return ST_OK;
    case PGRES_EMPTY_QUERY:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
    case PGRES_COPY_BOTH:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
    default:
        return db_failed(db, what, last);
    }
}

static enum status prepare(struct db *db, const struct query *q)
{
    size_t len = strlen(q->name);
    if (map_get(db->prepared, q->name, len))
        return ST_OK;
    if (PQsendPrepare(db->conn, q->name, q->sql, 0, NULL) == 0)
        return db_failed(db, q->name, NULL);
    TRY(db_collect(db, q->name, NULL));
    return map_set(db->prepared, q->name, len, db);
}

enum status db_set_actor(struct db *db, const char *actor)
{
    const bool fits = str_copy(db->actor, sizeof(db->actor), actor ? actor : "");
    if (!fits)
        db->actor[0] = '\0';
    return fits ? ST_OK : ST_TOO_LARGE;
}

/* Tells a session whose single statement comes next. Whoever only reads need not be known. */
static enum status tell_actor(struct db *db, const struct query *q)
{
    if (db->in_transaction || db->is_held || str_eq(db->actor, db->session_actor) ||
        str_starts(q->sql, "SELECT"))
        return ST_OK;
    const char *const value[] = {db->actor};
    if (PQsendQueryParams(db->conn, "SELECT set_config('tocsin.actor', $1, false)", 1, NULL, value,
                          NULL, NULL, 0) == 0)
        return db_failed(db, "set_config", NULL);
    TRY(db_collect(db, "set_config", NULL));
    (void)str_copy(db->session_actor, sizeof(db->session_actor), db->actor);
    return ST_OK;
}

static enum status query_unprepared(struct db *db, const struct query *q,
                                    const struct db_args *args, PGresult **out)
{
    int sent = args ? PQsendQueryParams(db->conn, q->sql, args->count, NULL, args->value,
                                        args->length, args->format, 0)
                    : PQsendQueryParams(db->conn, q->sql, 0, NULL, NULL, NULL, NULL, 0);
    if (sent == 0)
        return db_failed(db, q->name, NULL);
    return db_collect(db, q->name, out);
}

void db_restore_error(struct db *db, const struct db *before)
{
    memcpy(db->error, before->error, sizeof(db->error));
    memcpy(db->sqlstate, before->sqlstate, sizeof(db->sqlstate));
    db->is_serialization = before->is_serialization;
}

static enum status run(struct db *db, const struct query *q, const struct db_args *args,
                       PGresult **out)
{
    if (str_ends(q->sql, QUERY_PLAN_EACH))
        return query_unprepared(db, q, args, out);
    TRY(prepare(db, q));
    int sent = args ? PQsendQueryPrepared(db->conn, q->name, args->count, args->value, args->length,
                                          args->format, 0)
                    : PQsendQueryPrepared(db->conn, q->name, 0, NULL, NULL, NULL, 0);
    if (sent == 0)
        return db_failed(db, q->name, NULL);
    return db_collect(db, q->name, out);
}

/* Inside a held transaction a failure must not end what came before. */
static enum status run_alone(struct db *db, const struct query *q, const struct db_args *args,
                             PGresult **out)
{
    TRY(db_exec_now(db, "SAVEPOINT one_statement", NULL));
    const enum status st = run(db, q, args, out);
    if (st == ST_OK)
        return db_exec_now(db, "RELEASE one_statement", NULL);
    const struct db before = *db;
    if (db->conn &&
        db_exec_now(db, "ROLLBACK TO one_statement; RELEASE one_statement", NULL) != ST_OK)
        db_disconnect(db);
    db_restore_error(db, &before);
    return st;
}

enum status db_query(struct db *db, const struct query *q, const struct db_args *args,
                     PGresult **out)
{
    if (args && args->failed) {
        if (db->in_transaction)
            db->failed = ST_NO_MEMORY;
        return ST_NO_MEMORY;
    }
    TRY(db_ready(db));
    TRY(tell_actor(db, q));
    return db->is_held && !db->in_transaction ? run_alone(db, q, args, out) : run(db, q, args, out);
}

enum status db_query_one(struct db *db, const struct query *q, const struct db_args *args,
                         PGresult **out)
{
    AUTO_RESULT r = NULL;
    TRY(db_query(db, q, args, &r));
    if (PQntuples(r) == 0)
        return ST_NOT_FOUND;
    if (out)
        *out = take(&r);
    return ST_OK;
}

int64_t db_affected(const PGresult *r)
{
    /* libpq's argument lacks a const; it is not changed. */
    int64_t n = 0;
    return str_to_i64(PQcmdTuples((PGresult *)(uintptr_t)r), &n) == ST_OK ? n : 0;
}

enum status db_exec_now(struct db *db, const char *sql, PGresult **out)
{
    if (PQsendQuery(db->conn, sql) == 0)
        return db_failed(db, sql, NULL);
    return db_collect(db, sql, out);
}

enum status db_exec(struct db *db, const char *sql)
{
    TRY(db_ready(db));
    return db_exec_now(db, sql, NULL);
}

enum status db_ping(struct db *db)
{
    return db_exec(db, "SELECT 1");
}
