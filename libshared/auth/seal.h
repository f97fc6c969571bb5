/*
 * Secrets at rest: XChaCha20-Poly1305 (libsodium), bound to the place they are stored in, with the
 * key's id in front so that keys can be rotated.
 */
#ifndef TOCSIN_AUTH_SEAL_H
#define TOCSIN_AUTH_SEAL_H

#include "base/arena.h"
#include "base/defs.h"
#include "base/status.h"
#include "base/uuid.h"

struct seal_keys;

/* "hex64[,hex64…]": the first seals, all open. ST_INVALID. */
NODISCARD enum status seal_keys_new(const char *text, struct seal_keys **out, struct errbuf *err);
void seal_keys_free(struct seal_keys *k);
/* Where a secret lives: table, row and column are authenticated with it. */
struct seal_place {
    const char *table;
    struct uuid row;
    const char *column;
};
/* version(1) ‖ key id(4) ‖ nonce(24) ‖ ciphertext ‖ tag, in the arena. */
NODISCARD enum status seal_close(const struct seal_keys *k, const struct seal_place *place,
                                 const char *secret, struct arena *arena, unsigned char **out,
                                 size_t *len);
/* ST_CORRUPT when changed, moved or sealed with a key we do not have. The text is in the arena. */
NODISCARD enum status seal_open(const struct seal_keys *k, const struct seal_place *place,
                                const unsigned char *sealed, size_t len, struct arena *arena,
                                const char **out);

#endif
