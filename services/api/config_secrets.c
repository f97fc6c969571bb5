/* Secrets of configurations, between a request and the store. */
#include "services/api/config_secrets.h"

#include "auth/seal_json.h"
#include "json/parse.h"
#include "json/secrets.h"
#include "services/api/api.h"

enum status config_keep(struct req *r, const struct schema *schema, const struct seal_place *place,
                        const json_t *config, struct kept_config *out)
{
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    struct kept_config kept = {0};
    TRY(secrets_split(schema, config, &open, &secret));
    const enum status st = seal_json_close(req_ctx(r)->seal, place, secret, r->arena, &kept.sealed,
                                           &kept.sealed_len);
    if (st == ST_UNAVAILABLE)
        return req_fail(r, st, "SECRET_KEY_MISSING",
                        "This installation has no TOCSIN_SECRET_KEY to seal secrets with");
    TRY(st);
    AUTO_FREE char *text = json_dumps(open, JSON_COMPACT);
    kept.open = text ? arena_strdup(r->arena, text) : NULL;
    if (!kept.open)
        return ST_NO_MEMORY;
    *out = kept;
    return ST_OK;
}

enum status config_merge(struct req *r, const struct schema *schema, const struct seal_place *place,
                         const json_t *given, const struct kept_config *kept, json_t **out)
{
    AUTO_JSON secret = NULL;
    const enum status st = seal_json_open(req_ctx(r)->seal, place, kept->sealed, kept->sealed_len,
                                          r->arena, &secret);
    if (st == ST_UNAVAILABLE)
        return ST_CORRUPT; /* it was sealed with a key that is gone */
    TRY(st);
    return secrets_merge(schema, given, secret, out);
}
