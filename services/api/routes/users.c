/* The people of an organisation, for those who manage them. */
#include "auth/cache.h"
#include "auth/password.h"
#include "base/str.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/login_guard.h"
#include "services/api/routes/account_fields.h"
#include "services/api/routes/routes.h"
#include "services/api/sign_in.h"
#include "store/user_totp.h"
#include "store/users.h"

struct user_in {
    struct in_str username, email, name, password, role;
    struct in_bool is_active;
};
#define AT(member) offsetof(struct user_in, member)
static const struct field create_fields[] = {
    EMAIL_FIELD(AT(email), .flags = F_REQUIRED, .example = "\"ann@example.com\""),
    USERNAME_FIELD(AT(username), .help = "Default: the address up to the @", .example = "\"ann\""),
    PERSON_FIELD(AT(name), .flags = 0),
    NEW_PASSWORD_FIELD("password", AT(password), .flags = F_REQUIRED | F_SECRET,
                       .help = "What the user signs in with first",
                       .example = "\"a sentence that nobody guesses\""),
    {.name = "role",
     .type = FT_STRING,
     .offset = AT(role),
     .choices = role_names,
     .help = "Default: viewer. None that may do more than you"},
};
static const struct schema create_schema = SCHEMA("UserCreate", struct user_in, create_fields);

static const struct field change_fields[] = {
    EMAIL_FIELD(AT(email), .flags = 0),
    USERNAME_FIELD(AT(username), .flags = 0),
    PERSON_FIELD(AT(name), .flags = 0),
    NEW_PASSWORD_FIELD("password", AT(password), .flags = F_SECRET,
                       .help = "A new one; all sessions of the user end"),
    {.name = "role",
     .type = FT_STRING,
     .offset = AT(role),
     .choices = role_names,
     .help = "None that may do more than you; all sessions of the user end"},
    {.name = "is_active",
     .type = FT_BOOL,
     .offset = AT(is_active),
     .help = "false: may not sign in, and all sessions and keys stop working"},
};
#undef AT
static const struct schema change_schema = SCHEMA("UserChange", struct user_in, change_fields);

struct list_in {
    struct page_in page;
    struct in_str role, search;
    struct in_bool is_active;
};
static const char *const sorts[] = {"created_at", NULL};
#define AT(member) offsetof(struct list_in, member)
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, sorts),
    PAGE_CURSOR(struct list_in, page),
    {.name = "role",
     .type = FT_STRING,
     .offset = AT(role),
     .choices = role_names,
     .help = "Only users of this role"},
    {.name = "is_active",
     .type = FT_BOOL,
     .offset = AT(is_active),
     .help = "Only users who may sign in, or who may not"},
    {.name = "search",
     .type = FT_STRING,
     .offset = AT(search),
     .min = 1,
     .max = 100,
     .help = "Part of the user name, the address or the name"},
};
#undef AT
static const struct schema list_schema = SCHEMA("UserQuery", struct list_in, list_fields);

/* Nobody makes or changes somebody who may do more than he himself: with a key that has but a few
 * scopes one could otherwise make oneself an administrator. */
static enum status need_power_over(struct req *r, enum role role)
{
    if ((role_scopes(role) & ~r->who->scopes) || role > r->who->role)
        return req_fail(r, ST_FORBIDDEN, "ROLE_TOO_HIGH",
                        "Not enough permissions: the role %s may do more than you",
                        role_name(role));
    return ST_OK;
}

static enum role role_of(const struct in_str *in)
{
    enum role role = ROLE_VIEWER;
    return in->set && role_parse(in->v, &role) == ST_OK ? role : ROLE_VIEWER;
}

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "USER_NOT_FOUND", "User '%s' not found", r->param[0]);
}

/* The user of the path, of the caller's organisation. */
static enum status find(struct req *r, struct user *out)
{
    struct uuid id;
    enum status st = uuid_parse(r->param[0], &id);
    if (st == ST_OK)
        st = user_get_of(req_ctx(r)->db, &r->who->org_id, &id, r->arena, out);
    return st == ST_INVALID || st == ST_NOT_FOUND ? not_found(r) : st;
}

static enum status outcome(struct req *r, enum status st)
{
    if (st == ST_CONFLICT)
        return req_fail(r, st, "USER_EXISTS", "The user name or address is taken");
    if (st == ST_FORBIDDEN)
        return req_fail(r, ST_CONFLICT, "LAST_OWNER",
                        "An organisation keeps one active owner at least");
    return st == ST_NOT_FOUND ? not_found(r) : st;
}

static enum status list(struct req *r)
{
    const struct list_in *in = r->query_in;
    const struct user_filter filter = {.text = in->search.v,
                                       .role = in->role.v,
                                       .has_active = in->is_active.set,
                                       .active = in->is_active.v};
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 20, &page));
    struct user *rows = NULL;
    size_t count = 0;
    TRY(user_page(req_ctx(r)->db, &r->who->org_id, &filter, r->arena, &page, &rows, &count));
    reply_page(r, "users", &user_reply_schema, rows, count, &page);
    return ST_OK;
}

static enum status get(struct req *r)
{
    struct user user;
    TRY(find(r, &user));
    reply_object(r, 200, &user_reply_schema, &user);
    return ST_OK;
}

static enum status create(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct user_in *in = r->in;
    char hash[PASSWORD_HASH_BYTES];
    struct user made = {.id = uuid_new(),
                        .org_id = r->who->org_id,
                        .email = in->email.v,
                        .username = in->username.v,
                        .display_name = in->name.v,
                        .password_hash = hash,
                        .role = role_of(&in->role)};
    if (!made.username)
        made.username = arena_strndup(r->arena, made.email, strcspn(made.email, "@"));
    TRY(need_power_over(r, made.role));
    TRY(need_good_password(r, "password", in->password.v, made.username, made.email));
    TRY(login_guard_hash(ctx->api->login_guard, in->password.v, hash));
    const enum status st = user_insert(ctx->db, &made, r->arena);
    if (st != ST_OK)
        return outcome(r, st);
    struct user user;
    TRY(user_get(ctx->db, &made.id, r->arena, &user));
    reply_object(r, 201, &user_reply_schema, &user);
    return ST_OK;
}

static enum status change(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct user_in *in = r->in;
    struct user user;
    char hash[PASSWORD_HASH_BYTES];
    TRY(find(r, &user));
    TRY(need_power_over(r, user.role));
    if (in->role.set)
        TRY(need_power_over(r, role_of(&in->role)));
    struct user_change change = {.username = in->username.v,
                                 .email = in->email.v,
                                 .display_name = in->name.v,
                                 .role = in->role.v,
                                 .is_active = in->is_active.set ? &in->is_active.v : NULL};
    if (in->password.set) {
        if (user.is_external)
            return req_fail(r, ST_CONFLICT, "USER_EXTERNAL",
                            "This user is signed in by a proxy and has no password here");
        TRY(need_good_password(r, "password", in->password.v, user.username, user.email));
        TRY(login_guard_hash(ctx->api->login_guard, in->password.v, hash));
        change.password_hash = hash;
    }
    const enum status st = user_change(ctx->db, &r->who->org_id, &user.id, &change, r->arena,
                                       &user);
    auth_cache_forget(ctx->api->auth_cache, &user.id);
    if (st != ST_OK)
        return outcome(r, st);
    reply_object(r, 200, &user_reply_schema, &user);
    return ST_OK;
}

static enum status remove_user(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct user user;
    TRY(find(r, &user));
    TRY(need_power_over(r, user.role));
    const enum status st = user_remove(ctx->db, &r->who->org_id, &user.id, r->arena);
    auth_cache_forget(ctx->api->auth_cache, &user.id);
    if (st != ST_OK)
        return outcome(r, st);
    reply_empty(r, 204);
    return ST_OK;
}

/* For somebody who lost his app and his recovery codes. */
static enum status reset_totp(struct req *r)
{
    struct user user;
    TRY(find(r, &user));
    TRY(need_power_over(r, user.role));
    const enum status st = user_totp_remove(req_ctx(r)->db, &user.id, r->arena);
    if (st == ST_NOT_FOUND)
        return req_fail(r, ST_CONFLICT, "TOTP_NOT_ENABLED", "There is no second factor");
    TRY(st);
    TRY(sign_in_record(r, &user, "user.totp_reset", false, NULL));
    reply_empty(r, 204);
    return ST_OK;
}

#define CHANGE_ROUTE(m, text)                                                            \
    {                                                                                    \
        .method = (m), .path = "/api/v1/users/{id}", .summary = (text),                  \
        .scope = SCOPE_USERS_WRITE, .body = &change_schema, .reply = &user_reply_schema, \
        .tag = "Users",                                                                  \
        .errors = ERRORS("USER_NOT_FOUND", "USER_EXISTS", "ROLE_TOO_HIGH", "LAST_OWNER", \
                         "USER_EXTERNAL"),                                               \
        .handler = change                                                                \
    }
static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/users",
     .summary = "List the users of the organisation",
     .scope = SCOPE_USERS_READ,
     .query = &list_schema,
     .reply = &user_reply_schema,
     .list = "users",
     .tag = "Users",
     .handler = list},
    {.method = M_POST,
     .path = "/api/v1/users",
     .summary = "Create a user",
     .scope = SCOPE_USERS_WRITE,
     .body = &create_schema,
     .reply = &user_reply_schema,
     .tag = "Users",
     .ok = 201,
     .errors = ERRORS("USER_EXISTS", "ROLE_TOO_HIGH"),
     .flags = ROUTE_ATOMIC,
     .handler = create},
    {.method = M_GET,
     .path = "/api/v1/users/{id}",
     .summary = "Get a user",
     .scope = SCOPE_USERS_READ,
     .reply = &user_reply_schema,
     .tag = "Users",
     .errors = ERRORS("USER_NOT_FOUND"),
     .handler = get},
    CHANGE_ROUTE(M_PATCH, "Change a user"),
    CHANGE_ROUTE(M_PUT, "Change what is given of a user"),
    {.method = M_DELETE,
     .path = "/api/v1/users/{id}",
     .summary = "Remove a user with his sessions and API keys",
     .scope = SCOPE_USERS_WRITE,
     .tag = "Users",
     .ok = 204,
     .errors = ERRORS("USER_NOT_FOUND", "ROLE_TOO_HIGH", "LAST_OWNER"),
     .handler = remove_user},
    {.method = M_DELETE,
     .path = "/api/v1/users/{id}/totp",
     .summary = "Remove the second factor of a user who lost it",
     .scope = SCOPE_USERS_WRITE,
     .tag = "Users",
     .ok = 204,
     .errors = ERRORS("USER_NOT_FOUND", "ROLE_TOO_HIGH", "TOTP_NOT_ENABLED"),
     .handler = reset_totp},
};
const struct route_set users_routes = {routes, ARRAY_LEN(routes)};
