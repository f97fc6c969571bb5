/* Configurations with secrets on their way in (transfer/kept_config.h), for handlers. */
#ifndef TOCSIN_API_CONFIG_SECRETS_H
#define TOCSIN_API_CONFIG_SECRETS_H

#include "net/http.h"
#include "transfer/kept_config.h"

/* kept_config_make. */
NODISCARD enum status config_keep(struct req *r, const struct schema *schema,
                                  const struct seal_place *place, const json_t *config,
                                  struct kept_config *out);
/* kept_config_merge. */
NODISCARD enum status config_merge(struct req *r, const struct schema *schema,
                                   const struct seal_place *place, const json_t *given,
                                   const struct kept_config *kept, json_t **out);

#endif
