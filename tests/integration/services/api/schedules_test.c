/* Schedules over HTTP: who may do what, what is refused and why, and what comes of it. */
#include "tests/integration/services/api/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "queue/queue.h"
#include "store/job_outbox.h"

#define NOBODY "00000000-0000-7000-8000-000000000000"
#define SYSTEM "00000000-0000-7000-8000-00000000beef"
#define PATH "/api/v1/schedules"

static struct uuid check, other_check;

static int setup(void **state)
{
    (void)fx_setup(state);
    check = kit_check(fx.db, &fx.org, "ours");
    other_check = kit_check(fx.db, &fx.other_org, "theirs");
    return 0;
}

static int clean(void **state)
{
    AUTO_REPLY reply = NULL;
    kit_sql(fx.db,
            "DELETE FROM schedules; DELETE FROM job_outbox;"
            "UPDATE redis_marks SET mark = 0, lost_at = '-infinity'; DELETE FROM check_changes");
    kit_sql(fx.db, "INSERT INTO schedules (id, name, task, schedule, shard)"
                   " VALUES ('" SYSTEM "', 'system.test', 'queue.noop', '@hourly', 0)");
    assert_ok(redis_do(fx.redis, &reply, "FLUSHDB"));
    return 0;
}

/* --- calls --- */

/* PATH and what follows it; in one of four buffers. */
static const char *path_of(const char *id, const char *more)
{
    static char path[4][160];
    static int next;
    next = (next + 1) % 4;
    (void)snprintf(path[next], sizeof(path[next]), PATH "/%s%s", id, more);
    return path[next];
}

/* Its id, in one of four buffers. */
static const char *created(const struct kit_tokens *who, const char *fmt, ...) PRINTF_LIKE(2, 3);
static const char *created(const struct kit_tokens *who, const char *fmt, ...)
{
    static char id[4][UUID_TEXT_BYTES];
    static int next;
    char body[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(body, sizeof(body), fmt, ap);
    va_end(ap);
    next = (next + 1) % 4;
    struct kit_reply r = fx_reply(who, "POST", PATH, body, 201);
    (void)str_copy(id[next], UUID_TEXT_BYTES, kit_reply_text(&r, "id"));
    assert_true(str_starts(kit_reply_header(&r, "Location"), PATH "/"));
    kit_reply_done(&r);
    return id[next];
}

static const char *text_at(const struct kit_reply *r, const char *a, const char *b)
{
    const char *text = json_string_value(json_object_get(json_object_get(r->json, a), b));
    return text ? text : "";
}

/* --- what is stored --- */

static void a_schedule_is_kept_as_it_was_given(void **state)
{
    char body[512];
    (void)snprintf(
        body, sizeof(body),
        "{\"name\":\"nightly\",\"task\":\"check.run\",\"args\":{\"check_id\":\"%s\"},"
        "\"schedule\":\" 30 2 * * * \",\"time_zone\":\"Europe/Berlin\",\"queue\":\"slow\","
        "\"priority\":3,\"jitter\":2.5,\"catch_up\":\"skip\",\"overlap\":\"queue\","
        "\"expires\":600,\"enabled\":true}",
        kit_id(&check));
    AUTO_JSON given = json_loads(body, 0, NULL);
    const char *id = created(&fx.admin, "%s", body);
    struct kit_reply r = fx_reply(&fx.viewer, "GET", path_of(id, ""), NULL, 200);
    const char *member = NULL;
    json_t *value = NULL;
    json_object_foreach (given, member, value) {
        const json_t *kept = json_object_get(r.json, member);
        const bool is_same = json_is_number(value)
                                 ? json_number_value(value) == json_number_value(kept)
                                 : json_equal(value, kept);
        if (!is_same)
            fail_msg("%s", member);
    }
    int64_t next_us = 0;
    assert_ok(time_parse_us(kit_reply_text(&r, "next_run"), &next_us));
    const int64_t hour = next_us / 3600000000 % 24;
    assert_true(next_us > clock_wall_us() && (hour == 0 || hour == 1));
    assert_true(json_is_null(json_object_get(r.json, "last_run")));
    assert_true(json_is_null(json_object_get(r.json, "last_job")));
    assert_true(json_is_false(json_object_get(r.json, "is_system")));

    /* What was read may be sent back; what is not given stays. */
    AUTO_FREE char *whole = json_dumps(r.json, JSON_COMPACT);
    kit_reply_done(&r);
    r = fx_reply(&fx.admin, "PUT", path_of(id, ""), whole, 200);
    kit_reply_done(&r);
    r = fx_reply(&fx.admin, "PATCH", path_of(id, ""),
                 "{\"queue\":null,\"expires\":null,\"priority\":null}", 200);
    assert_string_equal(kit_reply_text(&r, "queue"), "checks");
    assert_string_equal(kit_reply_text(&r, "time_zone"), "Europe/Berlin");
    assert_int_equal(json_integer_value(json_object_get(r.json, "priority")), 2);
    assert_true(json_is_null(json_object_get(r.json, "expires")));
    kit_reply_done(&r);
    r = fx_reply(&fx.admin, "PATCH", path_of(id, ""),
                 "{\"schedule\":\"every 5 minutes\",\"time_zone\":null}", 200);
    assert_true(json_is_null(json_object_get(r.json, "time_zone")));
    kit_reply_done(&r);

    r = fx_reply(&fx.admin, "DELETE", path_of(id, ""), NULL, 204);
    kit_reply_done(&r);
    fx_must(&fx.admin, "GET", path_of(id, ""), NULL, 404, "SCHEDULE_NOT_FOUND");
}

static void time_zones_are_told(void **state)
{
    static const struct {
        const char *schedule, *given, *shown;
    } rows[] = {
        {"@daily", "null", "UTC"},
        {"@daily", "\"Europe/Berlin\"", "Europe/Berlin"},
        {"CRON_TZ=Asia/Tokyo 0 9 * * *", "null", "Asia/Tokyo"},
        {"tz=Asia/Tokyo 0 9 * * *", "\"Asia/Tokyo\"", "Asia/Tokyo"},
        {"PT5M", "null", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *id = created(&fx.admin,
                                 "{\"name\":\"z%zu\",\"task\":\"queue.noop\",\"schedule\":\"%s\","
                                 "\"time_zone\":%s}",
                                 i, rows[i].schedule, rows[i].given);
        struct kit_reply r = fx_reply(&fx.admin, "GET", path_of(id, ""), NULL, 200);
        assert_string_equal(kit_reply_text(&r, "schedule"), rows[i].schedule);
        assert_string_equal(kit_reply_text(&r, "time_zone"), rows[i].shown);
        kit_reply_done(&r);
    }
}

static void what_is_wrong_is_named(void **state)
{
#define NOOP "\"name\":\"x\",\"task\":\"queue.noop\",\"schedule\":\"@daily\""
    static const struct {
        const char *body, *member;
    } rows[] = {
        {"{\"task\":\"queue.noop\",\"schedule\":\"@daily\"}", "name"},
        {"{\"name\":\" \",\"task\":\"queue.noop\",\"schedule\":\"@daily\"}", "name"},
        {"{\"name\":\"x\",\"schedule\":\"@daily\"}", "task"},
        {"{\"name\":\"x\",\"task\":\"no.such\",\"schedule\":\"@daily\"}", "task"},
        {"{\"name\":\"x\",\"task\":\"check.adhoc\",\"schedule\":\"@daily\"}", "task"},
        {"{\"name\":\"x\",\"task\":\"check.scheduled\",\"schedule\":\"@daily\"}", "task"},
        {"{\"name\":\"x\",\"task\":\"system.cleanup\",\"schedule\":\"@daily\"}", "task"},
        {"{\"name\":\"x\",\"task\":\"queue.noop\"}", "schedule"},
        {"{\"name\":\"x\",\"task\":\"queue.noop\",\"schedule\":\"0 0 31 2 *\"}", "schedule"},
        {"{\"name\":\"x\",\"task\":\"check.run\",\"schedule\":\"@daily\"}", "args"},
        {"{\"name\":\"x\",\"task\":\"check.run\",\"schedule\":\"@daily\","
         "\"args\":{\"check_id\":\"x\"}}",
         "args"},
        {"{\"name\":\"x\",\"task\":\"check.run\",\"schedule\":\"@daily\","
         "\"args\":{\"check_id\":\"" NOBODY "\"}}",
         "args"},
        {"{" NOOP ",\"args\":[]}", "args"},
        {"{" NOOP ",\"time_zone\":\"Mars/Olympus\"}", "time_zone"},
        {"{\"name\":\"x\",\"task\":\"queue.noop\",\"schedule\":\"PT5M\",\"time_zone\":\"UTC\"}",
         "time_zone"},
        {"{\"name\":\"x\",\"task\":\"queue.noop\",\"schedule\":\"TZ=UTC @daily\","
         "\"time_zone\":\"Asia/Tokyo\"}",
         "time_zone"},
        {"{" NOOP ",\"queue\":\"No Such\"}", "queue"},
        {"{" NOOP ",\"queue\":\"checks\"}", "queue"},
        {"{" NOOP ",\"priority\":4}", "priority"},
        {"{" NOOP ",\"jitter\":3601}", "jitter"},
        {"{" NOOP ",\"jitter\":-1}", "jitter"},
        {"{" NOOP ",\"catch_up\":\"all\"}", "catch_up"},
        {"{" NOOP ",\"overlap\":\"none\"}", "overlap"},
        {"{" NOOP ",\"expires\":0}", "expires"},
        {"{" NOOP ",\"enabled\":1}", "enabled"},
        {"{" NOOP ",\"colour\":\"red\"}", "colour"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = fx_reply(&fx.admin, "POST", PATH, rows[i].body, 422);
        const json_t *first = json_array_get(json_object_get(r.json, "errors"), 0);
        const json_t *loc = json_object_get(first, "loc");
        if (!str_eq(json_string_value(json_array_get(loc, 1)), rows[i].member))
            fail_msg("%s: not %s", rows[i].body, rows[i].member);
        kit_reply_done(&r);
    }
    assert_int_equal(kit_sql_i64(fx.db, "SELECT count(*) FROM schedules WHERE org_id IS NOT NULL"),
                     0);
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"name\":\"x\",\"task\":\"check.run\",\"schedule\":\"@daily\","
                   "\"args\":{\"check_id\":\"%s\"}}",
                   kit_id(&other_check));
    fx_must(&fx.admin, "POST", PATH, body, 422, "VALIDATION_ERROR");
    fx_must(&fx.admin, "POST", PATH, "{", 400, "MALFORMED_REQUEST");
    /* A change is judged as a whole. */
    const char *id = created(&fx.admin, "{" NOOP "}");
    fx_must(&fx.admin, "PATCH", path_of(id, ""), "{\"task\":\"check.run\"}", 422,
            "VALIDATION_ERROR");
    fx_must(&fx.admin, "PATCH", path_of(id, ""), "{\"schedule\":\"7 x\"}", 422, "VALIDATION_ERROR");
    fx_must(&fx.admin, "POST", PATH, "{" NOOP "}", 409, "SCHEDULE_NAME_TAKEN");
    (void)created(&fx.admin, "{\"name\":\"y\",\"task\":\"queue.noop\",\"schedule\":\"1\"}");
    fx_must(&fx.admin, "PATCH", path_of(id, ""), "{\"name\":\"y\"}", 409, "SCHEDULE_NAME_TAKEN");
    (void)created(&fx.stranger, "{" NOOP "}"); /* a name is an organisation's */
}

/* --- who --- */

static void each_role_has_its_share(void **state)
{
    const char *id = created(&fx.admin, "{" NOOP "}");
    const char *theirs = created(&fx.stranger, "{" NOOP "}");
    const struct {
        const struct kit_tokens *who;
        const char *method, *id, *more, *body;
        int status;
    } rows[] = {
        {&fx.viewer, "GET", id, "", NULL, 200},
        {&fx.viewer, "PATCH", id, "", "{}", 403},
        {&fx.viewer, "DELETE", id, "", NULL, 403},
        {&fx.viewer, "POST", id, "/run", NULL, 403},
        {&fx.me, "POST", id, "/pause", NULL, 403},
        {&fx.stranger, "GET", id, "", NULL, 404},
        {&fx.stranger, "PATCH", id, "", "{\"name\":\"mine\"}", 404},
        {&fx.stranger, "DELETE", id, "", NULL, 404},
        {&fx.stranger, "POST", id, "/pause", NULL, 404},
        {&fx.stranger, "POST", id, "/resume", NULL, 404},
        {&fx.stranger, "POST", id, "/run", NULL, 404},
        {&fx.admin, "GET", theirs, "", NULL, 404},
        {&fx.admin, "POST", theirs, "/run", NULL, 404},
        {&fx.admin, "GET", NOBODY, "", NULL, 404},
        {&fx.admin, "POST", "nonsense", "/run", NULL, 404},
        /* The installation's own. */
        {&fx.admin, "GET", SYSTEM, "", NULL, 200},
        {&fx.admin, "PATCH", SYSTEM, "", "{\"name\":\"mine\"}", 403},
        {&fx.admin, "PUT", SYSTEM, "", "{}", 403},
        {&fx.admin, "DELETE", SYSTEM, "", NULL, 403},
        {&fx.admin, "POST", SYSTEM, "/pause", NULL, 200},
        {&fx.admin, "POST", SYSTEM, "/resume", NULL, 200},
        {&fx.viewer, "GET", SYSTEM, "", NULL, 404},
        {&fx.stranger, "GET", SYSTEM, "", NULL, 404},
        {&fx.stranger, "POST", SYSTEM, "/pause", NULL, 404},
        {&fx.stranger, "DELETE", SYSTEM, "", NULL, 404},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = fx_reply(rows[i].who, rows[i].method,
                                      path_of(rows[i].id, rows[i].more), rows[i].body,
                                      rows[i].status);
        kit_reply_done(&r);
    }
    assert_int_equal(kit_status(fx.api, "GET", PATH, NULL, NULL), 401);
    assert_int_equal(kit_sql_i64(fx.db,
                                 "SELECT count(*) FROM audit_log WHERE action = 'schedule.pause'"
                                 " AND object_id = '" SYSTEM "'"),
                     1);
}

/* --- lists --- */

static void lists_are_filtered_sorted_and_paged(void **state)
{
    for (int i = 0; i < 5; i++)
        (void)created(&fx.admin,
                      "{\"name\":\"s%d\",\"task\":\"%s\",\"schedule\":\"%d\",\"enabled\":%s%s%s%s}",
                      i, i == 0 ? "check.run" : "queue.noop", i + 1, i < 2 ? "false" : "true",
                      i == 0 ? ",\"args\":{\"check_id\":\"" : "", i == 0 ? kit_id(&check) : "",
                      i == 0   ? "\"}"
                      : i == 4 ? ",\"queue\":\"slow\""
                               : "");
    static const struct {
        bool is_viewer;
        const char *query;
        size_t count;
        int64_t total;
        const char *first;
    } rows[] = {
        {false, "", 6, 6, "s4"},
        {true, "", 5, 5, "s4"},
        {false, "?sort=name", 6, 6, "s0"},
        {false, "?sort=-name", 6, 6, "system.test"},
        {true, "?sort=-name&limit=2&offset=1", 2, 5, "s3"},
        {true, "?sort=created_at&per_page=2&page=3", 1, 5, "s4"},
        {true, "?enabled=false&sort=name", 2, 2, "s0"},
        {true, "?task=check.run", 1, 1, "s0"},
        {true, "?queue=slow", 1, 1, "s4"},
        {true, "?q=S3", 1, 1, "s3"},
        {true, "?search=none", 0, 0, NULL},
        {false, "?is_system=true", 1, 1, "system.test"},
        {false, "?is_system=false&sort=name", 5, 5, "s0"},
        {true, "?is_system=true", 0, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), PATH "%s", rows[i].query);
        struct kit_reply r = fx_reply(rows[i].is_viewer ? &fx.viewer : &fx.admin, "GET", path, NULL,
                                      200);
        const json_t *list = json_object_get(r.json, "schedules");
        if (json_array_size(list) != rows[i].count ||
            json_integer_value(json_object_get(r.json, "total")) != rows[i].total)
            fail_msg("%s: %zu", path, json_array_size(list));
        const char *first = json_string_value(json_object_get(json_array_get(list, 0), "name"));
        if (rows[i].first && !str_eq(first, rows[i].first))
            fail_msg("%s: %s, not %s", path, first, rows[i].first);
        kit_reply_done(&r);
    }
    fx_must(&fx.admin, "GET", PATH "?sort=colour", NULL, 422, "VALIDATION_ERROR");
    fx_must(&fx.admin, "GET", PATH "?enabled=perhaps", NULL, 422, "VALIDATION_ERROR");
}

/* --- pausing, running --- */

static void every_edit_is_told_to_the_schedulers(void **state)
{
    const char *id = created(&fx.admin, "{" NOOP "}");
    const struct {
        const char *method, *more, *body;
        int status, changes;
    } rows[] = {
        {"PATCH", "", "{\"schedule\":\"@hourly\"}", 200, 2},
        {"POST", "/pause", NULL, 200, 3},
        {"POST", "/pause", NULL, 200, 3}, /* it is paused */
        {"POST", "/resume", NULL, 200, 4},
        {"POST", "/run", NULL, 202, 4}, /* no edit */
        {"DELETE", "", NULL, 204, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = fx_reply(&fx.admin, rows[i].method, path_of(id, rows[i].more),
                                      rows[i].body, rows[i].status);
        if (rows[i].status == 200)
            assert_true(json_is_null(json_object_get(r.json, "next_run")) ==
                        json_is_false(json_object_get(r.json, "enabled")));
        kit_reply_done(&r);
        assert_int_equal(
            kit_sql_i64(fx.db, "SELECT count(*) FROM check_changes WHERE check_id = '%s'", id),
            rows[i].changes);
    }
}

/* Publishes what waits in the outbox, as a scheduler would. */
static size_t relay(void)
{
    struct job_outbox_pass pass;
    assert_ok(job_outbox_relay(fx.db, fx.redis, &pass));
    return pass.published;
}

static void a_run_by_hand_is_a_job(void **state)
{
    const char *id = created(&fx.admin,
                             "{\"name\":\"r\",\"task\":\"check.run\",\"schedule\":\"@yearly\","
                             "\"enabled\":false,\"priority\":1,\"expires\":60,"
                             "\"args\":{\"check_id\":\"%s\"}}",
                             kit_id(&check));
    struct kit_reply run = fx_reply(&fx.admin, "POST", path_of(id, "/run"), NULL, 202);
    struct uuid job_id;
    assert_ok(uuid_parse(kit_reply_text(&run, "job_id"), &job_id));
    assert_string_equal(kit_reply_text(&run, "schedule_id"), id);
    assert_string_equal(kit_reply_text(&run, "queue"), "checks");
    kit_reply_done(&run);
    struct kit_reply s = fx_reply(&fx.viewer, "GET", path_of(id, ""), NULL, 200);
    assert_string_equal(text_at(&s, "last_job", "id"), kit_id(&job_id));
    assert_string_equal(text_at(&s, "last_job", "state"), "queued");
    assert_false(json_is_null(json_object_get(s.json, "last_run")));
    kit_reply_done(&s);

    assert_int_equal(relay(), 1);
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch = {.arena = arena};
    struct queue *q = NULL;
    assert_ok(queue_new("checks", 0, &q));
    assert_ok(queue_heartbeat(q, fx.redis, "w", "{}", 60000));
    assert_ok(queue_fetch(q, fx.redis, "w", 10, 0, &batch));
    assert_int_equal(batch.count, 1);
    const struct job *job = &batch.jobs[0];
    assert_true(uuid_eq(&job->id, &job_id));
    assert_string_equal(job->task, "check.run");
    assert_string_equal(job->tenant, kit_id(&fx.org));
    assert_int_equal(job->priority, 1);
    assert_int_equal(job->key_limit, 1);
    assert_true(job->expires_at_ms == job->enqueued_at_ms + 60000);
    AUTO_JSON args = json_loads(job->args, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(args, "check_id")), kit_id(&check));
    assert_true(json_integer_value(json_object_get(args, "slot_us")) > 0);
    s = fx_reply(&fx.viewer, "GET", path_of(id, ""), NULL, 200);
    assert_string_equal(text_at(&s, "last_job", "state"), "running");
    kit_reply_done(&s);
    struct job_outcome done = {.state = JOB_SUCCEEDED, .finished_at_ms = clock_wall_ms()};
    assert_ok(queue_finish(q, fx.redis, "w", job, &done, 1));
    s = fx_reply(&fx.viewer, "GET", path_of(id, ""), NULL, 200);
    assert_string_equal(text_at(&s, "last_job", "state"), "succeeded");
    kit_reply_done(&s);
    queue_free(q);
}

/* Everything but the queue's own word works without Redis. */
static void redis_may_be_away(void **state)
{
    struct kit_api *usual = fx.api;
    const char *id = created(&fx.admin, "{" NOOP "}");
    fx.api = kit_api_start(fx.database, kit_redis(),
                           &(struct kit_api_options){.redis = "unix:///nowhere/redis.sock"});
    static const struct {
        const char *method, *more, *body;
        int status;
    } rows[] = {
        {"POST", "/run", NULL, 202},
        {"GET", "", NULL, 200},
        {"PATCH", "", "{\"jitter\":1}", 200},
        {"POST", "/pause", NULL, 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kit_reply r = fx_reply(&fx.admin, rows[i].method, path_of(id, rows[i].more),
                                      rows[i].body, rows[i].status);
        kit_reply_done(&r);
    }
    kit_api_stop(fx.api);
    fx.api = usual;
    assert_int_equal(relay(), 1);
}

/* --- the preview --- */

static void a_preview_says_when(void **state)
{
    struct kit_reply r = kit_call(fx.api, "GET",
                                  PATH "/preview?count=3&schedule="
                                       "CRON_TZ%3DEurope/Berlin+0+9+*+*+1-5",
                                  fx.viewer.access, NULL);
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

static void a_preview_refuses(void **state)
{
    static const char *const paths[] = {
        PATH "/preview",
        PATH "/preview?schedule=",
        PATH "/preview?schedule=0+0+31+2+*",
        PATH "/preview?schedule=CRON_TZ%3DMars/Olympus+@daily",
        PATH "/preview?schedule=@daily&count=0",
        PATH "/preview?schedule=@daily&count=101",
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (kit_status(fx.api, "GET", paths[i], fx.viewer.access, NULL) != 422)
            fail_msg("%s", paths[i]);
    }
    assert_int_equal(kit_status(fx.api, "GET", paths[0], NULL, NULL), 401);
}

#define CASE(name) cmocka_unit_test_setup(name, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_schedule_is_kept_as_it_was_given),
        CASE(time_zones_are_told),
        CASE(what_is_wrong_is_named),
        CASE(each_role_has_its_share),
        CASE(lists_are_filtered_sorted_and_paged),
        CASE(every_edit_is_told_to_the_schedulers),
        CASE(a_run_by_hand_is_a_job),
        CASE(redis_may_be_away),
        CASE(a_preview_says_when),
        CASE(a_preview_refuses),
    };
    return cmocka_run_group_tests(tests, setup, fx_teardown);
}
