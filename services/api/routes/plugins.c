/* /plugins: the kinds of checks and what their configurations are made of. */
#include "kinds/kind.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"

struct plugin_out {
    const char *name, *description;
    const char *required_config, *optional_config; /* objects: field → what it is */
    struct out_list aliases;
};
#define AT(member) offsetof(struct plugin_out, member)
static const struct field plugin_fields[] = {
    {.name = "name", .type = FT_STRING, .offset = AT(name), .example = "\"website\""},
    {.name = "description", .type = FT_STRING, .offset = AT(description)},
    {.name = "required_config",
     .type = FT_MAP,
     .offset = AT(required_config),
     .example = "{\"url\":\"URL to check\"}"},
    {.name = "optional_config", .type = FT_MAP, .offset = AT(optional_config)},
    {.name = "aliases", .type = FT_LIST, .element = FT_STRING, .offset = AT(aliases)},
};
#undef AT
static const struct schema plugin_schema = SCHEMA("Plugin", struct plugin_out, plugin_fields);

/* {"url": "URL to check", …} of the fields that are required, or of those that are not. */
static enum status describe(struct req *r, const struct check_kind *kind, bool required,
                            const char **out)
{
    AUTO_BUF text;
    struct jw w;
    buf_init(&text, LIMIT_HTTP_BODY_BYTES);
    jw_init(&w, &text);
    jw_object(&w);
    for (size_t i = 0; i < kind->config->count; i++) {
        const struct field *f = &kind->config->fields[i];
        if (((f->flags & F_REQUIRED) != 0) == required)
            jw_kv_str(&w, f->name, f->help);
    }
    jw_end(&w);
    TRY(buf_status(&text));
    *out = arena_strdup(r->arena, buf_cstr(&text));
    return *out ? ST_OK : ST_NO_MEMORY;
}

static enum status to_out(struct req *r, const struct check_kind *kind, struct plugin_out *out)
{
    *out = (struct plugin_out){.name = kind->name, .description = kind->summary};
    out->aliases.v = kind->aliases;
    while (kind->aliases && kind->aliases[out->aliases.count])
        out->aliases.count++;
    TRY(describe(r, kind, true, &out->required_config));
    return describe(r, kind, false, &out->optional_config);
}

static enum status plugin_list(struct req *r)
{
    size_t count = 0;
    while (check_kind_at(count))
        count++;
    struct plugin_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(to_out(r, check_kind_at(i), &out[i]));

    reply_items(r, "plugins", &plugin_schema, out, count);
    return ST_OK;
}

static enum status plugin_get(struct req *r)
{
    const struct check_kind *kind = check_kind_find(r->param[0]);
    if (!kind)
        return req_fail(r, ST_NOT_FOUND, "PLUGIN_NOT_FOUND", "There is no plugin %.64s",
                        r->param[0]);
    struct plugin_out out;
    TRY(to_out(r, kind, &out));
    reply_object(r, 200, &plugin_schema, &out);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/plugins",
     .summary = "List the kinds of checks",
     .scope = SCOPE_CHECKS_READ,
     .reply = &plugin_schema,
     .list = "plugins",
     .shape = REPLY_ITEMS,
     .tag = "Plugins",
     .flags = ROUTE_NO_STORE_NEEDED,
     .handler = plugin_list},
    {.method = M_GET,
     .path = "/api/v1/plugins/{name}",
     .summary = "Get a kind of check",
     .scope = SCOPE_CHECKS_READ,
     .reply = &plugin_schema,
     .tag = "Plugins",
     .flags = ROUTE_NO_STORE_NEEDED,
     .errors = ERRORS("PLUGIN_NOT_FOUND"),
     .params = PATH_PARAMS(
         {.name = "name", .help = "Name or alias of the kind", .example = "website"}),
     .handler = plugin_get},
};
const struct route_set plugins_routes = {routes, ARRAY_LEN(routes)};
