/*
 * Failed sign-ins, in PostgreSQL: what one API process has seen holds in all of them and after a
 * restart, and no other store is needed to sign in. An attempt is counted before the password is
 * looked at, so that many at a time are no way round the wait; a success takes its count back.
 */
#ifndef TOCSIN_STORE_LOGIN_FAILURES_H
#define TOCSIN_STORE_LOGIN_FAILURES_H

#include "base/arena.h"
#include "db/db.h"

enum {
    LOGIN_FREE_FAILURES_ACCOUNT = 5,  /* before an account has to wait */
    LOGIN_FREE_FAILURES_ADDRESS = 20, /* … and an address: people share them */
    LOGIN_WAIT_MAX_S = 60,
    LOGIN_FORGET_S = 900, /* this long after the last failure all is forgotten */
    LOGIN_KEY_BYTES = 32
};

/* Whom an attempt counts against: the account as typed, whether or not it exists. */
struct login_attempt {
    unsigned char account[LOGIN_KEY_BYTES];
    unsigned char address[LOGIN_KEY_BYTES];
};
/* account without regard to case; address any bytes that stand for one. */
void login_attempt_of(const char *account, const void *address, size_t len,
                      struct login_attempt *out);

/* Counts the attempt as a failure. *wait_s is 0, or the seconds to wait: nothing is counted then.
 */
NODISCARD enum status login_attempt_begin(struct db *db, const struct login_attempt *attempt,
                                          struct arena *arena, int64_t *wait_s);
/* It was none: the account's failures are forgotten, the address has one less (somebody who guesses
 * may own one account there). */
NODISCARD enum status login_attempt_succeeded(struct db *db, const struct login_attempt *attempt,
                                              struct arena *arena);

#endif
