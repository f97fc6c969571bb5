/*
 * A configuration with secret fields (F_SECRET) in two parts: the open one may be read back, the
 * other is sealed (auth/seal_json.h). Kinds of checks and types of channels share this.
 */
#ifndef TOCSIN_JSON_SECRETS_H
#define TOCSIN_JSON_SECRETS_H

#include "json/schema.h"

/* Splits a configuration into what may be read back and what is sealed; both new references. */
NODISCARD enum status secrets_split(const struct schema *schema, const json_t *config,
                                    json_t **open, json_t **secret);
/* The opposite: *out is a new reference that holds both. Either may be NULL. */
NODISCARD enum status secrets_join(const json_t *open, const json_t *secret, json_t **out);
/* The configuration that an update means: what is given, with those of the kept secrets (may be
 * NULL) that it does not mention. A secret given as null is removed. *out is a new reference. */
NODISCARD enum status secrets_merge(const struct schema *schema, const json_t *given,
                                    const json_t *kept, json_t **out);

#endif
