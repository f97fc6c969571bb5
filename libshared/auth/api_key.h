/*
 * API keys and other long random secrets: shown once, kept as SHA-256 (they have 256 bits of
 * randomness, so that no slow hash is needed), found by their public prefix.
 */
#ifndef TOCSIN_AUTH_API_KEY_H
#define TOCSIN_AUTH_API_KEY_H

#include "base/defs.h"
#include "base/status.h"

#define API_KEY_BYTES 80
#define API_KEY_PREFIX_BYTES 20
#define API_KEY_HASH_BYTES 32

/* "tocsin_" + 8 base32 digits + "_" + 43 base64url digits; the prefix is the first 15 bytes. */
struct api_key {
    char text[API_KEY_BYTES];
    char prefix[API_KEY_PREFIX_BYTES];
    unsigned char hash[API_KEY_HASH_BYTES];
};

/* A fresh key. */
void api_key_new(struct api_key *out);
/* Takes a presented key apart (text is checked for shape): prefix and hash. ST_UNAUTHENTICATED. */
NODISCARD enum status api_key_parse(const char *text, struct api_key *out);
/* In constant time. */
bool api_key_hash_eq(const unsigned char *a, const unsigned char *b);

/* Other secrets shown once: "tcr_" + 43 base64url digits (256 bits of randomness). */
#define SECRET_TOKEN_BYTES 48
void secret_token_new(char out[SECRET_TOKEN_BYTES]);
/* SHA-256 of any secret text (refresh tokens). */
void secret_hash(const char *text, unsigned char out[API_KEY_HASH_BYTES]);

#endif
