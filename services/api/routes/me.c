/* The caller's own account. */
#include "auth/cache.h"
#include "auth/password.h"
#include "services/api/api.h"
#include "services/api/login_guard.h"
#include "services/api/routes/account_fields.h"
#include "services/api/routes/routes.h"
#include "services/api/sign_in.h"
#include "store/users.h"

struct profile_in {
    struct in_str username, email, name;
};
#define AT(member) offsetof(struct profile_in, member)
static const struct field profile_fields[] = {
    USERNAME_FIELD(AT(username), .help = "New user name"),
    EMAIL_FIELD(AT(email), .help = "New e-mail address"),
    PERSON_FIELD(AT(name), .flags = 0),
};
#undef AT
static const struct schema profile_schema = SCHEMA("Profile", struct profile_in, profile_fields);

struct password_in {
    struct in_str current_password, new_password;
};
static const struct field password_fields[] = {
    {.name = "current_password",
     .type = FT_STRING,
     .flags = F_REQUIRED | F_SECRET,
     .offset = offsetof(struct password_in, current_password),
     .min = 1,
     .max = LIMIT_PASSWORD_BYTES,
     .help = "The password of now"},
    NEW_PASSWORD_FIELD("new_password", offsetof(struct password_in, new_password),
                       .flags = F_REQUIRED | F_SECRET, .help = "The new one; all sessions end",
                       .example = "\"a sentence that nobody guesses\""),
};
static const struct schema password_schema = SCHEMA("PasswordChange", struct password_in,
                                                    password_fields);

static enum status get_me(struct req *r)
{
    struct user user;
    TRY(user_get(req_ctx(r)->db, &r->who->user_id, r->arena, &user));
    reply_object(r, 200, &user_reply_schema, &user);
    return ST_OK;
}

static enum status patch_me(struct req *r)
{
    TRY(need_person(r));
    const struct profile_in *in = r->in;
    const struct user_change change = {
        .username = in->username.v, .email = in->email.v, .display_name = in->name.v};
    struct user user;
    const enum status st = user_change(req_ctx(r)->db, &r->who->org_id, &r->who->user_id, &change,
                                       r->arena, &user);
    if (st == ST_CONFLICT)
        return req_fail(r, st, "USER_EXISTS", "The user name or address is taken");
    TRY(st);
    reply_object(r, 200, &user_reply_schema, &user);
    return ST_OK;
}

static enum status change_password(struct req *r)
{
    TRY(need_person(r));
    const struct api_ctx *ctx = req_ctx(r);
    const struct password_in *in = r->in;
    struct user user;
    TRY(sign_in_confirm(r, "current_password", in->current_password.v, &user));
    TRY(need_good_password(r, "new_password", in->new_password.v, user.username, user.email));
    char hash[PASSWORD_HASH_BYTES];
    TRY(login_guard_hash(ctx->api->login_guard, in->new_password.v, hash));
    TRY(user_set_password(ctx->db, &user.id, hash, r->arena));
    auth_cache_forget(ctx->api->auth_cache, &user.id);
    reply_empty(r, 204);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/users/me",
     .summary = "The caller's account",
     .scope = SCOPE_SELF,
     .reply = &user_reply_schema,
     .tag = "Users",
     .handler = get_me},
    {.method = M_PATCH,
     .path = "/api/v1/users/me",
     .summary = "Change the caller's account",
     .scope = SCOPE_SELF,
     .body = &profile_schema,
     .reply = &user_reply_schema,
     .tag = "Users",
     .errors = ERRORS("TOKEN_REQUIRED", "USER_EXISTS"),
     .handler = patch_me},
    {.method = M_POST,
     .path = "/api/v1/users/me/password",
     .summary = "Change the caller's password; all sessions end",
     .scope = SCOPE_SELF,
     .body = &password_schema,
     .tag = "Users",
     .ok = 204,
     .errors = ERRORS("TOKEN_REQUIRED", "LOGIN_DELAYED", "USER_EXTERNAL"),
     .flags = ROUTE_ATOMIC | ROUTE_COUNTS_FAILURES,
     .handler = change_password},
};
const struct route_set me_routes = {routes, ARRAY_LEN(routes)};
