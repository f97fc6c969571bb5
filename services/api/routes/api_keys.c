/* API keys: for people's scripts, and for the agents of servers. */
#include <stdio.h>
#include <string.h>

#include "auth/cache.h"
#include "base/clock.h"
#include "base/str.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "store/api_keys.h"

#define AT(member) offsetof(struct api_key_row, member)
#define KEY_FIELDS                                                                              \
    {.name = "id", .type = FT_UUID, .offset = AT(id)},                                          \
        {.name = "name",                                                                        \
         .type = FT_STRING,                                                                     \
         .offset = AT(name),                                                                    \
         .example = "\"Production Agent\""},                                                    \
        {.name = "server_id",                                                                   \
         .type = FT_UUID,                                                                       \
         .flags = F_NULLABLE,                                                                   \
         .offset = AT(host_id),                                                                 \
         .help = "The server whose agent uses the key, or null"},                               \
        {.name = "user_id", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(user_id)},       \
        {.name = "prefix",                                                                      \
         .type = FT_STRING,                                                                     \
         .offset = AT(prefix),                                                                  \
         .help = "Begin of the key, to recognise it by"},                                       \
        {.name = "scopes", .type = FT_LIST, .element = FT_STRING, .offset = AT(scopes)},        \
        {.name = "expires_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(expires_at)}, \
        {.name = "last_used_at",                                                                \
         .type = FT_TIME,                                                                       \
         .flags = F_NULLABLE,                                                                   \
         .offset = AT(last_used_at)},                                                           \
        {.name = "rate_limit",                                                                  \
         .type = FT_INT,                                                                        \
         .offset = AT(rate_limit),                                                              \
         .help = "Its requests a minute; 0: as many as the installation lets pass",             \
         .example = "600"},                                                                     \
    {                                                                                           \
        .name = "created_at", .type = FT_TIME, .offset = AT(created_at)                         \
    }

static const struct field key_fields[] = {KEY_FIELDS};
static const struct schema key_schema = SCHEMA("ApiKey", struct api_key_row, key_fields);

struct created_key {
    struct api_key_row row; /* first: the fields' offsets are its own */
    const char *key;
};
static const struct field created_fields[] = {
    KEY_FIELDS,
    {.name = "key",
     .type = FT_STRING,
     .offset = offsetof(struct created_key, key),
     .help = "The key itself, shown this once"},
};
#undef AT
static const struct schema created_schema = SCHEMA("CreatedApiKey", struct created_key,
                                                   created_fields);

static const char *const scope_names[] = {
#define SCOPE_NAME(id, name, roles) name,
    SCOPE_TABLE(SCOPE_NAME)
#undef SCOPE_NAME
        NULL};
struct key_in {
    struct in_str name, server_id;
    struct in_list scopes;
    struct in_time expires_at;
    struct in_i64 rate_limit;
};
#define AT(member) offsetof(struct key_in, member)
static const struct field in_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(name),
     .min = 1,
     .max = 200,
     .help = "What it is for",
     .example = "\"Production Agent\""},
    {.name = "server_id",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(server_id),
     .min = 1,
     .max = 100,
     .help = "Makes it the key of this server's agent: id or slug"},
    {.name = "scopes",
     .type = FT_LIST,
     .element = FT_STRING,
     .offset = AT(scopes),
     .min = 1,
     .max = SCOPE_COUNT_,
     .choices = scope_names,
     .help = "What it may do (default: all that you may; an agent's: "
             "metrics:write)",
     .example = "[\"checks:read\"]"},
    {.name = "expires_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(expires_at),
     .help = "When it stops working (default: never)"},
    {.name = "rate_limit",
     .type = FT_INT,
     .offset = AT(rate_limit),
     .min = 1,
     .max = 100000000,
     .help = "Requests a minute (default, and at most: what the installation lets pass)"},
};
#undef AT
static const struct schema in_schema = {
    .name = "ApiKeyCreate",
    .fields = in_fields,
    .count = ARRAY_LEN(in_fields),
    .size = sizeof(struct key_in),
    /* AGENT_SCOPES */
    .rules = "\"anyOf\":[{\"properties\":{\"server_id\":{\"const\":null}}},{\"properties\":{"
             "\"scopes\":{\"items\":{\"enum\":[\"metrics:write\",\"metrics:read\","
             "\"servers:read\"]}}}}]",
};

struct list_in {
    struct page_in page;
};
static const char *const sorts[] = {"-created_at", "created_at",    "name",
                                    "-name",       "-last_used_at", "last_used_at",
                                    "-expires_at", "expires_at",    NULL};
static const struct field list_fields[] = {PAGE_FIELDS(struct list_in, page, sorts)};
static const struct schema list_schema = SCHEMA("ApiKeyQuery", struct list_in, list_fields);

/* Those who manage everybody's keys see everybody's; others their own. */
static const struct uuid *whose(const struct req *r)
{
    return principal_may(r->who, SCOPE_USERS_WRITE) ? NULL : &r->who->user_id;
}

static enum status list_mine(struct req *r)
{
    struct api_key_row *rows = NULL;
    size_t count = 0;
    struct page page = {.limit = 1000};
    TRY(api_key_list(req_ctx(r)->db, &r->who->org_id, &r->who->user_id, r->arena, &page, &rows,
                     &count));
    reply_header(r, "X-Total-Count", arena_printf(r->arena, "%lld", (long long)page.total));
    reply_array(r, &key_schema, rows, count);
    return ST_OK;
}

static enum status list_all(struct req *r)
{
    const struct list_in *in = r->query_in;
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 20, &page));
    struct api_key_row *rows = NULL;
    size_t count = 0;
    TRY(api_key_list(req_ctx(r)->db, &r->who->org_id, whose(r), r->arena, &page, &rows, &count));
    reply_page(r, "api_keys", &key_schema, rows, count, &page);
    return ST_OK;
}

/* The scopes asked for, or the default ones, as far as the caller has them himself. */
static enum status choose_scopes(struct req *r, const struct key_in *in, bool is_agent,
                                 uint64_t *out)
{
    uint64_t set = 0;
    const char *const *names = in->scopes.v;
    for (size_t i = 0; i < in->scopes.count; i++) {
        enum scope s = SCOPE_UNSET;
        if (scope_parse(names[i], &s) != ST_OK)
            return req_invalid_field(r, "scopes", "value_error.enum", "no such scope: %.60s",
                                     names[i]);
        set |= SCOPE_BIT(s);
    }
    if (is_agent && (set & ~AGENT_SCOPES))
        return req_invalid_field(
            r, "scopes", "value_error",
            "the key of a server may only have metrics:write, metrics:read and servers:read");
    if (!in->scopes.set)
        set = is_agent ? SCOPE_BIT(SCOPE_METRICS_WRITE) : r->who->scopes & ~SCOPE_BIT(SCOPE_SELF);
    if (set & ~r->who->scopes)
        return req_fail(r, ST_FORBIDDEN, "INSUFFICIENT_SCOPE",
                        "Not enough permissions: a key cannot have scopes that you do not have");
    *out = set;
    return ST_OK;
}

/* A key that a key makes ends with it at the latest: one that leaked would not end otherwise. */
static enum status choose_end(struct req *r, const struct key_in *in, int64_t *out)
{
    int64_t own = 0;
    *out = in->expires_at.v;
    if (in->expires_at.set && !in->expires_at.null && *out <= clock_wall_us())
        return req_invalid_field(r, "expires_at", "value_error", "must be in the future");
    if (uuid_is_nil(&r->who->api_key_id))
        return ST_OK;
    TRY(api_key_end(req_ctx(r)->db, &r->who->api_key_id, r->arena, &own));
    if (own != 0 && *out > own)
        return req_invalid_field(r, "expires_at", "value_error",
                                 "must not be later than that of the key that asks for it");
    if (*out == 0)
        *out = own;
    return ST_OK;
}

static enum status create(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct key_in *in = r->in;
    const bool is_agent = in->server_id.set && !in->server_id.null;
    struct api_key_new_row row = {.org_id = r->who->org_id,
                                  .user_id = r->who->user_id,
                                  .name = in->name.v,
                                  .rate_limit = in->rate_limit.v};
    TRY(choose_end(r, in, &row.expires_at));
    if (is_agent) {
        const enum status st = api_key_host(ctx->db, &row.org_id, in->server_id.v, r->arena,
                                            &row.host_id);
        if (st == ST_NOT_FOUND)
            return req_fail(r, st, "SERVER_NOT_FOUND", "Server '%s' not found", in->server_id.v);
        TRY(st);
    }
    TRY(choose_scopes(r, in, is_agent, &row.scopes));

    struct api_key key;
    struct created_key made = {.key = key.text};
    TRY(api_key_create(ctx->db, &row, r->arena, &key, &made.row));
    reply_header(r, "Cache-Control", "no-store");
    reply_object(r, 201, &created_schema, &made);
    return ST_OK;
}

static enum status revoke(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct uuid id;
    enum status st = uuid_parse(r->param[0], &id);
    if (st == ST_OK)
        st = api_key_revoke(ctx->db, &r->who->org_id, &id, whose(r), r->arena);
    if (st == ST_INVALID || st == ST_NOT_FOUND)
        return req_fail(r, ST_NOT_FOUND, "API_KEY_NOT_FOUND", "API key '%s' not found",
                        r->param[0]);
    TRY(st);
    auth_cache_forget(ctx->api->auth_cache, NULL);
    reply_empty(r, 204);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/api-keys/me",
     .summary = "List the caller's API keys",
     .scope = SCOPE_KEYS_READ,
     .reply = &key_schema,
     .shape = REPLY_ARRAY,
     .tag = "API keys",
     .handler = list_mine},
    {.method = M_GET,
     .path = "/api/v1/api-keys",
     .summary = "List API keys",
     .scope = SCOPE_KEYS_READ,
     .query = &list_schema,
     .reply = &key_schema,
     .list = "api_keys",
     .tag = "API keys",
     .handler = list_all},
    {.method = M_POST,
     .path = "/api/v1/api-keys",
     .summary = "Create an API key",
     .scope = SCOPE_KEYS_WRITE,
     .body = &in_schema,
     .reply = &created_schema,
     .tag = "API keys",
     .ok = 201,
     .errors = ERRORS("SERVER_NOT_FOUND"),
     .flags = ROUTE_ATOMIC,
     .handler = create},
    {.method = M_DELETE,
     .path = "/api/v1/api-keys/{id}",
     .summary = "Revoke an API key",
     .scope = SCOPE_KEYS_WRITE,
     .tag = "API keys",
     .ok = 204,
     .errors = ERRORS("API_KEY_NOT_FOUND"),
     .handler = revoke},
};
const struct route_set api_keys_routes = {routes, ARRAY_LEN(routes)};
