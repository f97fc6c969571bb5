/* Lists of checks, their results, and the plugins. */
#include "tests/integration/services/api/fixture.h"

#include <stdio.h>

#include "base/str.h"
#include "store/checks.h"
#include "store/recorder.h"

static void must_list(const char *query, int64_t total, const char *first)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "/api/v1/checks?%s", query);
    struct kit_reply r = fx_call("GET", path, NULL);
    if (r.status != 200 || fx_number(&r, "total") != total)
        fail_msg("%s: %d, total %d", query, r.status,
                 (int)json_integer_value(json_object_get(r.json, "total")));
    if (first)
        assert_string_equal(fx_text(&r, "checks.0.name"), first);
    kit_reply_done(&r);
}

static void test_list(void **state)
{
    kit_sql(fx.db, "DELETE FROM checks");
    fx_create(
        "{\"name\":\"Alpha\",\"plugin_type\":\"website\",\"config\":{\"url\":\"http://a.com\"},"
        "\"tags\":[\"x\",\"y\"],\"group\":\"one\"}");
    fx_create("{\"name\":\"beta\",\"plugin_type\":\"website_status\",\"config\":{\"url\":"
              "\"http://b.com\"},\"enabled\":false,\"tags\":[\"y\"]}");
    fx_create(
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
    struct kit_reply r = fx_call("GET", "/api/v1/checks?page=2&per_page=2", NULL);
    assert_int_equal(fx_number(&r, "page"), 2);
    assert_int_equal(fx_number(&r, "per_page"), 2);
    assert_int_equal(fx_number(&r, "pages"), 2);
    assert_int_equal(json_array_size(fx_at(&r, "checks")), 1);
    kit_reply_done(&r);
    static const char *const bad[] = {"per_page=101", "page=0",        "enabled=maybe",
                                      "state=odd",    "sort=password", "page=1&page=2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "/api/v1/checks?%s", bad[i]);
        fx_must_fail("GET", path, NULL, 422, "VALIDATION_ERROR", NULL);
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
    assert_ok(recorder_store(fx.db, &r, 1, &outcome, &alerts));
    return outcome.id;
}

static void test_results(void **state)
{
    struct uuid id = fx_create(fx_documented), other = fx_create(fx_documented);
    int64_t now = clock_wall_us() / 1000000 * 1000000;
    struct uuid newest = record(&id, now, RESULT_SUCCESS);
    record(&id, now - 60 * 1000000LL, RESULT_WARNING);
    record(&id, now - 120 * 1000000LL, RESULT_ERROR);
    record(&id, now - 180 * 1000000LL, RESULT_MISSED);
    record(&other, now - 30 * 1000000LL, RESULT_SUCCESS);

    char path[256], from[TIME_TEXT_BYTES];
    (void)snprintf(path, sizeof(path), "/api/v1/results/%s", kit_id(&newest));
    struct kit_reply r = fx_call("GET", path, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(fx_text(&r, "id"), kit_id(&newest));
    assert_string_equal(fx_text(&r, "check_id"), kit_id(&id));
    assert_string_equal(fx_text(&r, "status"), "success");
    assert_string_equal(fx_text(&r, "message"), "Website responded with status 200");
    assert_true(json_real_value(fx_at(&r, "response_time")) == 0.342);
    assert_int_equal(fx_number(&r, "raw_data.status_code"), 200);
    assert_true(str_ends(fx_text(&r, "executed_at"), "Z"));
    kit_reply_done(&r);
    r = kit_call(fx.api, "GET", path, fx.stranger.access, NULL);
    assert_int_equal(r.status, 404);
    kit_reply_done(&r);

    const char *check = kit_id(&id);
    time_format_us(now - 61 * 1000000LL, from);
    static const char *const query[] = {"", "status=success", "status=error", "status=missed",
                                        "include_missed=true"};
    static const int totals[] = {3, 1, 1, 1, 4};
    for (size_t i = 0; i < ARRAY_LEN(query); i++) {
        (void)snprintf(path, sizeof(path), "/api/v1/results/check/%s?%s", check, query[i]);
        r = fx_call("GET", path, NULL);
        assert_int_equal(fx_number(&r, "total"), totals[i]);
        assert_int_equal(json_array_size(fx_at(&r, "results")), totals[i]);
        kit_reply_done(&r);
        (void)snprintf(path, sizeof(path), "/api/v1/results?check_id=%s&%s", check, query[i]);
        r = fx_call("GET", path, NULL);
        assert_int_equal(fx_number(&r, "total"), totals[i]);
        kit_reply_done(&r);
    }
    (void)snprintf(path, sizeof(path), "/api/v1/results?from_date=%s", from);
    r = fx_call("GET", path, NULL);
    assert_int_equal(fx_number(&r, "total"), 3);
    assert_string_equal(fx_text(&r, "results.0.id"), kit_id(&newest));
    kit_reply_done(&r);
    (void)snprintf(path, sizeof(path), "/api/v1/results?to_date=%s", from);
    r = fx_call("GET", path, NULL);
    assert_int_equal(fx_number(&r, "total"), 1);
    kit_reply_done(&r);

    r = fx_call("GET", "/api/v1/results/summary?period=day", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(fx_text(&r, "period"), "day");
    assert_int_equal(fx_number(&r, "total_checks"), 4);
    assert_int_equal(fx_number(&r, "statuses.success.count"), 2);
    assert_true(json_real_value(fx_at(&r, "statuses.success.percent")) == 50.0);
    assert_int_equal(fx_number(&r, "statuses.warning.count"), 1);
    assert_int_equal(fx_number(&r, "statuses.error.count"), 1);
    assert_int_equal(fx_number(&r, "statuses.missed.count"), 1);
    assert_true(json_real_value(fx_at(&r, "statuses.missed.percent")) == 20.0);
    int64_t from_us = 0, to_us = 0;
    assert_ok(time_parse_us(fx_text(&r, "from_date"), &from_us));
    assert_ok(time_parse_us(fx_text(&r, "to_date"), &to_us));
    assert_true(to_us - from_us == 24 * 3600 * 1000000LL);
    kit_reply_done(&r);

    /* The check shows what came of it. */
    r = fx_call("GET", fx_path_of(&id, ""), NULL);
    assert_string_equal(fx_text(&r, "last_status"), "success");
    assert_true(str_ends(fx_text(&r, "last_run"), "Z"));
    kit_reply_done(&r);
}

static void test_refused_results(void **state)
{
    fx_must_fail("GET", "/api/v1/results/x", NULL, 404, "RESULT_NOT_FOUND", NULL);
    fx_must_fail("GET", "/api/v1/results/ffffffff-ffff-ffff-ffff-ffffffffffff", NULL, 404,
                 "RESULT_NOT_FOUND", NULL);
    fx_must_fail("GET", "/api/v1/results/00000000-0000-0000-0000-000000000000", NULL, 404,
                 "RESULT_NOT_FOUND", NULL);
    fx_must_fail("GET", "/api/v1/results/check/x", NULL, 404, "CHECK_NOT_FOUND", NULL);
    fx_must_fail("GET", "/api/v1/results?check_id=x", NULL, 422, "VALIDATION_ERROR", NULL);
    fx_must_fail("GET", "/api/v1/results?status=odd", NULL, 422, "VALIDATION_ERROR", NULL);
    fx_must_fail("GET", "/api/v1/results?from_date=yesterday", NULL, 422, "VALIDATION_ERROR", NULL);
    fx_must_fail("GET", "/api/v1/results/summary?period=year", NULL, 422, "VALIDATION_ERROR", NULL);
}

static void test_plugins(void **state)
{
    struct kit_reply r = fx_call("GET", "/api/v1/plugins", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(fx_number(&r, "count"), json_array_size(fx_at(&r, "plugins")));
    assert_string_equal(fx_text(&r, "plugins.0.name"), "website");
    assert_string_equal(fx_text(&r, "plugins.0.description"),
                        "Check website availability and status");
    assert_string_equal(fx_text(&r, "plugins.0.required_config.url"), "URL to check");
    assert_string_equal(fx_text(&r, "plugins.0.optional_config.expected_status"),
                        "Expected HTTP status code (default: 200)");
    assert_string_equal(fx_text(&r, "plugins.0.optional_config.timeout"),
                        "Request timeout in seconds (default: 10)");
    kit_reply_done(&r);
    r = fx_call("GET", "/api/v1/plugins/website_status", NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(fx_text(&r, "name"), "website");
    kit_reply_done(&r);
    fx_must_fail("GET", "/api/v1/plugins/nothing", NULL, 404, "PLUGIN_NOT_FOUND", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_refused_results),
        cmocka_unit_test(test_plugins),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
