/* /servers and /metrics/latest: the documented shapes, who sees what, and what is refused. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "store/samples.h"
#include "store/series.h"
#include "tests/kit/api.h"

static struct db *db;
static struct uuid org, other_org;
static struct kit_api *api;
static struct kit_tokens adam, eve, viktor;

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    kit_api_user(db, &org, "adam", "admin");
    kit_api_user(db, &org, "viktor", "viewer");
    kit_api_user(db, &other_org, "eve", "admin");
    api = kit_api_start(database, kit_redis(), NULL);
    adam = kit_sign_in(api, "adam");
    viktor = kit_sign_in(api, "viktor");
    eve = kit_sign_in(api, "eve");
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
    return kit_call(api, method, path, adam.access, body);
}

static void expect(const char *method, const char *path, const char *body, int status)
{
    struct kit_reply r = call(method, path, body);
    if (r.status != status)
        fail_msg("%s %s %s: %d, not %d", method, path, body ? body : "", r.status, status);
    kit_reply_done(&r);
}

static void the_documented_life_of_a_server(void **state)
{
    struct kit_reply r = call("POST", "/api/v1/servers",
                              "{\"name\":\"New Server\",\"host\":\"192.168.1.101\",\"port\":22}");
    assert_int_equal(r.status, 201);
    static const char *const texts[] = {"id",     "name",         "host",
                                        "status", "created_at",   "updated_at",
                                        "slug",   "admin_status", "connectivity"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_non_null(kit_reply_text(&r, texts[i]));
    assert_true(json_is_integer(json_object_get(r.json, "port")));
    assert_true(json_is_object(json_object_get(r.json, "labels")));
    assert_true(json_is_null(json_object_get(r.json, "last_seen_at")));
    assert_string_equal(kit_reply_text(&r, "slug"), "new-server");
    assert_string_equal(kit_reply_text(&r, "status"), "unknown");
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/servers/%s", kit_reply_text(&r, "id"));
    kit_reply_done(&r);

    r = call("PUT", path, "{\"name\":\"Updated Name\"}");
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "name"), "Updated Name");
    assert_string_equal(kit_reply_text(&r, "host"), "192.168.1.101");
    kit_reply_done(&r);
    r = call("PATCH", "/api/v1/servers/new-server",
             "{\"os\":\"Ubuntu\",\"labels\":{\"env\":\"prod\"},\"admin_status\":\"inactive\"}");
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "os"), "Ubuntu");
    assert_string_equal(kit_reply_text(&r, "admin_status"), "inactive");
    kit_reply_done(&r);
    r = call("PATCH", path, "{\"os\":null}");
    assert_true(json_is_null(json_object_get(r.json, "os")));
    kit_reply_done(&r);

    expect("DELETE", path, NULL, 204);
    expect("GET", path, NULL, 404);
    expect("DELETE", path, NULL, 404);
}

static void slugs_are_unique(void **state)
{
    static const char *const names[] = {"Web Server", "web-server", "WEB  SERVER!"};
    static const char *const slugs[] = {"web-server", "web-server-2", "web-server-3"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char body[128];
        (void)snprintf(body, sizeof(body), "{\"name\":\"%s\",\"host\":\"h\"}", names[i]);
        struct kit_reply r = call("POST", "/api/v1/servers", body);
        assert_int_equal(r.status, 201);
        assert_string_equal(kit_reply_text(&r, "slug"), slugs[i]);
        assert_int_equal(json_integer_value(json_object_get(r.json, "port")), 22);
        kit_reply_done(&r);
    }
    struct kit_reply r = call("POST", "/api/v1/servers",
                              "{\"name\":\"x\",\"host\":\"h\",\"slug\":\"web-server\"}");
    assert_int_equal(r.status, 409);
    assert_string_equal(kit_reply_text(&r, "code"), "SERVER_SLUG_TAKEN");
    kit_reply_done(&r);
    expect("PATCH", "/api/v1/servers/web-server-2", "{\"slug\":\"web-server\"}", 409);
    expect("PATCH", "/api/v1/servers/web-server-2", "{\"slug\":\"other\"}", 200);
    expect("GET", "/api/v1/servers/other", NULL, 200);
    /* Another organisation's names do not count. */
    assert_int_equal(kit_status(api, "POST", "/api/v1/servers", eve.access,
                                "{\"name\":\"x\",\"host\":\"h\",\"slug\":\"web-server\"}"),
                     201);
}

static void bad_servers_are_refused(void **state)
{
    static const struct {
        const char *body;
        int status;
    } rows[] = {
        {"{}", 422},
        {"{\"name\":\"a\"}", 422},
        {"{\"host\":\"a\"}", 422},
        {"{\"name\":\"\",\"host\":\"h\"}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"port\":0}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"port\":65536}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"port\":\"22\"}", 422},
        {"{\"name\":\"a\",\"host\":\"h\\n\"}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"slug\":\"Not A Slug\"}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"slug\":\"-a\"}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"admin_status\":\"asleep\"}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"labels\":[]}", 422},
        {"{\"name\":\"a\",\"host\":\"h\",\"surprise\":1}", 422},
        {"[]", 422},
        {"{", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect("POST", "/api/v1/servers", rows[i].body, rows[i].status);
    expect("GET", "/api/v1/servers?sort=password", NULL, 422);
    expect("GET", "/api/v1/servers/no-such-server", NULL, 404);
    assert_int_equal(kit_status(api, "POST", "/api/v1/servers", viktor.access,
                                "{\"name\":\"a\",\"host\":\"h\"}"),
                     403);
    assert_int_equal(kit_status(api, "GET", "/api/v1/servers", NULL, NULL), 401);
}

static void the_list_is_a_bare_array(void **state)
{
    kit_sql(db, "DELETE FROM hosts");
    for (int i = 0; i < 5; i++)
        kit_sql(db,
                "INSERT INTO hosts (id, org_id, slug, name, last_seen_at) VALUES "
                "(gen_random_uuid(), '%s', 'h-%d', 'H%d', now() - interval '%d seconds')",
                kit_id(&org), i, 9 - i, i * 60);
    struct kit_reply r = call("GET", "/api/v1/servers", NULL);
    assert_int_equal(r.status, 200);
    assert_true(json_is_array(r.json));
    assert_int_equal(json_array_size(r.json), 5);
    kit_reply_done(&r);

    r = call("GET", "/api/v1/servers?limit=2&offset=1&sort=name", NULL);
    assert_int_equal(json_array_size(r.json), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(r.json, 0), "name")),
                        "H6");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(r.json, 0), "connectivity")), "offline");
    assert_string_equal(kit_reply_header(&r, "X-Total-Count"), "5");
    assert_non_null(strstr(kit_reply_header(&r, "Link"), "rel=\"next\""));
    kit_reply_done(&r);
    r = call("GET", "/api/v1/servers?page=9&per_page=2", NULL);
    assert_int_equal(json_array_size(r.json), 0);
    assert_string_equal(kit_reply_header(&r, "X-Total-Count"), "5");
    kit_reply_done(&r);
    r = kit_call(api, "GET", "/api/v1/servers", eve.access, NULL);
    for (size_t i = 0; i < json_array_size(r.json); i++)
        assert_false(str_starts(
            json_string_value(json_object_get(json_array_get(r.json, i), "slug")), "h-"));
    kit_reply_done(&r);
    assert_int_equal(kit_status(api, "GET", "/api/v1/servers/h-1", eve.access, NULL), 404);
    assert_int_equal(kit_status(api, "DELETE", "/api/v1/servers/h-1", eve.access, NULL), 404);
}

/* Three scrapes of three series, the newest with only two. */
static void store_metrics(const struct uuid *host, int64_t now_us)
{
    struct arena *arena = arena_new(1 << 20);
    static const struct series_key keys[] = {{"cpu", "usage_percent", "{}"},
                                             {"cpu", "load_avg_1", "{}"},
                                             {"disk", "io", "{\"device\":\"sda\"}"}};
    int64_t ids[ARRAY_LEN(keys)];
    assert_ok(series_ensure(db, arena, host, keys, ARRAY_LEN(keys), ids));
    struct scrape scrapes[3];
    static const double values[] = {1.5, 2.5, 3.5};
    for (size_t i = 0; i < ARRAY_LEN(scrapes); i++) {
        scrapes[i] = (struct scrape){.host_id = *host,
                                     .at_us = now_us - (int64_t)i * 1000000,
                                     .received_us = now_us,
                                     .values = values,
                                     .value_count = i == 0 ? 2 : 3};
        assert_ok(
            layout_ensure(db, arena, host, ids, scrapes[i].value_count, &scrapes[i].layout_id));
    }
    struct samples_stored stored;
    assert_ok(db_begin(db));
    assert_ok(samples_store(db, arena, scrapes, ARRAY_LEN(scrapes), &stored));
    assert_ok(db_commit(db));
    assert_int_equal(stored.values, 8);
    arena_free(arena);
}

static json_t *member(const struct kit_reply *r, size_t i, const char *name)
{
    return json_object_get(json_array_get(json_object_get(r->json, "metrics"), i), name);
}

static void latest_metrics_have_the_documented_shape(void **state)
{
    const struct uuid host = uuid_new();
    kit_sql(db, "INSERT INTO hosts (id, org_id, slug, name) VALUES ('%s', '%s', 'server-001', 'S')",
            kit_id(&host), kit_id(&org));
    struct kit_reply r = call("GET", "/api/v1/metrics/latest/server-001", NULL);
    assert_int_equal(r.status, 200); /* nothing yet */
    assert_int_equal(json_integer_value(json_object_get(r.json, "count")), 0);
    kit_reply_done(&r);

    store_metrics(&host, clock_wall_us());
    r = call("GET", "/api/v1/metrics/latest/server-001?limit=5", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "agent_id"), "server-001");
    assert_int_equal(json_integer_value(json_object_get(r.json, "count")), 5);
    assert_string_equal(json_string_value(member(&r, 0, "agent_id")), "server-001");
    assert_string_equal(json_string_value(member(&r, 0, "metric_type")), "cpu");
    assert_string_equal(json_string_value(member(&r, 0, "metric_name")), "usage_percent");
    assert_true(json_is_real(member(&r, 0, "value")));
    assert_true(json_is_string(member(&r, 0, "time")));
    assert_true(json_is_object(member(&r, 0, "tags")));
    assert_true(strcmp(json_string_value(member(&r, 0, "time")),
                       json_string_value(member(&r, 4, "time"))) > 0);
    kit_reply_done(&r);
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/metrics/latest/%s?metric_type=disk", kit_id(&host));
    r = call("GET", path, NULL);
    assert_int_equal(json_integer_value(json_object_get(r.json, "count")), 2);
    kit_reply_done(&r);
    r = call("GET", "/api/v1/metrics/latest/server-001?metric_type=cpu&metric_name=load_avg_1",
             NULL);
    assert_int_equal(json_integer_value(json_object_get(r.json, "count")), 3);
    kit_reply_done(&r);

    expect("GET", "/api/v1/metrics/latest/server-001?limit=0", NULL, 422);
    expect("GET", "/api/v1/metrics/latest/server-001?limit=10001", NULL, 422);
    expect("GET", "/api/v1/metrics/latest/server-001?after=rubbish", NULL, 422);
    r = call("GET", "/api/v1/metrics/latest/never-seen", NULL);
    assert_int_equal(r.status, 404);
    assert_string_equal(kit_reply_text(&r, "code"), "AGENT_NOT_FOUND");
    kit_reply_done(&r);
    assert_int_equal(kit_status(api, "GET", "/api/v1/metrics/latest/server-001", eve.access, NULL),
                     404);
}

/* Pages of any size hold every sample once, also when one ends within a scrape. */
static void pages_of_metrics_have_no_gap(void **state)
{
    for (int limit = 1; limit <= 9; limit++) {
        char path[160];
        (void)snprintf(path, sizeof(path), "/api/v1/metrics/latest/server-001?limit=%d", limit);
        double sum = 0;
        int64_t total = 0;
        bool is_done = false;
        for (int page = 0; page < 20 && !is_done; page++) {
            struct kit_reply r = call("GET", path, NULL);
            assert_int_equal(r.status, 200);
            int64_t count = json_integer_value(json_object_get(r.json, "count"));
            for (size_t i = 0; i < (size_t)count; i++)
                sum += json_real_value(member(&r, i, "value"));
            total += count;
            const char *next = json_string_value(json_object_get(r.json, "next"));
            is_done = !next;
            if (next)
                (void)snprintf(path, sizeof(path),
                               "/api/v1/metrics/latest/server-001?limit=%d&after=%s", limit, next);
            kit_reply_done(&r);
        }
        assert_true(is_done);
        assert_int_equal(total, 8);
        assert_true(sum > 18.99 && sum < 19.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_life_of_a_server),
        cmocka_unit_test(slugs_are_unique),
        cmocka_unit_test(bad_servers_are_refused),
        cmocka_unit_test(the_list_is_a_bare_array),
        cmocka_unit_test(latest_metrics_have_the_documented_shape),
        cmocka_unit_test(pages_of_metrics_have_no_gap),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
