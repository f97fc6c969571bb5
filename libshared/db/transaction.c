/* Transactions: begun with the word whose they are, repeated where the server asks for that. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/crash.h"
#include "base/rand.h"
#include "base/str.h"
#include "db/internal.h"

enum {
    TRIES = 4, /* the first and three repeats */
    BACKOFF_MS = 10,
    BACKOFF_CAP_MS = 200
};

/* The actor goes along, for this transaction only: a rollback would take back the session's. */
static enum status begin(struct db *db)
{
    if (str_eq(db->actor, db->session_actor))
        return db_exec_now(db, "BEGIN", NULL);
    char *actor = PQescapeLiteral(db->conn, db->actor, strlen(db->actor));
    if (!actor)
        return ST_NO_MEMORY;
    char sql[2 * LIMIT_DB_ACTOR_BYTES + 128];
    (void)snprintf(sql, sizeof(sql), "BEGIN; SELECT set_config('tocsin.actor', %s, true)", actor);
    PQfreemem(actor);
    return db_exec_now(db, sql, NULL);
}

enum status db_begin(struct db *db)
{
    if (db->in_transaction)
        return ST_INTERNAL;
    TRY(db_ready(db));
    const enum status st = begin(db);
    if (st != ST_OK) {
        /* Half of it may have been done. */
        if (db->conn && PQtransactionStatus(db->conn) != PQTRANS_IDLE)
            db_disconnect(db);
        return st;
    }
    db->in_transaction = true;
    db->failed = ST_OK;
    return ST_OK;
}

enum status db_commit(struct db *db)
{
    if (!db->in_transaction)
        return ST_INTERNAL;
    if (db->failed != ST_OK) {
        enum status st = db->failed;
        db_rollback(db);
        return st;
    }
    CRASH_AT("db.before_commit");
    AUTO_RESULT r = NULL;
    enum status st = db_ready(db);
    if (st == ST_OK)
        st = db_exec_now(db, "COMMIT", &r);
    db->in_transaction = false;
    db->failed = ST_OK;
    if (st != ST_OK)
        return st;
    CRASH_AT("db.after_commit");
    /* The server answers ROLLBACK, without an error, to the COMMIT of a failed transaction. */
    return str_eq(PQcmdStatus(r), "COMMIT") ? ST_OK : ST_UNAVAILABLE;
}

void db_rollback(struct db *db)
{
    if (!db->in_transaction)
        return;
    db->in_transaction = false;
    db->failed = ST_OK;
    if (!db->conn)
        return;
    /* Only ever after a failure inside a COPY: a new connection is simpler than a resync. */
    if (db->is_copying || PQtransactionStatus(db->conn) == PQTRANS_ACTIVE) {
        db_disconnect(db);
        return;
    }
    /* What failed first is what the caller wants to read. */
    struct db before = *db;
    if (db_exec(db, "ROLLBACK") != ST_OK)
        db_disconnect(db);
    memcpy(db->error, before.error, sizeof(db->error));
    memcpy(db->constraint, before.constraint, sizeof(db->constraint));
    memcpy(db->sqlstate, before.sqlstate, sizeof(db->sqlstate));
    db->is_serialization = before.is_serialization;
}

enum status db_transact(struct db *db, db_transaction_fn *fn, void *arg)
{
    enum status st = ST_UNAVAILABLE;
    for (int i = 0; i < TRIES; i++) {
        db->is_serialization = false;
        TRY(db_begin(db));
        st = fn(db, arg);
        if (st == ST_OK)
            st = db_commit(db);
        else
            db_rollback(db);
        if (st == ST_OK || !db->is_serialization)
            return st;
        int64_t pause_ms = rand_backoff_ms(i, BACKOFF_MS, BACKOFF_CAP_MS);
        (void)poll(NULL, 0, (int)pause_ms);
    }
    return st;
}
