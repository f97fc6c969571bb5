/* Running several checks over HTTP, with workers of the test's own that count how many are busy. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "queue/check_jobs.h"
#include "store/recorder.h"
#include "tests/kit/api.h"

/* What a worker does with a job is in its check's name: "good", "silent" (stores, and says
 * nothing), "lost" (does nothing), "broken" (says that it could not). */
enum { WORKERS = 8, CHECKS = 4 };
static const char *const names[CHECKS] = {"good", "silent", "lost", "broken"};

static const char *database;
static struct db *db;
static struct uuid org, other_org, checks[CHECKS], foreign;
static struct kit_api *api;
static struct kit_tokens me, viewer;
static pthread_t threads[WORKERS];
static int numbers[WORKERS];
static atomic_bool workers_end;
static atomic_int busy, busiest, takes_ms, parked_jobs;
static atomic_bool workers_hold;

/* --- the workers --- */

static const char *name_of(const struct uuid *id)
{
    for (int i = 0; i < CHECKS; i++) {
        if (uuid_eq(id, &checks[i]))
            return names[i];
    }
    return "lost";
}

static void store(struct db *own, const struct check_run *run)
{
    const struct record r = {.check_id = run->check_id,
                             .slot_us = run->slot_us,
                             .location = "default",
                             .trigger = "manual",
                             .status = RESULT_SUCCESS,
                             .message = "Website responded with status 200",
                             .response_us = 342000,
                             .lag_us = 100,
                             .raw_json = "{\"status_code\":200}",
                             .executed_us = run->slot_us + 100};
    struct record_outcome outcome;
    size_t alerts = 0;
    if (recorder_store(own, &r, 1, &outcome, &alerts) != ST_OK)
        print_error("the worker could not store\n");
}

static const char *answer_of(struct db *own, const struct job *job)
{
    struct check_run run;
    if (str_eq(job->task, "check.adhoc"))
        return "{\"status\":\"warning\",\"message\":\"slow\",\"response_time\":1.5,"
               "\"raw_data\":{\"status_code\":200},\"executed_at\":\"2026-01-30T23:23:29.5Z\"}";
    if (check_run_decode(job->args, &run, NULL) != ST_OK)
        return NULL;
    const char *name = name_of(&run.check_id);
    if (str_eq(name, "broken"))
        return "{\"error\":\"kaputt\"}";
    if (str_eq(name, "lost"))
        return NULL;
    store(own, &run);
    return str_eq(name, "good") ? "{\"result_id\":\"x\"}" : NULL;
}

static void serve(struct db *own, struct redis *r, const struct job *job)
{
    int now = atomic_fetch_add(&busy, 1) + 1;
    int most = atomic_load(&busiest);
    while (now > most && !atomic_compare_exchange_weak(&busiest, &most, now))
        ;
    int64_t until_ms = kit_real_mono_ms() + atomic_load(&takes_ms);
    while (kit_real_mono_ms() < until_ms)
        kit_pause();
    const char *answer = answer_of(own, job);
    atomic_fetch_sub(&busy, 1);
    if (answer && queue_publish_done(r, job->reply, &job->id, answer, strlen(answer)) != ST_OK)
        print_error("the worker could not publish\n");
}

static void *work(void *arg)
{
    AUTO_DB own = kit_db_open(database);
    AUTO_REDIS r = kit_redis_open(kit_redis());
    AUTO_ARENA arena = arena_new(1 << 20);
    struct queue *q = NULL;
    char consumer[32];
    (void)snprintf(consumer, sizeof(consumer), "worker-%d", *(const int *)arg);
    if (queue_new("checks", 0, &q) != ST_OK)
        return NULL;
    while (!atomic_load(&workers_end)) {
        struct job_batch batch = {.arena = arena};
        arena_reset(arena);
        if (atomic_load(&workers_hold)) {
            kit_pause();
            continue;
        }
        if (queue_fetch(q, r, consumer, 1, 20, &batch) != ST_OK)
            continue;
        for (size_t i = 0; i < batch.count; i++)
            serve(own, r, &batch.jobs[i]);
        if (queue_ack(q, r, batch.jobs, batch.count) != ST_OK)
            print_error("the worker could not acknowledge\n");
    }
    queue_free(q);
    return NULL;
}

/* --- the caller --- */

static int setup(void **state)
{
    json_setup();
    assert_int_equal(setenv("TOCSIN_RUN_GRACE", "600ms", 1), 0);
    database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    for (int i = 0; i < CHECKS; i++)
        checks[i] = kit_check(db, &org, names[i]);
    foreign = kit_check(db, &other_org, "foreign");
    kit_sql(db, "UPDATE checks SET timeout_ms = 100");
    kit_sql(db, "UPDATE checks SET timeout_ms = 10000 WHERE name = 'silent'");
    kit_api_user(db, &org, "olga", "operator");
    kit_api_user(db, &org, "viktor", "viewer");
    api = kit_api_start(database, kit_redis(), NULL);
    me = kit_sign_in(api, "olga");
    viewer = kit_sign_in(api, "viktor");
    for (int i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    return 0;
}

static int teardown(void **state)
{
    atomic_store(&workers_end, true);
    for (int i = 0; i < WORKERS; i++)
        (void)pthread_join(threads[i], NULL);
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static struct kit_reply run(const char *ids, const char *more)
{
    static char body[65536];
    (void)snprintf(body, sizeof(body), "{\"checks\":[%s]%s}", ids, more);
    return kit_call(api, "POST", "/api/v1/batch/run", me.access, body);
}

static const json_t *item(const struct kit_reply *r, size_t i)
{
    return json_array_get(json_object_get(r->json, "results"), i);
}

static const char *text(const json_t *in, const char *a, const char *b)
{
    const char *s = json_string_value(json_object_get(json_object_get(in, a), b));
    return s ? s : "";
}

static int number(const struct kit_reply *r, const char *name)
{
    return (int)json_integer_value(json_object_get(r->json, name));
}

static void test_in_the_order_asked(void **state)
{
    char ids[512];
    (void)snprintf(ids, sizeof(ids), "\"%s\",\"check_id_2\",\"%s\",\"%s\",\"%s\",\"%s\"",
                   kit_id(&checks[0]), kit_id(&checks[3]), kit_id(&foreign), kit_id(&checks[1]),
                   kit_id(&checks[0]));
    struct kit_reply r = run(ids, ",\"max_workers\":5,\"timeout\":20");
    assert_int_equal(r.status, 200);
    static const struct {
        const char *status, *code;
    } want[] = {{"success", ""},
                {"error", "CHECK_NOT_FOUND"},
                {"error", "CHECK_RUN_FAILED"},
                {"error", "CHECK_NOT_FOUND"},
                {"success", ""},
                {"success", ""}};
    assert_int_equal(json_array_size(json_object_get(r.json, "results")), ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_string_equal(text(item(&r, i), "result", "status"), want[i].status);
        assert_string_equal(text(item(&r, i), "error", "code"), want[i].code);
        assert_true(
            json_is_object(json_object_get(json_object_get(item(&r, i), "result"), "raw_data")));
    }
    assert_string_equal(json_string_value(json_object_get(item(&r, 1), "check_id")), "check_id_2");
    assert_string_equal(text(item(&r, 2), "result", "message"),
                        "The check could not be run: kaputt");
    const json_t *result = json_object_get(item(&r, 0), "result");
    assert_true(json_real_value(json_object_get(result, "response_time")) == 0.342);
    /* The same check twice is two runs, each stored. */
    assert_string_not_equal(text(item(&r, 0), "result", "id"), text(item(&r, 5), "result", "id"));
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/results/%s", text(item(&r, 5), "result", "id"));
    assert_int_equal(kit_status(api, "GET", path, me.access, NULL), 200);
    assert_int_equal(number(&r, "count"), 6);
    assert_int_equal(number(&r, "finished"), 3);
    kit_reply_done(&r);
}

static void test_max_workers_bounds(void **state)
{
    enum { COUNT = 30 };
    static char ids[COUNT * 40];
    size_t used = 0;
    for (int i = 0; i < COUNT; i++)
        used += (size_t)snprintf(ids + used, sizeof(ids) - used, "%s\"%s\"", i ? "," : "",
                                 kit_id(&checks[0]));
    static const int limits[] = {1, 3, 6};
    atomic_store(&takes_ms, 5);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        char more[64];
        atomic_store(&busiest, 0);
        (void)snprintf(more, sizeof(more), ",\"max_workers\":%d", limits[i]);
        struct kit_reply r = run(ids, more);
        assert_int_equal(r.status, 200);
        assert_int_equal(number(&r, "finished"), COUNT);
        int most = atomic_load(&busiest);
        if (most > limits[i] || most < 1)
            fail_msg("%d at a time, not %d", most, limits[i]);
        kit_reply_done(&r);
    }
    atomic_store(&takes_ms, 0);
}

/* What hangs takes its own time limit; what comes after it still has its turn. */
static void test_a_hanging_check_holds_up_nobody(void **state)
{
    char ids[256];
    (void)snprintf(ids, sizeof(ids), "\"%s\",\"%s\"", kit_id(&checks[2]), kit_id(&checks[0]));
    int64_t began_ms = kit_real_mono_ms();
    struct kit_reply r = run(ids, ",\"max_workers\":1,\"timeout\":30");
    assert_int_equal(r.status, 200);
    assert_string_equal(text(item(&r, 0), "error", "code"), "CHECK_RUN_TIMEOUT");
    assert_string_equal(text(item(&r, 1), "result", "status"), "success");
    assert_true(kit_real_mono_ms() - began_ms < 15000);
    kit_reply_done(&r);
}

static void test_timeout_of_all(void **state)
{
    char ids[256];
    (void)snprintf(ids, sizeof(ids), "\"%s\",\"%s\",\"%s\"", kit_id(&checks[2]), kit_id(&checks[0]),
                   kit_id(&checks[2]));
    struct kit_reply r = run(ids, ",\"max_workers\":2,\"timeout\":0.4");
    assert_int_equal(r.status, 200);
    assert_string_equal(text(item(&r, 0), "error", "code"), "CHECK_RUN_TIMEOUT");
    assert_string_equal(text(item(&r, 0), "result", "message"),
                        "The check was not finished within 0.4 s");
    assert_string_equal(text(item(&r, 1), "result", "status"), "success");
    assert_string_equal(text(item(&r, 2), "error", "code"), "CHECK_RUN_TIMEOUT");
    assert_int_equal(number(&r, "finished"), 1);
    kit_reply_done(&r);
}

static const char adhoc_checks[] =
    "{\"plugin_type\":\"website\",\"config\":{\"url\":\"https://example.com\","
    "\"expected_status\":200,\"auth_username\":\"a\",\"auth_password\":\"geheim\"}},"
    "{\"plugin_type\":\"website_status\",\"config\":{\"url\":\"http://example.org\"}}";

static void test_ad_hoc(void **state)
{
    char body[1024];
    (void)snprintf(body, sizeof(body), "{\"checks\":[%s],\"max_workers\":5,\"timeout\":30}",
                   adhoc_checks);
    struct kit_reply r = kit_call(api, "POST", "/api/v1/batch/run-ad-hoc", me.access, body);
    assert_int_equal(r.status, 200);
    assert_int_equal(number(&r, "finished"), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(text(item(&r, i), "result", "status"), "warning");
        assert_string_equal(text(item(&r, i), "result", "message"), "slow");
        assert_true(json_is_null(json_object_get(item(&r, i), "error")));
    }
    assert_string_equal(text(item(&r, 0), "config", "url"), "https://example.com");
    assert_string_equal(text(item(&r, 0), "config", "auth_password"), "");
    assert_string_equal(json_string_value(json_object_get(item(&r, 1), "plugin_type")),
                        "website_status");
    kit_reply_done(&r);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *path, *body;
        const char *loc; /* of the first error */
    } bad[] = {
        {"run", "{}", "body.checks"},
        {"run", "{\"checks\":[]}", "body.checks"},
        {"run", "{\"checks\":\"x\"}", "body.checks"},
        {"run", "{\"checks\":[1]}", "body.checks.0"},
        {"run", "{\"checks\":[\"x\"],\"max_workers\":0}", "body.max_workers"},
        {"run", "{\"checks\":[\"x\"],\"max_workers\":101}", "body.max_workers"},
        {"run", "{\"checks\":[\"x\"],\"timeout\":0}", "body.timeout"},
        {"run", "{\"checks\":[\"x\"],\"timeout\":301}", "body.timeout"},
        {"run", "{\"checks\":[\"x\"],\"workers\":5}", "body.workers"},
        {"run-ad-hoc", "{\"checks\":[{}]}", "body.checks.0.plugin_type"},
        {"run-ad-hoc", "{\"checks\":[\"x\"]}", "body.checks.0"},
        {"run-ad-hoc", "{\"checks\":[{\"plugin_type\":\"odd\",\"config\":{}}]}",
         "body.checks.0.plugin_type"},
        {"run-ad-hoc",
         "{\"checks\":[{\"plugin_type\":\"website\",\"config\":{\"url\":\"http://a.b\"}},"
         "{\"plugin_type\":\"website\",\"config\":{\"url\":\"ftp://a.b\"}}]}",
         "body.checks.1.config.url"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char path[64], loc[128] = "";
        (void)snprintf(path, sizeof(path), "/api/v1/batch/%s", bad[i].path);
        struct kit_reply r = kit_call(api, "POST", path, me.access, bad[i].body);
        const json_t *list = json_object_get(json_array_get(json_object_get(r.json, "errors"), 0),
                                             "loc");
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *at = json_array_get(list, k);
            size_t used = strlen(loc);
            if (json_is_string(at))
                (void)snprintf(loc + used, sizeof(loc) - used, "%s%s", k ? "." : "",
                               json_string_value(at));
            else
                (void)snprintf(loc + used, sizeof(loc) - used, ".%d", (int)json_integer_value(at));
        }
        if (r.status != 422 || !str_eq(loc, bad[i].loc))
            fail_msg("%s: %d, %s", bad[i].body, r.status, loc);
        kit_reply_done(&r);
    }
    assert_int_equal(
        kit_status(api, "POST", "/api/v1/batch/run", viewer.access, "{\"checks\":[\"x\"]}"), 403);
    assert_int_equal(kit_status(api, "POST", "/api/v1/batch/run", NULL, "{\"checks\":[\"x\"]}"),
                     401);
}

/* --- many at a time --- */

static void *park_one(void *arg)
{
    char ids[128];
    char body[256];
    (void)snprintf(ids, sizeof(ids), "\"%s\"", (const char *)arg);
    (void)snprintf(body, sizeof(body), "{\"checks\":[%s],\"timeout\":60}", ids);
    struct kit_reply r = kit_call(api, "POST", "/api/v1/batch/run", me.access, body);
    if (r.status == 200 && number(&r, "finished") == 1)
        atomic_fetch_add(&parked_jobs, 1);
    kit_reply_done(&r);
    return NULL;
}

/* Far more requests wait than there are handler threads, and another one is answered at once. */
static void test_waiting_holds_no_thread(void **state)
{
    enum { WAITING = 200 };
    static pthread_t callers[WAITING];
    static char id[UUID_TEXT_BYTES];
    kit_sql(db, "UPDATE checks SET timeout_ms = 60000 WHERE name = 'good'");
    (void)str_copy(id, sizeof(id), kit_id(&checks[0]));
    atomic_store(&workers_hold, true);
    for (int i = 0; i < WAITING; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, park_one, id), 0);
    AUTO_REDIS redis = kit_redis_open(kit_redis());
    struct queue *q = NULL;
    struct queue_stats stats = {0};
    assert_ok(queue_new("checks", 0, &q));
    assert_true(kit_wait(
        queue_stats_get(q, redis, &stats) == ST_OK && stats.waiting >= WAITING - WORKERS, 20000));
    int64_t began_ms = kit_real_mono_ms();
    assert_int_equal(kit_status(api, "GET", "/api/v1/checks", me.access, NULL), 200);
    assert_true(kit_real_mono_ms() - began_ms < 5000);
    atomic_store(&workers_hold, false);
    for (int i = 0; i < WAITING; i++)
        (void)pthread_join(callers[i], NULL);
    assert_int_equal(atomic_load(&parked_jobs), WAITING);
    queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_the_order_asked),
        cmocka_unit_test(test_max_workers_bounds),
        cmocka_unit_test(test_a_hanging_check_holds_up_nobody),
        cmocka_unit_test(test_timeout_of_all),
        cmocka_unit_test(test_ad_hoc),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_waiting_holds_no_thread),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
