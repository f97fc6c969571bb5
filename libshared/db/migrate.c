/*
 * The migration runner. The advisory lock belongs to each migration's own transaction (no session
 * lock that a pooler could hand to somebody else), and what is missing is asked anew under it.
 */
#include "db/migrate.h"

#include <sodium.h>
#include <string.h>

#include "base/str.h"
#include "db/internal.h"
#include "gen/queries.h"
#include "log/log.h"

enum {
    MIGRATION_LIMIT_MS = 3600 * 1000, /* a migration of a large table takes its time */
    CHECKSUM_TEXT_BYTES = crypto_hash_sha256_BYTES * 2 + 1
};

/* The number only has to be ours: "tocsin" in ASCII. */
static const char lock_sql[] = "SET LOCAL statement_timeout = 0;"
                               "SELECT pg_advisory_xact_lock(127970252843374);"
                               "CREATE TABLE IF NOT EXISTS schema_migrations ("
                               " version integer PRIMARY KEY, name text NOT NULL,"
                               " checksum text NOT NULL,"
                               " applied_at timestamptz NOT NULL DEFAULT now())";

static void checksum_of(const struct migration *m, char out[CHECKSUM_TEXT_BYTES])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(hash, (const unsigned char *)m->sql, strlen(m->sql));
    str_hex(hash, sizeof(hash), out);
}

static const char *text_at(const PGresult *r, int row, int column)
{
    return PQgetvalue(r, row, column);
}

/* Compares what ran with the list: *done is how many of the list have run. */
static enum status compare(struct db *db, const struct migration *list, size_t count, size_t *done,
                           struct errbuf *err)
{
    AUTO_RESULT ran = NULL;
    TRY(db_query(db, &Q_MIGRATE_LIST, NULL, &ran));
    size_t rows = (size_t)PQntuples(ran);
    for (size_t i = 0; i < rows; i++) {
        int64_t version = row_i64(ran, (int)i, "version");
        if (i >= count || version != list[i].version)
            return err_set(err, ST_CONFLICT,
                           "the database has migration %d (%s), which this program does not know",
                           (int)version, text_at(ran, (int)i, 1));
        char checksum[CHECKSUM_TEXT_BYTES];
        checksum_of(&list[i], checksum);
        if (!str_eq(checksum, text_at(ran, (int)i, 2)))
            return err_set(err, ST_CONFLICT, "migration %d (%s) ran with another content",
                           list[i].version, list[i].name);
    }
    *done = rows;
    return ST_OK;
}

static enum status record_ran(struct db *db, const struct migration *m)
{
    AUTO_ARENA arena = arena_new(4096);
    if (!arena)
        return ST_NO_MEMORY;
    char checksum[CHECKSUM_TEXT_BYTES];
    checksum_of(m, checksum);
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_i64(&args, m->version);
    db_arg_str(&args, m->name);
    db_arg_str(&args, checksum);
    return db_query(db, &Q_MIGRATE_INSERT, &args, NULL);
}

/* Inside a transaction: runs the first one that is missing, if any. */
static enum status step(struct db *db, const struct migration *list, size_t count, bool *ran,
                        struct errbuf *err)
{
    size_t done = 0;
    *ran = false;
    TRY(db_exec(db, lock_sql));
    TRY(compare(db, list, count, &done, err));
    if (done == count)
        return ST_OK;
    const struct migration *m = &list[done];
    enum status st = db_exec(db, m->sql);
    if (st != ST_OK)
        return err_set(err, st, "migration %d (%s): %.180s", m->version, m->name, db_error(db));
    TRY(record_ran(db, m));
    log_info("db_migrated", kv_i64("version", m->version), kv_str("name", m->name));
    *ran = true;
    return ST_OK;
}

static enum status run_all(struct db *db, const struct migration *list, size_t count, int *applied,
                           struct errbuf *err)
{
    for (bool ran = true; ran;) {
        TRY(db_begin(db));
        enum status st = step(db, list, count, &ran, err);
        if (st == ST_OK)
            st = db_commit(db);
        else
            db_rollback(db);
        TRY(st);
        *applied += ran;
    }
    return ST_OK;
}

enum status db_migrate(struct db *db, const struct migration *list, size_t count, int *applied,
                       struct errbuf *err)
{
    int64_t limit_ms = db->limit_ms;
    int ran = 0;
    db->limit_ms = MIGRATION_LIMIT_MS;
    (void)err_set(err, ST_OK, "%s", "");
    enum status st = run_all(db, list, count, &ran, err);
    db->limit_ms = limit_ms;
    if (st != ST_OK && err && err->text[0] == '\0')
        (void)err_set(err, st, "%s", db_error(db));
    if (applied)
        *applied = ran;
    return st;
}

enum status db_migration_check(struct db *db, const struct migration *list, size_t count,
                               struct errbuf *err)
{
    AUTO_RESULT r = NULL;
    enum status st = db_query_one(db, &Q_MIGRATE_HAS_TABLE, NULL, &r);
    if (st != ST_OK)
        return err_set(err, ST_UNAVAILABLE, "database: %.200s", db_error(db));
    size_t done = 0;
    if (row_bool(r, 0, "exists")) {
        st = compare(db, list, count, &done, err);
        if (st == ST_CONFLICT)
            return ST_UNAVAILABLE; /* err says why */
        if (st != ST_OK)
            return err_set(err, ST_UNAVAILABLE, "database: %.200s", db_error(db));
    }
    if (done < count)
        return err_set(err, ST_UNAVAILABLE,
                       "the database lacks migration %d (%s): run tocsin migrate",
                       list[done].version, list[done].name);
    return ST_OK;
}
