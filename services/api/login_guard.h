/*
 * Bounds how many passwords are hashed at a time, since each takes 19 MiB and a core. (How often
 * one may try: store/login_failures.h.)
 */
#ifndef TOCSIN_API_LOGIN_GUARD_H
#define TOCSIN_API_LOGIN_GUARD_H

#include "base/defs.h"
#include "base/status.h"

struct login_guard;

/* NULL without memory. */
struct login_guard *login_guard_new(int hashes_at_a_time);
/* NULL is fine. */
void login_guard_free(struct login_guard *g);

/* password_verify and password_hash, in turn: ST_OVERLOADED when it is not ours within 5 s. */
NODISCARD enum status login_guard_verify(struct login_guard *g, const char *hash,
                                         const char *password);
NODISCARD enum status login_guard_hash(struct login_guard *g, const char *password, char *out);

#endif
