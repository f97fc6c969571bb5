/* The caller's organisation. There are others, but not for him. */
#include "base/str.h"
#include "json/patterns.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/user_reply.h"
#include "store/users.h"

#define AT(member) offsetof(struct organisation, member)
static const struct field organisation_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "name", .type = FT_STRING, .offset = AT(name), .example = "\"Example\""},
    {.name = "user_count", .type = FT_INT, .offset = AT(user_count)},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_at)},
};
#undef AT
static const struct schema organisation_schema = SCHEMA("Organisation", struct organisation,
                                                        organisation_fields);

struct organisation_in {
    struct in_str name;
};
static const struct field in_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = offsetof(struct organisation_in, name),
     .min = 1,
     .max = 200,
     .check = check_plain_text,
     .pattern = PATTERN_PLAIN},
};
static const struct schema in_schema = SCHEMA("OrganisationChange", struct organisation_in,
                                              in_fields);

static const struct path_param params[] = {
    {.name = "id", .help = "The organisation's id, or me", .example = "me"}, {0}};

/* Whoever is asked for by another id does not exist. */
static enum status need_own(struct req *r)
{
    struct uuid id;
    if (str_eq(r->param[0], "me") ||
        (uuid_parse(r->param[0], &id) == ST_OK && uuid_eq(&id, &r->who->org_id)))
        return ST_OK;
    return req_fail(r, ST_NOT_FOUND, "ORGANISATION_NOT_FOUND", "Organisation '%s' not found",
                    r->param[0]);
}

static enum status show(struct req *r)
{
    struct organisation o;
    TRY(organisation_get(req_ctx(r)->db, &r->who->org_id, r->arena, &o));
    reply_object(r, 200, &organisation_schema, &o);
    return ST_OK;
}

static enum status get(struct req *r)
{
    TRY(need_own(r));
    return show(r);
}

static enum status patch(struct req *r)
{
    TRY(need_own(r));
    const struct organisation_in *in = r->in;
    TRY(organisation_rename(req_ctx(r)->db, &r->who->org_id, in->name.v, r->arena));
    return show(r);
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/organisations/{id}",
     .summary = "The caller's organisation",
     .scope = SCOPE_ORG_READ,
     .reply = &organisation_schema,
     .tag = "Organisations",
     .params = params,
     .errors = ERRORS("ORGANISATION_NOT_FOUND"),
     .handler = get},
    {.method = M_PATCH,
     .path = "/api/v1/organisations/{id}",
     .summary = "Rename the caller's organisation",
     .scope = SCOPE_ORG_WRITE,
     .body = &in_schema,
     .reply = &organisation_schema,
     .tag = "Organisations",
     .params = params,
     .errors = ERRORS("ORGANISATION_NOT_FOUND"),
     .handler = patch},
};
const struct route_set organisations_routes = {routes, ARRAY_LEN(routes)};
