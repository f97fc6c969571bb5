/* Signing in and the life of a session, through the whole API in front of real stores. */
#include <stdio.h>
#include <string.h>

#include "auth/jwt.h"
#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"

static const char *database, *redis_url;
static struct db *db;
static struct uuid org, other_org;

static struct kit_api *start(void)
{
    return kit_api_start(database, redis_url, NULL);
}

static int me(const struct kit_api *i, const char *bearer)
{
    return kit_status(i, "GET", "/api/v1/users/me", bearer, NULL);
}

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

static struct kit_reply refresh(const struct kit_api *i, const char *token)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", token);
    return kit_call(i, "POST", "/api/v1/auth/refresh", NULL, body);
}

static void every_way_to_sign_in(void **state)
{
    static const struct {
        const char *path, *body;
        int form, status;
    } rows[] = {
        {"/api/v1/auth/login", "{\"email\":\"ann@example.test\",\"password\":\"" KIT_PASSWORD "\"}",
         0, 200},
        {"/api/v1/auth/login", "{\"username\":\"ann\",\"password\":\"" KIT_PASSWORD "\"}", 0, 200},
        {"/api/v1/auth/login", "{\"username\":\"ANN\",\"password\":\"" KIT_PASSWORD "\"}", 0, 200},
        {"/api/v1/auth/token",
         "{\"username\":\"ann@example.test\",\"password\":\"" KIT_PASSWORD "\"}", 0, 200},
        {"/api/v1/auth/token",
         "grant_type=password&username=ann%40example.test&password=correct+horse+battery&scope=", 1,
         200},
        {"/api/v1/auth/token", "grant_type=magic&username=ann&password=x", 1, 400},
        {"/api/v1/auth/token", "username=ann&password=x", 1, 400},
        {"/api/v1/auth/token", "password=x", 1, 400},
        {"/api/v1/auth/token", "username=ann&password=", 1, 400},
        {"/api/v1/auth/token", "{\"username\":\"ann\",\"password\":\"wrong\"}", 0, 401},
        {"/api/v1/auth/token", "{\"grant_type\":\"magic\",\"username\":\"ann\"}", 0, 422},
        {"/api/v1/auth/token", "{\"username\":\"ann\"}", 0, 422},
        {"/api/v1/auth/login", "username=ann&password=correct+horse+battery", 1, 200},
        {"/api/v1/auth/login", "username=ann&password=wrong", 1, 401},
        {"/api/v1/auth/login", "{\"username\":\"ann\",\"password\":\"wrong\"}", 0, 401},
        {"/api/v1/auth/login", "{\"username\":\"nobody\",\"password\":\"wrong\"}", 0, 401},
        {"/api/v1/auth/login", "{\"username\":\"ann\"}", 0, 422},
        {"/api/v1/auth/login", "{\"password\":\"" KIT_PASSWORD "\"}", 0, 422},
        {"/api/v1/auth/login", "{\"username\":1,\"password\":\"" KIT_PASSWORD "\"}", 0, 422},
        {"/api/v1/auth/login", "{\"username\":\"ann\",", 0, 400},
    };
    const struct uuid ann = kit_api_user(db, &org, "ann", "admin");
    struct kit_api *i = start();
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        const struct kit_request q = {.port = i->port,
                                      .method = "POST",
                                      .path = rows[k].path,
                                      .body = rows[k].body,
                                      .form = rows[k].form};
        struct kit_reply r = kit_http(&q);
        if (r.status != rows[k].status)
            fail_msg("%s %s: %d", rows[k].path, rows[k].body, r.status);
        if (r.status == 200) {
            assert_string_equal(kit_reply_text(&r, "token"), kit_reply_text(&r, "access_token"));
            assert_string_equal(kit_reply_text(&r, "token_type"), "bearer");
            assert_string_equal(kit_reply_text(&r, "user.id"), kit_id(&ann));
            assert_string_equal(kit_reply_text(&r, "user.email"), "ann@example.test");
            assert_string_equal(kit_reply_text(&r, "user.role"), "admin");
            assert_true(json_is_true(json_object_get(json_object_get(r.json, "user"), "is_admin")));
            assert_int_equal(json_integer_value(json_object_get(r.json, "expires_in")), 3600);
            assert_null(json_object_get(json_object_get(r.json, "user"), "password_hash"));
            assert_int_equal(me(i, kit_reply_text(&r, "access_token")), 200);
        }
        kit_reply_done(&r);
    }
    kit_sql(db, "UPDATE users SET is_active = false WHERE id = '%s'", kit_id(&ann));
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/login", NULL, rows[0].body), 401);
    kit_api_stop(i);
}

static void bad_credentials_are_refused(void **state)
{
    kit_api_user(db, &org, "bad", "admin");
    struct kit_api *i = start();
    const struct kit_tokens t = kit_sign_in(i, "bad");
    char almost[2048], padded[2100];
    (void)str_copy(almost, sizeof(almost), t.access);
    almost[strlen(almost) - 2] = almost[strlen(almost) - 2] == 'A' ? 'B' : 'A';
    (void)snprintf(padded, sizeof(padded), "%sx", t.access);
    const char *const bad[] = {
        "",       "x",    "..",      "a.b.c",
        almost,   padded, t.refresh, "tocsin_aaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "tocsin_"};
    for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
        struct kit_reply r = kit_call(i, "GET", "/api/v1/users/me", bad[k], NULL);
        assert_int_equal(r.status, 401);
        assert_true(str_starts(kit_reply_header(&r, "WWW-Authenticate"), "Bearer"));
        assert_true(str_starts(kit_reply_text(&r, "detail"), "Could not validate credentials"));
        kit_reply_done(&r);
    }
    struct kit_reply none = kit_call(i, "GET", "/api/v1/users/me", NULL, NULL);
    assert_int_equal(none.status, 401);
    assert_string_equal(kit_reply_text(&none, "code"), "UNAUTHENTICATED");
    kit_reply_done(&none);
    const struct kit_request basic = {
        .port = i->port, .path = "/api/v1/users/me", .header = "Authorization: Basic YTpi"};
    struct kit_reply r = kit_http(&basic);
    assert_int_equal(r.status, 401);
    kit_reply_done(&r);
    assert_int_equal(me(i, t.access), 200);
    kit_api_stop(i);
}

/* A token that our own key signed, for a user of another organisation than it says. */
static void a_token_cannot_move_between_organisations(void **state)
{
    const struct uuid user = kit_api_user(db, &org, "mover", "admin");
    struct kit_api *i = start();
    AUTO_ARENA arena = arena_new(1 << 20);
    const struct kit_tokens t = kit_sign_in(i, "mover");
    struct jwt_claims claims;
    const struct jwt_key key = {KIT_JWT_SECRET, strlen(KIT_JWT_SECRET)};
    const char *forged = NULL;
    assert_ok(jwt_verify(&key, t.access, clock_wall_us() / 1000000, &claims, NULL));
    assert_true(uuid_eq(&claims.user_id, &user));
    claims.org_id = other_org;
    assert_ok(jwt_issue(&key, &claims, arena, &forged));
    assert_int_equal(me(i, forged), 401);
    claims.org_id = org;
    claims.session = uuid_new();
    assert_ok(jwt_issue(&key, &claims, arena, &forged));
    assert_int_equal(me(i, forged), 401);
    assert_int_equal(me(i, t.access), 200);
    kit_api_stop(i);
}

static void a_refresh_token_works_once(void **state)
{
    kit_api_user(db, &org, "rita", "viewer");
    struct kit_api *i = start();
    const struct kit_tokens first = kit_sign_in(i, "rita"), apart = kit_sign_in(i, "rita");
    const struct kit_tokens second = kit_tokens_of(refresh(i, first.refresh));
    const struct kit_tokens third = kit_tokens_of(refresh(i, second.refresh));
    assert_string_not_equal(first.refresh, second.refresh);
    assert_int_equal(me(i, third.access), 200);

    /* one that comes twice ends the family: tokens before and after it, but no other session */
    struct kit_reply reused = refresh(i, second.refresh);
    assert_int_equal(reused.status, 401);
    assert_string_equal(kit_reply_text(&reused, "code"), "TOKEN_REUSED");
    kit_reply_done(&reused);
    struct kit_reply ended = refresh(i, third.refresh);
    assert_int_equal(ended.status, 401);
    kit_reply_done(&ended);
    assert_int_equal(me(i, third.access), 401);
    assert_int_equal(me(i, apart.access), 200);

    struct kit_reply unknown = refresh(i, "tcr_none");
    assert_int_equal(unknown.status, 401);
    assert_string_equal(kit_reply_text(&unknown, "code"), "INVALID_TOKEN");
    kit_reply_done(&unknown);
    kit_sql(db, "UPDATE refresh_tokens SET expires_at = now() - interval '1 second'"
                " WHERE used_at IS NULL");
    struct kit_reply expired = refresh(i, apart.refresh);
    assert_int_equal(expired.status, 401);
    assert_string_equal(kit_reply_text(&expired, "code"), "INVALID_TOKEN");
    kit_reply_done(&expired);
    kit_api_stop(i);
}

/* Whatever comes in a refresh token's place. */
static void what_is_no_refresh_token_is_refused(void **state)
{
    kit_api_user(db, &org, "rosa", "viewer");
    struct kit_api *i = start();
    const struct kit_tokens t = kit_sign_in(i, "rosa");
    char cut[128], longer[160], upper[128];
    (void)str_copy(cut, sizeof(cut), t.refresh);
    cut[strlen(cut) - 1] = '\0';
    (void)snprintf(longer, sizeof(longer), "%sA", t.refresh);
    (void)str_copy(upper, sizeof(upper), t.refresh);
    upper[0] = 'T';
    const char *const bad[] = {cut,    longer, upper,
                               "tcr_", "x",    "' OR 1",
                               "%00",  " ",    "tcr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
        struct kit_reply r = refresh(i, bad[k]);
        if (r.status != 401 || !str_eq(kit_reply_text(&r, "code"), "INVALID_TOKEN"))
            fail_msg("%s: %d", bad[k], r.status);
        kit_reply_done(&r);
    }
    static const struct {
        const char *body;
        int status;
    } rows[] = {
        {"{\"refresh_token\":\"\"}", 422},
        {"{\"refresh_token\":null}", 422},
        {"{\"refresh_token\":1}", 422},
        {"{}", 422},
        {"{\"refresh_token\":\"a\\u0000b\"}", 400},
        {"{\"refresh_token\":[\"a\"]}", 422},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        assert_int_equal(kit_status(i, "POST", "/api/v1/auth/refresh", NULL, rows[k].body),
                         rows[k].status);
    kit_tokens_of(refresh(i, t.refresh)); /* none of it has done harm */
    kit_api_stop(i);
}

static int64_t failures_recorded(void)
{
    return kit_sql_i64(db, "SELECT count(*) FROM audit_log WHERE action = 'user.login_failed'");
}

/* … so that both take as long; and nothing of what was typed is kept. */
static void an_unknown_name_is_recorded_like_a_wrong_password(void **state)
{
    kit_api_user(db, &org, "nora", "viewer");
    struct kit_api *i = start();
    const int64_t before = failures_recorded();
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/login", NULL,
                                "{\"username\":\"nora\",\"password\":\"wrong\"}"),
                     401);
    assert_int_equal(failures_recorded(), before + 1);
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/login", NULL,
                                "{\"username\":\"my secret\",\"password\":\"wrong\"}"),
                     401);
    assert_int_equal(failures_recorded(), before + 2);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM audit_log a"
                                     " WHERE a::text LIKE '%%my secret%%'"),
                     0);
    kit_api_stop(i);
}

static void signing_out_ends_one_session_or_all(void **state)
{
    kit_api_user(db, &org, "otto", "viewer");
    struct kit_api *i = start();
    const struct kit_tokens a = kit_sign_in(i, "otto"), b = kit_sign_in(i, "otto"),
                            c = kit_sign_in(i, "otto");
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"refresh_token\":\"%s\"}", a.refresh);
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/logout", b.access, body), 200);
    assert_int_equal(me(i, a.access), 401);
    assert_int_equal(me(i, b.access), 200);
    /* the session of the access token itself */
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/logout", b.access, NULL), 200);
    assert_int_equal(me(i, b.access), 401);
    assert_int_equal(me(i, c.access), 200);
    const struct kit_tokens d = kit_sign_in(i, "otto");
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/logout", d.access, "{\"all\":true}"), 200);
    assert_int_equal(me(i, d.access), 401);
    assert_int_equal(me(i, c.access), 401);
    struct kit_reply r = refresh(i, c.refresh);
    assert_int_equal(r.status, 401);
    kit_reply_done(&r);
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/logout", NULL, NULL), 401);
    assert_int_equal(me(i, kit_sign_in(i, "otto").access), 200);
    kit_api_stop(i);
}

static void changing_the_password_ends_all_sessions(void **state)
{
    kit_api_user(db, &org, "pia", "viewer");
    struct kit_api *i = start();
    const struct kit_tokens t = kit_sign_in(i, "pia");
    static const struct {
        const char *body;
        int status;
    } rows[] = {
        {"{\"current_password\":\"wrong\",\"new_password\":\"another password\"}", 422},
        {"{\"current_password\":\"" KIT_PASSWORD "\",\"new_password\":\"short\"}", 422},
        {"{\"current_password\":\"" KIT_PASSWORD "\"}", 422},
        {"{\"current_password\":\"" KIT_PASSWORD "\",\"new_password\":\"another password\"}", 204},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        assert_int_equal(kit_status(i, "POST", "/api/v1/users/me/password", t.access, rows[k].body),
                         rows[k].status);
    assert_int_equal(me(i, t.access), 401);
    struct kit_reply r = refresh(i, t.refresh);
    assert_int_equal(r.status, 401);
    kit_reply_done(&r);
    assert_int_equal(kit_status(i, "POST", "/api/v1/auth/login", NULL,
                                "{\"username\":\"pia\",\"password\":\"another password\"}"),
                     200);
    kit_api_stop(i);
}

static void guessing_gets_slower(void **state)
{
    kit_api_user(db, &org, "gus", "viewer");
    struct kit_api *i = start();
    static const char wrong[] = "{\"username\":\"gus\",\"password\":\"wrong\"}";
    for (int k = 0; k < 5; k++)
        assert_int_equal(kit_status(i, "POST", "/api/v1/auth/login", NULL, wrong), 401);
    /* The first wait lasts a second, and twice as long after each failure: who takes longer to ask
     * than to wait meets one of the next. */
    struct kit_reply r = kit_call(i, "POST", "/api/v1/auth/login", NULL, wrong);
    for (int k = 0; r.status == 401 && k < 5; k++) {
        kit_reply_done(&r);
        r = kit_call(i, "POST", "/api/v1/auth/login", NULL, wrong);
    }
    int64_t seconds = 0;
    assert_int_equal(r.status, 429);
    assert_string_equal(kit_reply_text(&r, "code"), "LOGIN_DELAYED");
    assert_ok(str_to_i64(kit_reply_header(&r, "Retry-After"), &seconds));
    assert_in_range(seconds, 1, 32);
    kit_reply_done(&r);
    assert_true(
        kit_wait(kit_status(i, "POST", "/api/v1/auth/login", NULL,
                            "{\"username\":\"gus\",\"password\":\"" KIT_PASSWORD "\"}") == 200,
                 KIT_PATIENCE_MS));
    kit_api_stop(i);
}

/* What RFC 6749, 5.2 wants of the token endpoint, when it is asked as that has it. */
static void oauth_clients_understand_failures(void **state)
{
    static const struct {
        const char *form, *error, *code;
    } rows[] = {
        {"grant_type=password&username=nobody&password=x", "invalid_grant", "INVALID_CREDENTIALS"},
        {"grant_type=implicit", "unsupported_grant_type", "VALIDATION_ERROR"},
        {"grant_type=password&username=nobody", "invalid_request", "VALIDATION_ERROR"},
        {"grant_type=refresh_token", "invalid_request", "VALIDATION_ERROR"},
        {"grant_type=refresh_token&refresh_token=tcr_x", "invalid_grant", "INVALID_TOKEN"},
    };
    kit_api_user(db, &org, "oona", "viewer");
    struct kit_api *i = start();
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        const struct kit_request q = {.port = i->port,
                                      .method = "POST",
                                      .path = "/api/v1/auth/token",
                                      .body = rows[k].form,
                                      .form = 1};
        struct kit_reply r = kit_http(&q);
        if (r.status != 400 || !str_eq(kit_reply_text(&r, "error"), rows[k].error) ||
            !str_eq(kit_reply_text(&r, "code"), rows[k].code))
            fail_msg("%s: %d %s", rows[k].form, r.status, kit_reply_text(&r, "error"));
        assert_true(kit_reply_text(&r, "error_description")[0] != '\0');
        assert_string_equal(kit_reply_header(&r, "Cache-Control"), "no-store");
        assert_string_equal(kit_reply_header(&r, "Content-Type"), "application/json");
        kit_reply_done(&r);
    }
    char form[256];
    const struct kit_tokens t = kit_sign_in(i, "oona");
    (void)snprintf(form, sizeof(form), "grant_type=refresh_token&refresh_token=%s", t.refresh);
    const struct kit_request q = {
        .port = i->port, .method = "POST", .path = "/api/v1/auth/token", .body = form, .form = 1};
    assert_int_equal(me(i, kit_tokens_of(kit_http(&q)).access), 200);
    kit_api_stop(i);
}

static void sessions_are_listed_and_ended(void **state)
{
    kit_api_user(db, &org, "sina", "viewer");
    kit_api_user(db, &org, "sven", "viewer");
    struct kit_api *i = start();
    const struct kit_tokens a = kit_sign_in(i, "sina"), b = kit_sign_in(i, "sina"),
                            other = kit_sign_in(i, "sven");
    struct kit_reply r = kit_call(i, "GET", "/api/v1/auth/sessions", b.access, NULL);
    assert_int_equal(r.status, 200);
    const json_t *list = json_object_get(r.json, "sessions");
    assert_int_equal(json_array_size(list), 2);
    const json_t *newest = json_array_get(list, 0), *oldest = json_array_get(list, 1);
    assert_true(json_is_true(json_object_get(newest, "is_current")));
    assert_true(json_is_false(json_object_get(oldest, "is_current")));
    assert_string_equal(json_string_value(json_object_get(newest, "address")), "127.0.0.1");
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/auth/sessions/%s",
                   json_string_value(json_object_get(oldest, "id")));
    kit_reply_done(&r);
    assert_int_equal(kit_status(i, "DELETE", path, other.access, NULL), 404);
    assert_int_equal(kit_status(i, "DELETE", path, b.access, NULL), 204);
    assert_int_equal(kit_status(i, "DELETE", path, b.access, NULL), 404);
    assert_int_equal(kit_status(i, "DELETE", "/api/v1/auth/sessions/x", b.access, NULL), 404);
    assert_int_equal(me(i, a.access), 401);
    assert_int_equal(me(i, b.access), 200);
    kit_api_stop(i);
}

/* Failures are counted for all processes, and are still there after a restart. */
static void guessing_is_slow_everywhere(void **state)
{
    static const char wrong[] = "{\"username\":\"greta\",\"password\":\"wrong\"}";
    kit_api_user(db, &org, "greta", "viewer");
    struct kit_api *a = start(), *b = start();
    for (int k = 0; k < 5; k++)
        assert_int_equal(kit_status(k % 2 ? a : b, "POST", "/api/v1/auth/login", NULL, wrong), 401);
    /* As after more of them: the first wait is over soon. */
    kit_sql(db, "UPDATE login_failures SET failures = failures + 5 WHERE failures = 5");
    assert_int_equal(kit_status(a, "POST", "/api/v1/auth/login", NULL, wrong), 429);
    assert_int_equal(kit_status(b, "POST", "/api/v1/auth/login", NULL, wrong), 429);
    kit_api_stop(a);
    kit_api_stop(b);
    kit_sql(db, "UPDATE login_failures SET failures = 10");
    a = start();
    assert_int_equal(kit_status(a, "POST", "/api/v1/auth/login", NULL, wrong), 429);
    kit_sql(db, "DELETE FROM login_failures");
    kit_api_stop(a);
}

static void without_keys_it_does_not_start(void **state)
{
    static const struct {
        const char *jwt, *seal, *auth, *why, *registration;
    } rows[] = {
        {"", "", "jwt", "TOCSIN_JWT_SECRET", NULL},
        {"short", "", "jwt", "TOCSIN_JWT_SECRET", NULL},
        {KIT_JWT_SECRET, "", "jwt", "TOCSIN_SECRET_KEY", NULL},
        {KIT_JWT_SECRET, "abc", "jwt", "TOCSIN_SECRET_KEY", NULL},
        {KIT_JWT_SECRET, KIT_SECRET_KEY, "maybe", "TOCSIN_AUTH", NULL},
        {KIT_JWT_SECRET, KIT_SECRET_KEY, "forward", "TOCSIN_TRUSTED_PROXIES", NULL},
        {KIT_JWT_SECRET, KIT_SECRET_KEY, "jwt", "TOCSIN_REGISTRATION", "always"},
        {KIT_JWT_SECRET, KIT_SECRET_KEY, "forward", "TOCSIN_REGISTRATION=open", "open"},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct daemon d = {.name = "api"};
        struct errbuf err = {""};
        void *none = NULL;
        assert_ok(conf_load(NULL, &d.conf, NULL));
        kit_set_text(&d.conf.jwt_secret, rows[k].jwt);
        kit_set_text(&d.conf.secret_key, rows[k].seal);
        kit_set_text(&d.conf.auth, rows[k].auth);
        if (rows[k].registration) {
            kit_set_text(&d.conf.registration, rows[k].registration);
            kit_set_text(&d.conf.trusted_proxies, "127.0.0.1");
        }
        assert_status(ST_INVALID, api_start(&d, &none, &err));
        assert_non_null(strstr(err.text, rows[k].why));
        assert_null(none);
        conf_done(&d.conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_sign_in),
        cmocka_unit_test(bad_credentials_are_refused),
        cmocka_unit_test(a_token_cannot_move_between_organisations),
        cmocka_unit_test(a_refresh_token_works_once),
        cmocka_unit_test(what_is_no_refresh_token_is_refused),
        cmocka_unit_test(an_unknown_name_is_recorded_like_a_wrong_password),
        cmocka_unit_test(signing_out_ends_one_session_or_all),
        cmocka_unit_test(changing_the_password_ends_all_sessions),
        cmocka_unit_test(guessing_gets_slower),
        cmocka_unit_test(guessing_is_slow_everywhere),
        cmocka_unit_test(oauth_clients_understand_failures),
        cmocka_unit_test(sessions_are_listed_and_ended),
        cmocka_unit_test(without_keys_it_does_not_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
