/* Counting failed sign-ins, strictly: the row's lock lets one attempt pass after another. */
#include "store/login_failures.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>

#include "gen/queries.h"

_Static_assert(LOGIN_KEY_BYTES == crypto_hash_sha256_BYTES, "a key is a digest");

static void digest(char kind, const void *bytes, size_t len, unsigned char *out)
{
    crypto_hash_sha256_state s;
    (void)crypto_hash_sha256_init(&s);
    (void)crypto_hash_sha256_update(&s, (const unsigned char *)&kind, 1);
    (void)crypto_hash_sha256_update(&s, bytes, len);
    (void)crypto_hash_sha256_final(&s, out);
}

void login_attempt_of(const char *account, const void *address, size_t len,
                      struct login_attempt *out)
{
    char lower[512];
    size_t n = 0;
    for (; account[n] && n < sizeof(lower); n++)
        lower[n] = (char)tolower((unsigned char)account[n]);
    digest('u', lower, n, out->account);
    digest('a', address, len, out->address);
}

static void wait_args(struct db_args *a, struct arena *arena, const unsigned char *key,
                      int64_t allowed)
{
    db_args_init(a, arena);
    db_arg_bytes(a, key, LOGIN_KEY_BYTES);
    db_arg_i64(a, allowed);
    db_arg_i64(a, LOGIN_WAIT_MAX_S);
}

/* ST_CONFLICT: it has to wait. */
static enum status count(struct db *db, struct arena *arena, const unsigned char *key,
                         int64_t allowed, int64_t *wait_s)
{
    struct db_args a;
    wait_args(&a, arena, key, allowed);
    db_arg_i64(&a, LOGIN_FORGET_S);
    const enum status st = db_query_one(db, &Q_LOGIN_FAILURE_COUNT, &a, NULL);
    if (st != ST_NOT_FOUND)
        return st;
    wait_args(&a, arena, key, allowed);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_LOGIN_FAILURE_WAIT, &a, &r));
    *wait_s = MAX_OF(row_i64(r, 0, "wait_s"), 1);
    return ST_CONFLICT;
}

struct begin {
    const struct login_attempt *attempt;
    struct arena *arena;
    int64_t *wait_s;
};

/* The address first, always: two attempts wait for each other in one order. */
static enum status begin(struct db *db, void *arg)
{
    const struct begin *b = arg;
    TRY(count(db, b->arena, b->attempt->address, LOGIN_FREE_FAILURES_ADDRESS, b->wait_s));
    return count(db, b->arena, b->attempt->account, LOGIN_FREE_FAILURES_ACCOUNT, b->wait_s);
}

enum status login_attempt_begin(struct db *db, const struct login_attempt *attempt,
                                struct arena *arena, int64_t *wait_s)
{
    int64_t wait = 0;
    struct begin b = {attempt, arena, &wait};
    const enum status st = db_transact(db, begin, &b);
    if (st != ST_OK && st != ST_CONFLICT)
        return st;
    *wait_s = wait;
    return ST_OK;
}

enum status login_attempt_succeeded(struct db *db, const struct login_attempt *attempt,
                                    struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_bytes(&a, attempt->account, LOGIN_KEY_BYTES);
    db_arg_bytes(&a, attempt->address, LOGIN_KEY_BYTES);
    return db_query(db, &Q_LOGIN_FAILURE_FORGIVE, &a, NULL);
}
