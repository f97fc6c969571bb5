/* Argon2id through libsodium, with one cost for known and unknown users. */
#include "auth/password.h"

#include <sodium.h>
#include <string.h>

#include "base/limits.h"

_Static_assert(PASSWORD_HASH_BYTES >= crypto_pwhash_STRBYTES, "a hash must fit");

enum { PASSES = 2, MEMORY_BYTES = 19 * 1024 * 1024 };

/* Of a random password that nobody has; the same cost as a real one. */
static const char nobody[PASSWORD_HASH_BYTES] =
    "$argon2id$v=19$m=19456,t=2,p=1$/0XoS6O6GivcHGxajXXX1A$"
    "VY+ZCm6/vjrfiPrZG9/Phd8hI+Vz9LdXs1CwMoRWslo";

enum status password_hash(const char *password, char out[PASSWORD_HASH_BYTES])
{
    size_t len = password ? strlen(password) : 0;
    if (len == 0 || len > LIMIT_PASSWORD_BYTES)
        return ST_INVALID;
    if (sodium_init() < 0)
        return ST_INTERNAL;

    char hash[PASSWORD_HASH_BYTES] = "";
    if (crypto_pwhash_str_alg(hash, password, len, PASSES, MEMORY_BYTES,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ST_NO_MEMORY;
    memcpy(out, hash, sizeof(hash));
    return ST_OK;
}

enum status password_verify(const char *hash, const char *password)
{
    size_t len = password ? strlen(password) : 0;
    if (sodium_init() < 0)
        return ST_INTERNAL;

    /* Too long a text cannot be right, but costs as much time as one that could. */
    bool can_match = hash && len > 0 && len <= LIMIT_PASSWORD_BYTES;
    int differs = can_match ? crypto_pwhash_str_verify(hash, password, len)
                            : crypto_pwhash_str_verify(nobody, "", 0);
    return can_match && differs == 0 ? ST_OK : ST_UNAUTHENTICATED;
}
