/* Configurations with secrets on their way in: merged with what is kept, parted and sealed. */
#ifndef TOCSIN_API_CONFIG_SECRETS_H
#define TOCSIN_API_CONFIG_SECRETS_H

#include "auth/seal.h"
#include "json/schema.h"
#include "net/http.h"

/* A configuration as it is kept; in the request's arena. */
struct kept_config {
    const char *open;            /* JSON object without the secrets */
    const unsigned char *sealed; /* NULL: no secrets */
    size_t sealed_len;
};

/* Parts and seals a complete, valid configuration. Without a key for its secrets it is answered
 * 503 SECRET_KEY_MISSING. */
NODISCARD enum status config_keep(struct req *r, const struct schema *schema,
                                  const struct seal_place *place, const json_t *config,
                                  struct kept_config *out);
/* The configuration that an update means (secrets_merge in json/secrets.h): *out is a new
 * reference. ST_CORRUPT: what is kept does not open. */
NODISCARD enum status config_merge(struct req *r, const struct schema *schema,
                                   const struct seal_place *place, const json_t *given,
                                   const struct kept_config *kept, json_t **out);

#endif
