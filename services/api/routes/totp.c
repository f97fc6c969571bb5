/* The caller's second factor: made, confirmed by a code, removed with the password. */
#include "auth/totp.h"

#include "auth/cache.h"
#include "base/clock.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/user_reply.h"
#include "services/api/sign_in.h"
#include "store/user_totp.h"

struct state_reply {
    bool enabled;
    int64_t confirmed_at, recovery_codes_left;
};
#define AT(member) offsetof(struct state_reply, member)
static const struct field state_fields[] = {
    {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled)},
    {.name = "confirmed_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(confirmed_at)},
    {.name = "recovery_codes_left", .type = FT_INT, .offset = AT(recovery_codes_left)},
};
#undef AT
static const struct schema state_schema = SCHEMA("Totp", struct state_reply, state_fields);

struct enrol_reply {
    const char *secret, *otpauth_uri;
    int64_t period, digits;
};
#define AT(member) offsetof(struct enrol_reply, member)
static const struct field enrol_fields[] = {
    {.name = "secret",
     .type = FT_STRING,
     .offset = AT(secret),
     .help = "Base32, for an app that takes no QR code; shown this once"},
    {.name = "otpauth_uri",
     .type = FT_STRING,
     .offset = AT(otpauth_uri),
     .help = "What the QR code has to say"},
    {.name = "period", .type = FT_INT, .offset = AT(period), .example = "30"},
    {.name = "digits", .type = FT_INT, .offset = AT(digits), .example = "6"},
};
#undef AT
static const struct schema enrol_schema = SCHEMA("TotpEnrolment", struct enrol_reply, enrol_fields);

struct codes_reply {
    struct out_list codes;
};
static const struct field codes_fields[] = {
    {.name = "recovery_codes",
     .type = FT_LIST,
     .element = FT_STRING,
     .offset = offsetof(struct codes_reply, codes),
     .help = "Each is good for one sign-in without the app; shown this once"},
};
static const struct schema codes_schema = SCHEMA("RecoveryCodes", struct codes_reply, codes_fields);

struct password_in {
    struct in_str password, code;
};
#define PASSWORD_FIELD                                                                           \
    {                                                                                            \
        .name = "password", .type = FT_STRING, .flags = F_REQUIRED | F_SECRET,                   \
        .offset = offsetof(struct password_in, password), .min = 1, .max = LIMIT_PASSWORD_BYTES, \
        .help = "The caller's password, once more"                                               \
    }
static const struct field password_fields[] = {PASSWORD_FIELD};
static const struct schema password_schema = SCHEMA("PasswordProof", struct password_in,
                                                    password_fields);
static const struct field code_fields[] = {
    {.name = "code",
     .type = FT_STRING,
     .flags = F_REQUIRED | F_SECRET,
     .offset = offsetof(struct password_in, code),
     .min = 6,
     .max = 16,
     .help = "What the app shows now",
     .example = "\"123456\""},
};
static const struct schema code_schema = SCHEMA("TotpCode", struct password_in, code_fields);

static enum status get(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct user_totp totp;
    struct state_reply reply = {0};
    const enum status st = user_totp_get(ctx->db, ctx->seal, &r->who->user_id, r->arena, &totp);
    if (st != ST_NOT_FOUND) {
        TRY(st);
        reply = (struct state_reply){.enabled = totp.is_confirmed,
                                     .confirmed_at = totp.confirmed_at,
                                     .recovery_codes_left = totp.codes_left};
    }
    reply_object(r, 200, &state_schema, &reply);
    return ST_OK;
}

static enum status enrol(struct req *r)
{
    TRY(need_person(r));
    const struct api_ctx *ctx = req_ctx(r);
    const struct password_in *in = r->in;
    struct user user;
    TRY(sign_in_confirm(r, "password", in->password.v, &user));
    char secret[TOTP_SECRET_TEXT];
    totp_secret_new(secret);
    const enum status st = user_totp_begin(ctx->db, ctx->seal, &user.id, secret, r->arena);
    if (st == ST_CONFLICT)
        return req_fail(r, st, "TOTP_ENABLED", "There is a second factor already; remove it first");
    TRY(st);
    const struct enrol_reply reply = {.secret = secret,
                                      .otpauth_uri = totp_uri(secret, user.email, r->arena),
                                      .period = TOTP_STEP_S,
                                      .digits = TOTP_DIGITS};
    if (!reply.otpauth_uri)
        return ST_NO_MEMORY;
    reply_header(r, "Cache-Control", "no-store");
    reply_object(r, 200, &enrol_schema, &reply);
    return ST_OK;
}

struct codes {
    unsigned char hash[RECOVERY_CODES][RECOVERY_HASH_BYTES];
    char text[RECOVERY_CODES][RECOVERY_CODE_TEXT];
};

static enum status make_codes(struct codes *out)
{
    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        recovery_code_new(out->text[i]);
        TRY(recovery_code_hash(out->text[i], out->hash[i]));
    }
    return ST_OK;
}

static void reply_codes(struct req *r, const struct codes *codes)
{
    const char *list[RECOVERY_CODES];
    for (size_t i = 0; i < RECOVERY_CODES; i++)
        list[i] = codes->text[i];
    const struct codes_reply reply = {.codes = {.count = RECOVERY_CODES, .v = list}};
    reply_header(r, "Cache-Control", "no-store");
    reply_object(r, 200, &codes_schema, &reply);
}

static enum status confirm(struct req *r)
{
    TRY(need_person(r));
    const struct api_ctx *ctx = req_ctx(r);
    const struct password_in *in = r->in;
    struct user user;
    struct user_totp totp;
    struct codes codes;
    int64_t step = 0;
    TRY(user_get(ctx->db, &r->who->user_id, r->arena, &user));
    enum status st = user_totp_get(ctx->db, ctx->seal, &user.id, r->arena, &totp);
    if (st == ST_NOT_FOUND)
        return req_fail(r, ST_CONFLICT, "TOTP_NOT_BEGUN", "Ask for a secret first");
    TRY(st);
    if (totp.is_confirmed)
        return req_fail(r, ST_CONFLICT, "TOTP_ENABLED", "The second factor is confirmed already");
    if (totp_verify(totp.secret, in->code.v, clock_wall_us() / 1000000, totp.last_step, &step) !=
        ST_OK)
        return req_invalid_field(r, "code", "value_error", "the code is wrong");
    TRY(make_codes(&codes));
    st = user_totp_confirm(ctx->db, &user.id, step, (const unsigned char(*)[32])codes.hash,
                           RECOVERY_CODES, r->arena);
    if (st == ST_NOT_FOUND)
        return req_fail(r, ST_CONFLICT, "TOTP_ENABLED", "The second factor is confirmed already");
    TRY(st);
    TRY(sign_in_record(r, &user, "user.totp_enabled", false, NULL));
    reply_codes(r, &codes);
    return ST_OK;
}

static enum status renew_codes(struct req *r)
{
    TRY(need_person(r));
    const struct api_ctx *ctx = req_ctx(r);
    const struct password_in *in = r->in;
    struct user user;
    struct codes codes;
    TRY(sign_in_confirm(r, "password", in->password.v, &user));
    if (!user.has_totp)
        return req_fail(r, ST_CONFLICT, "TOTP_NOT_ENABLED", "There is no second factor");
    TRY(make_codes(&codes));
    TRY(recovery_codes_replace(ctx->db, &user.id, (const unsigned char(*)[32])codes.hash,
                               RECOVERY_CODES, r->arena));
    TRY(sign_in_record(r, &user, "user.recovery_codes_renewed", false, NULL));
    reply_codes(r, &codes);
    return ST_OK;
}

static enum status disable(struct req *r)
{
    TRY(need_person(r));
    const struct api_ctx *ctx = req_ctx(r);
    const struct password_in *in = r->in;
    struct user user;
    TRY(sign_in_confirm(r, "password", in->password.v, &user));
    const enum status st = user_totp_remove(ctx->db, &user.id, r->arena);
    if (st == ST_NOT_FOUND)
        return req_fail(r, ST_CONFLICT, "TOTP_NOT_ENABLED", "There is no second factor");
    TRY(st);
    TRY(sign_in_record(r, &user, "user.totp_disabled", false, NULL));
    reply_empty(r, 204);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/users/me/totp",
     .summary = "Whether the caller has a second factor",
     .scope = SCOPE_SELF,
     .reply = &state_schema,
     .tag = "Users",
     .handler = get},
    {.method = M_POST,
     .path = "/api/v1/users/me/totp",
     .summary = "Begin a second factor: a secret for the app",
     .description = "It counts from its confirmation on.",
     .scope = SCOPE_SELF,
     .body = &password_schema,
     .reply = &enrol_schema,
     .tag = "Users",
     .errors = ERRORS("TOKEN_REQUIRED", "LOGIN_DELAYED", "TOTP_ENABLED", "USER_EXTERNAL"),
     .flags = ROUTE_ATOMIC | ROUTE_COUNTS_FAILURES,
     .handler = enrol},
    {.method = M_POST,
     .path = "/api/v1/users/me/totp/confirm",
     .summary = "Confirm the second factor with a code of the app",
     .scope = SCOPE_SELF,
     .body = &code_schema,
     .reply = &codes_schema,
     .tag = "Users",
     .errors = ERRORS("TOKEN_REQUIRED", "TOTP_NOT_BEGUN", "TOTP_ENABLED"),
     .flags = ROUTE_ATOMIC | ROUTE_COUNTS_FAILURES,
     .handler = confirm},
    {.method = M_POST,
     .path = "/api/v1/users/me/totp/recovery-codes",
     .summary = "New recovery codes in the place of the old ones",
     .scope = SCOPE_SELF,
     .body = &password_schema,
     .reply = &codes_schema,
     .tag = "Users",
     .errors = ERRORS("TOKEN_REQUIRED", "LOGIN_DELAYED", "TOTP_NOT_ENABLED", "USER_EXTERNAL"),
     .flags = ROUTE_ATOMIC | ROUTE_COUNTS_FAILURES,
     .handler = renew_codes},
    {.method = M_POST,
     .path = "/api/v1/users/me/totp/disable",
     .summary = "Remove the second factor",
     .scope = SCOPE_SELF,
     .body = &password_schema,
     .tag = "Users",
     .ok = 204,
     .errors = ERRORS("TOKEN_REQUIRED", "LOGIN_DELAYED", "TOTP_NOT_ENABLED", "USER_EXTERNAL"),
     .flags = ROUTE_ATOMIC | ROUTE_COUNTS_FAILURES,
     .handler = disable},
};
const struct route_set totp_routes = {routes, ARRAY_LEN(routes)};
