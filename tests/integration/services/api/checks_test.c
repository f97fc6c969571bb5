/* Checks over HTTP: the documented shapes, merges, refusals, tenants. */
#include "tests/integration/services/api/fixture.h"

#include <stdio.h>
#include <string.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "json/parse.h"
#include "store/checks.h"

static void test_documented_create(void **state)
{
    const int64_t asked_us = clock_wall_us();
    struct kit_reply r = fx_call("POST", "/api/v1/checks", fx_documented);
    assert_int_equal(r.status, 201);
    char location[128];
    (void)snprintf(location, sizeof(location), "/api/v1/checks/%s", fx_text(&r, "id"));
    assert_string_equal(kit_reply_header(&r, "Location"), location);
    assert_string_equal(fx_text(&r, "name"), "New Website Check");
    assert_string_equal(fx_text(&r, "plugin_type"), "website");
    assert_string_equal(fx_text(&r, "config.url"), "https://example.com");
    assert_int_equal(fx_number(&r, "config.expected_status"), 200);
    assert_true(json_is_true(fx_at(&r, "enabled")));
    assert_string_equal(fx_text(&r, "schedule"), "every 5 minutes");
    assert_true(json_is_null(fx_at(&r, "last_run")));
    assert_true(str_ends(fx_text(&r, "created_at"), "Z"));
    assert_true(str_ends(fx_text(&r, "updated_at"), "Z"));
    assert_true(json_real_value(fx_at(&r, "timeout")) == 10.0);
    assert_int_equal(fx_number(&r, "retries"), 2);
    assert_int_equal(fx_number(&r, "recoveries"), 1);
    assert_true(json_is_null(fx_at(&r, "retry_interval")));
    assert_int_equal(json_array_size(fx_at(&r, "channels")), 0);
    assert_int_equal(json_array_size(fx_at(&r, "tags")), 0);
    assert_true(json_is_null(fx_at(&r, "webhook_url")));
    assert_true(json_is_null(fx_at(&r, "group")));
    assert_string_equal(fx_text(&r, "state"), "pending");
    assert_true(fx_number(&r, "legacy_id") > 0);
    int64_t next_us = 0;
    assert_ok(time_parse_us(fx_text(&r, "next_run"), &next_us));
    assert_true(next_us > asked_us && next_us <= clock_wall_us() + 300 * 1000000LL);
    kit_reply_done(&r);
    assert_int_equal(kit_status(fx.api, "GET", location, fx.me.access, NULL), 200);
    assert_int_equal(kit_status(fx.api, "GET", location, fx.viewer.access, NULL), 200);
}

static void test_everything_given(void **state)
{
    struct uuid channel = uuid_new();
    kit_sql(fx.db,
            "INSERT INTO channels (id, org_id, name, type) VALUES ('%s', '%s', 'c', 'email')",
            kit_id(&channel), kit_id(&fx.org));
    char body[1024];
    (void)snprintf(
        body, sizeof(body),
        "{\"name\":\"all ü\",\"plugin_type\":\"website_status\",\"config\":{\"url\":"
        "\"http://10.0.0.1:8080/x?y=1\",\"timeout\":2.5},\"enabled\":false,"
        "\"schedule\":\"PT90S\",\"retries\":5,\"retry_interval\":\"every 30 seconds\","
        "\"recoveries\":3,\"channels\":[\"%s\",\"%s\"],\"webhook_url\":"
        "\"https://hooks.example.com/x\",\"tags\":[\"a, b\",\"c\\\"{}\",\"a, b\"],\"group\":\"g\"}",
        kit_id(&channel), kit_id(&channel));
    struct uuid id = fx_create(body);
    struct kit_reply r = fx_call("GET", fx_path_of(&id, ""), NULL);
    assert_string_equal(fx_text(&r, "plugin_type"), "website_status");
    assert_string_equal(fx_text(&r, "schedule"), "PT90S");
    assert_true(json_real_value(fx_at(&r, "timeout")) == 2.5);
    assert_string_equal(fx_text(&r, "retry_interval"), "every 30 seconds");
    assert_int_equal(fx_number(&r, "recoveries"), 3);
    assert_int_equal(json_array_size(fx_at(&r, "channels")), 1);
    assert_string_equal(fx_text(&r, "channels.0"), kit_id(&channel));
    assert_string_equal(fx_text(&r, "webhook_url"), "https://hooks.example.com/x");
    assert_string_equal(fx_text(&r, "tags.0"), "a, b");
    assert_string_equal(fx_text(&r, "tags.1"), "c\"{}");
    assert_int_equal(json_array_size(fx_at(&r, "tags")), 2);
    assert_string_equal(fx_text(&r, "group"), "g");
    assert_string_equal(fx_text(&r, "state"), "paused");
    assert_true(json_is_null(fx_at(&r, "next_run")));
    kit_reply_done(&r);
    /* null takes away what may be absent. */
    r = fx_call("PATCH", fx_path_of(&id, ""),
                "{\"channels\":null,\"tags\":[],\"group\":null,\"webhook_url\":null,"
                "\"retry_interval\":null}");
    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(fx_at(&r, "channels")), 0);
    assert_int_equal(json_array_size(fx_at(&r, "tags")), 0);
    assert_true(json_is_null(fx_at(&r, "group")));
    assert_true(json_is_null(fx_at(&r, "webhook_url")));
    assert_true(json_is_null(fx_at(&r, "retry_interval")));
    kit_reply_done(&r);
}

static void test_refused_creates(void **state)
{
#define CHECK(rest) \
    "{\"name\":\"n\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://e.com\"}" rest "}"
    static const struct {
        const char *body, *loc;
    } rows[] = {
        {"{}", NULL},
        {"{\"name\":\"\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://e.com\"}}",
         "[\"body\",\"name\"]"},
        {"{\"name\":\" \",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://e.com\"}}",
         "[\"body\",\"name\"]"},
        {"{\"name\":\"a\\nb\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://e.com\"}}",
         "[\"body\",\"name\"]"},
        {"{\"name\":\"n\",\"plugin_type\":\"nothing\",\"config\":{}}",
         "[\"body\",\"plugin_type\"]"},
        {"{\"name\":\"n\",\"plugin_type\":\"website\",\"config\":{}}",
         "[\"body\",\"config\",\"url\"]"},
        {"{\"name\":\"n\",\"plugin_type\":\"website\",\"config\":[]}", "[\"body\",\"config\"]"},
        {"{\"name\":\"n\",\"plugin_type\":\"website\",\"config\":{\"url\":\"ftp://e.com\"}}",
         "[\"body\",\"config\",\"url\"]"},
        {"{\"name\":\"n\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://e.com\","
         "\"expected_status\":\"200\"}}",
         "[\"body\",\"config\",\"expected_status\"]"},
        {"{\"name\":\"n\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://e.com\","
         "\"surprise\":1}}",
         "[\"body\",\"config\",\"surprise\"]"},
        {CHECK(",\"schedule\":\"every now and then\""), "[\"body\",\"schedule\"]"},
        {CHECK(",\"schedule\":\"every 0 minutes\""), "[\"body\",\"schedule\"]"},
        {CHECK(",\"schedule\":null"), "[\"body\",\"schedule\"]"},
        {CHECK(",\"enabled\":\"yes\""), "[\"body\",\"enabled\"]"},
        {CHECK(",\"timeout\":0"), "[\"body\",\"timeout\"]"},
        {CHECK(",\"timeout\":121"), "[\"body\",\"timeout\"]"},
        {CHECK(",\"retries\":0"), "[\"body\",\"retries\"]"},
        {CHECK(",\"recoveries\":101"), "[\"body\",\"recoveries\"]"},
        {CHECK(",\"retry_interval\":\"x\""), "[\"body\",\"retry_interval\"]"},
        {CHECK(",\"webhook_url\":\"javascript:1\""), "[\"body\",\"webhook_url\"]"},
        {CHECK(",\"tags\":[\"\"]"), "[\"body\",\"tags\",0]"},
        {CHECK(",\"tags\":\"x\""), "[\"body\",\"tags\"]"},
        {CHECK(",\"channels\":[\"x\"]"), NULL},
        {CHECK(",\"channels\":[\"0190163d-8694-739b-aea5-966c26f8ad91\"]"),
         "[\"body\",\"channels\"]"},
        {CHECK(",\"surprise\":1"), "[\"body\",\"surprise\"]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fx_must_fail("POST", "/api/v1/checks", rows[i].body, 422, "VALIDATION_ERROR", rows[i].loc);
    fx_must_fail("POST", "/api/v1/checks", "{\"name\":", 400, "MALFORMED_REQUEST", NULL);
    assert_int_equal(kit_sql_i64(fx.db, "SELECT count(*) FROM checks WHERE name = 'n'"), 0);
}

static void test_documented_update(void **state)
{
    struct uuid id = fx_create(fx_documented);
    struct kit_reply r = fx_call(
        "PUT", fx_path_of(&id, ""),
        "{\"name\":\"Updated Website Check\",\"config\":{\"url\":"
        "\"https://example.com\",\"expected_status\":200,\"timeout\":30}}");
    assert_int_equal(r.status, 200);
    assert_string_equal(fx_text(&r, "name"), "Updated Website Check");
    assert_int_equal(fx_number(&r, "config.timeout"), 30);
    assert_true(json_real_value(fx_at(&r, "timeout")) == 30.0);
    /* A merge: what was not sent is as it was. */
    assert_string_equal(fx_text(&r, "schedule"), "every 5 minutes");
    assert_true(json_is_true(fx_at(&r, "enabled")));
    /* What was read can be written back whole. */
    AUTO_FREE char *whole = json_dumps(r.json, 0);
    kit_reply_done(&r);
    r = fx_call("PUT", fx_path_of(&id, ""), whole);
    assert_int_equal(r.status, 200);
    kit_reply_done(&r);
    fx_must_fail("PATCH", fx_path_of(&id, ""), "{\"config\":{}}", 422, "VALIDATION_ERROR",
                 "[\"body\",\"config\",\"url\"]");
    fx_must_fail("PATCH", fx_path_of(&id, ""), "{\"plugin_type\":\"x\"}", 422, "VALIDATION_ERROR",
                 "[\"body\",\"plugin_type\"]");
    fx_must_fail("PATCH", fx_path_of(&id, ""),
                 "{\"channels\":[\"0190163d-8694-739b-aea5-966c26f8ad91\"]}", 422,
                 "VALIDATION_ERROR", "[\"body\",\"channels\"]");
}

/* What is kept of a check's secrets: their JSON text. */
static char *opened(const struct uuid *id)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    struct seal_keys *keys = NULL;
    struct check c;
    const struct seal_place place = check_seal_place(id);
    AUTO_JSON secret = NULL;
    assert_ok(seal_keys_new(KIT_SECRET_KEY, &keys, NULL));
    assert_ok(checks_get(fx.db, arena, &fx.org, id, &c));
    assert_ok(seal_json_open(keys, &place, c.sealed, c.sealed_len, arena, &secret));
    seal_keys_free(keys);
    return json_dumps(secret, JSON_COMPACT);
}

static void test_secrets_are_kept_sealed(void **state)
{
    static const struct {
        const char *method, *body;
        const char *kept;
        bool has_secret;
    } changes[] = {
        {"PUT", "{\"config\":{\"url\":\"http://e.org\"}}", "{\"auth_password\":\"hush\"}", true},
        {"PATCH", "{\"timeout\":7}", "{\"auth_password\":\"hush\"}", true},
        {"PATCH", "{\"plugin_type\":\"website_status\"}", "{\"auth_password\":\"hush\"}", true},
        {"PUT", "{\"config\":{\"url\":\"http://e.org\",\"auth_password\":\"new\"}}",
         "{\"auth_password\":\"new\"}", true},
        {"PATCH", "{\"config\":{\"url\":\"http://e.org\",\"auth_password\":null}}", "{}", false},
        {"PATCH", "{\"config\":{\"url\":\"http://e.org\"}}", "{}", false},
    };
    const struct uuid id = fx_create(
        "{\"name\":\"s\",\"plugin_type\":\"website\",\"config\":{\"url\":"
        "\"http://e.com\",\"auth_username\":\"u\",\"auth_password\":\"hush\"}}");
    struct kit_reply r = fx_call("GET", fx_path_of(&id, ""), NULL);
    assert_null(json_object_get(fx_at(&r, "config"), "auth_password"));
    assert_string_equal(fx_text(&r, "config.auth_username"), "u");
    assert_true(json_is_true(fx_at(&r, "has_secret")));
    kit_reply_done(&r);
    assert_int_equal(kit_sql_i64(fx.db,
                                 "SELECT count(*) FROM checks c WHERE id = '%s' AND"
                                 " (c::text LIKE '%%hush%%' OR secret IS NULL OR"
                                 " encode(secret, 'escape') LIKE '%%hush%%')",
                                 kit_id(&id)),
                     0);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        r = fx_call(changes[i].method, fx_path_of(&id, ""), changes[i].body);
        assert_int_equal(r.status, 200);
        assert_true(json_is_true(fx_at(&r, "has_secret")) == changes[i].has_secret);
        assert_null(json_object_get(fx_at(&r, "config"), "auth_password"));
        kit_reply_done(&r);
        AUTO_FREE char *kept = opened(&id);
        assert_string_equal(kept, changes[i].kept);
    }
    fx_must_fail("PATCH", fx_path_of(&id, ""),
                 "{\"config\":{\"url\":\"http://e.org\",\"auth_password\":7}}", 422,
                 "VALIDATION_ERROR", "[\"body\",\"config\",\"auth_password\"]");
}

static void test_pause_and_resume(void **state)
{
    struct uuid id = fx_create(fx_documented);
    kit_sql(fx.db,
            "UPDATE check_state SET settled_to = now() - interval '1 hour', failures = 3"
            " WHERE check_id = '%s'",
            kit_id(&id));
    static const struct {
        const char *action, *state;
        int transitions;
    } rows[] = {{"/pause", "paused", 1},
                {"/pause", "paused", 1},
                {"/resume", "pending", 2},
                {"/resume", "pending", 2}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = fx_call("POST", fx_path_of(&id, rows[i].action), NULL);
        assert_int_equal(r.status, 200);
        assert_string_equal(fx_text(&r, "state"), rows[i].state);
        assert_true(json_is_true(fx_at(&r, "enabled")) == str_eq(rows[i].state, "pending"));
        kit_reply_done(&r);
        assert_int_equal(kit_sql_i64(fx.db,
                                     "SELECT count(*) FROM transitions WHERE check_id = '%s'",
                                     kit_id(&id)),
                         rows[i].transitions);
    }
    /* While it was off nothing was due. */
    assert_int_equal(kit_sql_i64(fx.db,
                                 "SELECT (settled_to > now() - interval '1 minute')::int"
                                 " FROM check_state WHERE check_id = '%s' AND failures = 0",
                                 kit_id(&id)),
                     1);
}

static void test_delete(void **state)
{
    struct uuid id = fx_create(fx_documented);
    kit_sql(fx.db,
            "INSERT INTO incidents (id, org_id, check_id, check_name, title, cause, started_at)"
            " VALUES ('%s', '%s', '%s', 'n', 't', 'c', now())",
            kit_id(&id), kit_id(&fx.org), kit_id(&id));
    assert_int_equal(kit_status(fx.api, "DELETE", fx_path_of(&id, ""), fx.me.access, NULL), 204);
    fx_must_fail("DELETE", fx_path_of(&id, ""), NULL, 404, "CHECK_NOT_FOUND", NULL);
    AUTO_FREE char *status = kit_sql_text(fx.db, "SELECT status FROM incidents WHERE id = '%s'",
                                          kit_id(&id));
    assert_string_equal(status, "resolved");
}

/* A copy has all that was asked for, and nothing that came of it. */
static void test_clone(void **state)
{
    struct uuid channel = uuid_new();
    kit_sql(fx.db,
            "INSERT INTO channels (id, org_id, name, type) VALUES ('%s', '%s', 'to copy', 'email')",
            kit_id(&channel), kit_id(&fx.org));
    char body[1024];
    (void)snprintf(body, sizeof(body),
                   "{\"name\":\"of\",\"plugin_type\":\"website_status\",\"config\":{\"url\":"
                   "\"http://e.com\",\"auth_username\":\"u\",\"auth_password\":\"hush\"},"
                   "\"schedule\":\"PT90S\",\"retries\":5,\"retry_interval\":\"every 30 seconds\","
                   "\"recoveries\":3,\"channels\":[\"%s\"],\"webhook_url\":"
                   "\"https://hooks.example.com/x\",\"tags\":[\"b\",\"a\"],\"group\":\"g\","
                   "\"external_id\":\"only one\"}",
                   kit_id(&channel));
    const struct uuid id = fx_create(body);
    kit_sql(fx.db,
            "UPDATE check_state SET state = 'down', failures = 3, last_run_at = now(), "
            "last_status = 'error', incident_id = uuid7() WHERE check_id = '%s'",
            kit_id(&id));

    struct kit_reply of = fx_call("GET", fx_path_of(&id, ""), NULL);
    struct kit_reply r = fx_call("POST", fx_path_of(&id, "/clone"), NULL);
    assert_int_equal(r.status, 201);
    char location[128];
    (void)snprintf(location, sizeof(location), "/api/v1/checks/%s", fx_text(&r, "id"));
    assert_string_equal(kit_reply_header(&r, "Location"), location);
    assert_string_not_equal(fx_text(&r, "id"), fx_text(&of, "id"));
    assert_string_equal(fx_text(&r, "name"), "of (copy)");
    assert_string_equal(fx_text(&r, "state"), "pending");
    static const char *const same[] = {
        "plugin_type", "config",   "has_secret",  "enabled", "schedule", "timeout",
        "retries",     "channels", "webhook_url", "tags",    "group",    "recoveries",
    };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        if (!json_equal(fx_at(&r, same[i]), fx_at(&of, same[i])))
            fail_msg("%s", same[i]);
    }
    static const char *const none[] = {"last_run", "last_status", "incident_id", "external_id"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_true(json_is_null(fx_at(&r, none[i])));
    struct uuid copy;
    assert_ok(uuid_parse(fx_text(&r, "id"), &copy));
    kit_reply_done(&of);
    kit_reply_done(&r);
    AUTO_FREE char *kept = opened(&copy);
    assert_string_equal(kept, "{\"auth_password\":\"hush\"}");

    r = fx_call("POST", fx_path_of(&copy, "/clone"), "{\"name\":\"third\",\"enabled\":false}");
    assert_int_equal(r.status, 201);
    assert_string_equal(fx_text(&r, "name"), "third");
    assert_string_equal(fx_text(&r, "state"), "paused");
    kit_reply_done(&r);
}

/* A name at its limit makes room for what is put behind it, by whole characters. */
static void test_names_of_clones(void **state)
{
    char name[LIMIT_CHECK_NAME + 1] = "";
    for (size_t i = 0; i < LIMIT_CHECK_NAME / 2; i++)
        memcpy(name + 2 * i, "ü", 2);
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{\"name\":\"%s\",\"plugin_type\":\"website\",\"config\":"
                   "{\"url\":\"http://e.com\"}}",
                   name);
    const struct uuid id = fx_create(body);
    struct kit_reply r = fx_call("POST", fx_path_of(&id, "/clone"), "{}");
    assert_int_equal(r.status, 201);
    assert_true(strlen(fx_text(&r, "name")) <= LIMIT_CHECK_NAME);
    assert_true(str_ends(fx_text(&r, "name"), "ü (copy)"));
    kit_reply_done(&r);
    static const struct {
        const char *body, *loc;
    } refused[] = {{"{\"name\":\"\"}", "[\"body\",\"name\"]"},
                   {"{\"name\":\" \"}", "[\"body\",\"name\"]"},
                   {"{\"enabled\":1}", "[\"body\",\"enabled\"]"},
                   {"{\"schedule\":\"every hour\"}", "[\"body\",\"schedule\"]"}};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        fx_must_fail("POST", fx_path_of(&id, "/clone"), refused[i].body, 422, "VALIDATION_ERROR",
                     refused[i].loc);
    assert_int_equal(kit_status(fx.api, "POST", fx_path_of(&id, "/clone"), fx.viewer.access, NULL),
                     403);
}

static void test_others_see_nothing(void **state)
{
    struct uuid id = fx_create(fx_documented);
    static const struct {
        const char *method, *suffix, *body;
    } rows[] = {{"GET", "", NULL},         {"PUT", "", "{\"name\":\"x\"}"},
                {"PATCH", "", "{}"},       {"DELETE", "", NULL},
                {"POST", "/run", NULL},    {"POST", "/pause", NULL},
                {"POST", "/resume", NULL}, {"POST", "/clone", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = kit_call(fx.api, rows[i].method, fx_path_of(&id, rows[i].suffix),
                                      fx.stranger.access, rows[i].body);
        assert_int_equal(r.status, 404);
        assert_string_equal(kit_reply_text(&r, "code"), "CHECK_NOT_FOUND");
        kit_reply_done(&r);
        char bad[64];
        (void)snprintf(bad, sizeof(bad), "/api/v1/checks/not-a-uuid%s", rows[i].suffix);
        fx_must_fail(rows[i].method, bad, rows[i].body, 404, "CHECK_NOT_FOUND", NULL);
    }
    struct kit_reply r = kit_call(fx.api, "GET", "/api/v1/checks", fx.stranger.access, NULL);
    assert_int_equal(fx_number(&r, "total"), 0);
    kit_reply_done(&r);
    assert_int_equal(kit_status(fx.api, "POST", "/api/v1/checks", fx.viewer.access, fx_documented),
                     403);
    assert_int_equal(kit_status(fx.api, "DELETE", fx_path_of(&id, ""), fx.viewer.access, NULL),
                     403);
    assert_int_equal(kit_status(fx.api, "POST", fx_path_of(&id, "/run"), fx.viewer.access, NULL),
                     403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documented_create),
        cmocka_unit_test(test_everything_given),
        cmocka_unit_test(test_refused_creates),
        cmocka_unit_test(test_documented_update),
        cmocka_unit_test(test_secrets_are_kept_sealed),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_clone),
        cmocka_unit_test(test_names_of_clones),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_others_see_nothing),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
