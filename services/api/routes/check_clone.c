/* /checks/{id}/clone: a new check like another, for what differs in little. */
#include <string.h>

#include "base/str.h"
#include "json/patterns.h"
#include "services/api/api.h"
#include "services/api/config_secrets.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/routes.h"

#define SUFFIX " (copy)"

struct clone_in {
    struct in_str name;
    struct in_bool enabled;
};
static const struct field clone_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .offset = offsetof(struct clone_in, name),
     .min = 1,
     .max = LIMIT_CHECK_NAME,
     .check = check_label,
     .pattern = PATTERN_LABEL,
     .help = "Its name; not given: the other one's with \"(copy)\" behind it"},
    {.name = "enabled",
     .type = FT_BOOL,
     .offset = offsetof(struct clone_in, enabled),
     .help = "Whether it is run; not given: as the other one"},
};
static const struct schema clone_schema = SCHEMA("CheckClone", struct clone_in, clone_fields);

/* A name that fills its limit loses its last characters, never a part of one. */
static const char *copy_name(struct arena *arena, const char *name)
{
    size_t len = strlen(name);
    const size_t most = LIMIT_CHECK_NAME - strlen(SUFFIX);
    if (len > most) {
        len = most;
        while (len > 0 && ((unsigned char)name[len] & 0xC0) == 0x80)
            len--;
    }
    return arena_printf(arena, "%.*s%s", (int)len, name, SUFFIX);
}

static enum status check_clone(struct req *r)
{
    const struct clone_in *in = r->in;
    struct api_ctx *ctx = req_ctx(r);
    struct check of, c;
    TRY(check_of_path(r, &of));
    TRY(check_input_copy(&of, ctx->seal, r->arena, &c));
    c.name = in->name.set ? in->name.v : copy_name(r->arena, of.name);
    if (!c.name)
        return ST_NO_MEMORY;
    if (in->enabled.set)
        c.enabled = in->enabled.v;
    const enum status st = checks_insert(ctx->db, r->arena, &r->who->org_id, &r->who->user_id, &c);
    if (st == ST_INVALID)
        return ST_UNAVAILABLE; /* a channel of it went meanwhile: the next try finds it without */
    TRY(st);
    check_location(r, &c.id);
    return check_reply(r, 201, &c);
}

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/checks/{id}/clone",
     .summary = "Clone a check",
     .description = "Makes a new check with the configuration (secrets included), schedule, tags, "
                    "group and channels of this one. It begins without history, incidents and "
                    "external_id.",
     .scope = SCOPE_CHECKS_WRITE,
     .body = &clone_schema,
     .reply = &check_schema,
     .ok = 201,
     .errors = ERRORS("CHECK_NOT_FOUND"),
     .tag = "Checks",
     .flags = ROUTE_OPTIONAL_BODY | ROUTE_ATOMIC,
     .handler = check_clone},
};
const struct route_set check_clone_routes = {routes, ARRAY_LEN(routes)};
