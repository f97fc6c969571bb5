/* Configurations of every kind of check and type of channel: bound, or refused with a reason. */
#include "channels/channel.h"
#include "json/parse.h"
#include "json/secrets.h"
#include "kinds/kind.h"
#include "kinds/website.h"
#include "net/url.h"
#include "tests/fuzz/fuzz.h"

static void check_website(const struct website_config *c)
{
    MUST(c->url.set && !url_check_http(c->url.v));
    MUST(!c->timeout.set || (c->timeout.v >= 0.1 && c->timeout.v <= 120));
    const char *name = NULL;
    json_t *value = NULL;
    if (!c->headers.set || c->headers.null)
        return;
    json_object_foreach (c->headers.v, name, value)
        MUST(json_is_string(value) && name[0] && !strpbrk(json_string_value(value), "\r\n"));
}

static void check_channel(const struct channel_type *type, json_t *config)
{
    AUTO_ARENA arena = arena_new((size_t)16 << 20);
    AUTO_FIELD_ERRORS errors = {0};
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    MUST(arena);
    if (channel_type_bind(type, config, arena, NULL, &errors) != ST_OK) {
        MUST(errors.list);
        return;
    }
    MUST(secrets_split(type->config, config, &open, &secret) == ST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON config = NULL;
    if (json_parse((const char *)data, size, &config, NULL) != ST_OK)
        return 0;
    for (size_t i = 0; check_kind_at(i); i++) {
        AUTO_ARENA arena = arena_new((size_t)16 << 20);
        AUTO_FIELD_ERRORS errors = {0};
        void *bound = NULL;
        MUST(arena);
        const struct check_kind *kind = check_kind_at(i);
        if (check_kind_bind(kind, config, arena, &bound, &errors) != ST_OK)
            MUST(errors.list);
        else if (kind == check_kind_find("website"))
            check_website(bound);
    }
    for (size_t i = 0; channel_type_at(i); i++)
        check_channel(channel_type_at(i), config);
    return 0;
}
