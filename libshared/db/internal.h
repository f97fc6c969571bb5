/* What the files of db/ share: the connection and how its calls end. */
#ifndef TOCSIN_DB_INTERNAL_H
#define TOCSIN_DB_INTERNAL_H

#include "base/map.h"
#include "db/db.h"

enum {
    SQLSTATE_BYTES = 6,
    /* The server ends a statement at its time limit; the client gives up only after that. */
    DB_CLIENT_GRACE_MS = 3000
};

struct db {
    char *conninfo;
    char *name;
    char *options; /* session settings of every connection */
    PGconn *conn;
    struct map *prepared; /* names of statements that this connection knows */
    int64_t limit_ms;     /* how long the client waits for one statement */
    bool in_transaction;
    bool is_held;       /* db_hold: transactions are savepoints of an outer one */
    bool is_held_lost;  /* … whose connection is gone */
    char required[512]; /* db_require */
    enum status failed; /* why the rest of the transaction cannot run; ST_OK while it can */
    bool is_copying;
    struct {           /* rows that come by db_stream_next */
        char *message; /* libpq's */
        size_t at, len;
        bool has_header;
        int64_t deadline_mono_ms; /* the server must have said something by then */
    } stream;
    bool is_serialization; /* the last failure was 40001 or 40P01 */
    int connect_failures;  /* in a row */
    int64_t connect_after_mono_ms;
    char actor[LIMIT_DB_ACTOR_BYTES + 1];         /* whose changes the next statements are */
    char session_actor[LIMIT_DB_ACTOR_BYTES + 1]; /* what the session's setting says */
    char sqlstate[SQLSTATE_BYTES];
    char error[512];
};

/* Connects unless connected. ST_UNAVAILABLE while the backoff lasts, too. */
NODISCARD enum status db_ready(struct db *db);
/* Closes it; what the session knew is forgotten. */
void db_disconnect(struct db *db);
/* Runs text on the connection that is there. */
NODISCARD enum status db_exec_now(struct db *db, const char *sql, PGresult **out);
/* What failed first is what the caller wants to read, not how cleaning up after it went. */
void db_restore_error(struct db *db, const struct db *before);
/* Waits for everything sent to be answered; the last result, or the first failure's status. In
 * COPY mode, of either direction, it returns with that result. */
NODISCARD enum status db_collect(struct db *db, const char *what, PGresult **out);
/* Writes out what libpq has buffered. */
NODISCARD enum status db_flush(struct db *db, int64_t deadline_mono_ms);
/* ST_OK when the socket is ready (or broken: libpq will tell), ST_TIMEOUT. */
NODISCARD enum status db_wait_socket(const struct db *db, short events, int64_t deadline_mono_ms);
/* The server did not answer in time: forgets the connection and spoils a transaction. */
enum status db_gave_up(struct db *db, const char *what);
/* Keeps the failure's detail, forgets a lost connection and spoils a transaction. */
enum status db_failed(struct db *db, const char *what, const PGresult *r);

#endif
