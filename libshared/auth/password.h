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
/* Why a new password is too easy to guess (NIST SP 800-63B, 5.1.1.2: short, common, or made of the
 * account's own names), as a text for its owner; NULL when it is not. Names may be NULL. */
const char *password_weakness(const char *password, const char *username, const char *email);

#endif
