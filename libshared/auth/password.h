/* Password hashing: Argon2id (RFC 9106) by libsodium, 19 MiB and 2 passes (OWASP's minimum). */
#ifndef TOCSIN_AUTH_PASSWORD_H
#define TOCSIN_AUTH_PASSWORD_H

#include "base/defs.h"
#include "base/status.h"

#define PASSWORD_HASH_BYTES 128

/* ST_INVALID when longer than LIMIT_PASSWORD_BYTES or empty; ST_NO_MEMORY. */
NODISCARD enum status password_hash(const char *password, char out[PASSWORD_HASH_BYTES]);
/* ST_OK or ST_UNAUTHENTICATED. With hash NULL (no such user) it works just as long. */
NODISCARD enum status password_verify(const char *hash, const char *password);

#endif
