/* Argon2id through libsodium, with one cost for known and unknown users. */
#include "auth/password.h"

#include <sodium.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"

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

/* Those of the lists of leaked passwords that are long enough to be taken otherwise. */
static const char *const common[] = {
    "password",     "password1",  "password12",    "password123",
    "password1234", "password!",  "passw0rd",      "p@ssw0rd",
    "p@ssword",     "12345678",   "123456789",     "1234567890",
    "123123123",    "11223344",   "87654321",      "987654321",
    "0987654321",   "qwertyuiop", "qwerty123",     "qwerty12",
    "qwerty1234",   "1q2w3e4r",   "1q2w3e4r5t",    "1qaz2wsx",
    "q1w2e3r4",     "qazwsxedc",  "asdfghjkl",     "asdfasdf",
    "zxcvbnm1",     "abcd1234",   "abcdefgh",      "abcdefghi",
    "a1b2c3d4",     "iloveyou",   "iloveyou1",     "sunshine",
    "princess",     "football",   "football1",     "baseball",
    "superman",     "trustno1",   "welcome1",      "welcome123",
    "letmein1",     "letmein123", "admin123",      "admin1234",
    "admin12345",   "adminadmin", "administrator", "rootroot",
    "changeme",     "changeme1",  "changeme123",   "changeit",
    "secret123",    "default1",   "internet",      "computer",
    "whatever",     "starwars",   "michael1",      "jennifer",
    "monitoring",   "test1234",   "testtest",      "guest123",
    "dragon123",    "monkey123",  "charlie1",      "correcthorsebatterystaple",
};

/* One character, or one step from each to the next: "aaaaaaaa", "12345678", "hgfedcba". */
static bool is_a_run(const char *text)
{
    if (text[0] == '\0' || text[1] == '\0')
        return true;
    const int step = text[1] - text[0];
    for (size_t i = 1; text[i]; i++) {
        if (text[i] - text[i - 1] != step)
            return false;
    }
    return step >= -1 && step <= 1;
}

const char *password_weakness(const char *password, const char *username, const char *email)
{
    const size_t len = strlen(password);
    if (len < LIMIT_PASSWORD_MIN)
        return "the password is too short: 8 characters at least";
    if (len > LIMIT_PASSWORD_BYTES)
        return "the password is too long";
    if (is_a_run(password))
        return "the password is too easy to guess: a run of characters";
    for (size_t i = 0; i < ARRAY_LEN(common); i++) {
        if (str_ieq(password, common[i]))
            return "the password is too easy to guess: one of the most common ones";
    }
    if ((username && str_ieq(password, username)) || (email && str_ieq(password, email)))
        return "the password is too easy to guess: the account's own name";
    return NULL;
}
