/* Channels, deliveries and incidents over HTTP, with a notifier of the test's own. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/check_state.h"
#include "queue/check_jobs.h"
#include "store/recorder.h"
#include "tests/kit/api.h"

static const char *database;
static struct db *db;
static struct uuid org, other_org;
static struct kit_api *api;
static struct kit_tokens me, viewer, stranger;

static int setup(void **state)
{
    database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    kit_api_user(db, &org, "ann", "admin");
    kit_api_user(db, &org, "vic", "viewer");
    kit_api_user(db, &other_org, "eve", "admin");
    api = kit_api_start(database, kit_redis(), NULL);
    me = kit_sign_in(api, "ann");
    viewer = kit_sign_in(api, "vic");
    stranger = kit_sign_in(api, "eve");
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

static void must(const char *method, const char *path, const char *body, int status)
{
    const int got = kit_status(api, method, path, me.access, body);
    if (got != status)
        fail_msg("%s %s %s: %d, not %d", method, path, body ? body : "", got, status);
}

/* Creates a channel and keeps its path. */
static void create(const char *body, char path[128])
{
    struct kit_reply r = call("POST", "/api/v1/channels", body);
    if (r.status != 201)
        fail_msg("%s: %d", body, r.status);
    (void)snprintf(path, 128, "/api/v1/channels/%s", kit_reply_text(&r, "id"));
    kit_reply_done(&r);
}

static void test_channel_life(void **state)
{
    char path[128];
    struct kit_reply r = call("POST", "/api/v1/channels",
                              "{\"name\":\"mail\",\"type\":\"email\",\"config\":{\"to\":"
                              "[\"a@b.c\"]},\"is_default\":true}");
    assert_int_equal(r.status, 201);
    assert_string_equal(kit_reply_text(&r, "type"), "email");
    assert_true(json_is_true(json_object_get(r.json, "enabled")));
    assert_true(json_is_true(json_object_get(r.json, "is_default")));
    assert_true(json_is_null(json_object_get(r.json, "disabled_reason")));
    json_t *to = json_object_get(json_object_get(r.json, "config"), "to");
    assert_string_equal(json_string_value(json_array_get(to, 0)), "a@b.c");
    (void)snprintf(path, sizeof(path), "/api/v1/channels/%s", kit_reply_text(&r, "id"));
    kit_reply_done(&r);

    must("POST", "/api/v1/channels",
         "{\"name\":\"mail\",\"type\":\"email\",\"config\":{\"to\":[\"x@y.z\"]}}", 409);
    r = call("PATCH", path, "{\"name\":\"post\",\"enabled\":false}");
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "name"), "post");
    assert_true(json_is_false(json_object_get(r.json, "enabled")));
    assert_true(json_is_true(json_object_get(r.json, "is_default")));
    kit_reply_done(&r);
    must("PUT", path, "{\"config\":{\"to\":[\"nobody\"]}}", 422);
    must("PUT", path, "{\"type\":\"webhook\"}", 422);

    r = call("GET", "/api/v1/channels?type=email&enabled=false", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(json_integer_value(json_object_get(r.json, "total")), 1);
    assert_int_equal(json_array_size(json_object_get(r.json, "channels")), 1);
    kit_reply_done(&r);
    must("DELETE", path, NULL, 204);
    must("GET", path, NULL, 404);
    must("DELETE", path, NULL, 404);
    must("GET", "/api/v1/channels/nonsense", NULL, 404);
}

static void test_channel_bodies(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"name\":\"x\",\"type\":\"pigeon\",\"config\":{}}",
        "{\"name\":\"x\",\"type\":\"email\",\"config\":{}}",
        "{\"name\":\" \",\"type\":\"email\",\"config\":{\"to\":[\"a@b.c\"]}}",
        "{\"name\":\"x\",\"type\":\"email\",\"config\":{\"to\":[\"a@b.c\\r\\nX\"]}}",
        "{\"name\":\"x\",\"type\":\"webhook\",\"config\":{\"url\":\"file:///etc/passwd\"}}",
        "{\"name\":\"x\",\"type\":\"webhook\",\"config\":{\"url\":\"https://e.org\","
        "\"secret\":\"short\"}}",
        "{\"name\":\"x\",\"type\":\"email\",\"config\":[]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        must("POST", "/api/v1/channels", bad[i], 422);
}

static void test_secret_is_shown_once(void **state)
{
    char path[128], secret[160];
    struct kit_reply r = call("POST", "/api/v1/channels",
                              "{\"name\":\"hook\",\"type\":\"webhook\",\"config\":{\"url\":"
                              "\"https://e.org/h\"}}");
    assert_int_equal(r.status, 201);
    (void)str_copy(secret, sizeof(secret), kit_reply_text(&r, "config.secret"));
    assert_true(str_starts(secret, "whsec_"));
    (void)snprintf(path, sizeof(path), "/api/v1/channels/%s", kit_reply_text(&r, "id"));
    kit_reply_done(&r);

    r = call("GET", path, NULL);
    assert_string_equal(kit_reply_text(&r, "config.url"), "https://e.org/h");
    assert_null(json_object_get(json_object_get(r.json, "config"), "secret"));
    assert_true(json_is_true(json_object_get(r.json, "has_secret")));
    kit_reply_done(&r);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM channels WHERE config::text LIKE"
                                     " '%%whsec%%'"),
                     0);

    /* A new configuration without a secret keeps the old one. */
    char *before = kit_sql_text(db, "SELECT octet_length(secret)::text FROM channels WHERE name ="
                                    " 'hook'");
    r = call("PUT", path, "{\"config\":{\"url\":\"https://e.org/other\"}}");
    assert_int_equal(r.status, 200);
    assert_true(json_is_true(json_object_get(r.json, "has_secret")));
    assert_string_equal(kit_reply_text(&r, "config.url"), "https://e.org/other");
    kit_reply_done(&r);
    char *after = kit_sql_text(db, "SELECT octet_length(secret)::text FROM channels WHERE name ="
                                   " 'hook'");
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void test_others_see_nothing(void **state)
{
    char path[128], sub[160];
    create("{\"name\":\"mine\",\"type\":\"email\",\"config\":{\"to\":[\"a@b.c\"]}}", path);
    (void)snprintf(sub, sizeof(sub), "%s/test", path);
    assert_int_equal(kit_status(api, "GET", path, stranger.access, NULL), 404);
    assert_int_equal(kit_status(api, "PATCH", path, stranger.access, "{\"name\":\"x\"}"), 404);
    assert_int_equal(kit_status(api, "POST", sub, stranger.access, NULL), 404);
    assert_int_equal(kit_status(api, "DELETE", path, stranger.access, NULL), 404);
    assert_int_equal(kit_status(api, "GET", path, viewer.access, NULL), 200);
    assert_int_equal(kit_status(api, "DELETE", path, viewer.access, NULL), 403);
    assert_int_equal(kit_status(api, "GET", path, NULL, NULL), 401);
}

/* Stands in for the notifier: finishes the first test it finds and says so. */
static void *finish_test(void *arg)
{
    struct db *own = kit_db_open(database);
    struct redis *redis = kit_redis_open(kit_redis());
    (void)arg;
    char *id = NULL;
    struct uuid row;
    const int64_t until = kit_real_mono_ms() + 8000;
    while (!id && kit_real_mono_ms() < until) {
        kit_pause();
        if (kit_sql_i64(own, "SELECT count(*) FROM outbox WHERE event = 'channel.test' AND status ="
                             " 'pending'") > 0)
            id = kit_sql_text(own, "UPDATE outbox SET status = 'failed', attempts = 1,"
                                   " last_error = 'connect: refused', finished_at = now() WHERE"
                                   " event = 'channel.test' RETURNING id::text");
    }
    if (id && uuid_parse(id, &row) == ST_OK &&
        queue_publish_done(redis, CHECK_DONE_CHANNEL, &row, "{}", 2) != ST_OK)
        print_error("could not publish\n");
    free(id);
    redis_free(redis);
    db_free(own);
    return NULL;
}

static void test_test_waits_for_the_attempt(void **state)
{
    char path[128], sub[160];
    pthread_t thread;
    create("{\"name\":\"tested\",\"type\":\"email\",\"config\":{\"to\":[\"a@b.c\"]}}", path);
    (void)snprintf(sub, sizeof(sub), "%s/test", path);
    assert_int_equal(pthread_create(&thread, NULL, finish_test, NULL), 0);
    struct kit_reply r = call("POST", sub, NULL);
    (void)pthread_join(thread, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "status"), "failed");
    assert_string_equal(kit_reply_text(&r, "event"), "channel.test");
    assert_string_equal(kit_reply_text(&r, "last_error"), "connect: refused");
    assert_int_equal(json_integer_value(json_object_get(r.json, "attempts")), 1);
    assert_true(json_is_null(json_object_get(r.json, "response_code")));
    assert_true(json_is_null(json_object_get(r.json, "incident_id")));

    char delivery[128], retry[160];
    (void)snprintf(delivery, sizeof(delivery), "/api/v1/deliveries/%s", kit_reply_text(&r, "id"));
    (void)snprintf(retry, sizeof(retry), "%s/retry", delivery);
    kit_reply_done(&r);
    assert_int_equal(kit_status(api, "GET", delivery, stranger.access, NULL), 404);
    must("GET", delivery, NULL, 200);
    r = call("GET", "/api/v1/deliveries?status=failed", NULL);
    assert_int_equal(json_array_size(json_object_get(r.json, "deliveries")), 1);
    kit_reply_done(&r);
    must("GET", "/api/v1/deliveries?status=lost", NULL, 422);
    assert_int_equal(kit_status(api, "POST", retry, stranger.access, NULL), 404);
    r = call("POST", retry, NULL);
    assert_int_equal(r.status, 202);
    assert_string_equal(kit_reply_text(&r, "status"), "pending");
    kit_reply_done(&r);
    must("POST", retry, NULL, 409);
}

/* A check that is down, through the recorder; the incident's path is kept. */
static struct uuid go_down(const char *name, char path[128])
{
    const struct uuid check = kit_check(db, &org, name);
    kit_sql(db, "UPDATE checks SET retries = 1 WHERE id = '%s'", kit_id(&check));
    const struct record r = {.check_id = check,
                             .slot_us = clock_wall_us(),
                             .location = "default",
                             .trigger = "schedule",
                             .status = RESULT_ERROR,
                             .message = "refused",
                             .response_us = -1,
                             .lag_us = -1,
                             .raw_json = "{}",
                             .executed_us = clock_wall_us()};
    struct record_outcome outcome;
    size_t alerts = 0;
    assert_ok(recorder_store(db, &r, 1, &outcome, &alerts));
    char *id = kit_sql_text(db, "SELECT id::text FROM incidents WHERE check_id = '%s'",
                            kit_id(&check));
    assert_non_null(id);
    (void)snprintf(path, 128, "/api/v1/incidents/%s", id);
    free(id);
    return check;
}

static int deed(const char *path, const char *verb, const char *body)
{
    char target[192];
    (void)snprintf(target, sizeof(target), "%s/%s", path, verb);
    return kit_status(api, "POST", target, me.access, body);
}

static size_t events(const char *path)
{
    struct kit_reply r = call("GET", path, NULL);
    const size_t n = json_array_size(json_object_get(r.json, "events"));
    kit_reply_done(&r);
    return n;
}

static void test_incident_life(void **state)
{
    char path[128];
    const struct uuid check = go_down("web", path);
    struct kit_reply r = call("GET", path, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(kit_reply_text(&r, "status"), "open");
    assert_string_equal(kit_reply_text(&r, "check_name"), "web");
    assert_true(json_is_real(json_object_get(r.json, "duration")));
    kit_reply_done(&r);
    const size_t before = events(path);

    assert_int_equal(deed(path, "acknowledge", NULL), 200);
    assert_int_equal(deed(path, "acknowledge", "{\"message\":\"again\"}"), 200);
    assert_int_equal(events(path), before + 1); /* the second one found nothing to do */
    assert_int_equal(deed(path, "comment", "{}"), 422);
    assert_int_equal(deed(path, "comment", "{\"message\":\"the disk\"}"), 200);
    assert_int_equal(deed(path, "resolve", "{\"message\":\"cleaned\"}"), 200);
    assert_int_equal(deed(path, "resolve", NULL), 409);
    assert_int_equal(deed(path, "acknowledge", NULL), 409);
    assert_int_equal(deed(path, "comment", "{\"message\":\"postmortem\"}"), 200);
    assert_int_equal(events(path), before + 4);
    r = call("GET", path, NULL);
    assert_string_equal(kit_reply_text(&r, "status"), "resolved");
    assert_true(json_is_string(json_object_get(r.json, "acknowledged_by")));
    assert_true(json_is_string(json_object_get(r.json, "resolved_by")));
    kit_reply_done(&r);

    /* The outage goes on, without an incident. */
    assert_int_equal(kit_sql_i64(db,
                                 "SELECT count(*) FROM check_state WHERE check_id = '%s' AND"
                                 " state = 'down' AND incident_id IS NULL",
                                 kit_id(&check)),
                     1);
    assert_int_equal(deed("/api/v1/incidents/nonsense", "resolve", NULL), 404);
    assert_int_equal(kit_status(api, "GET", path, stranger.access, NULL), 404);
}

static size_t listed(const char *query)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "/api/v1/incidents%s", query);
    struct kit_reply r = call("GET", path, NULL);
    if (r.status != 200)
        fail_msg("%s: %d", path, r.status);
    const size_t n = json_array_size(json_object_get(r.json, "incidents"));
    kit_reply_done(&r);
    return n;
}

static void test_incident_list(void **state)
{
    char path[128], query[128];
    kit_sql(db, "DELETE FROM incidents");
    const struct uuid first = go_down("one", path);
    (void)go_down("two", path);
    assert_int_equal(deed(path, "resolve", NULL), 200);
    assert_int_equal(listed(""), 2);
    assert_int_equal(listed("?status=open"), 1);
    assert_int_equal(listed("?status=open,resolved"), 2);
    assert_int_equal(listed("?status=acknowledged"), 0);
    assert_int_equal(listed("?severity=critical"), 2);
    assert_int_equal(listed("?severity=info"), 0);
    assert_int_equal(listed("?since=2099-01-01T00:00:00Z"), 0);
    assert_int_equal(listed("?until=2099-01-01T00:00:00Z"), 2);
    assert_int_equal(listed("?per_page=1"), 1);
    (void)snprintf(query, sizeof(query), "?check_id=%s", kit_id(&first));
    assert_int_equal(listed(query), 1);
    must("GET", "/api/v1/incidents?status=broken", NULL, 422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_life),
        cmocka_unit_test(test_channel_bodies),
        cmocka_unit_test(test_secret_is_shown_once),
        cmocka_unit_test(test_others_see_nothing),
        cmocka_unit_test(test_test_waits_for_the_attempt),
        cmocka_unit_test(test_incident_life),
        cmocka_unit_test(test_incident_list),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
