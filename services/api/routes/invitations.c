/* Invitations of administrators: a token that makes one account. */
#include "store/invitations.h"

#include "base/clock.h"
#include "base/str.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/account_fields.h"
#include "services/api/routes/routes.h"

#define AT(member) offsetof(struct invitation, member)
#define INVITATION_FIELDS                                                                         \
    {.name = "id", .type = FT_UUID, .offset = AT(id)},                                            \
        {.name = "email",                                                                         \
         .type = FT_STRING,                                                                       \
         .flags = F_NULLABLE,                                                                     \
         .offset = AT(email),                                                                     \
         .help = "The only address that it is good for, or null"},                                \
        {.name = "role", .type = FT_STRING, .offset = AT(role), .example = "\"operator\""},       \
        {.name = "status",                                                                        \
         .type = FT_STRING,                                                                       \
         .offset = AT(status),                                                                    \
         .help = "pending, accepted, revoked or expired"},                                        \
        {.name = "created_by", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(created_by)},   \
        {.name = "created_at", .type = FT_TIME, .offset = AT(created_at)},                        \
        {.name = "expires_at", .type = FT_TIME, .offset = AT(expires_at)},                        \
        {.name = "accepted_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(accepted_at)}, \
    {                                                                                             \
        .name = "accepted_by", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(accepted_by)    \
    }
static const struct field invitation_fields[] = {INVITATION_FIELDS};
static const struct schema invitation_schema = SCHEMA("Invitation", struct invitation,
                                                      invitation_fields);

struct created {
    struct invitation row; /* first: the fields' offsets are its own */
    const char *token;
};
static const struct field created_fields[] = {
    INVITATION_FIELDS,
    {.name = "token",
     .type = FT_STRING,
     .offset = offsetof(struct created, token),
     .help = "What the invited one registers with; shown this once"},
};
#undef AT
static const struct schema created_schema = SCHEMA("CreatedInvitation", struct created,
                                                   created_fields);

struct invite_in {
    struct in_str email, role;
    struct in_time expires_at;
};
#define AT(member) offsetof(struct invite_in, member)
static const struct field invite_fields[] = {
    EMAIL_FIELD(AT(email), .flags = F_NULLABLE,
                .help = "The only address that it is good for (default: any)"),
    {.name = "role",
     .type = FT_STRING,
     .offset = AT(role),
     .choices = role_names,
     .help = "Default: viewer. None that may do more than you"},
    {.name = "expires_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(expires_at),
     .help = "Default: in 7 days; 90 days at most"},
};
#undef AT
static const struct schema invite_schema = SCHEMA("InvitationCreate", struct invite_in,
                                                  invite_fields);

struct list_in {
    struct page_in page;
    struct in_str status;
};
static const char *const statuses[] = {"pending", "accepted", "revoked", "expired", NULL};
static const char *const sorts[] = {"-created_at", NULL};
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, sorts),
    PAGE_CURSOR(struct list_in, page),
    {.name = "status",
     .type = FT_STRING,
     .offset = offsetof(struct list_in, status),
     .choices = statuses,
     .help = "Only invitations in this state"},
};
static const struct schema list_schema = SCHEMA("InvitationQuery", struct list_in, list_fields);

#define DAY_US (INT64_C(86400) * 1000000)

static enum status choose_expiry(struct req *r, const struct in_time *in, int64_t *out)
{
    const int64_t now_us = clock_wall_us();
    *out = in->v != 0 ? in->v : now_us + 7 * DAY_US;
    if (*out <= now_us || *out > now_us + 90 * DAY_US)
        return req_invalid_field(r, "expires_at", "value_error",
                                 "must be in the future, by 90 days at most");
    return ST_OK;
}

static enum status create(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct invite_in *in = r->in;
    enum role role = ROLE_VIEWER;
    if (in->role.set && role_parse(in->role.v, &role) != ST_OK)
        return ST_INVALID;
    if (str_eq(ctx->conf->registration, "closed"))
        return req_fail(r, ST_CONFLICT, "REGISTRATION_DISABLED",
                        "TOCSIN_REGISTRATION is closed: an invitation could not be used");
    if ((role_scopes(role) & ~r->who->scopes) || role > r->who->role)
        return req_fail(r, ST_FORBIDDEN, "ROLE_TOO_HIGH",
                        "Not enough permissions: the role %s may do more than you",
                        role_name(role));
    struct invitation invitation = {.org_id = r->who->org_id,
                                    .created_by = r->who->user_id,
                                    .email = in->email.v,
                                    .role = role_name(role)};
    TRY(choose_expiry(r, &in->expires_at, &invitation.expires_at));
    char token[SECRET_TOKEN_BYTES];
    struct created made = {.token = token};
    TRY(invitation_create(ctx->db, &invitation, r->arena, token, &made.row));
    reply_header(r, "Cache-Control", "no-store");
    reply_object(r, 201, &created_schema, &made);
    return ST_OK;
}

static enum status list(struct req *r)
{
    const struct list_in *in = r->query_in;
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 20, &page));
    struct invitation *rows = NULL;
    size_t count = 0;
    TRY(invitation_page(req_ctx(r)->db, &r->who->org_id, in->status.v, r->arena, &page, &rows,
                        &count));
    reply_page(r, "invitations", &invitation_schema, rows, count, &page);
    return ST_OK;
}

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "INVITATION_NOT_FOUND", "Invitation '%s' not found",
                    r->param[0]);
}

static enum status get(struct req *r)
{
    struct uuid id;
    struct invitation invitation;
    enum status st = uuid_parse(r->param[0], &id);
    if (st == ST_OK)
        st = invitation_get(req_ctx(r)->db, &r->who->org_id, &id, r->arena, &invitation);
    if (st == ST_INVALID || st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    reply_object(r, 200, &invitation_schema, &invitation);
    return ST_OK;
}

static enum status revoke(struct req *r)
{
    struct uuid id;
    enum status st = uuid_parse(r->param[0], &id);
    if (st == ST_OK)
        st = invitation_revoke(req_ctx(r)->db, &r->who->org_id, &id, r->arena);
    if (st == ST_INVALID || st == ST_NOT_FOUND)
        return not_found(r);
    if (st == ST_CONFLICT)
        return req_fail(r, st, "INVITATION_ENDED", "The invitation is used or revoked already");
    TRY(st);
    reply_empty(r, 204);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/invitations",
     .summary = "List invitations",
     .scope = SCOPE_USERS_READ,
     .query = &list_schema,
     .reply = &invitation_schema,
     .list = "invitations",
     .tag = "Users",
     .handler = list},
    {.method = M_POST,
     .path = "/api/v1/invitations",
     .summary = "Invite somebody: a token that makes one account",
     .scope = SCOPE_USERS_WRITE,
     .body = &invite_schema,
     .reply = &created_schema,
     .tag = "Users",
     .ok = 201,
     .errors = ERRORS("ROLE_TOO_HIGH", "REGISTRATION_DISABLED"),
     .flags = ROUTE_OPTIONAL_BODY | ROUTE_ATOMIC,
     .handler = create},
    {.method = M_GET,
     .path = "/api/v1/invitations/{id}",
     .summary = "Get an invitation",
     .scope = SCOPE_USERS_READ,
     .reply = &invitation_schema,
     .tag = "Users",
     .errors = ERRORS("INVITATION_NOT_FOUND"),
     .handler = get},
    {.method = M_DELETE,
     .path = "/api/v1/invitations/{id}",
     .summary = "Revoke an invitation",
     .scope = SCOPE_USERS_WRITE,
     .tag = "Users",
     .ok = 204,
     .errors = ERRORS("INVITATION_NOT_FOUND", "INVITATION_ENDED"),
     .handler = revoke},
};
const struct route_set invitations_routes = {routes, ARRAY_LEN(routes)};
