/* The second factor from its beginning to its end, and tickets for WebSockets. */
#include <stdio.h>
#include <string.h>

#include "auth/totp.h"
#include "base/str.h"
#include "json/parse.h"
#include "store/api_keys.h"
#include "store/ws_tickets.h"
#include "tests/kit/api.h"

static const char *database, *redis_url;
static struct db *db;
static struct uuid org;
static struct kit_api *api;

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    org = kit_organisation(db);
    api = kit_api_start(database, redis_url, NULL);
    return 0;
}

static int teardown(void **state)
{
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static const char password[] = "{\"password\":\"" KIT_PASSWORD "\"}";
static const char totp_path[] = "/api/v1/users/me/totp";

/* "123456" of the step that is `from_now` steps away. */
static const char *code_of(const char *secret, int64_t from_now)
{
    static char text[4][8];
    static int next;
    uint32_t code = 0;
    next = (next + 1) % 4;
    assert_ok(totp_code(secret, clock_wall_us() / 1000000 / TOTP_STEP_S + from_now, 6, &code));
    (void)snprintf(text[next], sizeof(text[next]), "%06u", code);
    return text[next];
}

static struct kit_reply sign_in(const char *name, const char *otp)
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"username\":\"%s\",\"password\":\"" KIT_PASSWORD "\"%s%s%s}", name,
                   otp ? ",\"otp\":\"" : "", otp ? otp : "", otp ? "\"" : "");
    return kit_call(api, "POST", "/api/v1/auth/login", NULL, body);
}

static void sign_in_must(const char *name, const char *otp, int status, const char *code)
{
    struct kit_reply r = sign_in(name, otp);
    if (r.status != status || (code && !str_eq(kit_reply_text(&r, "code"), code)))
        fail_msg("%s with %s: %d %s, not %d", name, otp ? otp : "nothing", r.status,
                 kit_reply_text(&r, "code"), status);
    kit_reply_done(&r);
}

static void call_must(const char *bearer, const char *path, const char *body, int status,
                      const char *code)
{
    struct kit_reply r = kit_call(api, "POST", path, bearer, body);
    if (r.status != status || (code && !str_eq(kit_reply_text(&r, "code"), code)))
        fail_msg("%s: %d %s, not %d", path, r.status, kit_reply_text(&r, "code"), status);
    kit_reply_done(&r);
}

/* Whether some of the step is left: the code of the step before it is good that long. */
static bool has_time_left(void)
{
    return clock_wall_us() / 1000000 % TOTP_STEP_S < TOTP_STEP_S - 4;
}

/* Returns the code that it took, of the step before this one, so that this one's is left to sign in
 * with. */
static const char *confirm(const char *bearer, const char *secret, struct kit_reply *codes)
{
    char body[64];
    assert_true(kit_wait(has_time_left(), KIT_PATIENCE_MS));
    const char *code = code_of(secret, -1);
    (void)snprintf(body, sizeof(body), "{\"code\":\"%s\"}", code);
    *codes = kit_call(api, "POST", "/api/v1/users/me/totp/confirm", bearer, body);
    assert_int_equal(codes->status, 200);
    return code;
}

static void from_enrolment_to_removal(void **state)
{
    const struct uuid id = kit_api_user(db, &org, "tina", "viewer");
    const struct kit_tokens t = kit_sign_in(api, "tina");
    call_must(t.access, "/api/v1/users/me/totp/confirm", "{\"code\":\"000000\"}", 409,
              "TOTP_NOT_BEGUN");
    call_must(t.access, totp_path, "{\"password\":\"wrong\"}", 422, NULL);
    struct kit_reply begun = kit_call(api, "POST", totp_path, t.access, password);
    assert_int_equal(begun.status, 200);
    char secret[64], uri[128];
    (void)str_copy(secret, sizeof(secret), kit_reply_text(&begun, "secret"));
    (void)snprintf(uri, sizeof(uri), "otpauth://totp/Tocsin:tina@example.test?secret=%s&", secret);
    assert_true(str_starts(kit_reply_text(&begun, "otpauth_uri"), uri));
    kit_reply_done(&begun);
    /* sealed where it lies */
    assert_int_equal(kit_sql_i64(db,
                                 "SELECT count(*) FROM user_totp WHERE user_id = '%s'"
                                 " AND position('%s'::bytea IN secret) = 0",
                                 kit_id(&id), secret),
                     1);
    sign_in_must("tina", NULL, 200, NULL); /* not before it is confirmed */
    call_must(t.access, "/api/v1/users/me/totp/confirm", "{\"code\":\"12345\"}", 422, NULL);
    call_must(t.access, "/api/v1/users/me/totp/confirm", "{\"code\":\"abcdef\"}", 422, NULL);
    struct kit_reply codes;
    char confirmed[8];
    (void)str_copy(confirmed, sizeof(confirmed), confirm(t.access, secret, &codes));
    const json_t *list = json_object_get(codes.json, "recovery_codes");
    assert_int_equal(json_array_size(list), RECOVERY_CODES);
    call_must(t.access, totp_path, password, 409, "TOTP_ENABLED");

    /* the password alone is not enough, and the code alone is nothing */
    struct kit_reply half = sign_in("tina", NULL);
    assert_int_equal(half.status, 401);
    assert_string_equal(kit_reply_text(&half, "code"), "OTP_REQUIRED");
    assert_null(json_object_get(half.json, "access_token"));
    kit_reply_done(&half);
    sign_in_must("tina", "000000", 401, "OTP_INVALID");
    sign_in_must("tina", confirmed, 401, "OTP_INVALID");
    const char *now = code_of(secret, 0);
    sign_in_must("tina", now, 200, NULL);
    sign_in_must("tina", now, 401, "OTP_INVALID"); /* no code twice */
    sign_in_must("tina", code_of(secret, 1), 200, NULL);
    sign_in_must("tina", code_of(secret, 3), 401, "OTP_INVALID");

    const char *recovery = json_string_value(json_array_get(list, 0));
    sign_in_must("tina", recovery, 200, NULL);
    sign_in_must("tina", recovery, 401, "OTP_INVALID");
    struct kit_reply status = kit_call(api, "GET", totp_path, t.access, NULL);
    assert_int_equal(json_integer_value(json_object_get(status.json, "recovery_codes_left")),
                     RECOVERY_CODES - 1);
    assert_true(json_is_true(json_object_get(status.json, "enabled")));
    kit_reply_done(&status);

    struct kit_reply renewed = kit_call(api, "POST", "/api/v1/users/me/totp/recovery-codes",
                                        t.access, password);
    assert_int_equal(renewed.status, 200);
    sign_in_must("tina", json_string_value(json_array_get(list, 1)), 401, "OTP_INVALID");
    const json_t *new_list = json_object_get(renewed.json, "recovery_codes");
    sign_in_must("tina", json_string_value(json_array_get(new_list, 0)), 200, NULL);
    kit_reply_done(&renewed);
    kit_reply_done(&codes);

    call_must(t.access, "/api/v1/users/me/totp/disable", "{\"password\":\"wrong\"}", 422, NULL);
    call_must(t.access, "/api/v1/users/me/totp/disable", password, 204, NULL);
    call_must(t.access, "/api/v1/users/me/totp/disable", password, 409, "TOTP_NOT_ENABLED");
    call_must(t.access, "/api/v1/users/me/totp/recovery-codes", password, 409, "TOTP_NOT_ENABLED");
    sign_in_must("tina", NULL, 200, NULL);
    AUTO_FREE char *log = kit_sql_text(
        db, "SELECT string_agg(DISTINCT action, ' ' ORDER BY action) FROM audit_log"
            " WHERE action ~ 'totp|recovery' AND object_name = 'tina'");
    assert_string_equal(log, "user.recovery_code_used user.recovery_codes_renewed "
                             "user.totp_disabled user.totp_enabled");
}

/* Whoever knows the password cannot try codes at will, nor start anew by leaving the code out. */
static void guessing_codes_is_slow(void **state)
{
    kit_api_user(db, &org, "gerd", "viewer");
    const struct kit_tokens t = kit_sign_in(api, "gerd");
    struct kit_reply begun = kit_call(api, "POST", totp_path, t.access, password), codes;
    (void)confirm(t.access, kit_reply_text(&begun, "secret"), &codes);
    kit_reply_done(&codes);
    for (int i = 0; i < 5; i++)
        sign_in_must("gerd", i % 2 ? NULL : "000000", 401, NULL);
    /* As after more of them: the first wait is over soon. */
    kit_sql(db, "UPDATE login_failures SET failures = failures + 5 WHERE failures = 5");
    sign_in_must("gerd", code_of(kit_reply_text(&begun, "secret"), 0), 429, "LOGIN_DELAYED");
    kit_reply_done(&begun);
    kit_sql(db, "DELETE FROM login_failures");
}

static void an_oauth_client_hears_of_it(void **state)
{
    kit_api_user(db, &org, "olaf", "viewer");
    const struct kit_tokens t = kit_sign_in(api, "olaf");
    struct kit_reply begun = kit_call(api, "POST", totp_path, t.access, password), codes;
    (void)confirm(t.access, kit_reply_text(&begun, "secret"), &codes);
    char form[256];
    static const char path[] = "/api/v1/auth/token";
    (void)snprintf(form, sizeof(form),
                   "grant_type=password&username=olaf&password=correct+horse+battery");
    struct kit_request q = {
        .port = api->port, .method = "POST", .path = path, .body = form, .form = 1};
    struct kit_reply r = kit_http(&q);
    assert_int_equal(r.status, 400);
    assert_string_equal(kit_reply_text(&r, "error"), "mfa_required");
    kit_reply_done(&r);
    (void)snprintf(
        form, sizeof(form),
        "grant_type=password&username=olaf&password=correct+horse+battery&otp=%s",
        json_string_value(json_array_get(json_object_get(codes.json, "recovery_codes"), 9)));
    r = kit_http(&q);
    assert_int_equal(r.status, 200);
    kit_reply_done(&r);
    kit_reply_done(&codes);
    kit_reply_done(&begun);
}

static void an_admin_helps_who_lost_it(void **state)
{
    const struct uuid id = kit_api_user(db, &org, "lost", "operator");
    kit_api_user(db, &org, "helper", "admin");
    const struct kit_tokens t = kit_sign_in(api, "lost"), helper = kit_sign_in(api, "helper");
    struct kit_reply begun = kit_call(api, "POST", totp_path, t.access, password), codes;
    (void)confirm(t.access, kit_reply_text(&begun, "secret"), &codes);
    kit_reply_done(&codes);
    kit_reply_done(&begun);
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/users/%s/totp", kit_id(&id));
    assert_int_equal(kit_status(api, "DELETE", path, t.access, NULL), 403);
    assert_int_equal(kit_status(api, "DELETE", path, helper.access, NULL), 204);
    assert_int_equal(kit_status(api, "DELETE", path, helper.access, NULL), 409);
    sign_in_must("lost", NULL, 200, NULL);
}

static void redeem_must(const char *ticket, enum status want)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct principal who;
    assert_status(want, ws_ticket_redeem(db, ticket, arena, &who));
}

static const char *new_ticket(const char *bearer)
{
    static char text[128];
    struct kit_reply r = kit_call(api, "POST", "/api/v1/auth/ws-ticket", bearer, NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(json_integer_value(json_object_get(r.json, "expires_in")), 30);
    (void)str_copy(text, sizeof(text), kit_reply_text(&r, "ticket"));
    kit_reply_done(&r);
    return text;
}

static void a_ticket_is_good_once(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    const struct uuid id = kit_api_user(db, &org, "ivo", "operator");
    const struct kit_tokens t = kit_sign_in(api, "ivo");
    struct principal who;
    assert_int_equal(kit_status(api, "POST", "/api/v1/auth/ws-ticket", NULL, NULL), 401);
    const char *ticket = new_ticket(t.access);
    assert_ok(ws_ticket_redeem(db, ticket, arena, &who));
    assert_true(uuid_eq(&who.user_id, &id) && uuid_eq(&who.org_id, &org));
    assert_int_equal(who.role, ROLE_OPERATOR);
    assert_true(who.scopes == role_scopes(ROLE_OPERATOR));
    redeem_must(ticket, ST_UNAUTHENTICATED);

    static const char *const bad[] = {
        "", "x", "tcr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "tcr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        redeem_must(bad[i], ST_UNAUTHENTICATED);
    redeem_must(t.refresh, ST_UNAUTHENTICATED);
    redeem_must(t.access, ST_UNAUTHENTICATED);

    ticket = new_ticket(t.access);
    kit_sql(db, "UPDATE ws_tickets SET expires_at = now()");
    redeem_must(ticket, ST_UNAUTHENTICATED);

    /* a key's: with the key's scopes, while the key is good */
    struct kit_reply key = kit_call(api, "POST", "/api/v1/api-keys", t.access,
                                    "{\"name\":\"k\",\"scopes\":[\"metrics:read\"]}");
    assert_ok(ws_ticket_redeem(db, new_ticket(kit_reply_text(&key, "key")), arena, &who));
    assert_true(who.scopes == (SCOPE_BIT(SCOPE_METRICS_READ) | SCOPE_BIT(SCOPE_SELF)));
    ticket = new_ticket(kit_reply_text(&key, "key"));
    kit_sql(db, "UPDATE api_keys SET revoked_at = now()");
    redeem_must(ticket, ST_UNAUTHENTICATED);
    kit_reply_done(&key);

    /* what ends the session ends its tickets */
    ticket = new_ticket(t.access);
    assert_int_equal(kit_status(api, "POST", "/api/v1/auth/logout", t.access, NULL), 200);
    redeem_must(ticket, ST_UNAUTHENTICATED);
    const struct kit_tokens again = kit_sign_in(api, "ivo");
    ticket = new_ticket(again.access);
    kit_sql(db, "UPDATE users SET is_active = false WHERE id = '%s'", kit_id(&id));
    redeem_must(ticket, ST_UNAUTHENTICATED);
}

static int64_t used_count(void)
{
    return kit_sql_i64(db, "SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL"
                           " AND name = 'used'");
}

static void the_use_of_a_key_is_noted(void **state)
{
    kit_api_user(db, &org, "uwe", "viewer");
    kit_sql(db, "UPDATE users SET role = 'operator' WHERE username = 'uwe'");
    const struct kit_tokens t = kit_sign_in(api, "uwe");
    struct kit_reply key = kit_call(api, "POST", "/api/v1/api-keys", t.access,
                                    "{\"name\":\"used\"}");
    assert_int_equal(used_count(), 0);
    assert_int_equal(kit_status(api, "GET", "/api/v1/users/me", kit_reply_text(&key, "key"), NULL),
                     200);
    assert_true(kit_wait(used_count() == 1, KIT_PATIENCE_MS));
    kit_reply_done(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_enrolment_to_removal),   cmocka_unit_test(guessing_codes_is_slow),
        cmocka_unit_test(an_oauth_client_hears_of_it), cmocka_unit_test(an_admin_helps_who_lost_it),
        cmocka_unit_test(a_ticket_is_good_once),       cmocka_unit_test(the_use_of_a_key_is_noted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
