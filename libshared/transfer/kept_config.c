/* Configurations with secrets, between people and the store. */
#include "transfer/kept_config.h"

#include "auth/seal_json.h"
#include "json/parse.h"
#include "json/secrets.h"

enum status kept_config_make(struct seal_keys *seal, const struct schema *schema,
                             const struct seal_place *place, const json_t *config,
                             struct arena *arena, struct kept_config *out)
{
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    struct kept_config kept = {0};
    TRY(secrets_split(schema, config, &open, &secret));
    TRY(seal_json_close(seal, place, secret, arena, &kept.sealed, &kept.sealed_len));
    /* 0.15 stays 0.15: with 17 digits it were 0.14999999999999999. */
    AUTO_FREE char *text = json_dumps(open, JSON_COMPACT | JSON_REAL_PRECISION(15));
    kept.open = text ? arena_strdup(arena, text) : NULL;
    if (!kept.open)
        return ST_NO_MEMORY;
    *out = kept;
    return ST_OK;
}

enum status kept_config_merge(struct seal_keys *seal, const struct schema *schema,
                              const struct seal_place *place, const json_t *given,
                              const struct kept_config *kept, struct arena *arena, json_t **out)
{
    AUTO_JSON secret = NULL;
    const enum status st = seal_json_open(seal, place, kept->sealed, kept->sealed_len, arena,
                                          &secret);
    if (st == ST_UNAVAILABLE)
        return ST_CORRUPT; /* it was sealed with a key that is gone */
    TRY(st);
    return secrets_merge(schema, given, secret, out);
}
