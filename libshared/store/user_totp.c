/* Queries about second factors. */
#include "store/user_totp.h"

#include "gen/queries.h"

static struct seal_place place_of(const struct uuid *user)
{
    return (struct seal_place){.table = "user_totp", .row = *user, .column = "secret"};
}

enum status user_totp_get(struct db *db, const struct seal_keys *seal, const struct uuid *user,
                          struct arena *arena, struct user_totp *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, user);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_TOTP_GET, &a, &r));
    const unsigned char *sealed = NULL;
    size_t len = 0;
    const struct seal_place place = place_of(user);
    struct user_totp t = {.is_confirmed = !row_is_null(r, 0, "confirmed_at"),
                          .last_step = row_i64(r, 0, "last_step"),
                          .confirmed_at = row_time(r, 0, "confirmed_at"),
                          .codes_left = row_i64(r, 0, "codes_left")};
    TRY(row_bytes(r, 0, "secret", arena, &sealed, &len));
    TRY(seal_open(seal, &place, sealed, len, arena, &t.secret));
    *out = t;
    return ST_OK;
}

enum status user_totp_begin(struct db *db, const struct seal_keys *seal, const struct uuid *user,
                            const char *secret, struct arena *arena)
{
    const struct seal_place place = place_of(user);
    unsigned char *sealed = NULL;
    size_t len = 0;
    TRY(seal_close(seal, &place, secret, arena, &sealed, &len));
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, user);
    db_arg_bytes(&a, sealed, len);
    const enum status st = db_query_one(db, &Q_TOTP_BEGIN, &a, NULL);
    return st == ST_NOT_FOUND ? ST_CONFLICT : st;
}

static enum status with_step(struct db *db, const struct query *q, const struct uuid *user,
                             int64_t step, struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, user);
    db_arg_i64(&a, step);
    return db_query_one(db, q, &a, NULL);
}

enum status user_totp_take(struct db *db, const struct uuid *user, int64_t step,
                           struct arena *arena)
{
    const enum status st = with_step(db, &Q_TOTP_TAKE, user, step, arena);
    return st == ST_NOT_FOUND ? ST_UNAUTHENTICATED : st;
}

struct codes {
    const struct uuid *user;
    const unsigned char (*hashes)[RECOVERY_HASH_BYTES];
    size_t count;
    struct arena *arena;
    bool confirms;
    int64_t step;
};

static enum status write_codes(struct db *db, void *arg)
{
    const struct codes *c = arg;
    if (c->confirms)
        TRY(with_step(db, &Q_TOTP_CONFIRM, c->user, c->step, c->arena));
    struct db_args a;
    db_args_init(&a, c->arena);
    db_arg_uuid(&a, c->user);
    TRY(db_query(db, &Q_RECOVERY_CODES_CLEAR, &a, NULL));
    for (size_t i = 0; i < c->count; i++) {
        db_args_init(&a, c->arena);
        db_arg_uuid(&a, c->user);
        db_arg_bytes(&a, c->hashes[i], RECOVERY_HASH_BYTES);
        TRY(db_query(db, &Q_RECOVERY_CODE_INSERT, &a, NULL));
    }
    return ST_OK;
}

enum status user_totp_confirm(struct db *db, const struct uuid *user, int64_t step,
                              const unsigned char (*hashes)[RECOVERY_HASH_BYTES], size_t count,
                              struct arena *arena)
{
    struct codes c = {user, hashes, count, arena, true, step};
    return db_transact(db, write_codes, &c);
}

enum status recovery_codes_replace(struct db *db, const struct uuid *user,
                                   const unsigned char (*hashes)[RECOVERY_HASH_BYTES], size_t count,
                                   struct arena *arena)
{
    struct codes c = {user, hashes, count, arena, false, 0};
    return db_transact(db, write_codes, &c);
}

enum status recovery_code_use(struct db *db, const struct uuid *user,
                              const unsigned char hash[RECOVERY_HASH_BYTES], struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, user);
    db_arg_bytes(&a, hash, RECOVERY_HASH_BYTES);
    const enum status st = db_query_one(db, &Q_RECOVERY_CODE_USE, &a, NULL);
    return st == ST_NOT_FOUND ? ST_UNAUTHENTICATED : st;
}

enum status user_totp_remove(struct db *db, const struct uuid *user, struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, user);
    return db_query_one(db, &Q_TOTP_REMOVE, &a, NULL);
}
