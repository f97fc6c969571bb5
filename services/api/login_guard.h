/*
 * Slows down the guessing of passwords: after some failures an account, or an address, has to wait
 * before the next attempt is even looked at, twice as long each time up to a minute. Nobody is
 * locked out for good, and what is remembered is bounded. Also bounds how many passwords are hashed
 * at a time, since each takes 19 MiB and a core.
 */
#ifndef TOCSIN_API_LOGIN_GUARD_H
#define TOCSIN_API_LOGIN_GUARD_H

#include "base/defs.h"
#include "base/status.h"
#include "services/api/rate_limit.h"

struct login_guard;

enum {
    LOGIN_FREE_FAILURES_ACCOUNT = 5,  /* before an account has to wait */
    LOGIN_FREE_FAILURES_ADDRESS = 20, /* … and an address: people share them */
    LOGIN_WAIT_MAX_S = 60,
    LOGIN_FORGET_S = 900 /* this long after the last failure all is forgotten */
};

/* NULL without memory. */
struct login_guard *login_guard_new(size_t entries, int hashes_at_a_time);
/* NULL is fine. */
void login_guard_free(struct login_guard *g);

/* Whom an attempt counts against: the account as typed, whether or not it exists. */
struct login_attempt {
    const char *account;
    struct rate_key address;
    int64_t now_us;
};
/* 0: go on; else the seconds to wait. */
int64_t login_guard_wait_s(struct login_guard *g, const struct login_attempt *a);
/* Counts a failure, or forgets those of the account after a success. */
void login_guard_note(struct login_guard *g, const struct login_attempt *a, bool success);

/* password_verify and password_hash, in turn: ST_OVERLOADED when it is not ours within 5 s. */
NODISCARD enum status login_guard_verify(struct login_guard *g, const char *hash,
                                         const char *password);
NODISCARD enum status login_guard_hash(struct login_guard *g, const char *password, char *out);

#endif
