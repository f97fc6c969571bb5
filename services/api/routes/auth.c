/* Signing in, staying signed in, signing out. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/api_key.h"
#include "auth/cache.h"
#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/user_reply.h"
#include "services/api/sign_in.h"
#include "store/tokens.h"
#include "store/users.h"

struct token_in {
    struct in_str username, email, password, otp, grant_type, refresh_token;
    struct in_str scope, client_id, client_secret;
};

#define AT(member) offsetof(struct token_in, member)
#define OTP_FIELD                                                                                 \
    {                                                                                             \
        .name = "otp", .type = FT_STRING, .flags = F_SECRET | F_NULLABLE, .offset = AT(otp),      \
        .min = 1, .max = 64,                                                                      \
        .help = "One-time password of the second factor, or a recovery code, where OTP_REQUIRED " \
                "was the answer without it",                                                      \
        .example = "\"123456\""                                                                   \
    }
static const struct field login_fields[] = {
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
    OTP_FIELD,
};
static const struct schema login_schema = {.name = "SignIn",
                                           .fields = login_fields,
                                           .count = ARRAY_LEN(login_fields),
                                           .size = sizeof(struct token_in),
                                           .is_open = true,
                                           .rules = "\"anyOf\":[{\"required\":[\"username\"]},"
                                                    "{\"required\":[\"email\"]}]"};

/* What is missing or unknown is answered by the handler, in OAuth 2's words where those are
 * spoken, hence no choices and nothing required. */
static const struct field oauth_fields[] = {
    {.name = "grant_type",
     .type = FT_STRING,
     .offset = AT(grant_type),
     .max = 200,
     .help = "password (default) or refresh_token",
     .example = "\"password\""},
    {.name = "username",
     .type = FT_STRING,
     .offset = AT(username),
     .max = 320,
     .help = "User name or e-mail address",
     .example = "\"user@example.com\""},
    {.name = "password",
     .type = FT_STRING,
     .flags = F_SECRET,
     .offset = AT(password),
     .max = LIMIT_PASSWORD_BYTES,
     .help = "Password",
     .example = "\"your_password\""},
    OTP_FIELD,
    {.name = "refresh_token",
     .type = FT_STRING,
     .flags = F_SECRET,
     .offset = AT(refresh_token),
     .max = LIMIT_TOKEN_BYTES,
     .help = "For the grant type refresh_token"},
    {.name = "email",
     .type = FT_STRING,
     .offset = AT(email),
     .max = 320,
     .help = "E-mail address, instead of username"},
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
/* As token() looks at them. */
#define GIVEN(name) "\"" name "\":{\"minLength\":1}"
static const char oauth_rules[] =
    "\"oneOf\":[{\"title\":\"password\",\"required\":[\"password\"],\"properties\":{"
    "\"grant_type\":{\"enum\":[\"password\"]}," GIVEN("username") "," GIVEN("email") "," GIVEN(
        "password") "},\"anyOf\":[{\"required\":[\"username\"]},{\"required\":[\"email\"]}]},"
                    "{\"title\":\"refresh_token\",\"required\":[\"grant_type\",\"refresh_token\"],"
                    "\"properties\":{\"grant_type\":{\"enum\":[\"refresh_token\"]}," GIVEN(
                        "refresh_token") "}}]";
/* RFC 6749, 3.2: parameters that are not known are ignored. */
static const struct schema oauth_schema = {.name = "TokenRequest",
                                           .fields = oauth_fields,
                                           .count = ARRAY_LEN(oauth_fields),
                                           .size = sizeof(struct token_in),
                                           .is_open = true,
                                           .rules = oauth_rules};

struct refresh_in {
    struct in_str refresh_token;
    struct in_bool all;
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
     .help = "Ends the session that it belongs to, rather than that of the access token"},
    {.name = "all",
     .type = FT_BOOL,
     .offset = offsetof(struct refresh_in, all),
     .help = "Ends all sessions of the user (default: false)"},
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

/* --- tokens --- */

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

/* A refresh token that is to be stored: who uses it is kept for its owner to see. */
static struct refresh_token next_token(struct req *r, char text[SECRET_TOKEN_BYTES])
{
    enum { USER_AGENT_MAX = 200 };
    struct refresh_token token = {.expires_at = clock_wall_us() +
                                                req_ctx(r)->conf->refresh_token_ttl * 1000,
                                  .address = req_peer_text(r)};
    const char *agent = req_header(r, "User-Agent");
    if (agent && !str_has_control(agent) && str_is_utf8(agent, strnlen(agent, USER_AGENT_MAX)))
        token.user_agent = arena_strndup(r->arena, agent, strnlen(agent, USER_AGENT_MAX));
    secret_token_new(text);
    secret_hash(text, token.hash);
    return token;
}

static enum status start_session(struct req *r, const struct user *user)
{
    struct db *db = req_ctx(r)->db;
    char text[SECRET_TOKEN_BYTES];
    struct refresh_token token = next_token(r, text);
    token.user_id = user->id;
    token.family = uuid_new();
    TRY(refresh_token_insert(db, &token, r->arena));
    TRY(user_signed_in(db, &user->id, r->arena));
    TRY(sign_in_record(r, user, "user.login", true, NULL));
    return reply_tokens(r, user, &token.family, text);
}

/* --- replies --- */

/* Whether it is an OAuth 2 client that asks: those send a form to the token endpoint. */
static bool speaks_oauth(const struct req *r)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = req_header(r, "Content-Type");
    return str_ends(r->route->path, "/token") && type &&
           strncasecmp(type, form, sizeof(form) - 1) == 0;
}

struct oauth_error {
    const char *error, *error_description, *code, *request_id;
};
#define AT(member) offsetof(struct oauth_error, member)
static const struct field oauth_error_fields[] = {
    {.name = "error", .type = FT_STRING, .offset = AT(error), .example = "\"invalid_grant\""},
    {.name = "error_description", .type = FT_STRING, .offset = AT(error_description)},
    {.name = "detail", .type = FT_STRING, .offset = AT(error_description)},
    {.name = "code", .type = FT_STRING, .offset = AT(code), .example = "\"INVALID_CREDENTIALS\""},
    {.name = "request_id", .type = FT_STRING, .offset = AT(request_id)},
};
#undef AT
static const struct schema oauth_error_schema = SCHEMA("OAuthError", struct oauth_error,
                                                       oauth_error_fields);

/* RFC 6749, 5.2: 400 and `error` as a text. The code is the one of the problem document that others
 * get. */
static enum status oauth_fail(struct req *r, const char *error, const char *code, const char *text)
{
    const struct oauth_error e = {error, text, code, r->request_id};
    reply_header(r, "Cache-Control", "no-store");
    reply_object(r, 400, &oauth_error_schema, &e);
    return ST_OK;
}

static enum status refuse(struct req *r, enum status st, const struct sign_in_refusal *why)
{
    if (st == ST_RATE_LIMITED)
        return sign_in_ask_to_wait(r, why->wait_s);
    if (speaks_oauth(r))
        return oauth_fail(r, str_eq(why->code, "OTP_REQUIRED") ? "mfa_required" : "invalid_grant",
                          why->code, why->text);
    reply_header(r, "WWW-Authenticate", "Bearer realm=\"tocsin\"");
    return req_fail(r, st, why->code, "%s", why->text);
}

/* --- handlers --- */

static enum status sign_in(struct req *r)
{
    const struct token_in *in = r->in;
    const struct sign_in attempt = {.login = in->username.set ? in->username.v : in->email.v,
                                    .password = in->password.v,
                                    .otp = in->otp.v};
    if (!attempt.login)
        return req_invalid_field(r, "username", "value_error.missing", "field required");
    struct user user;
    struct sign_in_refusal why = {0};
    const enum status st = sign_in_check(r, &attempt, &user, &why);
    if (st == ST_UNAUTHENTICATED || st == ST_RATE_LIMITED)
        return refuse(r, st, &why);
    TRY(st);
    return start_session(r, &user);
}

static enum status rotate(struct req *r, const char *token)
{
    const struct api_ctx *ctx = req_ctx(r);
    unsigned char hash[API_KEY_HASH_BYTES];
    char text[SECRET_TOKEN_BYTES];
    struct user user;
    struct refresh_token next = next_token(r, text);
    static const struct sign_in_refusal
        reused = {"TOKEN_REUSED", "This refresh token was used before; its session has been ended",
                  0},
        unknown = {"INVALID_TOKEN", "The refresh token is unknown, expired or revoked", 0},
        inactive = {"INVALID_TOKEN", "The user may not sign in", 0};
    secret_hash(token, hash);
    const enum status st = refresh_token_rotate(ctx->db, hash, r->arena, &next);
    if (st == ST_UNAUTHENTICATED)
        return refuse(r, st, &unknown);
    if (st != ST_OK && st != ST_CONFLICT)
        return st;

    const enum status found = user_get(ctx->db, &next.user_id, r->arena, &user);
    if (found != ST_OK && found != ST_NOT_FOUND)
        return found;
    if (st == ST_CONFLICT) {
        auth_cache_forget(ctx->api->auth_cache, &next.user_id);
        log_warn("refresh_token_reused", kv_uuid("user", next.user_id));
        if (found == ST_OK)
            TRY(sign_in_record(r, &user, "user.token_reused", false, NULL));
        return refuse(r, ST_UNAUTHENTICATED, &reused);
    }
    if (found == ST_NOT_FOUND || !user.is_active)
        return refuse(r, ST_UNAUTHENTICATED, &inactive);
    return reply_tokens(r, &user, &next.family, text);
}

static enum status refresh(struct req *r)
{
    const struct refresh_in *in = r->in;
    return rotate(r, in->refresh_token.v);
}

static enum status missing(struct req *r, const char *field)
{
    if (!speaks_oauth(r))
        return req_invalid_field(r, field, "value_error.missing", "field required");
    const char *text = arena_printf(r->arena, "%s is missing", field);
    return text ? oauth_fail(r, "invalid_request", "VALIDATION_ERROR", text) : ST_NO_MEMORY;
}

static enum status token(struct req *r)
{
    const struct token_in *in = r->in;
    const char *grant = in->grant_type.set ? in->grant_type.v : "password";
    if (str_eq(grant, "refresh_token"))
        return str_is_empty(in->refresh_token.v) ? missing(r, "refresh_token")
                                                 : rotate(r, in->refresh_token.v);
    if (!str_eq(grant, "password")) {
        static const char text[] = "grant_type must be password or refresh_token";
        return speaks_oauth(r) ? oauth_fail(r, "unsupported_grant_type", "VALIDATION_ERROR", text)
                               : req_invalid_field(r, "grant_type", "value_error.enum", "%s", text);
    }
    if (str_is_empty(in->username.v) && str_is_empty(in->email.v))
        return missing(r, "username");
    if (str_is_empty(in->password.v))
        return missing(r, "password");
    return sign_in(r);
}

static enum status end_session(struct req *r, const struct refresh_in *in)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct uuid family = r->who->session;
    if (in->refresh_token.set && !in->refresh_token.null) {
        unsigned char hash[API_KEY_HASH_BYTES];
        secret_hash(in->refresh_token.v, hash);
        const enum status st = refresh_token_family(ctx->db, hash, &r->who->user_id, r->arena,
                                                    &family);
        if (st != ST_OK)
            return st == ST_NOT_FOUND ? ST_OK : st; /* signed out of already */
    }
    const enum status st = refresh_family_revoke(ctx->db, &r->who->user_id, &family, r->arena);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status logout(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    const struct refresh_in *in = r->in;
    const bool all = in->all.set && in->all.v;
    struct user user;
    TRY(need_person(r));
    TRY(user_get(ctx->db, &r->who->user_id, r->arena, &user));
    TRY(all ? user_end_sessions(ctx->db, &user.id, r->arena) : end_session(r, in));
    auth_cache_forget(ctx->api->auth_cache, &user.id);
    TRY(sign_in_record(r, &user, all ? "user.logout_all" : "user.logout", false, NULL));
    const struct message_reply reply = {.message = "Signed out"};
    reply_object(r, 200, &message_schema, &reply);
    return ST_OK;
}

#define TOKEN_ROUTE(path_)                                                                      \
    {                                                                                           \
        .method = M_POST, .path = (path_), .summary = "Sign in (OAuth 2 password form)",        \
        .description = "Takes JSON as well. To a form it answers as RFC 6749 has it: failures " \
                       "are 400 with `error` as a text (`invalid_grant`, `invalid_request`, "   \
                       "`unsupported_grant_type`, or `mfa_required` where `otp` is needed). "   \
                       "With `grant_type=refresh_token` it does what `/auth/refresh` does.",    \
        .scope = SCOPE_PUBLIC, .body = &oauth_schema, .reply = &reply_schema,                   \
        .tag = "Authentication",                                                                \
        .more = MORE_REPLIES({.status = 400,                                                    \
                              .help = "Refused, in OAuth 2's words (to a form), or not to be "  \
                                      "read",                                                   \
                              .reply = &oauth_error_schema,                                     \
                              .produces = "application/problem+json"}),                         \
        .errors = ERRORS("INVALID_CREDENTIALS", "OTP_REQUIRED", "OTP_INVALID", "INVALID_TOKEN", \
                         "TOKEN_REUSED", "LOGIN_DELAYED"),                                      \
        .flags = ROUTE_FORM, .handler = token                                                   \
    }

static const struct route routes[] = {
    TOKEN_ROUTE("/api/v1/auth/token"),
    TOKEN_ROUTE("/api/users/token"), /* as the uptime API has it */
    {.method = M_POST,
     .path = "/api/v1/auth/login",
     .summary = "Sign in (JSON)",
     .description = "With a second factor the answer is 401 `OTP_REQUIRED` until `otp` is sent "
                    "beside the password.",
     .scope = SCOPE_PUBLIC,
     .body = &login_schema,
     .reply = &reply_schema,
     .tag = "Authentication",
     .errors = ERRORS("INVALID_CREDENTIALS", "OTP_REQUIRED", "OTP_INVALID", "LOGIN_DELAYED"),
     .flags = ROUTE_FORM,
     .handler = sign_in},
    {.method = M_POST,
     .path = "/api/v1/auth/refresh",
     .summary = "Get a new pair of tokens",
     .scope = SCOPE_PUBLIC,
     .body = &refresh_schema,
     .reply = &reply_schema,
     .tag = "Authentication",
     .errors = ERRORS("INVALID_TOKEN", "TOKEN_REUSED"),
     .flags = ROUTE_FORM,
     .handler = refresh},
    {.method = M_POST,
     .path = "/api/v1/auth/logout",
     .summary = "End a session, or all",
     .scope = SCOPE_SELF,
     .body = &logout_schema,
     .reply = &message_schema,
     .tag = "Authentication",
     .errors = ERRORS("TOKEN_REQUIRED"),
     .flags = ROUTE_OPTIONAL_BODY | ROUTE_REPEATABLE,
     .handler = logout},
};
const struct route_set auth_routes = {routes, ARRAY_LEN(routes)};
