/* The order matters: first the wait, then the password, and only who knows that hears of a second
 * factor. An unknown account costs and says the same as a wrong password. */
#include "services/api/sign_in.h"

#include <stdio.h>

#include "auth/totp.h"
#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "services/api/api.h"
#include "services/api/login_guard.h"
#include "services/api/rate_limit.h"
#include "store/audit.h"
#include "store/login_failures.h"
#include "store/user_totp.h"

enum status sign_in_ask_to_wait(struct req *r, int64_t wait_s)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)wait_s);
    reply_header(r, "Retry-After", text);
    return req_fail(r, ST_RATE_LIMITED, "LOGIN_DELAYED",
                    "Too many failed attempts to sign in; try again in %s s", text);
}

enum status sign_in_record(struct req *r, const struct user *user, const char *action,
                           bool by_himself, const char *after)
{
    const struct audit_event event = {.org_id = user->org_id,
                                      .action = action,
                                      .object_type = "user",
                                      .object_id = user->id,
                                      .object_name = user->username,
                                      .user_id = by_himself ? user->id : (struct uuid){{0}},
                                      .after = after};
    return audit_write(req_ctx(r)->db, &event, r->arena);
}

static void attempt_of(struct req *r, const char *account, struct login_attempt *out)
{
    const struct rate_key address = rate_key_of_address(&r->peer);
    login_attempt_of(account, address.bytes, sizeof(address.bytes), out);
}

static enum status refuse(struct sign_in_refusal *why, const char *code, const char *text)
{
    *why = (struct sign_in_refusal){.code = code, .text = text};
    return ST_UNAUTHENTICATED;
}

/* Tries a one-time password or a recovery code: ST_UNAUTHENTICATED when it is none, or was used. */
static enum status try_second_factor(struct req *r, const struct user *user, const char *otp)
{
    const struct api_ctx *ctx = req_ctx(r);
    if (!totp_looks_like_code(otp)) {
        unsigned char hash[RECOVERY_HASH_BYTES];
        if (recovery_code_hash(otp, hash) != ST_OK)
            return ST_UNAUTHENTICATED;
        TRY(recovery_code_use(ctx->db, &user->id, hash, r->arena));
        log_warn("recovery_code_used", kv_uuid("user", user->id));
        return sign_in_record(r, user, "user.recovery_code_used", true, NULL);
    }
    struct user_totp totp;
    int64_t step = 0;
    const enum status st = user_totp_get(ctx->db, ctx->seal, &user->id, r->arena, &totp);
    if (st == ST_NOT_FOUND)
        return ST_UNAUTHENTICATED; /* removed a moment ago */
    TRY(st);
    const int64_t now_s = clock_wall_us() / 1000000;
    if (totp_verify(totp.secret, otp, now_s, totp.last_step, &step) != ST_OK)
        return ST_UNAUTHENTICATED;
    return user_totp_take(ctx->db, &user->id, step, r->arena);
}

/* Password and second factor of an attempt that has been counted. */
static enum status prove(struct req *r, const struct sign_in *in, const struct user *user,
                         struct sign_in_refusal *why)
{
    static const char wrong[] = "Incorrect user name or password";
    const bool can_match = user && !user->is_external;
    enum status st = login_guard_verify(req_ctx(r)->api->login_guard,
                                        can_match ? user->password_hash : NULL, in->password);
    if (st == ST_UNAUTHENTICATED || (st == ST_OK && (!can_match || !user->is_active)))
        return refuse(why, "INVALID_CREDENTIALS", wrong);
    TRY(st);
    if (!user->has_totp)
        return ST_OK;
    if (!in->otp)
        return refuse(why, "OTP_REQUIRED",
                      "The password is right; send the one-time password as otp, too");
    st = try_second_factor(r, user, in->otp);
    if (st == ST_UNAUTHENTICATED)
        return refuse(why, "OTP_INVALID", "The one-time password is wrong, or was used already");
    return st;
}

/* A name that nobody has is recorded, too, for the first organisation, whose the installation is:
 * that is worth knowing, and an account that exists must not be told by the time that its record
 * takes. The name itself is left out: it may be a password, typed in the wrong place. */
static enum status record_unknown(struct req *r)
{
    struct user nobody = {0};
    const enum status st = organisation_first(req_ctx(r)->db, &nobody.org_id);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    return sign_in_record(r, &nobody, "user.login_failed", false, "{\"reason\":\"UNKNOWN_USER\"}");
}

static enum status record_failure(struct req *r, const struct user *user,
                                  const struct sign_in_refusal *why)
{
    log_info("sign_in_failed", kv_str("address", req_peer_text(r)), kv_str("reason", why->code));
    if (!user)
        return record_unknown(r);
    if (str_eq(why->code, "OTP_REQUIRED"))
        return ST_OK; /* half a sign-in is no failure */
    const char *after = arena_printf(r->arena, "{\"reason\":\"%s\"}", why->code);
    return sign_in_record(r, user, "user.login_failed", false, after);
}

enum status sign_in_check(struct req *r, const struct sign_in *in, struct user *out,
                          struct sign_in_refusal *why)
{
    struct db *db = req_ctx(r)->db;
    struct user found;
    enum status st = user_by_login(db, in->login, r->arena, &found);
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    const struct user *user = st == ST_OK ? &found : NULL;

    struct login_attempt attempt;
    int64_t wait_s = 0;
    attempt_of(r, user ? user->email : in->login, &attempt);
    TRY(login_attempt_begin(db, &attempt, r->arena, &wait_s));
    if (wait_s > 0) {
        *why = (struct sign_in_refusal){.code = "LOGIN_DELAYED", .wait_s = wait_s};
        return ST_RATE_LIMITED;
    }
    st = prove(r, in, user, why);
    if (st == ST_UNAUTHENTICATED)
        TRY(record_failure(r, user, why));
    TRY(st);
    TRY(login_attempt_succeeded(db, &attempt, r->arena));
    *out = found;
    return ST_OK;
}

enum status sign_in_confirm(struct req *r, const char *field, const char *password,
                            struct user *out)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct user user;
    struct login_attempt attempt;
    int64_t wait_s = 0;
    TRY(user_get(ctx->db, &r->who->user_id, r->arena, &user));
    if (user.is_external)
        return req_fail(r, ST_CONFLICT, "USER_EXTERNAL",
                        "This user is signed in by a proxy and has no password here");
    attempt_of(r, user.email, &attempt);
    TRY(login_attempt_begin(ctx->db, &attempt, r->arena, &wait_s));
    if (wait_s > 0)
        return sign_in_ask_to_wait(r, wait_s);
    const enum status st = login_guard_verify(ctx->api->login_guard, user.password_hash, password);
    if (st == ST_UNAUTHENTICATED)
        return req_invalid_field(r, field, "value_error", "the password is wrong");
    TRY(st);
    TRY(login_attempt_succeeded(ctx->db, &attempt, r->arena));
    *out = user;
    return ST_OK;
}
