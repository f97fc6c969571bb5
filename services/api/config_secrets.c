/* Secrets of configurations, between a request and the store. */
#include "services/api/config_secrets.h"

#include "services/api/api.h"

enum status config_keep(struct req *r, const struct schema *schema, const struct seal_place *place,
                        const json_t *config, struct kept_config *out)
{
    return kept_config_make(req_ctx(r)->seal, schema, place, config, r->arena, out);
}

enum status config_merge(struct req *r, const struct schema *schema, const struct seal_place *place,
                         const json_t *given, const struct kept_config *kept, json_t **out)
{
    return kept_config_merge(req_ctx(r)->seal, schema, place, given, kept, r->arena, out);
}
