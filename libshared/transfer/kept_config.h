/* Configurations with secrets: merged with what is kept, parted and sealed. */
#ifndef TOCSIN_TRANSFER_KEPT_CONFIG_H
#define TOCSIN_TRANSFER_KEPT_CONFIG_H

#include "auth/seal.h"
#include "base/arena.h"
#include "json/schema.h"

/* A configuration as it is kept; in an arena. */
struct kept_config {
    const char *open;            /* JSON object without the secrets */
    const unsigned char *sealed; /* NULL: no secrets */
    size_t sealed_len;
};

/* Parts and seals a complete, valid configuration. ST_UNAVAILABLE: it has secrets, and there is no
 * key (seal NULL). */
NODISCARD enum status kept_config_make(struct seal_keys *seal, const struct schema *schema,
                                       const struct seal_place *place, const json_t *config,
                                       struct arena *arena, struct kept_config *out);
/* The configuration that an update means (secrets_merge in json/secrets.h): *out is a new
 * reference. ST_CORRUPT: what is kept does not open. */
NODISCARD enum status kept_config_merge(struct seal_keys *seal, const struct schema *schema,
                                        const struct seal_place *place, const json_t *given,
                                        const struct kept_config *kept, struct arena *arena,
                                        json_t **out);

#endif
