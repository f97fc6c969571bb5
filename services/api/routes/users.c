/* The caller's own account. */
#include <string.h>

#include "auth/cache.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/str.h"
#include "services/api/api.h"
#include "services/api/login_guard.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/user_reply.h"
#include "store/users.h"

#define AT(member) offsetof(struct user, member)
static const struct field user_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "username", .type = FT_STRING, .offset = AT(username), .example = "\"admin\""},
    {.name = "email", .type = FT_STRING, .offset = AT(email), .example = "\"user@example.com\""},
    {.name = "is_admin",
     .type = FT_BOOL,
     .offset = AT(is_admin),
     .help = "Whether the role is admin or owner"},
    {.name = "role",
     .type = FT_STRING,
     .offset = AT(role_text),
     .help = "viewer, operator, admin or owner",
     .example = "\"admin\""},
    {.name = "is_active", .type = FT_BOOL, .offset = AT(is_active)},
    {.name = "organisation_id", .type = FT_UUID, .offset = AT(org_id)},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_at)},
    {.name = "updated_at", .type = FT_TIME, .offset = AT(updated_at)},
    {.name = "last_login_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(last_login_at)},
};
#undef AT
const struct schema user_reply_schema = SCHEMA("User", struct user, user_fields);

static const char *check_username(const char *text)
{
    if (strchr(text, '@'))
        return "a user name has no @: addresses do";
    return str_has_control(text) ? "control characters are not allowed" : NULL;
}

/* As much as can be said without sending a mail. */
static const char *check_email(const char *text)
{
    const char *at = strchr(text, '@');
    if (!at || at == text || at[1] == '\0' || strchr(at + 1, '@') || strpbrk(text, " \t,;<>\"") ||
        str_has_control(text))
        return "not an e-mail address";
    return NULL;
}

struct profile_in {
    struct in_str username, email;
};
static const struct field profile_fields[] = {
    {.name = "username",
     .type = FT_STRING,
     .offset = offsetof(struct profile_in, username),
     .min = 1,
     .max = 100,
     .check = check_username,
     .help = "New user name"},
    {.name = "email",
     .type = FT_STRING,
     .offset = offsetof(struct profile_in, email),
     .min = 3,
     .max = 320,
     .check = check_email,
     .help = "New e-mail address"},
};
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
    {.name = "new_password",
     .type = FT_STRING,
     .flags = F_REQUIRED | F_SECRET,
     .offset = offsetof(struct password_in, new_password),
     .min = LIMIT_PASSWORD_MIN,
     .max = LIMIT_PASSWORD_BYTES,
     .help = "The new one; all sessions end"},
};
static const struct schema password_schema = SCHEMA("PasswordChange", struct password_in,
                                                    password_fields);

/* An API key may act for a person, but not take over the account. */
static enum status need_person(struct req *r)
{
    if (!uuid_is_nil(&r->who->api_key_id))
        return req_fail(r, ST_FORBIDDEN, "TOKEN_REQUIRED",
                        "Not enough permissions: sign in with a password for this");
    return ST_OK;
}

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
    struct user user;
    const enum status st = user_update_profile(req_ctx(r)->db, &r->who->user_id, in->username.v,
                                               in->email.v, r->arena, &user);
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
    TRY(user_get(ctx->db, &r->who->user_id, r->arena, &user));

    /* A stolen session must not be a way to guess the password. */
    const struct login_attempt attempt = {
        .account = user.email, .address = rate_key_of_address(&r->peer), .now_us = clock_mono_us()};
    if (login_guard_wait_s(ctx->api->login_guard, &attempt) > 0)
        return req_fail(r, ST_RATE_LIMITED, "LOGIN_DELAYED", "Too many failed attempts");
    const enum status st = login_guard_verify(ctx->api->login_guard, user.password_hash,
                                              in->current_password.v);
    if (st == ST_OK || st == ST_UNAUTHENTICATED)
        login_guard_note(ctx->api->login_guard, &attempt, st == ST_OK);
    if (st == ST_UNAUTHENTICATED)
        return req_invalid_field(r, "current_password", "value_error", "the password is wrong");
    TRY(st);

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
     .errors = ERRORS("TOKEN_REQUIRED", "LOGIN_DELAYED"),
     .handler = change_password},
};
const struct route_set users_routes = {routes, ARRAY_LEN(routes)};
