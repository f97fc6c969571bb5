/* The sessions of a person, and tickets for WebSockets. */
#include "auth/cache.h"
#include "base/clock.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/user_reply.h"
#include "services/api/sign_in.h"
#include "store/tokens.h"
#include "store/ws_tickets.h"

#define AT(member) offsetof(struct session_row, member)
static const struct field session_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "is_current",
     .type = FT_BOOL,
     .offset = AT(is_current),
     .help = "Whether the request itself is of this session"},
    {.name = "address",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(address),
     .help = "Where it was refreshed from last"},
    {.name = "user_agent", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(user_agent)},
    {.name = "started_at", .type = FT_TIME, .offset = AT(started_at)},
    {.name = "refreshed_at", .type = FT_TIME, .offset = AT(refreshed_at)},
    {.name = "expires_at", .type = FT_TIME, .offset = AT(expires_at)},
};
#undef AT
static const struct schema session_schema = SCHEMA("Session", struct session_row, session_fields);

struct ticket_reply {
    const char *ticket;
    int64_t expires_in, expires_at;
};
#define AT(member) offsetof(struct ticket_reply, member)
static const struct field ticket_fields[] = {
    {.name = "ticket",
     .type = FT_STRING,
     .offset = AT(ticket),
     .help = "Goes into the WebSocket's URL: ?ticket=…"},
    {.name = "expires_in",
     .type = FT_INT,
     .offset = AT(expires_in),
     .help = "Seconds",
     .example = "30"},
    {.name = "expires_at", .type = FT_TIME, .offset = AT(expires_at)},
};
#undef AT
static const struct schema ticket_schema = SCHEMA("WebSocketTicket", struct ticket_reply,
                                                  ticket_fields);

static enum status list(struct req *r)
{
    TRY(need_person(r));
    struct session_row *rows = NULL;
    size_t count = 0;
    TRY(session_list(req_ctx(r)->db, &r->who->user_id, &r->who->session, r->arena, &rows, &count));
    reply_items(r, "sessions", &session_schema, rows, count);
    return ST_OK;
}

static enum status end(struct req *r)
{
    TRY(need_person(r));
    const struct api_ctx *ctx = req_ctx(r);
    struct uuid id;
    struct user user;
    enum status st = uuid_parse(r->param[0], &id);
    if (st == ST_OK)
        st = refresh_family_revoke(ctx->db, &r->who->user_id, &id, r->arena);
    if (st == ST_INVALID || st == ST_NOT_FOUND)
        return req_fail(r, ST_NOT_FOUND, "SESSION_NOT_FOUND", "Session '%s' not found",
                        r->param[0]);
    TRY(st);
    auth_cache_forget(ctx->api->auth_cache, &r->who->user_id);
    TRY(user_get(ctx->db, &r->who->user_id, r->arena, &user));
    TRY(sign_in_record(r, &user, "user.session_ended", false, NULL));
    reply_empty(r, 204);
    return ST_OK;
}

static enum status ws_ticket(struct req *r)
{
    char ticket[SECRET_TOKEN_BYTES];
    TRY(ws_ticket_issue(req_ctx(r)->db, r->who, r->arena, ticket));
    const struct ticket_reply reply = {.ticket = ticket,
                                       .expires_in = WS_TICKET_LIFE_S,
                                       .expires_at = clock_wall_us() +
                                                     WS_TICKET_LIFE_S * INT64_C(1000000)};
    reply_header(r, "Cache-Control", "no-store");
    reply_object(r, 200, &ticket_schema, &reply);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/auth/sessions",
     .summary = "The caller's sessions",
     .scope = SCOPE_SELF,
     .reply = &session_schema,
     .list = "sessions",
     .shape = REPLY_ITEMS,
     .tag = "Authentication",
     .errors = ERRORS("TOKEN_REQUIRED"),
     .handler = list},
    {.method = M_DELETE,
     .path = "/api/v1/auth/sessions/{id}",
     .summary = "End one of the caller's sessions",
     .scope = SCOPE_SELF,
     .tag = "Authentication",
     .errors = ERRORS("TOKEN_REQUIRED", "SESSION_NOT_FOUND"),
     .ok = 204,
     .handler = end},
    {.method = M_POST,
     .path = "/api/v1/auth/ws-ticket",
     .summary = "Get a ticket that opens one WebSocket",
     .description = "Good once and for 30 seconds: browsers cannot send an Authorization header "
                    "when they open a WebSocket.",
     .scope = SCOPE_SELF,
     .reply = &ticket_schema,
     .tag = "Authentication",
     .flags = ROUTE_ATOMIC,
     .handler = ws_ticket},
};
const struct route_set sessions_routes = {routes, ARRAY_LEN(routes)};
