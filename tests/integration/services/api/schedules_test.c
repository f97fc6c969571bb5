/* Schedules over HTTP. */
#include <string.h>

#include "base/clock.h"
#include "json/parse.h"
#include "tests/kit/api.h"

static struct db *db;
static struct uuid org;
static struct kit_api *api;
static struct kit_tokens admin, viewer;

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    kit_api_user(db, &org, "ada", "admin");
    kit_api_user(db, &org, "viktor", "viewer");
    api = kit_api_start(database, kit_redis(), NULL);
    admin = kit_sign_in(api, "ada");
    viewer = kit_sign_in(api, "viktor");
    return 0;
}

static int teardown(void **state)
{
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static void test_preview(void **state)
{
    struct kit_reply r = kit_call(api, "GET",
                                  "/api/v1/schedules/preview?count=3&schedule="
                                  "CRON_TZ%3DEurope/Berlin+0+9+*+*+1-5",
                                  viewer.access, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "schedule"), "CRON_TZ=Europe/Berlin 0 9 * * 1-5");
    assert_string_equal(kit_reply_text(&r, "kind"), "cron");
    const json_t *runs = json_object_get(r.json, "next_runs");
    assert_int_equal(json_array_size(runs), 3);
    int64_t last_us = clock_wall_us();
    for (size_t i = 0; i < 3; i++) {
        int64_t at_us = 0;
        assert_ok(time_parse_us(json_string_value(json_array_get(runs, i)), &at_us));
        int64_t of_day_s = at_us / 1000000 % 86400;
        assert_true(at_us > last_us && (of_day_s == 8 * 3600 || of_day_s == 7 * 3600));
        last_us = at_us;
    }
    kit_reply_done(&r);
}

static void test_preview_refuses(void **state)
{
    static const char *const paths[] = {
        "/api/v1/schedules/preview",
        "/api/v1/schedules/preview?schedule=",
        "/api/v1/schedules/preview?schedule=0+0+31+2+*",
        "/api/v1/schedules/preview?schedule=CRON_TZ%3DMars/Olympus+@daily",
        "/api/v1/schedules/preview?schedule=@daily&count=0",
        "/api/v1/schedules/preview?schedule=@daily&count=101",
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (kit_status(api, "GET", paths[i], viewer.access, NULL) != 422)
            fail_msg("%s", paths[i]);
    }
    assert_int_equal(kit_status(api, "GET", paths[0], NULL, NULL), 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preview),
        cmocka_unit_test(test_preview_refuses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
