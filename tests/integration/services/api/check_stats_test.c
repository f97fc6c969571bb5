/* Statistics and transitions of a check over HTTP. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "store/recorder.h"
#include "store/rollups.h"
#include "tests/kit/api.h"

#define MINUTE_US 60000000LL
enum { RESULTS = 100 };

static struct db *db;
static struct uuid org, other_org, check;
static struct kit_api *api;
static struct kit_tokens viewer, stranger;
static int64_t begin_us;

/* A hundred results, one a minute up to now: 60 successes of 1 to 60 ms, then 20 errors, the first
 * of which opens an incident, then 20 warnings, the first of which ends it. */
static void store_story(void)
{
    static struct record r[RESULTS];
    static struct record_outcome outcomes[RESULTS];
    size_t alerts = 0;
    begin_us = clock_wall_us() - RESULTS * MINUTE_US;
    for (int i = 0; i < RESULTS; i++)
        r[i] = (struct record){
            .check_id = check,
            .slot_us = begin_us + i * MINUTE_US,
            .location = "default",
            .trigger = "schedule",
            .status = i < 60   ? RESULT_SUCCESS
                      : i < 80 ? RESULT_ERROR
                               : RESULT_WARNING,
            .message = i < 60   ? "fine"
                       : i < 80 ? "refused"
                                : "slow",
            .response_us = i < 60 ? 1000 * (i + 1) : -1,
            .lag_us = -1,
            .raw_json = "{}",
            .executed_us = begin_us + i * MINUTE_US,
        };
    assert_ok(recorder_store(db, r, RESULTS, outcomes, &alerts));
    /* They came late, for a database that is some seconds old. */
    assert_ok(rollups_run(db, clock_wall_us(), 90LL * 86400 * 1000));
}

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    check = kit_check(db, &org, "a check");
    kit_sql(db, "UPDATE checks SET retries = 1, created_at = now() - interval '1 hour'");
    kit_api_user(db, &org, "viktor", "viewer");
    kit_api_user(db, &other_org, "sten", "owner");
    store_story();
    api = kit_api_start(database, kit_redis(), NULL);
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

static struct kit_reply get(const char *what)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "/api/v1/checks/%s/%s", kit_id(&check), what);
    return kit_call(api, "GET", path, viewer.access, NULL);
}

static double number(const json_t *in, const char *name)
{
    const json_t *v = json_object_get(in, name);
    if (!json_is_number(v))
        fail_msg("%s is no number", name);
    return json_number_value(v);
}

static void must_be_near(double got, double want, double share)
{
    if (fabs(got - want) > fabs(want) * share)
        fail_msg("%f, not %f", got, want);
}

static void test_stats(void **state)
{
    struct kit_reply r = get("stats");
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "check_id"), kit_id(&check));
    assert_true(number(r.json, "count") == 100);
    assert_true(number(r.json, "successes") == 60);
    assert_true(number(r.json, "warnings") == 20);
    assert_true(number(r.json, "failures") == 20);
    assert_true(number(r.json, "missed") == 0);
    assert_true(number(r.json, "uptime_percent") == 80.0);
    const json_t *times = json_object_get(r.json, "response_time");
    assert_true(number(times, "min") == 0.001);
    assert_true(number(times, "max") == 0.06);
    assert_true(number(times, "avg") == 0.0305);
    must_be_near(number(times, "p50"), 0.030, 0.023);
    must_be_near(number(times, "p90"), 0.054, 0.023);
    must_be_near(number(times, "p99"), 0.060, 0.023);

    assert_true(number(r.json, "incidents") == 1);
    assert_true(number(r.json, "downtime") == 1200.0);
    assert_true(number(r.json, "mttr") == 1200.0);
    must_be_near(number(r.json, "mtbf"), 2400, 0.05); /* the check is an hour old */
    must_be_near(number(r.json, "availability_percent"), 66.67, 0.05);

    assert_string_equal(kit_reply_text(&r, "resolution"), "hour");
    const json_t *timeline = json_object_get(r.json, "timeline");
    double counted = 0;
    for (size_t i = 0; i < json_array_size(timeline); i++)
        counted += number(json_array_get(timeline, i), "count");
    assert_true(counted == 100);
    static const char *const periods[] = {"24h", "7d", "30d", "90d", "1y"};
    for (size_t i = 0; i < ARRAY_LEN(periods); i++) {
        const json_t *p = json_object_get(json_object_get(r.json, "periods"), periods[i]);
        assert_true(number(p, "count") == 100);
        assert_true(number(p, "failures") == 20);
        assert_true(number(p, "uptime_percent") == 80.0);
    }
    kit_reply_done(&r);
}

/* The uptime API shows the same numbers. */
static void test_stats_of_a_url(void **state)
{
    char path[128];
    const int64_t number_of = kit_sql_i64(db, "SELECT legacy_id FROM checks WHERE id = '%s'",
                                          kit_id(&check));
    (void)snprintf(path, sizeof(path), "/api/monitor/urls/%lld/stats/", (long long)number_of);
    struct kit_reply whole = get("stats");
    struct kit_reply r = kit_call(api, "GET", path, viewer.access, NULL);
    assert_int_equal(r.status, 200);
    assert_true(number(r.json, "id") == (double)number_of);
    assert_string_equal(kit_reply_text(&r, "url"), "http://example.com/");
    const json_t *uptime = json_object_get(r.json, "uptime");
    assert_true(number(json_object_get(uptime, "24h"), "uptime_percent") == 80);
    assert_true(json_equal(uptime, json_object_get(whole.json, "periods")));
    kit_reply_done(&whole);
    kit_reply_done(&r);
    assert_int_equal(kit_status(api, "GET", path, stranger.access, NULL), 404);
    assert_int_equal(kit_status(api, "GET", path, NULL, NULL), 401);
}

static void test_stats_of_a_window(void **state)
{
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES], what[128];
    time_format_us(begin_us + 60 * MINUTE_US, from);
    time_format_us(begin_us + 80 * MINUTE_US, to);
    (void)snprintf(what, sizeof(what), "stats?from=%s&to=%s&resolution=day", from, to);
    struct kit_reply r = get(what);
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "from"), from);
    assert_string_equal(kit_reply_text(&r, "to"), to);
    assert_true(number(r.json, "count") == 20);
    assert_true(number(r.json, "uptime_percent") == 0.0);
    assert_true(json_is_null(json_object_get(json_object_get(r.json, "response_time"), "p95")));
    assert_string_equal(kit_reply_text(&r, "resolution"), "day");
    kit_reply_done(&r);

    /* Nothing was there yet. */
    r = get("stats?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&resolution=day");
    assert_int_equal(r.status, 200);
    assert_true(number(r.json, "count") == 0);
    assert_true(json_is_null(json_object_get(r.json, "uptime_percent")));
    assert_true(json_is_null(json_object_get(r.json, "mttr")));
    assert_true(json_is_null(json_object_get(r.json, "availability_percent")));
    assert_int_equal(json_array_size(json_object_get(r.json, "timeline")), 0);
    kit_reply_done(&r);
}

static void test_history(void **state)
{
    static const struct {
        const char *query;
        int total;
        const char *first; /* from>to */
    } cases[] = {
        {"history", 3, "down>degraded"},
        {"history?sort=at", 3, "pending>up"},
        {"history?state=down", 1, "up>down"},
        {"history?state=paused", 0, NULL},
        {"history?per_page=1&page=2", 3, "up>down"},
        {"history?limit=1&offset=2", 3, "pending>up"},
        {"history?to=2026-01-01T00:00:00Z", 0, NULL},
        {"history?from=2026-01-01T00:00:00Z", 3, "down>degraded"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kit_reply r = get(cases[i].query);
        assert_int_equal(r.status, 200);
        assert_true(number(r.json, "total") == cases[i].total);
        const json_t *first = json_array_get(json_object_get(r.json, "history"), 0);
        char states[64] = "";
        if (first)
            (void)snprintf(states, sizeof(states), "%s>%s",
                           json_string_value(json_object_get(first, "from_state")),
                           json_string_value(json_object_get(first, "to_state")));
        assert_string_equal(states, cases[i].first ? cases[i].first : "");
        kit_reply_done(&r);
    }
    struct kit_reply r = get("history?sort=at");
    const json_t *list = json_object_get(r.json, "history");
    assert_true(number(json_array_get(list, 0), "duration") == 3600.0);
    assert_true(number(json_array_get(list, 1), "duration") == 1200.0);
    assert_true(json_is_null(json_object_get(json_array_get(list, 2), "duration")));
    assert_true(number(json_array_get(list, 1), "sequence") == 2);
    assert_true(json_is_string(json_object_get(json_array_get(list, 1), "incident_id")));
    kit_reply_done(&r);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *what;
        const char *field;
    } bad[] = {
        {"stats?period=2d", "period"},
        {"stats?period=", "period"},
        {"stats?period=24h&from=2026-11-01T00:00:00Z", "period"},
        {"stats?from=yesterday", "from"},
        {"stats?from=2099-01-01T00:00:00Z", "from"},
        {"stats?from=2001-01-01T00:00:00Z", "from"},
        {"stats?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "from"},
        {"stats?period=1y&resolution=hour", "resolution"},
        {"stats?resolution=minute", "resolution"},
        {"history?state=odd", "state"},
        {"history?sort=name", "sort"},
        {"history?from=x", "from"},
        {"history?per_page=0", "per_page"},
        {"history?per_page=101", "per_page"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct kit_reply r = get(bad[i].what);
        const json_t *error = json_array_get(json_object_get(r.json, "errors"), 0);
        const char *field = json_string_value(json_array_get(json_object_get(error, "loc"), 1));
        if (r.status != 422 || !str_eq(field, bad[i].field))
            fail_msg("%s: %d, %s", bad[i].what, r.status, field ? field : "-");
        kit_reply_done(&r);
    }
    static const char *const paths[] = {
        "/api/v1/checks/x/stats", "/api/v1/checks/x/history",
        "/api/v1/checks/00000000-0000-0000-0000-000000000001/stats"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct kit_reply r = kit_call(api, "GET", paths[i], viewer.access, NULL);
        assert_int_equal(r.status, 404);
        assert_string_equal(kit_reply_text(&r, "code"), "CHECK_NOT_FOUND");
        kit_reply_done(&r);
    }
    static const char *const ours[] = {"stats", "history"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "/api/v1/checks/%s/%s", kit_id(&check), ours[i]);
        assert_int_equal(kit_status(api, "GET", path, stranger.access, NULL), 404);
        assert_int_equal(kit_status(api, "GET", path, NULL, NULL), 401);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_stats_of_a_url),
        cmocka_unit_test(test_stats_of_a_window),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
