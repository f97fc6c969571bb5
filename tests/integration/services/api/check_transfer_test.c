/* Checks as files over HTTP: ours, Uptime Kuma's, Gatus'; what is refused, and what is kept. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "tests/kit/api.h"

static struct db *db;
static struct uuid org, other_org;
static struct kit_api *api;
static struct kit_tokens me, viewer, stranger;

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
    kit_sql(db,
            "INSERT INTO channels (id, org_id, name, type) VALUES (uuid7(), '%s', 'on call',"
            " 'email')",
            kit_id(&org));
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

static struct kit_reply import_as(const struct kit_tokens *who, const char *query, const char *file)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/checks/import%s", query);
    return kit_call(api, "POST", path, who->access, file);
}

static int number(const struct kit_reply *r, const char *name)
{
    return (int)json_integer_value(json_object_get(r->json, name));
}

static const json_t *line(const struct kit_reply *r, size_t i)
{
    return json_array_get(json_object_get(r->json, "checks"), i);
}

static const char *text(const json_t *in, const char *name)
{
    const char *s = json_string_value(json_object_get(in, name));
    return s ? s : "";
}

/* "created updated unchanged failed" */
static void must_be(struct kit_reply *r, const char *counts, bool applied)
{
    char got[64];
    if (r->status != 200)
        fail_msg("%d: %s", r->status, kit_reply_text(r, "detail"));
    (void)snprintf(got, sizeof(got), "%d %d %d %d", number(r, "created"), number(r, "updated"),
                   number(r, "unchanged"), number(r, "failed"));
    assert_string_equal(got, counts);
    assert_true(json_is_true(json_object_get(r->json, "applied")) == applied);
}

static int64_t check_count(void)
{
    return kit_sql_i64(db, "SELECT count(*) FROM checks WHERE org_id = '%s'", kit_id(&org));
}

static const char ours[] = "version: 1\n"
                           "checks:\n"
                           "  - name: Shop\n"
                           "    plugin_type: website\n"
                           "    config: &site\n"
                           "      url: https://shop.example.com\n"
                           "      auth_username: probe\n"
                           "      auth_password: geheim\n"
                           "    schedule: every 30 seconds\n"
                           "    tags: [production, shop]\n"
                           "    group: Web\n"
                           "    channels: [on call]\n"
                           "  - name: Blog\n"
                           "    external_id: blog-1\n"
                           "    plugin_type: website\n"
                           "    config: {url: 'https://blog.example.com'}\n";

static void test_import_is_idempotent(void **state)
{
    struct kit_reply r = import_as(&me, "?dry_run=true", ours);
    must_be(&r, "2 0 0 0", false);
    assert_true(json_is_true(json_object_get(r.json, "dry_run")));
    assert_string_equal(kit_reply_text(&r, "format"), "tocsin");
    assert_true(check_count() == 0);
    kit_reply_done(&r);

    r = import_as(&me, "", ours);
    must_be(&r, "2 0 0 0", true);
    assert_string_equal(text(line(&r, 0), "action"), "create");
    assert_int_equal(strlen(text(line(&r, 0), "check_id")), 36);
    kit_reply_done(&r);
    assert_true(check_count() == 2);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM check_channels") == 1);

    r = import_as(&me, "", ours);
    must_be(&r, "0 0 2 0", true);
    kit_reply_done(&r);
    assert_true(check_count() == 2);
    assert_true(kit_sql_i64(db, "SELECT max(revision) FROM checks") == 1);
}

static void test_changes_are_shown(void **state)
{
    static const char changed[] =
        "{\"checks\":[{\"name\":\"Shop\",\"plugin_type\":\"website\",\"config\":{\"url\":"
        "\"https://shop.example.org\",\"auth_username\":\"probe\",\"auth_password\":\"********\"},"
        "\"schedule\":\"every 1 minute\",\"enabled\":false}]}";
    struct kit_reply r = import_as(&me, "?dry_run=1", changed);
    must_be(&r, "0 1 0 0", false);
    static const char *const want[][3] = {
        {"enabled", "true", "false"},
        {"schedule", "\"every 30 seconds\"", "\"every 1 minute\""},
        {"config.url", "\"https://shop.example.com\"", "\"https://shop.example.org\""},
    };
    const json_t *changes = json_object_get(line(&r, 0), "changes");
    assert_int_equal(json_array_size(changes), ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const json_t *c = json_array_get(changes, i);
        AUTO_FREE char *before = json_dumps(json_object_get(c, "before"), JSON_ENCODE_ANY);
        AUTO_FREE char *after = json_dumps(json_object_get(c, "after"), JSON_ENCODE_ANY);
        assert_string_equal(text(c, "field"), want[i][0]);
        assert_string_equal(before, want[i][1]);
        assert_string_equal(after, want[i][2]);
    }
    kit_reply_done(&r);
    /* What the file does not mention stays. */
    r = import_as(&me, "", changed);
    must_be(&r, "0 1 0 0", true);
    kit_reply_done(&r);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks c JOIN check_state s ON s.check_id ="
                                " c.id WHERE name = 'Shop' AND NOT enabled AND s.state = 'paused'"
                                " AND group_name = 'Web' AND secret IS NOT NULL") == 1);
    /* Another secret is a change, and neither is shown. */
    static const char other_secret[] =
        "{\"checks\":[{\"name\":\"Shop\",\"plugin_type\":\"website\",\"config\":{\"url\":"
        "\"https://shop.example.org\",\"auth_username\":\"probe\",\"auth_password\":\"neu\"}}]}";
    r = import_as(&me, "", other_secret);
    must_be(&r, "0 1 0 0", true);
    AUTO_FREE char *all = json_dumps(r.json, 0);
    assert_null(strstr(all, "geheim"));
    assert_null(strstr(all, "neu\""));
    kit_reply_done(&r);
    r = import_as(&me, "", other_secret);
    must_be(&r, "0 0 1 0", true);
    kit_reply_done(&r);
}

static void test_export_comes_back(void **state)
{
    struct kit_reply json = kit_call(api, "GET", "/api/v1/checks/export?format=json", viewer.access,
                                     NULL);
    assert_int_equal(json.status, 200);
    assert_int_equal(json_array_size(json_object_get(json.json, "checks")), 2);
    const json_t *shop = json_array_get(json_object_get(json.json, "checks"), 1);
    assert_string_equal(text(shop, "name"), "Shop");
    assert_string_equal(text(json_object_get(shop, "config"), "auth_password"), "********");
    assert_string_equal(json_string_value(json_array_get(json_object_get(shop, "channels"), 0)),
                        "on call");
    AUTO_FREE char *file = json_dumps(json.json, 0);
    assert_null(strstr(file, "neu\""));
    struct kit_reply r = import_as(&me, "", file);
    must_be(&r, "0 0 2 0", true);
    kit_reply_done(&r);
    /* Elsewhere there is no secret to keep, and no such channel. */
    r = import_as(&stranger, "?dry_run=true", file);
    must_be(&r, "1 0 0 1", false);
    kit_reply_done(&r);
    kit_reply_done(&json);

    struct kit_reply yaml = kit_call(api, "GET", "/api/v1/checks/export?q=blog", viewer.access,
                                     NULL);
    assert_int_equal(yaml.status, 200);
    assert_string_equal(kit_reply_header(&yaml, "Content-Type"), "application/yaml");
    kit_reply_done(&yaml);
}

static void test_all_or_nothing(void **state)
{
    static const char mixed[] =
        "checks:\n"
        "  - {name: Good, plugin_type: website, config: {url: 'http://good.example'}}\n"
        "  - {name: Bad, plugin_type: website, config: {url: 'ftp://bad.example'}}\n"
        "  - {name: Good, plugin_type: website, config: {url: 'http://twice.example'}}\n"
        "  - {name: Odd, plugin_type: carrier pigeon, config: {}}\n"
        "  - {name: Loud, plugin_type: website, config: {url: 'http://a.b'}, channels: [nobody]}\n"
        "  - {name: Typo, plugin_type: website, config: {url: 'http://a.b'}, scheduel: 5}\n"
        "  - {plugin_type: website}\n";
    int64_t before = check_count();
    struct kit_reply r = import_as(&me, "", mixed);
    assert_int_equal(r.status, 422);
    assert_string_equal(kit_reply_text(&r, "code"), "VALIDATION_ERROR");
    static const struct {
        int at;
        const char *field;
    } want[] = {{1, "config"},   {2, "name"}, {3, "plugin_type"}, {4, "channels"},
                {5, "scheduel"}, {6, "name"}, {6, "config"}};
    const json_t *errors = json_object_get(r.json, "errors");
    assert_int_equal(json_array_size(errors), ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const json_t *loc = json_object_get(json_array_get(errors, i), "loc");
        assert_string_equal(json_string_value(json_array_get(loc, 1)), "checks");
        assert_int_equal(json_integer_value(json_array_get(loc, 2)), want[i].at);
        assert_string_equal(json_string_value(json_array_get(loc, 3)), want[i].field);
    }
    kit_reply_done(&r);
    assert_true(check_count() == before);

    r = import_as(&me, "?atomic=false", mixed);
    must_be(&r, "1 0 0 6", true);
    assert_string_equal(text(line(&r, 1), "action"), "error");
    kit_reply_done(&r);
    assert_true(check_count() == before + 1);
}

static const char kuma[] =
    "{\"version\":\"1.23.11\",\"notificationList\":[{\"id\":1,\"name\":\"Telegram\"}],"
    "\"proxyList\":[],\"monitorList\":["
    "{\"id\":1,\"name\":\"Production\",\"type\":\"group\",\"active\":true,\"interval\":60},"
    "{\"id\":2,\"name\":\"Site\",\"description\":null,\"parent\":1,\"url\":\"https://example.com\","
    "\"method\":\"GET\",\"hostname\":null,\"port\":null,\"maxretries\":2,\"weight\":2000,"
    "\"active\":1,\"forceInactive\":false,\"type\":\"http\",\"timeout\":48,\"interval\":60,"
    "\"retryInterval\":30,\"resendInterval\":5,\"keyword\":null,\"expiryNotification\":true,"
    "\"ignoreTls\":true,\"upsideDown\":false,\"maxredirects\":10,"
    "\"accepted_statuscodes\":[\"200-299\",\"301\"],\"headers\":\"{\\\"X-A\\\": \\\"b\\\"}\","
    "\"body\":null,\"authMethod\":\"basic\",\"basic_auth_user\":\"u\",\"basic_auth_pass\":\"p\","
    "\"notificationIDList\":{\"1\":true},\"tags\":[{\"tag_id\":1,\"name\":\"prod\",\"value\":\"\","
    "\"color\":\"#059669\"},{\"tag_id\":2,\"name\":\"tier\",\"value\":\"1\"}]},"
    "{\"id\":3,\"name\":\"Word\",\"type\":\"keyword\",\"url\":\"http://example.org\",\"active\":false,"
    "\"interval\":20,\"maxretries\":0,\"maxredirects\":0,\"keyword\":\"Welcome\","
    "\"invertKeyword\":true,\"accepted_statuscodes\":[\"200-299\"],\"notificationIDList\":{},"
    "\"tags\":[]},"
    "{\"id\":4,\"name\":\"Upside\",\"type\":\"http\",\"url\":\"http://a.b\",\"upsideDown\":1},"
    "{\"id\":5,\"name\":\"Broker\",\"type\":\"mqtt\",\"hostname\":\"mq\",\"port\":1883}]}";

static void test_uptime_kuma(void **state)
{
    struct kit_reply r = import_as(&me, "", kuma);
    must_be(&r, "2 0 0 0", true);
    assert_string_equal(kit_reply_text(&r, "format"), "uptime-kuma");
    const json_t *skipped = json_object_get(r.json, "skipped");
    assert_int_equal(json_array_size(skipped), 3);
    assert_string_equal(text(json_array_get(skipped, 0), "type"), "group");
    assert_string_equal(text(json_array_get(skipped, 1), "name"), "Upside");
    assert_string_equal(text(json_array_get(skipped, 2), "type"), "mqtt");
    assert_int_equal(json_array_size(json_object_get(r.json, "notes")), 1);
    /* expiry, resend, notifications */
    assert_int_equal(json_array_size(json_object_get(line(&r, 0), "notes")), 3);
    kit_reply_done(&r);
    assert_true(
        kit_sql_i64(db, "SELECT count(*) FROM checks WHERE external_id = 'uptime-kuma:2'"
                        " AND name = 'Site' AND group_name = 'Production' AND enabled"
                        " AND schedule = 'every 60 seconds' AND retry_interval = 'every 30 seconds'"
                        " AND retries = 3 AND timeout_ms = 48000 AND tags = '{prod,tier:1}'"
                        " AND config->>'accepted_statuses' = '200-299,301'"
                        " AND config->'verify_ssl' = 'false' AND config->'headers'->>'X-A' = 'b'"
                        " AND config->>'auth_username' = 'u' AND NOT config ? 'auth_password'"
                        " AND secret IS NOT NULL") == 1);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks WHERE external_id = 'uptime-kuma:3'"
                                " AND NOT enabled AND config->>'unexpected_content' = 'Welcome'"
                                " AND config->'follow_redirects' = 'false' AND retries = 1") == 1);
    r = import_as(&me, "", kuma);
    must_be(&r, "0 0 2 0", true);
    kit_reply_done(&r);
}

/* What a file means where it comes from, not only what it says. */
static void test_what_is_meant(void **state)
{
#define KUMA(members) "{\"monitorList\":[{\"name\":\"m\",\"interval\":60," members "}]}"
#define KUMA_HTTP(members) KUMA("\"type\":\"http\",\"url\":\"http://a.b\"," members)
#define KUMA_DNS(members) \
    KUMA("\"type\":\"dns\",\"hostname\":\"a.b\",\"dns_resolve_type\":\"A\"," members)
#define GATUS(members) "endpoints: [{name: m, url: 'http://a.b', " members "}]"
#define STATUSES(text) "config->>'accepted_statuses' = '" text "'"
    static const struct {
        const char *file, *is;
        size_t notes;
    } rows[] = {
        {"checks: [{name: m, plugin_type: website, config: {url: 'http://a.b'}, schedule: 5,"
         " retry_interval: 1, group: 7, tags: [404, x], external_id: 12}]",
         "schedule = '5' AND retry_interval = '1' AND group_name = '7' AND tags = '{404,x}'"
         " AND external_id = '12'",
         0},
        {KUMA_HTTP("\"method\":\"POST\",\"body\":\"{}\""),
         "config->'headers'->>'Content-Type' = 'application/json'", 0},
        {KUMA_HTTP("\"body\":\"a=b\",\"httpBodyEncoding\":\"form\""),
         "config->'headers'->>'Content-Type' = 'application/x-www-form-urlencoded'", 0},
        {KUMA_HTTP("\"body\":\"{}\",\"headers\":\"{\\\"content-type\\\":\\\"text/x\\\"}\""),
         "config->'headers' = '{\"content-type\": \"text/x\"}'", 0},
        {KUMA_HTTP("\"active\":true,\"forceInactive\":true"), "NOT enabled", 1},
        {KUMA_DNS("\"dns_resolve_server\":\"192.0.2.1\",\"port\":5353"),
         "config->>'nameserver' = '192.0.2.1:5353'", 0},
        {KUMA_DNS("\"dns_resolve_server\":\"2001:db8::1\",\"port\":\"5353\""),
         "config->>'nameserver' = '[2001:db8::1]:5353'", 0},
        {KUMA_DNS("\"dns_resolve_server\":\"192.0.2.1, 192.0.2.2\",\"port\":53"),
         "config->>'nameserver' = '192.0.2.1'", 1},
        {GATUS("conditions: ['[STATUS] >= 200', '[STATUS] < 300']"), STATUSES("200-299"), 0},
        {GATUS("conditions: ['[STATUS] < 400', '[STATUS] != 302']"), STATUSES("100-301,303-399"),
         0},
        {GATUS("conditions: ['[STATUS] != any(500, 502)']"), STATUSES("100-499,501,503-599"), 0},
        {GATUS("conditions: ['[STATUS] == any(200,204)']"), STATUSES("200,204"), 0},
        {GATUS("conditions: ['[STATUS] == pat(2*)']"), STATUSES("100-599"), 1},
        {GATUS("conditions: ['[STATUS] > 299', '[STATUS] < 300']"),
         "NOT config ? 'accepted_statuses'", 1},
        {GATUS("conditions: ['[BODY] == pat(*a*)', '[BODY] == pat(*b*)']"),
         "config->>'expected_content' = 'a'", 1},
        {GATUS("headers: {X-Number: 5, X-Flag: true, X-None: null}"),
         "config->'headers' = '{\"X-Number\": \"5\", \"X-Flag\": \"true\", \"X-None\": \"\"}'", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = import_as(&me, "", rows[i].file);
        if (r.status != 200 ||
            json_array_size(json_object_get(line(&r, 0), "notes")) != rows[i].notes)
            fail_msg("%s: %d %s", rows[i].file, r.status, kit_reply_text(&r, "detail"));
        if (kit_sql_i64(db, "SELECT count(*) FROM checks WHERE name = 'm' AND %s", rows[i].is) != 1)
            fail_msg("%s: not %s", rows[i].file, rows[i].is);
        kit_reply_done(&r);
        kit_sql(db, "DELETE FROM checks WHERE name = 'm'");
    }
}

static const char gatus[] =
    "metrics: true\n"
    "alerting:\n"
    "  slack:\n"
    "    webhook-url: \"https://hooks.slack.com/services/x\"\n"
    "default-endpoint: &defaults\n"
    "  group: core\n"
    "  interval: 5m\n"
    "  client:\n"
    "    timeout: 1500ms\n"
    "  alerts:\n"
    "    - type: slack\n"
    "endpoints:\n"
    "  - name: front-end\n"
    "    <<: *defaults\n"
    "    url: \"https://twin.sh/health\"\n"
    "    conditions:\n"
    "      - \"[STATUS] == 200\"\n"
    "      - \"[BODY].status == UP\"\n"
    "      - \"[RESPONSE_TIME] < 150\"\n"
    "      - \"[BODY] == pat(*hello*)\"\n"
    "      - \"[CERTIFICATE_EXPIRATION] > 48h\"\n"
    "  - name: back-end\n"
    "    url: \"https://example.org/\"\n"
    "    method: POST\n"
    "    body: '{\"a\":1}'\n"
    "    headers:\n"
    "      Content-Type: application/json\n"
    "    enabled: false\n"
    "    interval: 1h30m\n"
    "    client: {insecure: true, ignore-redirect: true, oauth2: {token-url: x}}\n"
    "    conditions: [\"[STATUS] == any(200, 429)\", \"[CONNECTED] == true\"]\n"
    "    alerts: [{type: pagerduty, failure-threshold: 5, success-threshold: 4}]\n"
    "    ui: {hide-url: true}\n"
    "  - name: nothing-asked\n"
    "    url: http://example.net\n"
    "  - name: shell\n"
    "    url: ssh://example.org:22\n"
    "    conditions: [\"[CONNECTED] == true\"]\n";

static void test_gatus(void **state)
{
    struct kit_reply r = import_as(&me, "", gatus);
    must_be(&r, "3 0 0 0", true);
    assert_string_equal(kit_reply_text(&r, "format"), "gatus");
    assert_int_equal(json_array_size(json_object_get(r.json, "notes")), 3); /* sections */
    assert_string_equal(text(json_array_get(json_object_get(r.json, "skipped"), 0), "name"),
                        "shell");
    /* two conditions, the slower answer, the alerts */
    assert_int_equal(json_array_size(json_object_get(line(&r, 0), "notes")), 4);
    /* alerts, ui, client.oauth2 */
    assert_int_equal(json_array_size(json_object_get(line(&r, 1), "notes")), 3);
    kit_reply_done(&r);
    assert_true(kit_sql_i64(db,
                            "SELECT count(*) FROM checks WHERE external_id = 'gatus:core_front-end'"
                            " AND name = 'front-end' AND group_name = 'core' AND retries = 3"
                            " AND recoveries = 2 AND schedule = 'every 300 seconds'"
                            " AND timeout_ms = 1500 AND config->>'accepted_statuses' = '200'"
                            " AND config->>'expected_content' = 'hello'"
                            " AND config->'warning_time' = '0.15'") == 1);
    assert_true(
        kit_sql_i64(db, "SELECT count(*) FROM checks WHERE name = 'back-end' AND NOT enabled"
                        " AND retries = 5 AND recoveries = 4 AND schedule = 'every 5400 seconds'"
                        " AND config->>'accepted_statuses' = '200,429'"
                        " AND config->>'method' = 'POST' AND config->'verify_ssl' = 'false'"
                        " AND config->'follow_redirects' = 'false'") == 1);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks WHERE name = 'nothing-asked'"
                                " AND config->>'accepted_statuses' = '100-599'"
                                " AND schedule = 'every 60 seconds'") == 1);
    r = import_as(&me, "", gatus);
    must_be(&r, "0 0 3 0", true);
    kit_reply_done(&r);
}

static void test_refused_files(void **state)
{
    static const struct {
        const char *query, *file;
        int status;
    } bad[] = {
        {"", "", 400},
        {"", "{\"checks\":[", 400},
        {"", "{\"checks\":[],\"checks\":[]}", 400},
        {"", "checks: [1\n", 400},
        {"", "checks: []\nchecks: []\n", 400},
        {"", "a: &a [x,x]\nchecks: *b\n", 400},
        {"", "just a text", 422},
        {"", "[]", 422},
        {"", "{}", 422},
        {"", "monitors: []", 422},
        {"", "checks: {}", 422},
        {"", "checks: [5]", 422},
        {"", "version: 2\nchecks: []", 422},
        {"", "monitorList: {}", 422},
        {"", "endpoints: 5", 422},
        {"?format=gatus", "checks: []", 422},
        {"?format=nagios", "checks: []", 422},
        {"?dry_run=perhaps", "checks: []", 422},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct kit_reply r = import_as(&me, bad[i].query, bad[i].file);
        if (r.status != bad[i].status)
            fail_msg("%s: %d: %s", bad[i].file, r.status, kit_reply_text(&r, "detail"));
        kit_reply_done(&r);
    }
    struct kit_reply r = import_as(&me, "", "checks: []");
    must_be(&r, "0 0 0 0", true);
    kit_reply_done(&r);
    assert_int_equal(kit_status(api, "POST", "/api/v1/checks/import", viewer.access, ours), 403);
    assert_int_equal(kit_status(api, "POST", "/api/v1/checks/import", NULL, ours), 401);
    assert_int_equal(kit_status(api, "GET", "/api/v1/checks/export", NULL, NULL), 401);
    assert_int_equal(kit_status(api, "GET", "/api/v1/checks/export?format=xml", me.access, NULL),
                     422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import_is_idempotent),
        cmocka_unit_test(test_changes_are_shown),
        cmocka_unit_test(test_export_comes_back),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_what_is_meant),
        cmocka_unit_test(test_uptime_kuma),
        cmocka_unit_test(test_gatus),
        cmocka_unit_test(test_refused_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
