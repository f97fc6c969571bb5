/* /servers: hosts as chatops has them, a bare array, with connectivity as their status. */
#include "base/str.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "store/hosts.h"

enum { TEXT_MAX = 255, LABELS_MAX_BYTES = 8192, LIST_DEFAULT = 1000 };

struct server_out {
    struct host h;
    const char *status;
};

#define AT(member) offsetof(struct server_out, member)
static const struct field server_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(h.id)},
    {.name = "slug",
     .type = FT_STRING,
     .offset = AT(h.slug),
     .help = "Short unique name, as good as the id in paths",
     .example = "\"server-001\""},
    {.name = "name", .type = FT_STRING, .offset = AT(h.name), .example = "\"Production Server\""},
    {.name = "host",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(h.host),
     .help = "Address; null for an agent that registered itself",
     .example = "\"192.168.1.100\""},
    {.name = "port", .type = FT_INT, .offset = AT(h.port), .example = "22"},
    {.name = "status", .type = FT_STRING, .offset = AT(status), .help = "As connectivity"},
    {.name = "connectivity",
     .type = FT_STRING,
     .offset = AT(h.connectivity),
     .help = "online, offline or unknown (never heard of)"},
    {.name = "admin_status",
     .type = FT_STRING,
     .offset = AT(h.admin_status),
     .help = "active or inactive, as people set it"},
    {.name = "hostname", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(h.hostname)},
    {.name = "ip_address", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(h.ip_address)},
    {.name = "os", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(h.os)},
    {.name = "os_version", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(h.os_version)},
    {.name = "agent_version",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(h.agent_version)},
    {.name = "labels", .type = FT_MAP, .offset = AT(h.labels)},
    {.name = "last_seen_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(h.last_seen_at)},
    {.name = "last_metrics_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(h.last_metrics_at)},
    {.name = "created_at", .type = FT_TIME, .offset = AT(h.created_at)},
    {.name = "updated_at", .type = FT_TIME, .offset = AT(h.updated_at)},
};
#undef AT
static const struct schema server_schema = SCHEMA("Server", struct server_out, server_fields);

struct server_in {
    struct in_str slug, name, host;
    struct in_i64 port;
    struct in_str hostname, ip_address, os, os_version, agent_version, admin_status;
    struct in_json labels;
};

static const char *check_text(const char *text)
{
    return str_has_control(text) ? "control characters are not allowed" : NULL;
}

static const char *check_slug(const char *text)
{
    return host_is_slug(text) ? NULL : "lower-case letters, digits and - between them only";
}

static const char *const admin_statuses[] = {"active", "inactive", NULL};

#define AT(member) offsetof(struct server_in, member)
#define OPTIONAL_TEXT(member)                                                          \
    {                                                                                  \
        .name = #member, .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(member), \
        .max = TEXT_MAX, .check = check_text, .pattern = PATTERN_PLAIN                 \
    }
#define SERVER_IN_FIELDS(required)                                                           \
    {.name = "name",                                                                         \
     .type = FT_STRING,                                                                      \
     .flags = (required),                                                                    \
     .offset = AT(name),                                                                     \
     .min = 1,                                                                               \
     .max = LIMIT_HOST_NAME,                                                                 \
     .check = check_text,                                                                    \
     .pattern = PATTERN_PLAIN,                                                               \
     .help = "What people call it",                                                          \
     .example = "\"New Server\""},                                                           \
        {.name = "host",                                                                     \
         .type = FT_STRING,                                                                  \
         .flags = (required),                                                                \
         .offset = AT(host),                                                                 \
         .min = 1,                                                                           \
         .max = TEXT_MAX,                                                                    \
         .check = check_text,                                                                \
         .pattern = PATTERN_PLAIN,                                                           \
         .help = "Name or address to reach it by",                                           \
         .example = "\"192.168.1.101\""},                                                    \
        {.name = "port",                                                                     \
         .type = FT_INT,                                                                     \
         .offset = AT(port),                                                                 \
         .min = 1,                                                                           \
         .max = 65535,                                                                       \
         .help = "Default: 22",                                                              \
         .example = "22"},                                                                   \
        {.name = "slug",                                                                     \
         .type = FT_STRING,                                                                  \
         .offset = AT(slug),                                                                 \
         .min = 1,                                                                           \
         .max = LIMIT_HOST_SLUG,                                                             \
         .check = check_slug,                                                                \
         .pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",                                       \
         .help = "Default: made from the name"},                                             \
        {.name = "admin_status",                                                             \
         .type = FT_STRING,                                                                  \
         .offset = AT(admin_status),                                                         \
         .choices = admin_statuses,                                                          \
         .help = "Default: active"},                                                         \
        {.name = "labels", .type = FT_MAP, .offset = AT(labels), .help = "Any JSON object"}, \
        OPTIONAL_TEXT(hostname), OPTIONAL_TEXT(ip_address), OPTIONAL_TEXT(os),               \
        OPTIONAL_TEXT(os_version), OPTIONAL_TEXT(agent_version)

static const struct field create_fields[] = {SERVER_IN_FIELDS(F_REQUIRED)};
static const struct field update_fields[] = {SERVER_IN_FIELDS(0)};
#undef AT
static const struct schema create_schema = SCHEMA("ServerCreate", struct server_in, create_fields);
/* PUT merges as PATCH does; a read object that is sent back whole is not refused. */
static const struct schema update_schema = {
    .name = "ServerUpdate",
    .fields = update_fields,
    .count = ARRAY_LEN(update_fields),
    .size = sizeof(struct server_in),
    .is_open = true,
};

struct list_in {
    struct page_in page;
};
static const char *const sorts[] = {"name", "-name", "created_at", "-created_at", NULL};
static const struct field list_fields[] = {PAGE_FIELDS(struct list_in, page, sorts)};
static const struct schema list_schema = SCHEMA("ServerQuery", struct list_in, list_fields);

static struct server_out to_out(const struct host *h)
{
    return (struct server_out){.h = *h, .status = h->connectivity};
}

static void reply_server(struct req *r, int status, const struct host *h)
{
    const struct server_out out = to_out(h);
    reply_object(r, status, &server_schema, &out);
}

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "SERVER_NOT_FOUND", "There is no server %.64s", r->param[0]);
}

static enum status slug_taken(struct req *r)
{
    return req_fail(r, ST_CONFLICT, "SERVER_SLUG_TAKEN", "There is a server with that slug");
}

static enum status server_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    struct page page;
    TRY(page_begin(r, &in->page, sorts, LIST_DEFAULT, &page));
    struct host *hosts = NULL;
    size_t count = 0;
    TRY(host_list(req_ctx(r)->db, r->arena, &r->who->org_id, page.sort, page.limit, page.offset,
                  &hosts, &count, &page.total));

    struct server_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        out[i] = to_out(&hosts[i]);
    page_reply_headers(r, count, &page);
    reply_array(r, &server_schema, out, count);
    return ST_OK;
}

static enum status find(struct req *r, struct host *out)
{
    enum status st = host_find(req_ctx(r)->db, r->arena, &r->who->org_id, r->param[0], out);
    return st == ST_NOT_FOUND ? not_found(r) : st;
}

static enum status server_get(struct req *r)
{
    struct host h;
    TRY(find(r, &h));
    reply_server(r, 200, &h);
    return ST_OK;
}

static enum status to_fields(struct req *r, const struct server_in *in, struct host_fields *out)
{
    *out = (struct host_fields){
        .slug = in->slug.v,
        .name = in->name.v,
        .host = in->host.v,
        .port = in->port.v,
        .hostname = in->hostname.v,
        .ip_address = in->ip_address.v,
        .os = in->os.v,
        .os_version = in->os_version.v,
        .agent_version = in->agent_version.v,
        .admin_status = in->admin_status.v,
        .clear_hostname = in->hostname.null,
        .clear_ip_address = in->ip_address.null,
        .clear_os = in->os.null,
        .clear_os_version = in->os_version.null,
        .clear_agent_version = in->agent_version.null,
    };
    if (!in->labels.set)
        return ST_OK;
    AUTO_FREE char *text = json_dumps(in->labels.v, JSON_COMPACT);
    if (!text)
        return ST_NO_MEMORY;
    if (strlen(text) > LABELS_MAX_BYTES)
        return req_invalid_field(r, "labels", "value_error.any_str.max_length",
                                 "ensure this value has at most %d bytes", LABELS_MAX_BYTES);
    out->labels = arena_strdup(r->arena, text);
    return out->labels ? ST_OK : ST_NO_MEMORY;
}

static enum status server_create(struct req *r)
{
    struct host_fields fields;
    TRY(to_fields(r, r->in, &fields));
    struct host h;
    enum status st = host_create(req_ctx(r)->db, r->arena, &r->who->org_id, &fields, &h);
    if (st == ST_CONFLICT)
        return slug_taken(r);
    TRY(st);
    reply_header(r, "Location", arena_printf(r->arena, "/api/v1/servers/%s", h.slug));
    reply_server(r, 201, &h);
    return ST_OK;
}

static enum status server_update(struct req *r)
{
    struct host_fields fields;
    TRY(to_fields(r, r->in, &fields));
    struct host h;
    TRY(find(r, &h));
    struct uuid id = h.id;
    enum status st = host_update(req_ctx(r)->db, r->arena, &r->who->org_id, &id, &fields, &h);
    if (st == ST_CONFLICT)
        return slug_taken(r);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    reply_server(r, 200, &h);
    return ST_OK;
}

static enum status server_delete(struct req *r)
{
    struct host h;
    TRY(find(r, &h));
    enum status st = host_delete(req_ctx(r)->db, r->arena, &r->who->org_id, &h.id);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    reply_empty(r, 204);
    return ST_OK;
}

#define PATH "/api/v1/servers"
#define SERVER \
    PATH_PARAMS({.name = "id", .help = "Id or slug of the server", .example = "server-001"})
static const struct route routes[] = {
    {.method = M_GET,
     .path = PATH,
     .summary = "List servers (a bare array; X-Total-Count and Link tell of pages)",
     .scope = SCOPE_SERVERS_READ,
     .query = &list_schema,
     .reply = &server_schema,
     .shape = REPLY_ARRAY,
     .tag = "Servers",
     .handler = server_list},
    {.method = M_POST,
     .path = PATH,
     .summary = "Create a server",
     .scope = SCOPE_SERVERS_WRITE,
     .body = &create_schema,
     .reply = &server_schema,
     .tag = "Servers",
     .ok = 201,
     .errors = ERRORS("SERVER_SLUG_TAKEN"),
     .flags = ROUTE_ATOMIC,
     .handler = server_create},
    {.method = M_GET,
     .path = PATH "/{id}",
     .summary = "Get a server",
     .scope = SCOPE_SERVERS_READ,
     .reply = &server_schema,
     .tag = "Servers",
     .errors = ERRORS("SERVER_NOT_FOUND"),
     .params = SERVER,
     .handler = server_get},
    {.method = M_PUT,
     .path = PATH "/{id}",
     .summary = "Change a server (a merge: what is not given stays)",
     .scope = SCOPE_SERVERS_WRITE,
     .body = &update_schema,
     .reply = &server_schema,
     .tag = "Servers",
     .errors = ERRORS("SERVER_NOT_FOUND", "SERVER_SLUG_TAKEN"),
     .params = SERVER,
     .handler = server_update},
    {.method = M_PATCH,
     .path = PATH "/{id}",
     .summary = "Change a server",
     .scope = SCOPE_SERVERS_WRITE,
     .body = &update_schema,
     .reply = &server_schema,
     .tag = "Servers",
     .errors = ERRORS("SERVER_NOT_FOUND", "SERVER_SLUG_TAKEN"),
     .params = SERVER,
     .handler = server_update},
    {.method = M_DELETE,
     .path = PATH "/{id}",
     .summary = "Delete a server with its metrics and keys",
     .scope = SCOPE_SERVERS_WRITE,
     .tag = "Servers",
     .ok = 204,
     .errors = ERRORS("SERVER_NOT_FOUND"),
     .params = SERVER,
     .handler = server_delete},
};
const struct route_set servers_routes = {routes, ARRAY_LEN(routes)};
