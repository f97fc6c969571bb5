/* The worker's stages against real stores and a real web server. */
#include "services/worker/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "json/parse.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "queue/inspect.h"
#include "store/checks.h"
#include "tests/kit/kit.h"
#include "tests/kit/web.h"

extern char **environ;

#define SECRET_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_KEY "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { WAIT_MS = 20000 };

static struct web *web;
static struct db *db;
static struct redis *redis;
static struct redis *listener; /* subscribed to the done channel */
static struct queue *queue;
static struct uuid org;
static struct conf conf;
static struct worker *worker;

/* --- setting up --- */

static void replace(char **field, const char *value)
{
    free(*field);
    *field = NULL;
    assert_ok(str_dup(value, field));
}

static void start(void)
{
    struct errbuf err = {0};
    if (worker_start(&conf, &worker, &err) != ST_OK)
        fail_msg("%s", err.text);
}

static void stop(int64_t grace_ms)
{
    worker_stop(worker, grace_ms);
    worker = NULL;
}

static int setup(void **state)
{
    struct errbuf err = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    web = web_start(0, 0);
    assert_ok(conf_load(NULL, &conf, &err));
    replace(&conf.database_url, kit_database());
    replace(&conf.redis_url, kit_redis());
    replace(&conf.egress_allow, "127.0.0.0/8");
    replace(&conf.secret_key, SECRET_KEY);
    conf.worker_lease = 1500;
    replace(&conf.worker_concurrency, "4");
    db = kit_db_open(conf.database_url);
    redis = kit_redis_open(conf.redis_url);
    listener = kit_redis_open(conf.redis_url);
    assert_ok(redis_subscribe(listener, CHECK_DONE_CHANNEL));
    assert_ok(queue_new("checks", 0, &queue));
    org = kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    queue_free(queue);
    redis_free(redis);
    redis_free(listener);
    db_free(db);
    conf_done(&conf);
    web_stop(web);
    return 0;
}

static int start_worker(void **state)
{
    /* What an earlier case left to be tried again is none of this one's. */
    assert_ok(redis_do(redis, NULL, "FLUSHDB"));
    start();
    return 0;
}

static int stop_worker(void **state)
{
    stop(5000);
    return 0;
}

static const char *text_of(const struct uuid *id)
{
    static char out[8][UUID_TEXT_BYTES];
    static int next;
    next = (next + 1) % 8;
    uuid_format(id, out[next]);
    return out[next];
}

/* A website check of a path of our server. */
static struct uuid make_check(const char *path, const char *more)
{
    struct uuid id = kit_check(db, &org, path);
    kit_sql(db,
            "UPDATE checks SET config = '{\"url\":\"http://127.0.0.1:%d%s\"%s}' WHERE id = '%s'",
            web_port(web), path, more, text_of(&id));
    return id;
}

static void enqueue(const char *task, const char *args, const char *reply, struct uuid *id)
{
    struct job job;
    assert_ok(job_init(&job, task, args, clock_wall_ms()));
    job.reply = reply;
    if (id)
        *id = job.id;
    assert_ok(queue_enqueue(queue, redis, &job));
}

static int64_t slot_now_ms(void)
{
    return clock_wall_ms() / 60000 * 60000;
}

static void schedule(const struct uuid *checks, size_t count, int64_t slot_ms)
{
    struct check_scheduled in = {.count = count};
    AUTO_BUF args;
    for (size_t i = 0; i < count; i++)
        in.due[i] = (struct check_due){
            .check_id = checks[i], .slot_ms = slot_ms, .prev_ms = slot_ms - 60000};
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_scheduled_encode(&in, &args);
    enqueue("check.scheduled", buf_cstr(&args), NULL, NULL);
}

static int64_t results_of(const struct uuid *check)
{
    return kit_sql_i64(db, "SELECT count(*) FROM results WHERE check_id = '%s'", text_of(check));
}

static struct queue_stats stats(void)
{
    struct queue_stats s = {0};
    assert_ok(queue_stats_get(queue, redis, &s));
    return s;
}

/* Everything that was asked for is done and acknowledged. */
static bool is_quiet(void)
{
    struct queue_stats s = stats();
    return s.waiting == 0 && s.pending == 0;
}

static void must_be(const char *what, const struct uuid *check, const char *column,
                    const char *expected)
{
    AUTO_FREE char *got = kit_sql_text(
        db, "SELECT (%s)::text FROM results WHERE check_id = '%s' ORDER BY slot_at DESC LIMIT 1",
        column, text_of(check));
    if (!str_eq(got, expected))
        fail_msg("%s: %s is %s, not %s", what, column, got ? got : "null", expected);
}

/* The payload published for the job; the caller frees it. */
static json_t *wait_reply(const struct uuid *job)
{
    int64_t deadline = kit_real_mono_ms() + WAIT_MS;
    while (kit_real_mono_ms() < deadline) {
        AUTO_REPLY reply = NULL;
        enum status st = redis_next(listener, 1000, &reply);
        if (st == ST_TIMEOUT)
            continue;
        assert_ok(st);
        const char *text = reply->element[2]->str;
        if (!str_starts(text, text_of(job)))
            continue;
        json_t *out = NULL;
        assert_ok(json_parse(text + UUID_TEXT_BYTES, strlen(text + UUID_TEXT_BYTES), &out, NULL));
        return out;
    }
    fail_msg("nothing was published");
    return NULL;
}

/* --- cases --- */

static void a_job_becomes_results_and_states(void **state)
{
    struct uuid checks[10];
    checks[0] = make_check("/ok", "");
    checks[1] = make_check("/status/503", "");
    checks[2] = make_check("/ok", ",\"expected_content\":\"goodbye\"");
    checks[3] = make_check("/redirect/2", ",\"expected_content\":\"hello\"");
    checks[4] = make_check("/silent", ",\"timeout\":0.2");
    for (size_t i = 5; i < ARRAY_LEN(checks); i++)
        checks[i] = make_check("/ok", "");
    kit_sql(db, "UPDATE checks SET config = '{\"url\":7}' WHERE id = '%s'", text_of(&checks[5]));
    kit_sql(db, "UPDATE checks SET kind = 'teapot' WHERE id = '%s'", text_of(&checks[6]));
    kit_sql(db, "UPDATE checks SET enabled = false WHERE id = '%s'", text_of(&checks[7]));
    kit_sql(db, "DELETE FROM checks WHERE id = '%s'", text_of(&checks[8]));
    int64_t slot = slot_now_ms();
    schedule(checks, ARRAY_LEN(checks), slot);
    assert_true(kit_wait(is_quiet(), WAIT_MS));

    static const struct {
        size_t check;
        const char *status, *message, *error;
    } want[] = {
        {0, "success", "Website responded with status 200", NULL},
        {1, "error", "Website responded with status 503, expected 200", NULL},
        {2, "error", "Website responded with status 200, but the body does not contain \"goodbye\"",
         NULL},
        {3, "success", "Website responded with status 200", NULL},
        {4, "error", "Timed out after 200 ms waiting for the answer of 127.0.0.1", "timeout"},
        {5, "error", "The check's configuration is not valid: url: Input should be a valid string",
         "config"},
        {6, "error", "This worker does not know this kind of check", "kind"},
        {9, "success", "Website responded with status 200", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct uuid *check = &checks[want[i].check];
        assert_int_equal(results_of(check), 1);
        must_be(want[i].message, check, "status", want[i].status);
        must_be(want[i].message, check, "trigger", "schedule");
        must_be(want[i].message, check, "raw_data->>'error'", want[i].error);
        if (want[i].check != 5)
            must_be(want[i].message, check, "message", want[i].message);
    }
    assert_int_equal(results_of(&checks[7]), 0);
    assert_int_equal(results_of(&checks[8]), 0);
    must_be("details", &checks[3], "raw_data->>'redirects'", "2");
    must_be("details", &checks[0], "raw_data->'headers'->>'content-type'", "text/plain");
    must_be("details", &checks[0], "response_us > 0 AND lag_us >= 0", "true");
    AUTO_FREE char *up = kit_sql_text(db, "SELECT state FROM check_state WHERE check_id = '%s'",
                                      text_of(&checks[0]));
    assert_string_equal(up, "up");
}

static void a_job_twice_is_one_result(void **state)
{
    struct uuid check = make_check("/ok", "");
    int64_t slot = slot_now_ms();
    schedule(&check, 1, slot);
    schedule(&check, 1, slot);
    schedule(&check, 1, slot);
    assert_true(kit_wait(is_quiet(), WAIT_MS));
    assert_int_equal(results_of(&check), 1);
    schedule(&check, 1, slot + 60000);
    assert_true(kit_wait(results_of(&check) == 2, WAIT_MS));
}

static void run_by_hand(const struct uuid *check, int64_t slot_us, struct uuid *job)
{
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_run_encode(&(struct check_run){.check_id = *check, .slot_us = slot_us}, &args);
    enqueue("check.run", buf_cstr(&args), CHECK_DONE_CHANNEL, job);
}

static void who_waits_is_told_of_the_stored_result(void **state)
{
    struct uuid check = make_check("/ok", "");
    struct uuid job;
    kit_sql(db, "UPDATE checks SET enabled = false WHERE id = '%s'", text_of(&check));
    run_by_hand(&check, clock_wall_us(), &job);
    AUTO_JSON reply = wait_reply(&job);
    const char *id = json_string_value(json_object_get(reply, "result_id"));
    assert_non_null(id);
    assert_int_equal(kit_sql_i64(db,
                                 "SELECT count(*) FROM results WHERE id = '%s' AND check_id = '%s'"
                                 " AND trigger = 'manual' AND status = 'success'",
                                 id, text_of(&check)),
                     1);
    kit_sql(db, "DELETE FROM checks WHERE id = '%s'", text_of(&check));
    run_by_hand(&check, clock_wall_us(), &job);
    AUTO_JSON gone = wait_reply(&job);
    assert_string_equal(json_string_value(json_object_get(gone, "error")),
                        "The check does not exist any more");
}

/* A run of a schedule holds keys, belongs to a tenant, and its end is known. */
static void what_a_job_holds_is_given_back(void **state)
{
    struct uuid check = make_check("/ok", "");
    const char *text = text_of(&check);
    char args[128], tenant[UUID_TEXT_BYTES];
    uuid_format(&org, tenant);
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
        assert_ok(queue_enqueue_once(queue, redis, &job, &id, &is_new));
        assert_true(is_new);
        assert_true(kit_wait(
            queue_ends_get(queue, redis, &id, 1, &end) == ST_OK && end == JOB_SUCCEEDED, WAIT_MS));
        assert_int_equal(results_of(&check), i + 1);
    }
}

static json_t *run_adhoc(const char *kind, const char *config)
{
    struct uuid job;
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_adhoc_encode(
        &(struct check_adhoc){.kind = kind, .config_json = config, .timeout_ms = 5000}, &args);
    enqueue("check.adhoc", buf_cstr(&args), CHECK_DONE_CHANNEL, &job);
    return wait_reply(&job);
}

static void a_run_ad_hoc_answers_and_leaves_nothing(void **state)
{
    char config[128];
    int64_t before = kit_sql_i64(db, "SELECT count(*) FROM results");
    (void)snprintf(config, sizeof(config), "{\"url\":\"http://127.0.0.1:%d/ok\"}", web_port(web));
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
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM results"), before);
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
    const struct uuid id = make_check(
        "/echo", ",\"auth_username\":\"u\",\"expected_content\":\"" BASIC "\"");
    const struct seal_place place = check_seal_place(&id);
    seal_password(key, &place, arena, &sealed, &len);
    char hex[512];
    assert_true(2 * len < sizeof(hex));
    str_hex(sealed, len, hex);
    kit_sql(db, "UPDATE checks SET secret = decode('%s', 'hex') WHERE id = '%s'", hex,
            text_of(&id));
    return id;
}

static void secrets_are_opened_for_the_probe_alone(void **state)
{
    const struct uuid good = make_secret_check(SECRET_KEY);
    const struct uuid lost = make_secret_check(OTHER_KEY);
    schedule(&good, 1, slot_now_ms());
    schedule(&lost, 1, slot_now_ms());
    assert_true(kit_wait(results_of(&good) == 1 && results_of(&lost) == 1, WAIT_MS));
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
                   web_port(web));
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
        assert_ok(queue_enqueue(queue, redis, &job));
        AUTO_JSON reply = wait_reply(&job.id);
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
        checks[i] = make_check("/silent", ",\"timeout\":60");
        in.due[i] = (struct check_due){.check_id = checks[i], .slot_ms = slot_now_ms()};
    }
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_scheduled_encode(&in, &args);
    struct job job;
    assert_ok(job_init(&job, "check.scheduled", buf_cstr(&args), clock_wall_ms()));
    job.result_ttl_ms = 60000;
    job.reply = CHECK_DONE_CHANNEL;
    assert_ok(queue_enqueue(queue, redis, &job));
    assert_true(kit_wait(stats().pending == 1, WAIT_MS));
    assert_ok(queue_cancel(queue, redis, &job.id, clock_wall_ms(), &now));
    AUTO_JSON reply = wait_reply(&job.id);
    assert_string_equal(json_string_value(json_object_get(reply, "error")),
                        "The job was cancelled");
    struct job_view view;
    assert_true(kit_wait(queue_result_get(queue, redis, &job.id, arena, &view) == ST_OK, WAIT_MS));
    assert_int_equal(view.state, JOB_CANCELLED);
    assert_true(kit_wait(is_quiet(), WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        assert_int_equal(results_of(&checks[i]), 0);
}

static void a_job_of_a_check_keeps_its_result(void **state)
{
    struct uuid check = make_check("/ok", "");
    AUTO_BUF args;
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job job;
    struct job_view view;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_run_encode(&(struct check_run){.check_id = check, .slot_us = clock_wall_us()}, &args);
    assert_ok(job_init(&job, "check.run", buf_cstr(&args), clock_wall_ms()));
    job.result_ttl_ms = 60000;
    assert_ok(queue_enqueue(queue, redis, &job));
    assert_true(kit_wait(queue_result_get(queue, redis, &job.id, arena, &view) == ST_OK, WAIT_MS));
    assert_int_equal(view.state, JOB_SUCCEEDED);
    assert_non_null(strstr(view.result, "{\"result_id\":\""));
    assert_true(view.started_at_ms > 0 && view.started_at_ms <= view.finished_at_ms);
}

static void nonsense_goes_to_the_dead_letters(void **state)
{
    int64_t before = stats().dead;
    enqueue("check.scheduled", "{\"checks\":\"none\"}", NULL, NULL);
    enqueue("check.run", "{}", NULL, NULL);
    assert_true(kit_wait(stats().dead == before + 2, WAIT_MS));
    assert_true(kit_wait(is_quiet(), WAIT_MS));
}

/* One failure is soft: the next try comes after the retry interval and makes it DOWN. */
static void a_soft_state_is_tried_again_soon(void **state)
{
    struct uuid check = make_check("/status/500", "");
    kit_sql(db, "UPDATE checks SET retries = 3, retry_interval = 'every 1 second' WHERE id = '%s'",
            text_of(&check));
    schedule(&check, 1, slot_now_ms());
    assert_true(kit_wait(kit_sql_i64(db,
                                     "SELECT count(*) FROM check_state WHERE check_id = '%s'"
                                     " AND state = 'down'",
                                     text_of(&check)) == 1,
                         WAIT_MS));
    assert_int_equal(results_of(&check), 3);
    assert_int_equal(kit_sql_i64(db,
                                 "SELECT count(*) FROM results WHERE check_id = '%s'"
                                 " AND trigger = 'retry'",
                                 text_of(&check)),
                     2);
    /* Down is down: nothing more waits. */
    assert_true(kit_wait(is_quiet() && stats().delayed == 0, WAIT_MS));
}

static void a_lost_database_connection_stores_once(void **state)
{
    struct uuid checks[40];
    int64_t slot = slot_now_ms();
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        checks[i] = make_check("/ok", "");
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        schedule(&checks[i], 1, slot);
        if (i % 4 == 0)
            kit_sql(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name LIKE 'tocsin-worker%%'"
                        " AND datname = current_database()");
    }
    assert_true(kit_wait(is_quiet(), WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        assert_int_equal(results_of(&checks[i]), 1);
}

static void jobs_of_a_dead_worker_are_taken_over(void **state)
{
    struct queue *other = NULL;
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch = {.arena = arena};
    struct uuid check = make_check("/ok", "");
    stop(5000);
    assert_ok(queue_new("checks", 0, &other));
    assert_ok(queue_heartbeat(other, redis, "dead:1:boot", "{}", 300));
    schedule(&check, 1, slot_now_ms());
    assert_ok(queue_fetch(other, redis, "dead:1:boot", 10, 0, &batch));
    assert_int_equal(batch.count, 1);
    queue_free(other);
    start();
    assert_true(kit_wait(results_of(&check) == 1 && is_quiet(), WAIT_MS));
}

static void redis_may_be_flushed(void **state)
{
    struct uuid check = make_check("/ok", "");
    assert_ok(redis_do(redis, NULL, "FLUSHDB"));
    schedule(&check, 1, slot_now_ms());
    assert_true(kit_wait(results_of(&check) == 1, WAIT_MS));
    assert_true(kit_wait(is_quiet(), WAIT_MS));
}

/* Nothing is lost by a stop that does not wait: what runs stays pending, what waits goes back. */
static void a_stop_hands_back(void **state)
{
    struct uuid slow[8];
    int64_t slot = slot_now_ms();
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        slow[i] = make_check("/silent", ",\"timeout\":60");
        schedule(&slow[i], 1, slot);
    }
    assert_true(kit_wait(stats().pending >= 4, WAIT_MS));
    int64_t began = kit_real_mono_ms();
    stop(50);
    assert_true(kit_real_mono_ms() - began < 5000);
    struct queue_stats s = stats();
    assert_int_equal(s.waiting + s.pending + s.delayed, ARRAY_LEN(slow));
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        assert_int_equal(results_of(&slow[i]), 0);
        kit_sql(db,
                "UPDATE checks SET config = '{\"url\":\"http://127.0.0.1:%d/ok\"}'"
                " WHERE id = '%s'",
                web_port(web), text_of(&slow[i]));
    }
    start();
    for (size_t i = 0; i < ARRAY_LEN(slow); i++)
        assert_true(kit_wait(results_of(&slow[i]) == 1, WAIT_MS));
    assert_true(kit_wait(is_quiet(), WAIT_MS));
}

/* --- the program itself, killed at each of its points --- */

static pid_t spawn(const char *crash_at)
{
    char program[512];
    char text[6][1024];
    char *argv[] = {program, NULL};
    char *env[] = {text[0], text[1], text[2], text[3], text[4], text[5], NULL};
    const char *bin = getenv("TOCSIN_TEST_BIN");
    pid_t pid = 0;
    (void)snprintf(program, sizeof(program), "%s/tocsin-worker", bin ? bin : "build/debug/bin");
    (void)snprintf(text[0], sizeof(text[0]), "TOCSIN_DATABASE_URL=%s", conf.database_url);
    (void)snprintf(text[1], sizeof(text[1]), "TOCSIN_REDIS_URL=%s", conf.redis_url);
    (void)snprintf(text[2], sizeof(text[2]), "TOCSIN_HEALTH_PORT=0");
    (void)snprintf(text[3], sizeof(text[3]), "TOCSIN_EGRESS_ALLOW=127.0.0.0/8");
    (void)snprintf(text[4], sizeof(text[4]), "TOCSIN_WORKER_LEASE=500ms");
    (void)snprintf(text[5], sizeof(text[5]), "TOCSIN_CRASH_AT=%s", crash_at);
    assert_int_equal(posix_spawn(&pid, program, NULL, NULL, argv, env), 0);
    return pid;
}

static void killed_anywhere_it_stores_once(void **state)
{
    static const char *const points[] = {"worker.after_fetch", "worker.after_probe",
                                         "worker.before_record", "worker.after_record",
                                         "worker.before_publish"};
    stop(5000);
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct uuid check = make_check("/ok", "");
        struct uuid job;
        int status = 0;
        pid_t first = spawn(points[i]);
        run_by_hand(&check, clock_wall_us(), &job);
        assert_int_equal(waitpid(first, &status, 0), first);
        if (!WIFSIGNALED(status))
            fail_msg("%s: exit status %d", points[i], WEXITSTATUS(status));
        pid_t second = spawn("");
        AUTO_JSON reply = wait_reply(&job);
        assert_true(json_is_string(json_object_get(reply, "result_id")));
        assert_true(kit_wait(is_quiet(), WAIT_MS));
        assert_int_equal(results_of(&check), 1);
        (void)kill(second, SIGTERM);
        assert_int_equal(waitpid(second, &status, 0), second);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    start();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, start_worker, stop_worker)
        CASE(a_job_becomes_results_and_states),
        CASE(a_job_twice_is_one_result),
        CASE(who_waits_is_told_of_the_stored_result),
        CASE(what_a_job_holds_is_given_back),
        CASE(a_run_ad_hoc_answers_and_leaves_nothing),
        CASE(secrets_are_opened_for_the_probe_alone),
        CASE(a_run_ad_hoc_opens_its_own_secret),
        CASE(a_running_job_of_checks_is_cancelled),
        CASE(a_job_of_a_check_keeps_its_result),
        CASE(nonsense_goes_to_the_dead_letters),
        CASE(a_soft_state_is_tried_again_soon),
        CASE(a_lost_database_connection_stores_once),
        CASE(jobs_of_a_dead_worker_are_taken_over),
        CASE(redis_may_be_flushed),
        CASE(a_stop_hands_back),
        CASE(killed_anywhere_it_stores_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
