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
    const enum status st = db->is_held ? db_exec_now(db, "SAVEPOINT nested", NULL) : begin(db);
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
    AUTO_RESULT r = NULL;
    enum status st = db_ready(db);
    if (db->is_held) {
        if (st == ST_OK)
            st = db_exec_now(db, "RELEASE nested", NULL);
        db->in_transaction = false;
        db->failed = ST_OK;
        return st;
    }
    CRASH_AT("db.before_commit");
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
    const struct db before = *db;
    if (db_exec(db, db->is_held ? "ROLLBACK TO nested; RELEASE nested" : "ROLLBACK") != ST_OK)
        db_disconnect(db);
    db_restore_error(db, &before);
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
        if (db->is_held)
            return st; /* its locks and its snapshot are the outer one's: that is to be repeated */
        int64_t pause_ms = rand_backoff_ms(i, BACKOFF_MS, BACKOFF_CAP_MS);
        (void)poll(NULL, 0, (int)pause_ms);
    }
    return st;
}

enum status db_hold(struct db *db)
{
    if (db->in_transaction || db->is_held)
        return ST_INTERNAL;
    TRY(db_begin(db));
    db->in_transaction = false;
    db->is_held = true;
    db->is_held_lost = false;
    return ST_OK;
}

enum status db_hold_end(struct db *db, bool commit)
{
    if (!db->is_held)
        return ST_INTERNAL;
    db_rollback(db); /* what was left open */
    db->is_held = false;
    if (db->is_held_lost || !db->conn)
        return commit ? ST_UNAVAILABLE : ST_OK;
    db->in_transaction = true;
    if (commit)
        return db_commit(db);
    db_rollback(db);
    return ST_OK;
}
