/* Callers whom a proxy has signed in, and those who only say so. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"

static const char *database, *redis_url;
static struct db *db;
static struct uuid org;

static int setup(void **state)
{
    json_setup();
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    org = kit_organisation(db);
    kit_api_user(db, &org, "boss", "owner");
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

static struct kit_api *start(const char *proxies)
{
    return kit_api_start(
        database, redis_url,
        &(struct kit_api_options){.auth = "forward",
                                  .trusted_proxies = proxies,
                                  .forward_roles = "admins=admin, ops=operator, staff=viewer"});
}

static struct kit_reply call(const struct kit_api *i, const char *method, const char *path,
                             const char *headers, const char *bearer)
{
    const struct kit_request q = {
        .port = i->port, .method = method, .path = path, .header = headers, .bearer = bearer};
    return kit_http(&q);
}

static void who_comes_through_the_proxy(void **state)
{
    static const struct {
        const char *headers;
        int status;
        const char *username, *role, *email;
    } rows[] = {
        {"Remote-User: ann\r\nRemote-Groups: staff\r\nRemote-Email: ann@example.test\r\n"
         "Remote-Name: Ann Example",
         200, "ann", "viewer", "ann@example.test"},
        {"Remote-User: ANN\r\nRemote-Groups: staff,ops", 200, "ann", "operator",
         "ann@example.test"},
        {"Remote-User: ann\r\nRemote-Groups: admins , staff", 200, "ann", "admin", NULL},
        {"Remote-User: ann\r\nRemote-Groups: staff", 200, "ann", "viewer", NULL},
        /* local accounts keep the role that they were given here */
        {"Remote-User: boss\r\nRemote-Groups: staff", 200, "boss", "owner", NULL},
        {"Remote-User: boss@example.test\r\nRemote-Groups: staff", 200, "boss", "owner", NULL},
        /* an address that is taken, or none */
        {"Remote-User: bea\r\nRemote-Groups: ops\r\nRemote-Email: boss@example.test", 200, "bea",
         "operator", "bea@proxy.invalid"},
        {"Remote-User: cem\r\nRemote-Groups: ops", 200, "cem", "operator", "cem@proxy.invalid"},
        {"Remote-User: cem\r\nRemote-Groups: ops\r\nRemote-Email: cem@example.test", 200, "cem",
         "operator", "cem@example.test"},
        {"Remote-User: dan\r\nRemote-Groups: guests", 403, NULL, NULL, NULL},
        {"Remote-User: dan\r\nRemote-Groups: admins2,xadmins", 403, NULL, NULL, NULL},
        {"Remote-User: dan", 403, NULL, NULL, NULL},
        {"Remote-User: dan\r\nRemote-User: boss\r\nRemote-Groups: admins", 401, NULL, NULL, NULL},
        {"Remote-User: dan\r\nRemote-Groups: staff\r\nRemote-Groups: admins", 401, NULL, NULL,
         NULL},
        {"Remote-User: d\xff\r\nRemote-Groups: admins", 401, NULL, NULL, NULL},
        {"Remote-Groups: admins", 401, NULL, NULL, NULL},
    };
    struct kit_api *i = start("127.0.0.0/8");
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct kit_reply r = call(i, "GET", "/api/v1/users/me", rows[k].headers, NULL);
        if (r.status != rows[k].status)
            fail_msg("%s: %d %s", rows[k].headers, r.status, kit_reply_text(&r, "detail"));
        if (rows[k].username) {
            assert_string_equal(kit_reply_text(&r, "username"), rows[k].username);
            assert_string_equal(kit_reply_text(&r, "role"), rows[k].role);
        }
        if (rows[k].email)
            assert_string_equal(kit_reply_text(&r, "email"), rows[k].email);
        kit_reply_done(&r);
    }
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM users WHERE username IN ('dan', 'd')"),
                     0);
    AUTO_FREE char *by = kit_sql_text(db, "SELECT actor_type || ' ' || username FROM audit_log"
                                          " WHERE action = 'user.create' AND object_name = 'ann'");
    assert_string_equal(by, "system proxy");
    kit_api_stop(i);
}

static void a_user_of_the_proxy_has_no_password(void **state)
{
    struct kit_api *i = start("127.0.0.1");
    static const char emil[] = "Remote-User: emil\r\nRemote-Groups: admins";
    struct kit_reply r = call(i, "GET", "/api/v1/users/me", emil, NULL);
    char path[128];
    assert_int_equal(r.status, 200);
    assert_true(json_is_true(json_object_get(r.json, "is_external")));
    (void)snprintf(path, sizeof(path), "/api/v1/users/%s", kit_reply_text(&r, "id"));
    kit_reply_done(&r);
    static const char *const passwords[] = {"!", "x"};
    for (size_t k = 0; k < ARRAY_LEN(passwords); k++) {
        char body[128];
        (void)snprintf(body, sizeof(body), "{\"username\":\"emil\",\"password\":\"%s\"}",
                       passwords[k]);
        assert_int_equal(kit_status(i, "POST", "/api/v1/auth/login", NULL, body), 401);
    }
    kit_sql(db, "UPDATE users SET is_active = false WHERE username = 'emil'");
    assert_true(kit_wait(({
                             struct kit_reply g = call(i, "GET", "/api/v1/users/me", emil, NULL);
                             kit_reply_done(&g);
                             g.status == 403;
                         }),
                         KIT_PATIENCE_MS));
    kit_api_stop(i);
}

static void who_only_says_so_is_nobody(void **state)
{
    struct kit_api *i = start("192.0.2.0/24");
    static const char boss[] = "Remote-User: boss\r\nRemote-Groups: admins\r\n"
                               "X-Forwarded-For: 192.0.2.1";
    struct kit_reply r = call(i, "GET", "/api/v1/users/me", boss, NULL);
    assert_int_equal(r.status, 401);
    assert_non_null(strstr(kit_reply_text(&r, "detail"), "TOCSIN_TRUSTED_PROXIES"));
    kit_reply_done(&r);
    /* what he really is counts */
    const struct kit_tokens t = kit_sign_in(i, "boss");
    r = call(i, "GET", "/api/v1/users/me", "Remote-User: ann\r\nRemote-Groups: admins", t.access);
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "username"), "boss");
    kit_reply_done(&r);
    kit_api_stop(i);

    /* nor does the header mean anything where it is not asked for */
    i = kit_api_start(database, redis_url,
                      &(struct kit_api_options){.trusted_proxies = "127.0.0.1"});
    r = call(i, "GET", "/api/v1/users/me", "Remote-User: boss\r\nRemote-Groups: admins", NULL);
    assert_int_equal(r.status, 401);
    kit_reply_done(&r);
    kit_api_stop(i);
}

/* The browser sends the proxy's cookie by itself, whoever made it. */
static void another_site_cannot_act_for_the_user(void **state)
{
    static const struct {
        const char *method, *site;
        int status;
    } rows[] = {
        {"POST", "cross-site", 403}, {"POST", "same-site", 403}, {"POST", "same-origin", 200},
        {"POST", "none", 200},       {"POST", NULL, 200},        {"GET", "cross-site", 405},
    };
    struct kit_api *i = start("127.0.0.1");
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        char headers[200];
        (void)snprintf(headers, sizeof(headers), "Remote-User: ann\r\nRemote-Groups: staff%s%s",
                       rows[k].site ? "\r\nSec-Fetch-Site: " : "",
                       rows[k].site ? rows[k].site : "");
        struct kit_reply r = call(i, rows[k].method, "/api/v1/auth/ws-ticket", headers, NULL);
        if (r.status != rows[k].status)
            fail_msg("%s %s: %d", rows[k].method, rows[k].site ? rows[k].site : "-", r.status);
        kit_reply_done(&r);
    }
    kit_api_stop(i);
}

static void bad_settings_are_refused(void **state)
{
    static const struct {
        const char *proxies, *roles, *why;
    } rows[] = {
        {"", "*=viewer", "TOCSIN_TRUSTED_PROXIES"},
        {"nonsense", "*=viewer", "TOCSIN_TRUSTED_PROXIES"},
        {"127.0.0.1", "admins", "TOCSIN_FORWARD_ROLES"},
        {"127.0.0.1", "=admin", "TOCSIN_FORWARD_ROLES"},
        {"127.0.0.1", "admins=king", "TOCSIN_FORWARD_ROLES"},
    };
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        struct daemon d = {.name = "api"};
        struct errbuf err = {""};
        void *none = NULL;
        assert_ok(conf_load(NULL, &d.conf, NULL));
        kit_set_text(&d.conf.database_url, database);
        kit_set_text(&d.conf.redis_url, redis_url);
        kit_set_text(&d.conf.listen, "127.0.0.1");
        d.conf.api_port = 0;
        kit_set_text(&d.conf.jwt_secret, KIT_JWT_SECRET);
        kit_set_text(&d.conf.secret_key, KIT_SECRET_KEY);
        kit_set_text(&d.conf.auth, "forward");
        kit_set_text(&d.conf.trusted_proxies, rows[k].proxies);
        kit_set_text(&d.conf.forward_roles, rows[k].roles);
        assert_status(ST_INVALID, api_start(&d, &none, &err));
        if (!strstr(err.text, rows[k].why))
            fail_msg("%s does not name %s", err.text, rows[k].why);
        conf_done(&d.conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_through_the_proxy),
        cmocka_unit_test(a_user_of_the_proxy_has_no_password),
        cmocka_unit_test(who_only_says_so_is_nobody),
        cmocka_unit_test(another_site_cannot_act_for_the_user),
        cmocka_unit_test(bad_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
