/* Idempotency keys in PostgreSQL. */
#include "store/idempotency.h"

#include <string.h>

#include "gen/queries.h"

static void put_key(struct db_args *a, struct arena *arena, const struct idempotency_key *key)
{
    db_args_init(a, arena);
    db_arg_uuid(a, &key->org_id);
    db_arg_uuid(a, &key->owner_id);
    db_arg_str(a, key->key);
}

enum status idempotency_lock(struct db *db, struct arena *arena, const struct idempotency_key *key,
                             bool *is_ours)
{
    struct db_args a;
    put_key(&a, arena, key);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_IDEMPOTENCY_LOCK, &a, &r));
    *is_ours = row_bool(r, 0, "is_ours");
    return ST_OK;
}

static enum status get(struct db *db, struct arena *arena, const struct idempotency_key *key,
                       struct idempotency_record *out)
{
    struct db_args a;
    put_key(&a, arena, key);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_IDEMPOTENCY_GET, &a, &r));
    const unsigned char *fingerprint = NULL;
    size_t len = 0;
    TRY(row_bytes(r, 0, "fingerprint", arena, &fingerprint, &len));
    struct idempotency_record record = {
        .is_same = len == sizeof(key->fingerprint) &&
                   memcmp(fingerprint, key->fingerprint, len) == 0,
        .is_running = row_bool(r, 0, "is_running"),
        .status = (int)row_i64(r, 0, "status"),
    };
    if (!row_is_null(r, 0, "reply"))
        TRY(row_bytes(r, 0, "reply", arena, &record.reply, &record.reply_len));
    *out = record;
    return ST_OK;
}

enum status idempotency_claim(struct db *db, struct arena *arena, const struct idempotency_key *key,
                              struct idempotency_record *record)
{
    struct db_args a;
    put_key(&a, arena, key);
    db_arg_bytes(&a, key->fingerprint, sizeof(key->fingerprint));
    db_arg_i64(&a, LIMIT_IDEMPOTENCY_RUN_MS);
    db_arg_i64(&a, LIMIT_IDEMPOTENCY_KEEP_MS);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_IDEMPOTENCY_CLAIM, &a, &r));
    if (PQntuples(r) > 0)
        return ST_OK;
    const enum status st = get(db, arena, key, record);
    if (st == ST_NOT_FOUND) /* given back in this moment: the caller may come again */
        *record = (struct idempotency_record){.is_same = true, .is_running = true};
    return st == ST_OK || st == ST_NOT_FOUND ? ST_CONFLICT : st;
}

enum status idempotency_reclaim(struct db *db, struct arena *arena,
                                const struct idempotency_key *key)
{
    struct db_args a;
    put_key(&a, arena, key);
    db_arg_i64(&a, LIMIT_IDEMPOTENCY_RUN_MS);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_IDEMPOTENCY_RECLAIM, &a, &r));
    return PQntuples(r) > 0 ? ST_OK : ST_CONFLICT;
}

enum status idempotency_finish(struct db *db, struct arena *arena,
                               const struct idempotency_key *key, int status, const void *reply,
                               size_t reply_len)
{
    struct db_args a;
    put_key(&a, arena, key);
    db_arg_i64(&a, status);
    if (reply)
        db_arg_bytes(&a, reply, reply_len);
    else
        db_arg_null(&a);
    return db_query(db, &Q_IDEMPOTENCY_FINISH, &a, NULL);
}

enum status idempotency_forget(struct db *db, struct arena *arena,
                               const struct idempotency_key *key)
{
    struct db_args a;
    put_key(&a, arena, key);
    return db_query(db, &Q_IDEMPOTENCY_FORGET, &a, NULL);
}
