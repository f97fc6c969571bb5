/* Making, taking apart and comparing long random secrets. */
#include "auth/api_key.h"

#include <sodium.h>
#include <string.h>

#include "base/rand.h"

static const char mark[] = "tocsin_";
static const char token_mark[] = "tcr_";
static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

enum {
    MARK = sizeof(mark) - 1,
    LABEL = 8,
    PREFIX = MARK + LABEL,
    SECRET_RANDOM = 32,
    SECRET_DIGITS = 43, /* base64 of 32 bytes without padding */
    TEXT = PREFIX + 1 + SECRET_DIGITS
};
_Static_assert(TEXT < API_KEY_BYTES && PREFIX < API_KEY_PREFIX_BYTES, "a key must fit");
_Static_assert(API_KEY_HASH_BYTES == crypto_hash_sha256_BYTES, "a hash must fit");
_Static_assert(sizeof(token_mark) + SECRET_DIGITS <= SECRET_TOKEN_BYTES, "a token must fit");

static void put_secret(char *out)
{
    unsigned char random[SECRET_RANDOM];
    rand_bytes(random, sizeof(random));
    sodium_bin2base64(out, SECRET_DIGITS + 1, random, sizeof(random),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(random, sizeof(random));
}

void secret_hash(const char *text, unsigned char out[API_KEY_HASH_BYTES])
{
    crypto_hash_sha256(out, (const unsigned char *)text, strlen(text));
}

void secret_token_new(char out[SECRET_TOKEN_BYTES])
{
    memcpy(out, token_mark, sizeof(token_mark) - 1);
    put_secret(out + sizeof(token_mark) - 1);
}

void api_key_new(struct api_key *out)
{
    struct api_key key = {0};
    unsigned char label[LABEL];
    rand_bytes(label, sizeof(label));
    memcpy(key.text, mark, MARK);
    for (size_t i = 0; i < LABEL; i++)
        key.text[MARK + i] = base32[label[i] & 31];
    key.text[PREFIX] = '_';
    put_secret(key.text + PREFIX + 1);
    memcpy(key.prefix, key.text, PREFIX);
    secret_hash(key.text, key.hash);
    *out = key;
}

static bool is_secret_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

enum status api_key_parse(const char *text, struct api_key *out)
{
    if (!text || strnlen(text, TEXT + 1) != TEXT || memcmp(text, mark, MARK) != 0 ||
        text[PREFIX] != '_')
        return ST_UNAUTHENTICATED;
    for (size_t i = 0; i < LABEL; i++) {
        if (!strchr(base32, text[MARK + i]))
            return ST_UNAUTHENTICATED;
    }
    for (size_t i = 0; i < SECRET_DIGITS; i++) {
        if (!is_secret_digit(text[PREFIX + 1 + i]))
            return ST_UNAUTHENTICATED;
    }

    struct api_key key = {0};
    memcpy(key.text, text, TEXT);
    memcpy(key.prefix, text, PREFIX);
    secret_hash(key.text, key.hash);
    *out = key;
    return ST_OK;
}

bool api_key_hash_eq(const unsigned char *a, const unsigned char *b)
{
    return sodium_memcmp(a, b, API_KEY_HASH_BYTES) == 0;
}
