/* The same for many checks over HTTP, and lists of tags and groups. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "json/parse.h"
#include "queue/queue.h"
#include "tests/kit/api.h"

enum { CHECKS = 5 };

static struct db *db;
static struct uuid org, other_org, checks[CHECKS], foreign, channel, foreign_channel;
static struct kit_api *api;
static struct kit_tokens me, viewer;

static struct uuid make_channel(const struct uuid *of, const char *name)
{
    struct uuid id = uuid_new();
    kit_sql(db, "INSERT INTO channels (id, org_id, name, type) VALUES ('%s', '%s', '%s', 'email')",
            kit_id(&id), kit_id(of), name);
    return id;
}

static int setup(void **state)
{
    json_setup();
    const char *database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    other_org = kit_organisation(db);
    for (int i = 0; i < CHECKS; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "check %d", i);
        checks[i] = kit_check(db, &org, name);
    }
    foreign = kit_check(db, &other_org, "foreign");
    channel = make_channel(&org, "ours");
    foreign_channel = make_channel(&other_org, "theirs");
    kit_api_user(db, &org, "olga", "operator");
    kit_api_user(db, &org, "viktor", "viewer");
    api = kit_api_start(database, kit_redis(), NULL);
    me = kit_sign_in(api, "olga");
    viewer = kit_sign_in(api, "viktor");
    return 0;
}

static int teardown(void **state)
{
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static struct kit_reply bulk(const char *body)
{
    return kit_call(api, "POST", "/api/v1/checks/bulk", me.access, body);
}

static int number(const struct kit_reply *r, const char *name)
{
    return (int)json_integer_value(json_object_get(r->json, name));
}

/* "changed unchanged failed" */
static struct kit_reply must(const char *body, const char *counts)
{
    char got[64];
    struct kit_reply r = bulk(body);
    if (r.status != 200)
        fail_msg("%s: %d %s", body, r.status, kit_reply_text(&r, "detail"));
    (void)snprintf(got, sizeof(got), "%d %d %d", number(&r, "changed"), number(&r, "unchanged"),
                   number(&r, "failed"));
    if (!str_eq(got, counts))
        fail_msg("%s: %s, not %s", body, got, counts);
    return r;
}

static void done(const char *body, const char *counts)
{
    struct kit_reply r = must(body, counts);
    kit_reply_done(&r);
}

static void test_pause_and_resume(void **state)
{
    char body[512];
    (void)snprintf(body, sizeof(body), "{\"action\":\"pause\",\"ids\":[\"%s\",\"%s\",\"%s\"]}",
                   kit_id(&checks[0]), kit_id(&foreign), kit_id(&checks[1]));
    struct kit_reply r = must(body, "2 0 1");
    const json_t *last = json_array_get(json_object_get(r.json, "results"), 2);
    assert_string_equal(json_string_value(json_object_get(last, "outcome")), "not_found");
    assert_string_equal(json_string_value(json_object_get(last, "check_id")), kit_id(&foreign));
    kit_reply_done(&r);
    done(body, "0 2 1");
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM check_state WHERE state = 'paused'") == 2);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM transitions WHERE to_state = 'paused'") == 2);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks WHERE NOT enabled AND revision = 2") ==
                2);
    done("{\"action\":\"resume\",\"filter\":{\"state\":\"paused\"}}", "2 0 0");
    done("{\"action\":\"resume\",\"filter\":{}}", "0 5 0");
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM transitions WHERE to_state = 'pending'") ==
                2);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks WHERE enabled AND org_id = '%s'",
                            kit_id(&other_org)) == 1);
}

static void test_words(void **state)
{
    done("{\"action\":\"add_tags\",\"filter\":{\"q\":\"CHECK\"},\"tags\":[\"web\",\"prod\"]}",
         "5 0 0");
    done("{\"action\":\"add_tags\",\"filter\":{},\"tags\":[\"prod\",\"web\"]}", "0 5 0");
    done("{\"action\":\"remove_tags\",\"filter\":{\"q\":\"check 0\"},\"tags\":[\"web\",\"x\"]}",
         "1 0 0");
    char *tags = kit_sql_text(db, "SELECT tags::text FROM checks WHERE name = 'check 1'");
    assert_string_equal(tags, "{web,prod}");
    free(tags);
    done("{\"action\":\"set_group\",\"filter\":{\"tag\":\"web\"},\"group\":\"Front\"}", "4 0 0");
    done("{\"action\":\"set_group\",\"filter\":{\"q\":\"check 1\"},\"group\":null}", "1 0 0");

    static const struct {
        const char *path, *list, *words;
    } lists[] = {{"/api/v1/checks/tags", "tags", "prod 5 web 4 "},
                 {"/api/v1/checks/groups", "groups", "Front 3 "}};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        char got[128] = "";
        struct kit_reply r = kit_call(api, "GET", lists[i].path, viewer.access, NULL);
        size_t k = 0;
        const json_t *word = NULL;
        json_array_foreach (json_object_get(r.json, lists[i].list), k, word) {
            size_t used = strlen(got);
            (void)snprintf(got + used, sizeof(got) - used, "%s %d ",
                           json_string_value(json_object_get(word, "name")),
                           (int)json_integer_value(json_object_get(word, "count")));
        }
        assert_string_equal(got, lists[i].words);
        kit_reply_done(&r);
    }
    /* 31 more do not fit those that have two. */
    static char body[1024];
    size_t used = (size_t)snprintf(body, sizeof(body),
                                   "{\"action\":\"add_tags\",\"filter\":{},\"tags\":[");
    for (int i = 0; i < 31; i++)
        used += (size_t)snprintf(body + used, sizeof(body) - used, "%s\"t%d\"", i ? "," : "", i);
    (void)snprintf(body + used, sizeof(body) - used, "]}");
    done(body, "1 0 4");
}

static void test_schedule_and_channels(void **state)
{
    char body[256];
    done("{\"action\":\"set_schedule\",\"filter\":{},\"schedule\":\"every 2 minutes\"}", "5 0 0");
    done("{\"action\":\"set_schedule\",\"filter\":{},\"schedule\":\"every 2 minutes\"}", "0 5 0");
    (void)snprintf(body, sizeof(body),
                   "{\"action\":\"set_channels\",\"filter\":{},\"channels\":[\"%s\"]}",
                   kit_id(&channel));
    done(body, "5 0 0");
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM check_channels") == 5);
    done("{\"action\":\"set_channels\",\"filter\":{\"q\":\"check 2\"},\"channels\":[]}", "1 0 0");
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM check_channels") == 4);
    (void)snprintf(body, sizeof(body),
                   "{\"action\":\"set_channels\",\"filter\":{},\"channels\":[\"%s\"]}",
                   kit_id(&foreign_channel));
    struct kit_reply r = bulk(body);
    assert_int_equal(r.status, 422);
    kit_reply_done(&r);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM check_channels") == 4);
}

static void test_run(void **state)
{
    struct kit_reply r = must("{\"action\":\"run\",\"filter\":{}}", "5 0 0");
    const json_t *first = json_array_get(json_object_get(r.json, "results"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "outcome")), "queued");
    assert_true(json_is_string(json_object_get(first, "job_id")));
    kit_reply_done(&r);
    AUTO_REDIS redis = kit_redis_open(kit_redis());
    struct queue *q = NULL;
    struct queue_stats stats = {0};
    assert_ok(queue_new("checks", 0, &q));
    assert_ok(queue_stats_get(q, redis, &stats));
    assert_true(stats.waiting == 5);
    /* Nobody waits for these: they let those pass that somebody waits for, take turns with other
     * organisations', and their own may look after them. */
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    struct job_batch batch = {.arena = arena};
    assert_ok(queue_fetch(q, redis, "worker", 10, 0, &batch));
    assert_int_equal(batch.count, 5);
    for (size_t i = 0; i < batch.count; i++) {
        assert_true(batch.jobs[i].priority > QUEUE_WAITED_PRIORITY);
        assert_string_equal(batch.jobs[i].tenant, kit_id(&org));
    }
    queue_free(q);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *body, *field;
    } bad[] = {
        {"{}", "action"},
        {"{\"action\":\"explode\",\"filter\":{}}", "action"},
        {"{\"action\":\"pause\"}", "ids"},
        {"{\"action\":\"pause\",\"ids\":[]}", "ids"},
        {"{\"action\":\"pause\",\"ids\":[\"x\"]}", "ids"},
        {"{\"action\":\"pause\",\"filter\":{\"state\":\"odd\"}}", "filter"},
        {"{\"action\":\"pause\",\"filter\":{\"name\":\"x\"}}", "filter"},
        {"{\"action\":\"pause\",\"filter\":{},\"tags\":[\"x\"]}", "tags"},
        {"{\"action\":\"add_tags\",\"filter\":{}}", "tags"},
        {"{\"action\":\"add_tags\",\"filter\":{},\"tags\":[\" \"]}", "tags"},
        {"{\"action\":\"set_group\",\"filter\":{}}", "group"},
        {"{\"action\":\"set_schedule\",\"filter\":{}}", "schedule"},
        {"{\"action\":\"set_schedule\",\"filter\":{},\"schedule\":\"now and then\"}", "schedule"},
        {"{\"action\":\"set_channels\",\"filter\":{}}", "channels"},
        {"{\"action\":\"set_channels\",\"filter\":{},\"channels\":[\"x\"]}", "channels"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct kit_reply r = bulk(bad[i].body);
        const json_t *loc = json_object_get(json_array_get(json_object_get(r.json, "errors"), 0),
                                            "loc");
        const char *field = json_string_value(json_array_get(loc, 1));
        if (r.status != 422 || !str_eq(field, bad[i].field))
            fail_msg("%s: %d %s", bad[i].body, r.status, field ? field : "-");
        kit_reply_done(&r);
    }
    assert_int_equal(kit_status(api, "POST", "/api/v1/checks/bulk", viewer.access,
                                "{\"action\":\"pause\",\"filter\":{}}"),
                     403);
    kit_sql(db,
            "INSERT INTO checks (id, org_id, name, kind, plugin_type, schedule, shard)"
            " SELECT uuid7(), '%s', 'many', 'website', 'website', '5', 0"
            " FROM generate_series(1, 1001)",
            kit_id(&org));
    struct kit_reply r = bulk("{\"action\":\"pause\",\"filter\":{\"q\":\"many\"}}");
    assert_int_equal(r.status, 422);
    kit_reply_done(&r);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks WHERE NOT enabled") == 0);
    kit_sql(db, "DELETE FROM checks WHERE name = 'many'");
}

static void test_delete(void **state)
{
    kit_sql(db,
            "INSERT INTO incidents (id, org_id, check_id, check_name, title, cause, started_at)"
            " VALUES (uuid7(), '%s', '%s', 'a', 'b', 'c', now())",
            kit_id(&org), kit_id(&checks[0]));
    done("{\"action\":\"delete\",\"filter\":{}}", "5 0 0");
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM checks") == 1);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM incidents WHERE status = 'resolved'") == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_schedule_and_channels),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_delete),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
