/* The second factor of a person: a sealed secret, the newest code taken, recovery codes. */
#ifndef TOCSIN_STORE_USER_TOTP_H
#define TOCSIN_STORE_USER_TOTP_H

#include "auth/seal.h"
#include "auth/totp.h"
#include "base/arena.h"
#include "db/db.h"

struct user_totp {
    const char *secret; /* base32, opened */
    bool is_confirmed;
    int64_t last_step;
    int64_t confirmed_at; /* µs; 0: not yet */
    int64_t codes_left;   /* recovery codes that were not used */
};
/* ST_NOT_FOUND: there is none, not even an unconfirmed one. */
NODISCARD enum status user_totp_get(struct db *db, const struct seal_keys *seal,
                                    const struct uuid *user, struct arena *arena,
                                    struct user_totp *out);
/* Stores an unconfirmed secret in place of another unconfirmed one. ST_CONFLICT: there is one that
 * is confirmed. */
NODISCARD enum status user_totp_begin(struct db *db, const struct seal_keys *seal,
                                      const struct uuid *user, const char *secret,
                                      struct arena *arena);
/* Takes a code of the step: no code of it or of an earlier one is taken again. ST_UNAUTHENTICATED:
 * one was already, perhaps a moment ago by another process. */
NODISCARD enum status user_totp_take(struct db *db, const struct uuid *user, int64_t step,
                                     struct arena *arena);
/* Makes the secret count, with these recovery codes; takes the step. */
NODISCARD enum status user_totp_confirm(struct db *db, const struct uuid *user, int64_t step,
                                        const unsigned char (*hashes)[RECOVERY_HASH_BYTES],
                                        size_t count, struct arena *arena);
/* Puts new recovery codes in the place of all old ones. */
NODISCARD enum status recovery_codes_replace(struct db *db, const struct uuid *user,
                                             const unsigned char (*hashes)[RECOVERY_HASH_BYTES],
                                             size_t count, struct arena *arena);
/* Uses one up. ST_UNAUTHENTICATED: unknown, or used. */
NODISCARD enum status recovery_code_use(struct db *db, const struct uuid *user,
                                        const unsigned char hash[RECOVERY_HASH_BYTES],
                                        struct arena *arena);
/* Removes the second factor with all that belongs to it. ST_NOT_FOUND. */
NODISCARD enum status user_totp_remove(struct db *db, const struct uuid *user, struct arena *arena);

#endif
