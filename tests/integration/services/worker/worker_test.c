/* What the worker's stages make of jobs: results, states, replies. */
#include "services/worker/worker.h"

#include <stdio.h>
#include <string.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "json/parse.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "tests/integration/services/worker/checks_fixture.h"
#include "tests/kit/web.h"

static void must_be(const char *what, const struct uuid *check, const char *column,
                    const char *expected)
{
    AUTO_FREE char *got = kit_sql_text(
        cf.db, "SELECT (%s)::text FROM results WHERE check_id = '%s' ORDER BY slot_at DESC LIMIT 1",
        column, kit_id(check));
    if (!str_eq(got, expected))
        fail_msg("%s: %s is %s, not %s", what, column, got ? got : "null", expected);
}

static void a_job_becomes_results_and_states(void **state)
{
    struct uuid checks[10];
    checks[0] = cf_make_check("/ok", "");
    checks[1] = cf_make_check("/status/503", "");
    checks[2] = cf_make_check("/ok", ",\"expected_content\":\"goodbye\"");
    checks[3] = cf_make_check("/redirect/2", ",\"expected_content\":\"hello\"");
    checks[4] = cf_make_check("/silent", ",\"timeout\":1.5");
    for (size_t i = 5; i < ARRAY_LEN(checks); i++)
        checks[i] = cf_make_check("/ok", "");
    kit_sql(cf.db, "UPDATE checks SET config = '{\"url\":7}' WHERE id = '%s'", kit_id(&checks[5]));
    kit_sql(cf.db, "UPDATE checks SET kind = 'teapot' WHERE id = '%s'", kit_id(&checks[6]));
    kit_sql(cf.db, "UPDATE checks SET enabled = false WHERE id = '%s'", kit_id(&checks[7]));
    kit_sql(cf.db, "DELETE FROM checks WHERE id = '%s'", kit_id(&checks[8]));
    int64_t slot = cf_slot_now_ms();
    cf_schedule(checks, ARRAY_LEN(checks), slot);
    assert_true(kit_wait(cf_is_quiet(), WAIT_MS));

    static const struct {
        size_t check;
        const char *status, *message, *error;
    } want[] = {
        {0, "success", "Website responded with status 200", NULL},
        {1, "error", "Website responded with status 503, expected 200", NULL},
        {2, "error", "Website responded with status 200, but the body does not contain \"goodbye\"",
         NULL},
        {3, "success", "Website responded with status 200", NULL},
        {4, "error", "Timed out after 1500 ms waiting for the answer of 127.0.0.1", "timeout"},
        {5, "error", "The check's configuration is not valid: url: Input should be a valid string",
         "config"},
        {6, "error", "This worker does not know this kind of check", "kind"},
        {9, "success", "Website responded with status 200", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct uuid *check = &checks[want[i].check];
        assert_int_equal(cf_results_of(check), 1);
        must_be(want[i].message, check, "status", want[i].status);
        must_be(want[i].message, check, "trigger", "schedule");
        must_be(want[i].message, check, "raw_data->>'error'", want[i].error);
        if (want[i].check != 5)
            must_be(want[i].message, check, "message", want[i].message);
    }
    assert_int_equal(cf_results_of(&checks[7]), 0);
    assert_int_equal(cf_results_of(&checks[8]), 0);
    must_be("details", &checks[3], "raw_data->>'redirects'", "2");
    must_be("details", &checks[0], "raw_data->'headers'->>'content-type'", "text/plain");
    must_be("details", &checks[0], "response_us > 0 AND lag_us >= 0", "true");
    AUTO_FREE char *up = kit_sql_text(cf.db, "SELECT state FROM check_state WHERE check_id = '%s'",
                                      kit_id(&checks[0]));
    assert_string_equal(up, "up");
}

static void a_job_twice_is_one_result(void **state)
{
    struct uuid check = cf_make_check("/ok", "");
    int64_t slot = cf_slot_now_ms();
    cf_schedule(&check, 1, slot);
    cf_schedule(&check, 1, slot);
    cf_schedule(&check, 1, slot);
    assert_true(kit_wait(cf_is_quiet(), WAIT_MS));
    assert_int_equal(cf_results_of(&check), 1);
    cf_schedule(&check, 1, slot + 60000);
    assert_true(kit_wait(cf_results_of(&check) == 2, WAIT_MS));
}

static void who_waits_is_told_of_the_stored_result(void **state)
{
    struct uuid check = cf_make_check("/ok", "");
    struct uuid job;
    kit_sql(cf.db, "UPDATE checks SET enabled = false WHERE id = '%s'", kit_id(&check));
    cf_run_by_hand(&check, clock_wall_us(), &job);
    AUTO_JSON reply = cf_wait_reply(&job);
    const char *id = json_string_value(json_object_get(reply, "result_id"));
    assert_non_null(id);
    assert_int_equal(kit_sql_i64(cf.db,
                                 "SELECT count(*) FROM results WHERE id = '%s' AND check_id = '%s'"
                                 " AND trigger = 'manual' AND status = 'success'",
                                 id, kit_id(&check)),
                     1);
    kit_sql(cf.db, "DELETE FROM checks WHERE id = '%s'", kit_id(&check));
    cf_run_by_hand(&check, clock_wall_us(), &job);
    AUTO_JSON gone = cf_wait_reply(&job);
    assert_string_equal(json_string_value(json_object_get(gone, "error")),
                        "The check does not exist any more");
}

/* A run of a schedule holds keys, belongs to a tenant, and its end is known. */
static void what_a_job_holds_is_given_back(void **state)
{
    struct uuid check = cf_make_check("/ok", "");
    const char *text = kit_id(&check);
    char args[128], tenant[UUID_TEXT_BYTES];
    uuid_format(&cf.org, tenant);
    for (int i = 0; i < 3; i++) {
        struct job job;
        struct uuid id;
        enum job_state end = JOB_STATE_COUNT_;
        bool is_new = false;
        (void)snprintf(args, sizeof(args), "{\"check_id\":\"%s\",\"slot_us\":%lld}", text,
                       (long long)clock_wall_us());
        assert_ok(job_init(&job, "check.run", args, clock_wall_ms()));
        job.dedup = job.key = "schedule:x";
        job.key_limit = 1;
        job.tenant = tenant;
        job.result_ttl_ms = 60000;
        assert_ok(queue_enqueue_once(cf.queue, cf.redis, &job, &id, &is_new));
        assert_true(is_new);
        assert_true(kit_wait(queue_ends_get(cf.queue, cf.redis, &id, 1, &end) == ST_OK &&
                                 end == JOB_SUCCEEDED,
                             WAIT_MS));
        assert_int_equal(cf_results_of(&check), i + 1);
    }
}

static json_t *run_adhoc(const char *kind, const char *config)
{
    struct uuid job;
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_adhoc_encode(
        &(struct check_adhoc){.kind = kind, .config_json = config, .timeout_ms = 5000}, &args);
    cf_enqueue("check.adhoc", buf_cstr(&args), CHECK_DONE_CHANNEL, &job);
    return cf_wait_reply(&job);
}

static void a_run_ad_hoc_answers_and_leaves_nothing(void **state)
{
    char config[128];
    int64_t before = kit_sql_i64(cf.db, "SELECT count(*) FROM results");
    (void)snprintf(config, sizeof(config), "{\"url\":\"http://127.0.0.1:%d/ok\"}",
                   web_port(cf.web));
    AUTO_JSON good = run_adhoc("website", config);
    assert_string_equal(json_string_value(json_object_get(good, "status")), "success");
    assert_string_equal(json_string_value(json_object_get(good, "message")),
                        "Website responded with status 200");
    assert_true(json_is_real(json_object_get(good, "response_time")));
    assert_true(json_is_string(json_object_get(good, "executed_at")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(good, "raw_data"), "status_code")), 200);
    AUTO_JSON metadata = run_adhoc("website", "{\"url\":\"http://169.254.169.254/\"}");
    assert_string_equal(json_string_value(json_object_get(metadata, "message")),
                        "Cloud metadata address 169.254.169.254 is not allowed");
    AUTO_JSON bad = run_adhoc("website", "{\"url\":\"nonsense\"}");
    assert_non_null(strstr(json_string_value(json_object_get(bad, "error")), "url"));
    AUTO_JSON unknown = run_adhoc("teapot", "{}");
    assert_true(json_is_string(json_object_get(unknown, "error")));
    assert_int_equal(kit_sql_i64(cf.db, "SELECT count(*) FROM results"), before);
}

/* What /echo shows of user "u" with password "hush". */
#define BASIC "Authorization: Basic dTpodXNo"

static void seal_password(const char *key, const struct seal_place *place, struct arena *arena,
                          const unsigned char **sealed, size_t *len)
{
    struct seal_keys *keys = NULL;
    AUTO_JSON secret = json_pack("{s:s}", "auth_password", "hush");
    assert_ok(seal_keys_new(key, &keys, NULL));
    assert_ok(seal_json_close(keys, place, secret, arena, sealed, len));
    seal_keys_free(keys);
}

static struct uuid make_secret_check(const char *key)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    const unsigned char *sealed = NULL;
    size_t len = 0;
    const struct uuid id = cf_make_check(
        "/echo", ",\"auth_username\":\"u\",\"expected_content\":\"" BASIC "\"");
    const struct seal_place place = check_seal_place(&id);
    seal_password(key, &place, arena, &sealed, &len);
    char hex[512];
    assert_true(2 * len < sizeof(hex));
    str_hex(sealed, len, hex);
    kit_sql(cf.db, "UPDATE checks SET secret = decode('%s', 'hex') WHERE id = '%s'", hex,
            kit_id(&id));
    return id;
}

static void secrets_are_opened_for_the_probe_alone(void **state)
{
    const struct uuid good = make_secret_check(SECRET_KEY);
    const struct uuid lost = make_secret_check(OTHER_KEY);
    cf_schedule(&good, 1, cf_slot_now_ms());
    cf_schedule(&lost, 1, cf_slot_now_ms());
    assert_true(kit_wait(cf_results_of(&good) == 1 && cf_results_of(&lost) == 1, WAIT_MS));
    must_be("good", &good, "status", "success");
    must_be("lost", &lost, "status", "error");
    must_be("lost", &lost, "message", "The check's secret does not open with TOCSIN_SECRET_KEY");
}

static void a_run_ad_hoc_opens_its_own_secret(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    char config[256];
    (void)snprintf(config, sizeof(config),
                   "{\"url\":\"http://127.0.0.1:%d/echo\",\"auth_username\":\"u\","
                   "\"expected_content\":\"" BASIC "\"}",
                   web_port(cf.web));
    for (int is_other = 0; is_other < 2; is_other++) {
        struct job job;
        assert_ok(job_init(&job, "check.adhoc", "{}", clock_wall_ms()));
        const struct uuid other = uuid_new();
        const struct seal_place place = check_adhoc_seal_place(is_other ? &other : &job.id);
        struct check_adhoc in = {.kind = "website", .config_json = config, .timeout_ms = 5000};
        seal_password(SECRET_KEY, &place, arena, &in.sealed, &in.sealed_len);
        AUTO_BUF args;
        buf_init(&args, LIMIT_JOB_ARGS_BYTES);
        check_adhoc_encode(&in, &args);
        job.args = buf_cstr(&args);
        job.reply = CHECK_DONE_CHANNEL;
        assert_ok(queue_enqueue(cf.queue, cf.redis, &job));
        AUTO_JSON reply = cf_wait_reply(&job.id);
        const char *status = json_string_value(json_object_get(reply, "status"));
        const char *error = json_string_value(json_object_get(reply, "error"));
        if (is_other)
            assert_string_equal(error, "The check's secret does not open with TOCSIN_SECRET_KEY");
        else
            assert_string_equal(status, "success");
    }
}

/* Probes that run end, what waits of the job is not begun, nothing is stored. */
static void a_running_job_of_checks_is_cancelled(void **state)
{
    struct uuid checks[8];
    enum job_state now = JOB_QUEUED;
    struct check_scheduled in = {.count = ARRAY_LEN(checks)};
    AUTO_BUF args;
    AUTO_ARENA arena = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        checks[i] = cf_make_check("/silent", ",\"timeout\":60");
        in.due[i] = (struct check_due){.check_id = checks[i], .slot_ms = cf_slot_now_ms()};
    }
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_scheduled_encode(&in, &args);
    struct job job;
    assert_ok(job_init(&job, "check.scheduled", buf_cstr(&args), clock_wall_ms()));
    job.result_ttl_ms = 60000;
    job.reply = CHECK_DONE_CHANNEL;
    assert_ok(queue_enqueue(cf.queue, cf.redis, &job));
    assert_true(kit_wait(cf_stats().pending == 1, WAIT_MS));
    assert_ok(queue_cancel(cf.queue, cf.redis, &job.id, clock_wall_ms(), &now));
    AUTO_JSON reply = cf_wait_reply(&job.id);
    assert_string_equal(json_string_value(json_object_get(reply, "error")),
                        "The job was cancelled");
    struct job_view view;
    assert_true(
        kit_wait(queue_result_get(cf.queue, cf.redis, &job.id, arena, &view) == ST_OK, WAIT_MS));
    assert_int_equal(view.state, JOB_CANCELLED);
    assert_true(kit_wait(cf_is_quiet(), WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        assert_int_equal(cf_results_of(&checks[i]), 0);
}

static void a_job_of_a_check_keeps_its_result(void **state)
{
    struct uuid check = cf_make_check("/ok", "");
    AUTO_BUF args;
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job job;
    struct job_view view;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_run_encode(&(struct check_run){.check_id = check, .slot_us = clock_wall_us()}, &args);
    assert_ok(job_init(&job, "check.run", buf_cstr(&args), clock_wall_ms()));
    job.result_ttl_ms = 60000;
    assert_ok(queue_enqueue(cf.queue, cf.redis, &job));
    assert_true(
        kit_wait(queue_result_get(cf.queue, cf.redis, &job.id, arena, &view) == ST_OK, WAIT_MS));
    assert_int_equal(view.state, JOB_SUCCEEDED);
    assert_non_null(strstr(view.result, "{\"result_id\":\""));
    assert_true(view.started_at_ms > 0 && view.started_at_ms <= view.finished_at_ms);
}

static void nonsense_goes_to_the_dead_letters(void **state)
{
    int64_t before = cf_stats().dead;
    cf_enqueue("check.scheduled", "{\"checks\":\"none\"}", NULL, NULL);
    cf_enqueue("check.run", "{}", NULL, NULL);
    assert_true(kit_wait(cf_stats().dead == before + 2, WAIT_MS));
    assert_true(kit_wait(cf_is_quiet(), WAIT_MS));
}

/* One failure is soft: the next try comes after the retry interval and makes it DOWN. */
static void a_soft_state_is_tried_again_soon(void **state)
{
    struct uuid check = cf_make_check("/status/500", "");
    kit_sql(cf.db,
            "UPDATE checks SET retries = 3, retry_interval = 'every 1 second' WHERE id = '%s'",
            kit_id(&check));
    cf_schedule(&check, 1, cf_slot_now_ms());
    assert_true(kit_wait(kit_sql_i64(cf.db,
                                     "SELECT count(*) FROM check_state WHERE check_id = '%s'"
                                     " AND state = 'down'",
                                     kit_id(&check)) == 1,
                         WAIT_MS));
    assert_int_equal(cf_results_of(&check), 3);
    assert_int_equal(kit_sql_i64(cf.db,
                                 "SELECT count(*) FROM results WHERE check_id = '%s'"
                                 " AND trigger = 'retry'",
                                 kit_id(&check)),
                     2);
    /* Down is down: nothing more waits. */
    assert_true(kit_wait(cf_is_quiet() && cf_stats().delayed == 0, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_CASE(a_job_becomes_results_and_states),
        CHECK_CASE(a_job_twice_is_one_result),
        CHECK_CASE(who_waits_is_told_of_the_stored_result),
        CHECK_CASE(what_a_job_holds_is_given_back),
        CHECK_CASE(a_run_ad_hoc_answers_and_leaves_nothing),
        CHECK_CASE(secrets_are_opened_for_the_probe_alone),
        CHECK_CASE(a_run_ad_hoc_opens_its_own_secret),
        CHECK_CASE(a_running_job_of_checks_is_cancelled),
        CHECK_CASE(a_job_of_a_check_keeps_its_result),
        CHECK_CASE(nonsense_goes_to_the_dead_letters),
        CHECK_CASE(a_soft_state_is_tried_again_soon),
    };
    return cmocka_run_group_tests(tests, cf_setup, cf_teardown);
}
