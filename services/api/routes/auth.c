/* Signing in, staying signed in, signing out. */
#include <stdio.h>
#include <string.h>

#include "auth/api_key.h"
#include "auth/cache.h"
#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "services/api/api.h"
#include "services/api/login_guard.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/user_reply.h"
#include "store/tokens.h"
#include "store/users.h"

struct token_in {
    struct in_str username, email, password, grant_type, scope, client_id, client_secret;
};

#define AT(member) offsetof(struct token_in, member)
static const char *const grants[] = {"password", NULL};
static const struct field token_fields[] = {
    {.name = "username",
     .type = FT_STRING,
     .offset = AT(username),
     .min = 1,
     .max = 320,
     .help = "User name or e-mail address",
     .example = "\"admin\""},
    {.name = "email",
     .type = FT_STRING,
     .offset = AT(email),
     .min = 1,
     .max = 320,
     .help = "E-mail address, instead of username",
     .example = "\"user@example.com\""},
    {.name = "password",
     .type = FT_STRING,
     .flags = F_REQUIRED | F_SECRET,
     .offset = AT(password),
     .min = 1,
     .max = LIMIT_PASSWORD_BYTES,
     .help = "Password",
     .example = "\"your_password\""},
    {.name = "grant_type",
     .type = FT_STRING,
     .offset = AT(grant_type),
     .choices = grants,
     .help = "As OAuth 2 has it; only password"},
    {.name = "scope",
     .type = FT_STRING,
     .offset = AT(scope),
     .max = 1024,
     .help = "Taken for OAuth 2's sake, without effect"},
    {.name = "client_id",
     .type = FT_STRING,
     .offset = AT(client_id),
     .max = 1024,
     .help = "Taken for OAuth 2's sake, without effect"},
    {.name = "client_secret",
     .type = FT_STRING,
     .flags = F_SECRET,
     .offset = AT(client_secret),
     .max = 1024,
     .help = "Taken for OAuth 2's sake, without effect"},
};
#undef AT
static const struct schema token_schema = SCHEMA("SignIn", struct token_in, token_fields);

struct refresh_in {
    struct in_str refresh_token;
};
static const struct field refresh_fields[] = {
    {.name = "refresh_token",
     .type = FT_STRING,
     .flags = F_REQUIRED | F_SECRET,
     .offset = offsetof(struct refresh_in, refresh_token),
     .min = 1,
     .max = LIMIT_TOKEN_BYTES,
     .help = "The newest refresh token; it is used up by this"},
};
static const struct schema refresh_schema = SCHEMA("Refresh", struct refresh_in, refresh_fields);
static const struct field logout_fields[] = {
    {.name = "refresh_token",
     .type = FT_STRING,
     .flags = F_SECRET | F_NULLABLE,
     .offset = offsetof(struct refresh_in, refresh_token),
     .min = 1,
     .max = LIMIT_TOKEN_BYTES,
     .help = "Ends the session that it belongs to; without it all of the user's sessions end"},
};
static const struct schema logout_schema = SCHEMA("SignOut", struct refresh_in, logout_fields);

struct token_reply {
    const char *access_token, *token_type, *refresh_token;
    int64_t expires_in;
    const struct user *user;
};
#define AT(member) offsetof(struct token_reply, member)
static const struct field reply_fields[] = {
    {.name = "access_token",
     .type = FT_STRING,
     .offset = AT(access_token),
     .help = "Goes into the Authorization header: Bearer …"},
    {.name = "token",
     .type = FT_STRING,
     .offset = AT(access_token),
     .help = "The same as access_token"},
    {.name = "token_type", .type = FT_STRING, .offset = AT(token_type), .example = "\"bearer\""},
    {.name = "refresh_token",
     .type = FT_STRING,
     .offset = AT(refresh_token),
     .help = "Good for one POST /auth/refresh"},
    {.name = "expires_in",
     .type = FT_INT,
     .offset = AT(expires_in),
     .example = "3600",
     .help = "Seconds that the access token lives"},
    {.name = "user", .type = FT_OBJECT, .offset = AT(user), .sub = &user_reply_schema},
};
#undef AT
static const struct schema reply_schema = SCHEMA("Token", struct token_reply, reply_fields);

struct message_reply {
    const char *message;
};
static const struct field message_fields[] = {
    {.name = "message", .type = FT_STRING, .offset = offsetof(struct message_reply, message)},
};
static const struct schema message_schema = SCHEMA("Message", struct message_reply, message_fields);

/* The reply of a sign-in or a refresh. The refresh token is stored already. */
static enum status reply_tokens(struct req *r, const struct user *user, const struct uuid *session,
                                const char *refresh_token)
{
    const struct api_ctx *ctx = req_ctx(r);
    const int64_t now_s = clock_wall_us() / 1000000;
    const int64_t life_s = ctx->conf->access_token_ttl / 1000;
    const struct jwt_claims claims = {.user_id = user->id,
                                      .org_id = user->org_id,
                                      .role = user->role,
                                      .epoch = user->token_epoch,
                                      .issued_at_s = now_s,
                                      .expires_at_s = now_s + life_s,
                                      .id = uuid_new(),
                                      .session = *session};
    struct token_reply reply = {
        .token_type = "bearer", .refresh_token = refresh_token, .expires_in = life_s, .user = user};
    TRY(jwt_issue(&ctx->api->jwt, &claims, r->arena, &reply.access_token));
    reply_header(r, "Cache-Control", "no-store");
    reply_object(r, 200, &reply_schema, &reply);
    return ST_OK;
}

static int64_t refresh_expiry_us(const struct req *r)
{
    return clock_wall_us() + req_ctx(r)->conf->refresh_token_ttl * 1000;
}

static enum status start_session(struct req *r, const struct user *user)
{
    struct db *db = req_ctx(r)->db;
    char text[SECRET_TOKEN_BYTES];
    struct refresh_token token = {
        .user_id = user->id, .family = uuid_new(), .expires_at = refresh_expiry_us(r)};
    secret_token_new(text);
    secret_hash(text, token.hash);
    TRY(refresh_token_insert(db, &token, r->arena));
    TRY(user_signed_in(db, &user->id, r->arena));
    return reply_tokens(r, user, &token.family, text);
}

static enum status refuse_sign_in(struct req *r)
{
    reply_header(r, "WWW-Authenticate", "Bearer realm=\"tocsin\"");
    return req_fail(r, ST_UNAUTHENTICATED, "INVALID_CREDENTIALS",
                    "Incorrect user name or password");
}

static enum status ask_to_wait(struct req *r, int64_t wait_s)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)wait_s);
    reply_header(r, "Retry-After", text);
    return req_fail(r, ST_RATE_LIMITED, "LOGIN_DELAYED",
                    "Too many failed attempts to sign in; try again in %s s", text);
}

static enum status sign_in(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct token_in *in = r->in;
    const char *login = in->username.set ? in->username.v : in->email.v;
    if (!login)
        return req_invalid_field(r, "username", "value_error.missing", "field required");

    const struct login_attempt attempt = {
        .account = login, .address = rate_key_of_address(&r->peer), .now_us = clock_mono_us()};
    const int64_t wait_s = login_guard_wait_s(ctx->api->login_guard, &attempt);
    if (wait_s > 0)
        return ask_to_wait(r, wait_s);

    struct user user;
    const enum status found = user_by_login(ctx->db, login, r->arena, &user);
    if (found != ST_OK && found != ST_NOT_FOUND)
        return found;
    const enum status st = login_guard_verify(
        ctx->api->login_guard, found == ST_OK ? user.password_hash : NULL, in->password.v);
    if (st != ST_OK && st != ST_UNAUTHENTICATED)
        return st;
    const bool success = st == ST_OK && user.is_active;
    login_guard_note(ctx->api->login_guard, &attempt, success);
    if (!success) {
        log_info("sign_in_failed", kv_str("address", req_peer_text(r)));
        return refuse_sign_in(r);
    }
    return start_session(r, &user);
}

static enum status refresh(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct refresh_in *in = r->in;
    unsigned char hash[API_KEY_HASH_BYTES];
    char text[SECRET_TOKEN_BYTES];
    struct refresh_token next = {.expires_at = refresh_expiry_us(r)};
    secret_hash(in->refresh_token.v, hash);
    secret_token_new(text);
    secret_hash(text, next.hash);
    const enum status st = refresh_token_rotate(ctx->db, hash, r->arena, &next);
    if (st == ST_GONE) {
        auth_cache_forget(ctx->api->auth_cache, &next.user_id);
        log_warn("refresh_token_reused", kv_uuid("user", next.user_id));
        return req_fail(r, ST_UNAUTHENTICATED, "TOKEN_REUSED",
                        "This refresh token was used before; its session has been ended");
    }
    if (st == ST_UNAUTHENTICATED)
        return req_fail(r, st, "INVALID_TOKEN", "The refresh token is unknown, expired or revoked");
    TRY(st);

    struct user user;
    const enum status found = user_get(ctx->db, &next.user_id, r->arena, &user);
    if (found == ST_NOT_FOUND || (found == ST_OK && !user.is_active))
        return req_fail(r, ST_UNAUTHENTICATED, "INVALID_TOKEN", "The user may not sign in");
    TRY(found);
    return reply_tokens(r, &user, &next.family, text);
}

static enum status logout(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct refresh_in *in = r->in;
    const struct uuid *user = &r->who->user_id;
    if (in->refresh_token.set && !in->refresh_token.null) {
        unsigned char hash[API_KEY_HASH_BYTES];
        struct uuid family;
        secret_hash(in->refresh_token.v, hash);
        const enum status st = refresh_token_family(ctx->db, hash, user, r->arena, &family);
        /* A session that is gone has been signed out of. */
        if (st != ST_NOT_FOUND) {
            TRY(st);
            TRY(refresh_family_revoke(ctx->db, user, &family, r->arena));
        }
    } else {
        TRY(user_end_sessions(ctx->db, user, r->arena));
    }
    auth_cache_forget(ctx->api->auth_cache, user);
    const struct message_reply reply = {.message = "Signed out"};
    reply_object(r, 200, &message_schema, &reply);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/auth/token",
     .summary = "Sign in (OAuth 2 password form)",
     .scope = SCOPE_PUBLIC,
     .body = &token_schema,
     .reply = &reply_schema,
     .tag = "Authentication",
     .flags = ROUTE_FORM,
     .errors = ERRORS("INVALID_CREDENTIALS", "LOGIN_DELAYED"),
     .handler = sign_in},
    {.method = M_POST,
     .path = "/api/v1/auth/login",
     .summary = "Sign in (JSON)",
     .scope = SCOPE_PUBLIC,
     .body = &token_schema,
     .reply = &reply_schema,
     .tag = "Authentication",
     .flags = ROUTE_FORM,
     .errors = ERRORS("INVALID_CREDENTIALS", "LOGIN_DELAYED"),
     .handler = sign_in},
    {.method = M_POST,
     .path = "/api/v1/auth/refresh",
     .summary = "Get a new pair of tokens",
     .scope = SCOPE_PUBLIC,
     .body = &refresh_schema,
     .reply = &reply_schema,
     .tag = "Authentication",
     .flags = ROUTE_FORM,
     .errors = ERRORS("INVALID_TOKEN", "TOKEN_REUSED"),
     .handler = refresh},
    {.method = M_POST,
     .path = "/api/v1/auth/logout",
     .summary = "End a session, or all",
     .scope = SCOPE_SELF,
     .body = &logout_schema,
     .reply = &message_schema,
     .tag = "Authentication",
     .flags = ROUTE_OPTIONAL_BODY,
     .handler = logout},
};
const struct route_set auth_routes = {routes, ARRAY_LEN(routes)};
