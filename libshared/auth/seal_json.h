/* The secret part of a configuration at rest: a JSON object, sealed (auth/seal.h). */
#ifndef TOCSIN_AUTH_SEAL_JSON_H
#define TOCSIN_AUTH_SEAL_JSON_H

#include <jansson.h>

#include "auth/seal.h"

/* Seals an object of secret fields; an empty one gives NULL and needs no keys. In the arena.
 * ST_UNAVAILABLE: there are secrets, and no keys. */
NODISCARD enum status seal_json_close(const struct seal_keys *keys, const struct seal_place *place,
                                      const json_t *secret, struct arena *arena,
                                      const unsigned char **sealed, size_t *len);
/* The opposite; *out is a new reference, an empty object where nothing was sealed (NULL).
 * ST_CORRUPT; ST_UNAVAILABLE: something is sealed, and there are no keys. */
NODISCARD enum status seal_json_open(const struct seal_keys *keys, const struct seal_place *place,
                                     const unsigned char *sealed, size_t len, struct arena *arena,
                                     json_t **out);

#endif
