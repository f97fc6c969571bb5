/* Checks, results and plugins over HTTP: the documented shapes, merges, refusals, tenants. */
#include <stdio.h>
#include <string.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "json/parse.h"
#include "store/checks.h"
#include "store/recorder.h"
#include "tests/kit/api.h"

static struct db *db;
static struct uuid org, other_org;
static struct kit_api *api;
static struct kit_tokens me, stranger, viewer;

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    kit_api_user(db, &org, "olga", "operator");
    kit_api_user(db, &org, "viktor", "viewer");
    kit_api_user(db, &other_org, "sten", "owner");
    api = kit_api_start(database, kit_redis(), NULL);
    me = kit_sign_in(api, "olga");
    viewer = kit_sign_in(api, "viktor");
    stranger = kit_sign_in(api, "sten");
    return 0;
}

static int teardown(void **state)
{
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static struct kit_reply call(const char *method, const char *path, const char *body)
{
    return kit_call(api, method, path, me.access, body);
}

/* A member by path, "config.url"; fails when it is not there. */
static const json_t *at(const struct kit_reply *r, const char *path)
{
    char name[128];
    const json_t *value = r->json;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, ".");
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, p);
        value = json_is_array(value) ? json_array_get(value, (size_t)(name[0] - '0'))
                                     : json_object_get(value, name);
        if (!value)
            fail_msg("no %s in the reply", path);
        p += len + (p[len] == '.');
    }
    return value;
}

static const char *text(const struct kit_reply *r, const char *path)
{
    const char *s = json_string_value(at(r, path));
    if (!s)
        fail_msg("%s is not a text", path);
    return s;
}

static int64_t number(const struct kit_reply *r, const char *path)
{
    if (!json_is_integer(at(r, path)))
        fail_msg("%s is not an integer", path);
    return json_integer_value(at(r, path));
}

static const char documented[] =
    "{\"name\":\"New Website Check\",\"plugin_type\":\"website\",\"config\":{\"url\":"
    "\"https://example.com\",\"expected_status\":200},\"enabled\":true,"
    "\"schedule\":\"every 5 minutes\"}";

static struct uuid create(const char *body)
{
    struct kit_reply r = call("POST", "/api/v1/checks", body);
    if (r.status != 201)
        fail_msg("%d: %s", r.status, kit_reply_text(&r, "detail"));
    struct uuid id;
    assert_ok(uuid_parse(text(&r, "id"), &id));
    kit_reply_done(&r);
    return id;
}

static const char *path_of(const struct uuid *id, const char *suffix)
{
    static char path[2][128];
    static int next;
    next = !next;
    (void)snprintf(path[next], sizeof(path[next]), "/api/v1/checks/%s%s", kit_id(id), suffix);
    return path[next];
}

static void must_fail(const char *method, const char *path, const char *body, int status,
                      const char *code, const char *loc)
{
    struct kit_reply r = call(method, path, body);
    if (r.status != status || !str_eq(kit_reply_text(&r, "code"), code))
        fail_msg("%s %s %s: %d %s", method, path, body ? body : "", r.status,
                 kit_reply_text(&r, "code"));
    if (loc) {
        AUTO_FREE char *dump = json_dumps(at(&r, "errors.0.loc"), JSON_COMPACT);
        assert_string_equal(dump, loc);
    }
    kit_reply_done(&r);
}

static void test_documented_create(void **state)
{
    struct kit_reply r = call("POST", "/api/v1/checks", documented);
    assert_int_equal(r.status, 201);
    char location[128];
    (void)snprintf(location, sizeof(location), "/api/v1/checks/%s", text(&r, "id"));
    assert_string_equal(kit_reply_header(&r, "Location"), location);
    assert_string_equal(text(&r, "name"), "New Website Check");
    assert_string_equal(text(&r, "plugin_type"), "website");
    assert_string_equal(text(&r, "config.url"), "https://example.com");
    assert_int_equal(number(&r, "config.expected_status"), 200);
    assert_true(json_is_true(at(&r, "enabled")));
    assert_string_equal(text(&r, "schedule"), "every 5 minutes");
    assert_true(json_is_null(at(&r, "last_run")));
    assert_true(str_ends(text(&r, "created_at"), "Z"));
    assert_true(str_ends(text(&r, "updated_at"), "Z"));
    assert_true(json_real_value(at(&r, "timeout")) == 10.0);
    assert_int_equal(number(&r, "retries"), 2);
    assert_int_equal(number(&r, "recoveries"), 1);
    assert_true(json_is_null(at(&r, "retry_interval")));
    assert_int_equal(json_array_size(at(&r, "channels")), 0);
    assert_int_equal(json_array_size(at(&r, "tags")), 0);
    assert_true(json_is_null(at(&r, "webhook_url")));
    assert_true(json_is_null(at(&r, "group")));
    assert_string_equal(text(&r, "state"), "pending");
    assert_true(number(&r, "legacy_id") > 0);
    int64_t next_us = 0;
    assert_ok(time_parse_us(text(&r, "next_run"), &next_us));
    assert_true(next_us > clock_wall_us() && next_us <= clock_wall_us() + 300 * 1000000LL);
    kit_reply_done(&r);
    assert_int_equal(kit_status(api, "GET", location, me.access, NULL), 200);
    assert_int_equal(kit_status(api, "GET", location, viewer.access, NULL), 200);
}

static void test_everything_given(void **state)
{
    struct uuid channel = uuid_new();
    kit_sql(db, "INSERT INTO channels (id, org_id, name, type) VALUES ('%s', '%s', 'c', 'email')",
            kit_id(&channel), kit_id(&org));
    char body[1024];
    (void)snprintf(
        body, sizeof(body),
        "{\"name\":\"all ü\",\"plugin_type\":\"website_status\",\"config\":{\"url\":"
        "\"http://10.0.0.1:8080/x?y=1\",\"timeout\":2.5},\"enabled\":false,"
        "\"schedule\":\"PT90S\",\"retries\":5,\"retry_interval\":\"every 30 seconds\","
        "\"recoveries\":3,\"channels\":[\"%s\",\"%s\"],\"webhook_url\":"
        "\"https://hooks.example.com/x\",\"tags\":[\"a, b\",\"c\\\"{}\"],\"group\":\"g\"}",
        kit_id(&channel), kit_id(&channel));
    struct uuid id = create(body);
    struct kit_reply r = call("GET", path_of(&id, ""), NULL);
    assert_string_equal(text(&r, "plugin_type"), "website_status");
    assert_string_equal(text(&r, "schedule"), "PT90S");
    assert_true(json_real_value(at(&r, "timeout")) == 2.5);
    assert_string_equal(text(&r, "retry_interval"), "every 30 seconds");
    assert_int_equal(number(&r, "recoveries"), 3);
    assert_int_equal(json_array_size(at(&r, "channels")), 1);
    assert_string_equal(text(&r, "channels.0"), kit_id(&channel));
    assert_string_equal(text(&r, "webhook_url"), "https://hooks.example.com/x");
    assert_string_equal(text(&r, "tags.0"), "a, b");
    assert_string_equal(text(&r, "tags.1"), "c\"{}");
    assert_string_equal(text(&r, "group"), "g");
    assert_string_equal(text(&r, "state"), "paused");
    assert_true(json_is_null(at(&r, "next_run")));
    kit_reply_done(&r);
    /* null takes away what may be absent. */
    r = call("PATCH", path_of(&id, ""),
             "{\"channels\":null,\"tags\":[],\"group\":null,\"webhook_url\":null,"
             "\"retry_interval\":null}");
    assert_int_equal(r.status, 200);
    assert_int_equal(json_array_size(at(&r, "channels")), 0);
    assert_int_equal(json_array_size(at(&r, "tags")), 0);
    assert_true(json_is_null(at(&r, "group")));
    assert_true(json_is_null(at(&r, "webhook_url")));
    assert_true(json_is_null(at(&r, "retry_interval")));
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
        {CHECK(",\"tags\":[\"\"]"), "[\"body\",\"tags\"]"},
        {CHECK(",\"tags\":\"x\""), "[\"body\",\"tags\"]"},
        {CHECK(",\"channels\":[\"x\"]"), NULL},
        {CHECK(",\"channels\":[\"0190163d-8694-739b-aea5-966c26f8ad91\"]"),
         "[\"body\",\"channels\"]"},
        {CHECK(",\"surprise\":1"), "[\"body\",\"surprise\"]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        must_fail("POST", "/api/v1/checks", rows[i].body, 422, "VALIDATION_ERROR", rows[i].loc);
    must_fail("POST", "/api/v1/checks", "{\"name\":", 400, "MALFORMED_REQUEST", NULL);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM checks WHERE name = 'n'"), 0);
}

static void test_documented_update(void **state)
{
    struct uuid id = create(documented);
    struct kit_reply r = call("PUT", path_of(&id, ""),
                              "{\"name\":\"Updated Website Check\",\"config\":{\"url\":"
                              "\"https://example.com\",\"expected_status\":200,\"timeout\":30}}");
    assert_int_equal(r.status, 200);
    assert_string_equal(text(&r, "name"), "Updated Website Check");
    assert_int_equal(number(&r, "config.timeout"), 30);
    assert_true(json_real_value(at(&r, "timeout")) == 30.0);
    /* A merge: what was not sent is as it was. */
    assert_string_equal(text(&r, "schedule"), "every 5 minutes");
    assert_true(json_is_true(at(&r, "enabled")));
    /* What was read can be written back whole. */
    AUTO_FREE char *whole = json_dumps(r.json, 0);
    kit_reply_done(&r);
    r = call("PUT", path_of(&id, ""), whole);
    assert_int_equal(r.status, 200);
    kit_reply_done(&r);
    must_fail("PATCH", path_of(&id, ""), "{\"config\":{}}", 422, "VALIDATION_ERROR",
              "[\"body\",\"config\",\"url\"]");
    must_fail("PATCH", path_of(&id, ""), "{\"plugin_type\":\"x\"}", 422, "VALIDATION_ERROR",
              "[\"body\",\"plugin_type\"]");
    must_fail("PATCH", path_of(&id, ""),
              "{\"channels\":[\"0190163d-8694-739b-aea5-966c26f8ad91\"]}", 422, "VALIDATION_ERROR",
              "[\"body\",\"channels\"]");
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
    assert_ok(checks_get(db, arena, &org, id, &c));
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
    const struct uuid id = create(
        "{\"name\":\"s\",\"plugin_type\":\"website\",\"config\":{\"url\":"
        "\"http://e.com\",\"auth_username\":\"u\",\"auth_password\":\"hush\"}}");
    struct kit_reply r = call("GET", path_of(&id, ""), NULL);
    assert_null(json_object_get(at(&r, "config"), "auth_password"));
    assert_string_equal(text(&r, "config.auth_username"), "u");
    assert_true(json_is_true(at(&r, "has_secret")));
    kit_reply_done(&r);
    assert_int_equal(kit_sql_i64(db,
                                 "SELECT count(*) FROM checks c WHERE id = '%s' AND"
                                 " (c::text LIKE '%%hush%%' OR secret IS NULL OR"
                                 " encode(secret, 'escape') LIKE '%%hush%%')",
                                 kit_id(&id)),
                     0);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        r = call(changes[i].method, path_of(&id, ""), changes[i].body);
        assert_int_equal(r.status, 200);
        assert_true(json_is_true(at(&r, "has_secret")) == changes[i].has_secret);
        assert_null(json_object_get(at(&r, "config"), "auth_password"));
        kit_reply_done(&r);
        AUTO_FREE char *kept = opened(&id);
        assert_string_equal(kept, changes[i].kept);
    }
    must_fail("PATCH", path_of(&id, ""),
              "{\"config\":{\"url\":\"http://e.org\",\"auth_password\":7}}", 422,
              "VALIDATION_ERROR", "[\"body\",\"config\",\"auth_password\"]");
}

static void test_pause_and_resume(void **state)
{
    struct uuid id = create(documented);
    kit_sql(db,
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
        struct kit_reply r = call("POST", path_of(&id, rows[i].action), NULL);
        assert_int_equal(r.status, 200);
        assert_string_equal(text(&r, "state"), rows[i].state);
        assert_true(json_is_true(at(&r, "enabled")) == str_eq(rows[i].state, "pending"));
        kit_reply_done(&r);
        assert_int_equal(
            kit_sql_i64(db, "SELECT count(*) FROM transitions WHERE check_id = '%s'", kit_id(&id)),
            rows[i].transitions);
    }
    /* While it was off nothing was due. */
    assert_int_equal(kit_sql_i64(db,
                                 "SELECT (settled_to > now() - interval '1 minute')::int"
                                 " FROM check_state WHERE check_id = '%s' AND failures = 0",
                                 kit_id(&id)),
                     1);
}

static void test_delete(void **state)
{
    struct uuid id = create(documented);
    kit_sql(db,
            "INSERT INTO incidents (id, org_id, check_id, check_name, title, cause, started_at)"
            " VALUES ('%s', '%s', '%s', 'n', 't', 'c', now())",
            kit_id(&id), kit_id(&org), kit_id(&id));
    assert_int_equal(kit_status(api, "DELETE", path_of(&id, ""), me.access, NULL), 204);
    must_fail("DELETE", path_of(&id, ""), NULL, 404, "CHECK_NOT_FOUND", NULL);
    AUTO_FREE char *status = kit_sql_text(db, "SELECT status FROM incidents WHERE id = '%s'",
                                          kit_id(&id));
    assert_string_equal(status, "resolved");
}

static void test_others_see_nothing(void **state)
{
    struct uuid id = create(documented);
    static const struct {
        const char *method, *suffix, *body;
    } rows[] = {{"GET", "", NULL},        {"PUT", "", "{\"name\":\"x\"}"}, {"PATCH", "", "{}"},
                {"DELETE", "", NULL},     {"POST", "/run", NULL},          {"POST", "/pause", NULL},
                {"POST", "/resume", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = kit_call(api, rows[i].method, path_of(&id, rows[i].suffix),
                                      stranger.access, rows[i].body);
        assert_int_equal(r.status, 404);
        assert_string_equal(kit_reply_text(&r, "code"), "CHECK_NOT_FOUND");
        kit_reply_done(&r);
        char bad[64];
        (void)snprintf(bad, sizeof(bad), "/api/v1/checks/not-a-uuid%s", rows[i].suffix);
        must_fail(rows[i].method, bad, rows[i].body, 404, "CHECK_NOT_FOUND", NULL);
    }
    struct kit_reply r = kit_call(api, "GET", "/api/v1/checks", stranger.access, NULL);
    assert_int_equal(number(&r, "total"), 0);
    kit_reply_done(&r);
    assert_int_equal(kit_status(api, "POST", "/api/v1/checks", viewer.access, documented), 403);
    assert_int_equal(kit_status(api, "DELETE", path_of(&id, ""), viewer.access, NULL), 403);
    assert_int_equal(kit_status(api, "POST", path_of(&id, "/run"), viewer.access, NULL), 403);
}

static void must_list(const char *query, int64_t total, const char *first)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "/api/v1/checks?%s", query);
    struct kit_reply r = call("GET", path, NULL);
    if (r.status != 200 || number(&r, "total") != total)
        fail_msg("%s: %d, total %d", query, r.status,
                 (int)json_integer_value(json_object_get(r.json, "total")));
    if (first)
        assert_string_equal(text(&r, "checks.0.name"), first);
    kit_reply_done(&r);
}

static void test_list(void **state)
{
    kit_sql(db, "DELETE FROM checks");
    create("{\"name\":\"Alpha\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://a.com\"},"
           "\"tags\":[\"x\",\"y\"],\"group\":\"one\"}");
    create("{\"name\":\"beta\",\"plugin_type\":\"website_status\",\"config\":{\"url\":"
           "\"http://b.com\"},\"enabled\":false,\"tags\":[\"y\"]}");
    create(
        "{\"name\":\"50% _off\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://c.com\"}}");
    static const struct {
        const char *query;
        int total;
        const char *first;
    } rows[] = {
        {"", 3, "50% _off"},
        {"enabled=true", 2, NULL},
        {"enabled=false", 1, "beta"},
        {"plugin_type=website", 3, NULL},
        {"plugin_type=website_status", 3, NULL},
        {"plugin_type=dns", 0, NULL},
        {"tag=y", 2, "beta"},
        {"tag=z", 0, NULL},
        {"group=one", 1, "Alpha"},
        {"state=paused", 1, "beta"},
        {"state=pending", 2, NULL},
        {"q=ALPH", 1, "Alpha"},
        {"search=bet", 1, "beta"},
        {"q=%25", 1, "50% _off"},
        {"q=_", 1, "50% _off"},
        {"sort=name", 3, "50% _off"},
        {"sort=-name", 3, "beta"},
        {"sort=created_at", 3, "Alpha"},
        {"sort=-created_at", 3, "50% _off"},
        {"sort=-updated_at", 3, "50% _off"},
        {"sort=last_run", 3, NULL},
        {"page=2&per_page=2", 3, "Alpha"},
        {"limit=1&offset=1", 3, "beta"},
        {"page=9", 3, NULL},
        {"enabled=true&tag=y&q=a&sort=name", 1, "Alpha"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        must_list(rows[i].query, rows[i].total, rows[i].first);
    struct kit_reply r = call("GET", "/api/v1/checks?page=2&per_page=2", NULL);
    assert_int_equal(number(&r, "page"), 2);
    assert_int_equal(number(&r, "per_page"), 2);
    assert_int_equal(number(&r, "pages"), 2);
    assert_int_equal(json_array_size(at(&r, "checks")), 1);
    kit_reply_done(&r);
    static const char *const bad[] = {"per_page=101", "page=0",        "enabled=maybe",
                                      "state=odd",    "sort=password", "page=1&page=2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "/api/v1/checks?%s", bad[i]);
        must_fail("GET", path, NULL, 422, "VALIDATION_ERROR", NULL);
    }
}

/* --- results --- */

static struct uuid record(const struct uuid *check, int64_t at_us, enum result_status status)
{
    const struct record r = {.check_id = *check,
                             .slot_us = at_us,
                             .location = "default",
                             .trigger = "schedule",
                             .status = status,
                             .message = "Website responded with status 200",
                             .response_us = status == RESULT_MISSED ? -1 : 342000,
                             .lag_us = 1500,
                             .raw_json = "{\"status_code\":200}",
                             .executed_us = at_us + 1500};
    struct record_outcome outcome;
    size_t alerts = 0;
    assert_ok(recorder_store(db, &r, 1, &outcome, &alerts));
    return outcome.id;
}

static void test_results(void **state)
{
    struct uuid id = create(documented), other = create(documented);
    int64_t now = clock_wall_us() / 1000000 * 1000000;
    struct uuid newest = record(&id, now, RESULT_SUCCESS);
    record(&id, now - 60 * 1000000LL, RESULT_WARNING);
    record(&id, now - 120 * 1000000LL, RESULT_ERROR);
    record(&id, now - 180 * 1000000LL, RESULT_MISSED);
    record(&other, now - 30 * 1000000LL, RESULT_SUCCESS);

    char path[256], from[TIME_TEXT_BYTES];
    (void)snprintf(path, sizeof(path), "/api/v1/results/%s", kit_id(&newest));
    struct kit_reply r = call("GET", path, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(text(&r, "id"), kit_id(&newest));
    assert_string_equal(text(&r, "check_id"), kit_id(&id));
    assert_string_equal(text(&r, "status"), "success");
    assert_string_equal(text(&r, "message"), "Website responded with status 200");
    assert_true(json_real_value(at(&r, "response_time")) == 0.342);
    assert_int_equal(number(&r, "raw_data.status_code"), 200);
    assert_true(str_ends(text(&r, "executed_at"), "Z"));
    kit_reply_done(&r);
    r = kit_call(api, "GET", path, stranger.access, NULL);
    assert_int_equal(r.status, 404);
    kit_reply_done(&r);

    const char *check = kit_id(&id);
    time_format_us(now - 61 * 1000000LL, from);
    static const char *const query[] = {"", "status=success", "status=error", "status=missed",
                                        "include_missed=true"};
    static const int totals[] = {3, 1, 1, 1, 4};
    for (size_t i = 0; i < ARRAY_LEN(query); i++) {
        (void)snprintf(path, sizeof(path), "/api/v1/results/check/%s?%s", check, query[i]);
        r = call("GET", path, NULL);
        assert_int_equal(number(&r, "total"), totals[i]);
        assert_int_equal(json_array_size(at(&r, "results")), totals[i]);
        kit_reply_done(&r);
        (void)snprintf(path, sizeof(path), "/api/v1/results?check_id=%s&%s", check, query[i]);
        r = call("GET", path, NULL);
        assert_int_equal(number(&r, "total"), totals[i]);
        kit_reply_done(&r);
    }
    (void)snprintf(path, sizeof(path), "/api/v1/results?from_date=%s", from);
    r = call("GET", path, NULL);
    assert_int_equal(number(&r, "total"), 3);
    assert_string_equal(text(&r, "results.0.id"), kit_id(&newest));
    kit_reply_done(&r);
    (void)snprintf(path, sizeof(path), "/api/v1/results?to_date=%s", from);
    r = call("GET", path, NULL);
    assert_int_equal(number(&r, "total"), 1);
    kit_reply_done(&r);

    r = call("GET", "/api/v1/results/summary?period=day", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(text(&r, "period"), "day");
    assert_int_equal(number(&r, "total_checks"), 4);
    assert_int_equal(number(&r, "statuses.success.count"), 2);
    assert_true(json_real_value(at(&r, "statuses.success.percent")) == 50.0);
    assert_int_equal(number(&r, "statuses.warning.count"), 1);
    assert_int_equal(number(&r, "statuses.error.count"), 1);
    assert_int_equal(number(&r, "statuses.missed.count"), 1);
    assert_true(json_real_value(at(&r, "statuses.missed.percent")) == 20.0);
    int64_t from_us = 0, to_us = 0;
    assert_ok(time_parse_us(text(&r, "from_date"), &from_us));
    assert_ok(time_parse_us(text(&r, "to_date"), &to_us));
    assert_true(to_us - from_us == 24 * 3600 * 1000000LL);
    kit_reply_done(&r);

    /* The check shows what came of it. */
    r = call("GET", path_of(&id, ""), NULL);
    assert_string_equal(text(&r, "last_status"), "success");
    assert_true(str_ends(text(&r, "last_run"), "Z"));
    kit_reply_done(&r);
}

static void test_refused_results(void **state)
{
    must_fail("GET", "/api/v1/results/x", NULL, 404, "RESULT_NOT_FOUND", NULL);
    must_fail("GET", "/api/v1/results/ffffffff-ffff-ffff-ffff-ffffffffffff", NULL, 404,
              "RESULT_NOT_FOUND", NULL);
    must_fail("GET", "/api/v1/results/00000000-0000-0000-0000-000000000000", NULL, 404,
              "RESULT_NOT_FOUND", NULL);
    must_fail("GET", "/api/v1/results/check/x", NULL, 404, "CHECK_NOT_FOUND", NULL);
    must_fail("GET", "/api/v1/results?check_id=x", NULL, 422, "VALIDATION_ERROR", NULL);
    must_fail("GET", "/api/v1/results?status=odd", NULL, 422, "VALIDATION_ERROR", NULL);
    must_fail("GET", "/api/v1/results?from_date=yesterday", NULL, 422, "VALIDATION_ERROR", NULL);
    must_fail("GET", "/api/v1/results/summary?period=year", NULL, 422, "VALIDATION_ERROR", NULL);
}

static void test_plugins(void **state)
{
    struct kit_reply r = call("GET", "/api/v1/plugins", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(number(&r, "count"), json_array_size(at(&r, "plugins")));
    assert_string_equal(text(&r, "plugins.0.name"), "website");
    assert_string_equal(text(&r, "plugins.0.description"), "Check website availability and status");
    assert_string_equal(text(&r, "plugins.0.required_config.url"), "URL to check");
    assert_string_equal(text(&r, "plugins.0.optional_config.expected_status"),
                        "Expected HTTP status code (default: 200)");
    assert_string_equal(text(&r, "plugins.0.optional_config.timeout"),
                        "Request timeout in seconds (default: 10)");
    kit_reply_done(&r);
    r = call("GET", "/api/v1/plugins/website_status", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(text(&r, "name"), "website");
    kit_reply_done(&r);
    must_fail("GET", "/api/v1/plugins/nothing", NULL, 404, "PLUGIN_NOT_FOUND", NULL);
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
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_others_see_nothing),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_refused_results),
        cmocka_unit_test(test_plugins),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
