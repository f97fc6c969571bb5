/* Objects of secrets, sealed as their JSON text. */
#include "auth/seal_json.h"

#include <string.h>

#include "json/parse.h"

enum status seal_json_close(const struct seal_keys *keys, const struct seal_place *place,
                            const json_t *secret, struct arena *arena, const unsigned char **sealed,
                            size_t *len)
{
    if (json_object_size(secret) == 0) {
        *sealed = NULL;
        *len = 0;
        return ST_OK;
    }
    if (!keys)
        return ST_UNAVAILABLE;
    AUTO_FREE char *text = json_dumps(secret, JSON_COMPACT);
    if (!text)
        return ST_NO_MEMORY;
    unsigned char *out = NULL;
    enum status st = seal_close(keys, place, text, arena, &out, len);
    explicit_bzero(text, strlen(text));
    TRY(st);
    *sealed = out;
    return ST_OK;
}

enum status seal_json_open(const struct seal_keys *keys, const struct seal_place *place,
                           const unsigned char *sealed, size_t len, struct arena *arena,
                           json_t **out)
{
    const char *text = "{}";
    if (sealed && !keys)
        return ST_UNAVAILABLE;
    if (sealed)
        TRY(seal_open(keys, place, sealed, len, arena, &text));
    AUTO_JSON secret = NULL;
    if (json_parse(text, strlen(text), &secret, NULL) != ST_OK || !json_is_object(secret))
        return ST_CORRUPT;
    *out = take(&secret);
    return ST_OK;
}
