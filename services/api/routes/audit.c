/* /audit: who changed what, when and from where. */
#include "store/audit.h"

#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"

#define AT(member) offsetof(struct audit_entry, member)
static const struct field entry_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "at", .type = FT_TIME, .offset = AT(at)},
    {.name = "action",
     .type = FT_STRING,
     .offset = AT(action),
     .help = "What was done, of what: check.update, user.login_failed …",
     .example = "\"check.update\""},
    {.name = "object_type", .type = FT_STRING, .offset = AT(object_type), .example = "\"check\""},
    {.name = "object_id", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(object_id)},
    {.name = "object_name",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(object_name),
     .help = "Its name at that time"},
    {.name = "actor_type",
     .type = FT_STRING,
     .offset = AT(actor_type),
     .help = "user, api_key, anonymous, cli, or system: Tocsin itself",
     .example = "\"user\""},
    {.name = "user_id", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(user_id)},
    {.name = "username",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(username),
     .help = "The user's name at that time"},
    {.name = "api_key_id", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(api_key_id)},
    {.name = "address",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(address),
     .help = "Where the request came from"},
    {.name = "request_id",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(request_id),
     .help = "The X-Request-Id of the reply, also in the logs"},
    {.name = "before",
     .type = FT_MAP,
     .flags = F_NULLABLE,
     .offset = AT(before),
     .help = "What was different before; null for what is new. Secrets read ***"},
    {.name = "after",
     .type = FT_MAP,
     .flags = F_NULLABLE,
     .offset = AT(after),
     .help = "What is different since; null for what is gone"},
};
#undef AT
static const struct schema entry_schema = SCHEMA("AuditEntry", struct audit_entry, entry_fields);

struct list_in {
    struct page_in page;
    struct in_str action, object_type, object_id, address, request_id;
    struct in_uuid user_id;
    struct in_time since, until;
};
static const char *const sorts[] = {"-at", "at", NULL};
#define AT(member) offsetof(struct list_in, member)
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, sorts),
    PAGE_CURSOR(struct list_in, page),
    {.name = "action",
     .type = FT_STRING,
     .offset = AT(action),
     .max = 100,
     .help = "Only this action; \"user.\" is all that begin so"},
    {.name = "object_type",
     .type = FT_STRING,
     .offset = AT(object_type),
     .max = 100,
     .help = "Only what was done to this type of object"},
    {.name = "object_id",
     .type = FT_STRING,
     .offset = AT(object_id),
     .max = 100,
     .help = "Only what was done to this object"},
    {.name = "user_id", .type = FT_UUID, .offset = AT(user_id), .help = "Only what this user did"},
    {.name = "address",
     .type = FT_STRING,
     .offset = AT(address),
     .max = 100,
     .help = "Only what came from this address"},
    {.name = "request_id",
     .type = FT_STRING,
     .offset = AT(request_id),
     .max = 100,
     .help = "Only what this request did"},
    {.name = "since", .type = FT_TIME, .offset = AT(since), .help = "Only at or after this time"},
    {.name = "until", .type = FT_TIME, .offset = AT(until), .help = "Only before this time"},
};
#undef AT
static const struct schema list_schema = SCHEMA("AuditQuery", struct list_in, list_fields);

static enum status list(struct req *r)
{
    const struct list_in *in = r->query_in;
    const struct audit_filter filter = {.action = in->action.v,
                                        .object_type = in->object_type.v,
                                        .object_id = in->object_id.v,
                                        .user_id = in->user_id.v,
                                        .address = in->address.v,
                                        .request_id = in->request_id.v,
                                        .since = in->since.v,
                                        .until = in->until.v};
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 50, &page));
    struct audit_entry *rows = NULL;
    size_t count = 0;
    TRY(audit_list(req_ctx(r)->db, &r->who->org_id, &filter, r->arena, &page, &rows, &count));
    reply_page(r, "entries", &entry_schema, rows, count, &page);
    return ST_OK;
}

static enum status get(struct req *r)
{
    struct uuid id;
    struct audit_entry entry;
    enum status st = uuid_parse(r->param[0], &id);
    if (st == ST_OK)
        st = audit_get(req_ctx(r)->db, &r->who->org_id, &id, r->arena, &entry);
    if (st == ST_INVALID || st == ST_NOT_FOUND)
        return req_fail(r, ST_NOT_FOUND, "AUDIT_ENTRY_NOT_FOUND", "Audit entry '%s' not found",
                        r->param[0]);
    TRY(st);
    reply_object(r, 200, &entry_schema, &entry);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/audit",
     .summary = "Who changed what, newest first",
     .scope = SCOPE_AUDIT_READ,
     .query = &list_schema,
     .reply = &entry_schema,
     .list = "entries",
     .tag = "Audit",
     .handler = list},
    {.method = M_GET,
     .path = "/api/v1/audit/{id}",
     .summary = "One entry of the audit log",
     .scope = SCOPE_AUDIT_READ,
     .reply = &entry_schema,
     .tag = "Audit",
     .errors = ERRORS("AUDIT_ENTRY_NOT_FOUND"),
     .handler = get},
};
const struct route_set audit_routes = {routes, ARRAY_LEN(routes)};
