/* Running checks over HTTP, with a worker of the test's own that may be silent, broken or absent.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "json/parse.h"
#include "queue/check_jobs.h"
#include "queue/inspect.h"
#include "services/api/routes/check_runs.h"
#include "store/recorder.h"
#include "tests/kit/api.h"

enum mode { MODE_GOOD, MODE_SILENT, MODE_ERROR, MODE_NONSENSE, MODE_IDLE };

static const char *database;
static struct db *db;
static struct uuid org, check;
/* The second waits for workers that do not answer, and so not for long. */
static struct kit_api *api, *hasty;
static struct kit_tokens me;
static pthread_t worker_thread;
static _Atomic int worker_mode;
static atomic_bool worker_ends, worker_idles;

/* --- the worker --- */

enum { BATCH = 64, APIS = 2 };

/* The results of all jobs that run a stored check, in one transaction. */
static void store(struct db *own, const struct job_batch *batch, struct uuid ids[BATCH])
{
    static struct record records[BATCH];
    static struct record_outcome outcomes[BATCH];
    size_t count = 0, alerts = 0;
    size_t of[BATCH];
    for (size_t i = 0; i < batch->count; i++) {
        struct check_run run;
        ids[i] = (struct uuid){{0}};
        if (check_run_decode(batch->jobs[i].args, &run, NULL) != ST_OK)
            continue;
        of[count] = i;
        records[count++] = (struct record){.check_id = run.check_id,
                                           .slot_us = run.slot_us,
                                           .location = "default",
                                           .trigger = "manual",
                                           .status = RESULT_SUCCESS,
                                           .message = "Website responded with status 200",
                                           .response_us = 342000,
                                           .lag_us = 100,
                                           .raw_json = "{\"status_code\":200}",
                                           .executed_us = run.slot_us + 100};
    }
    if (count == 0 || recorder_store(own, records, count, outcomes, &alerts) != ST_OK)
        return;
    for (size_t i = 0; i < count; i++)
        ids[of[i]] = outcomes[i].id;
}

static const char adhoc_result[] =
    "{\"status\":\"warning\",\"message\":\"slow\",\"response_time\":1.5,"
    "\"raw_data\":{\"status_code\":200},\"executed_at\":\"2026-01-30T23:23:29.5Z\"}";

static void answer(struct redis *r, const struct job *job, enum mode mode, const struct uuid *id)
{
    char payload[256] = "{\"error\":\"kaputt\"}";
    if (mode == MODE_NONSENSE)
        (void)str_copy(payload, sizeof(payload), "[]");
    if (mode == MODE_GOOD && str_eq(job->task, "check.adhoc")) {
        (void)str_copy(payload, sizeof(payload), adhoc_result);
    } else if (mode == MODE_GOOD) {
        char text[UUID_TEXT_BYTES];
        uuid_format(id, text);
        (void)snprintf(payload, sizeof(payload), "{\"result_id\":\"%s\"}", text);
    }
    if (mode != MODE_SILENT &&
        queue_publish_done(r, job->reply, &job->id, payload, strlen(payload)) != ST_OK)
        print_error("the worker could not publish\n");
}

static void *work(void *arg)
{
    AUTO_DB own = kit_db_open(database);
    AUTO_REDIS r = kit_redis_open(kit_redis());
    AUTO_ARENA arena = arena_new(1 << 20);
    struct queue *q = arg;
    while (!atomic_load(&worker_ends)) {
        enum mode mode = (enum mode)atomic_load(&worker_mode);
        struct job_batch batch = {.arena = arena};
        arena_reset(arena);
        atomic_store(&worker_idles, mode == MODE_IDLE);
        if (mode == MODE_IDLE) {
            kit_pause();
            continue;
        }
        if (queue_fetch(q, r, "worker", BATCH, 20, &batch) != ST_OK)
            continue;
        mode = (enum mode)atomic_load(&worker_mode);
        struct uuid ids[BATCH];
        if (mode == MODE_GOOD || mode == MODE_SILENT)
            store(own, &batch, ids);
        for (size_t i = 0; i < batch.count; i++)
            answer(r, &batch.jobs[i], mode, &ids[i]);
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
    database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    check = kit_check(db, &org, "a check");
    kit_sql(db, "UPDATE checks SET timeout_ms = 100");
    kit_api_user(db, &org, "olga", "operator");
    assert_int_equal(setenv("TOCSIN_RUN_GRACE", "3s", 1), 0);
    hasty = kit_api_start(database, kit_redis(), NULL);
    assert_int_equal(setenv("TOCSIN_RUN_GRACE", "60s", 1), 0);
    api = kit_api_start(database, kit_redis(), NULL);
    me = kit_sign_in(api, "olga");
    struct queue *q = NULL;
    assert_ok(queue_new("checks", 0, &q));
    return pthread_create(&worker_thread, NULL, work, q);
}

static int teardown(void **state)
{
    atomic_store(&worker_ends, true);
    (void)pthread_join(worker_thread, NULL);
    kit_api_stop(hasty);
    kit_api_stop(api);
    db_free(db);
    return 0;
}

static void set_mode(enum mode mode)
{
    atomic_store(&worker_mode, (int)mode);
    assert_true(kit_wait(atomic_load(&worker_idles) == (mode == MODE_IDLE), KIT_PATIENCE_MS));
}

static const struct kit_api *api_for(enum mode mode)
{
    return mode == MODE_IDLE || mode == MODE_SILENT ? hasty : api;
}

static struct kit_reply run_stored(enum mode mode)
{
    char path[128];
    set_mode(mode);
    (void)snprintf(path, sizeof(path), "/api/v1/checks/%s/run", kit_id(&check));
    return kit_call(api_for(mode), "POST", path, me.access, NULL);
}

static const char adhoc_body[] =
    "{\"plugin_type\":\"website\",\"config\":{\"url\":\"https://example.com\","
    "\"expected_status\":200},\"timeout\":0.1}";

static struct kit_reply run_adhoc(enum mode mode, const char *body)
{
    set_mode(mode);
    return kit_call(api_for(mode), "POST", "/api/v1/checks/run", me.access, body);
}

static void must_be(struct kit_reply r, int status, const char *code)
{
    if (r.status != status || !str_eq(kit_reply_text(&r, "code"), code))
        fail_msg("%d %s: %s", r.status, kit_reply_text(&r, "code"), kit_reply_text(&r, "detail"));
    kit_reply_done(&r);
}

static void must_have_documented_members(const struct kit_reply *r)
{
    static const char *const texts[] = {"id", "status", "message", "executed_at"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_true(json_is_string(json_object_get(r->json, texts[i])));
    assert_true(json_is_real(json_object_get(r->json, "response_time")));
    const json_t *raw = json_object_get(r->json, "raw_data");
    assert_int_equal(json_integer_value(json_object_get(raw, "status_code")), 200);
    assert_non_null(json_object_get(r->json, "check_id"));
}

static void test_stored_run(void **state)
{
    struct kit_reply r = run_stored(MODE_GOOD);
    assert_int_equal(r.status, 200);
    must_have_documented_members(&r);
    assert_string_equal(kit_reply_text(&r, "check_id"), kit_id(&check));
    assert_string_equal(kit_reply_text(&r, "status"), "success");
    assert_string_equal(kit_reply_text(&r, "trigger"), "manual");
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/results/%s", kit_reply_text(&r, "id"));
    struct kit_reply stored = kit_call(api, "GET", path, me.access, NULL);
    assert_int_equal(stored.status, 200);
    assert_true(json_equal(stored.json, r.json));
    kit_reply_done(&stored);
    kit_reply_done(&r);
}

static void test_lost_message(void **state)
{
    struct kit_reply r = run_stored(MODE_SILENT);
    assert_int_equal(r.status, 200);
    must_have_documented_members(&r);
    kit_reply_done(&r);
}

static void test_worker_that_cannot(void **state)
{
    must_be(run_stored(MODE_ERROR), 502, "CHECK_RUN_FAILED");
    must_be(run_stored(MODE_NONSENSE), 502, "CHECK_RUN_FAILED");
    must_be(run_adhoc(MODE_ERROR, adhoc_body), 502, "CHECK_RUN_FAILED");
    must_be(run_adhoc(MODE_NONSENSE, adhoc_body), 502, "CHECK_RUN_FAILED");
}

static void test_adhoc_run(void **state)
{
    int64_t before = kit_sql_i64(db, "SELECT count(*) FROM results");
    struct kit_reply r = run_adhoc(MODE_GOOD, adhoc_body);
    assert_int_equal(r.status, 200);
    must_have_documented_members(&r);
    assert_true(json_is_null(json_object_get(r.json, "check_id")));
    assert_string_equal(kit_reply_text(&r, "status"), "warning");
    assert_string_equal(kit_reply_text(&r, "executed_at"), "2026-01-30T23:23:29.500Z");
    assert_true(json_real_value(json_object_get(r.json, "response_time")) == 1.5);
    kit_reply_done(&r);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM results"), before);
}

static void test_adhoc_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"plugin_type\":\"website\"}",
        "{\"plugin_type\":\"nothing\",\"config\":{}}",
        "{\"plugin_type\":\"website\",\"config\":{}}",
        "{\"plugin_type\":\"website\",\"config\":{\"url\":\"gopher://x\"}}",
        "{\"plugin_type\":\"website\",\"config\":{\"url\":\"http://x\"},\"timeout\":-1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        must_be(run_adhoc(MODE_GOOD, bad[i]), 422, "VALIDATION_ERROR");
}

/* What lies in Redis: every value of every key. */
static char *queued(void)
{
    AUTO_REDIS r = kit_redis_open(kit_redis());
    AUTO_REPLY keys = NULL;
    AUTO_BUF all;
    buf_init(&all, 1 << 20);
    assert_ok(redis_do(r, &keys, "KEYS", "*"));
    for (size_t i = 0; i < keys->elements; i++) {
        AUTO_REPLY dump = NULL;
        assert_ok(redis_do(r, &dump, "DUMP", keys->element[i]->str));
        if (dump->type == REDIS_REPLY_STRING)
            buf_append(&all, dump->str, dump->len);
    }
    /* As text, so that strstr sees all of it. */
    char *text = calloc(1, all.len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < all.len; i++)
        text[i] = all.data[i] == '\0' ? '.' : all.data[i];
    return text;
}

static void test_adhoc_secrets_are_sealed(void **state)
{
    static const char body[] =
        "{\"plugin_type\":\"website\",\"config\":{\"url\":\"https://example.com\","
        "\"auth_username\":\"ursula\",\"auth_password\":\"hushhushhush\"},\"timeout\":0.1}";
    must_be(run_adhoc(MODE_IDLE, body), 504, "CHECK_RUN_TIMEOUT");
    AUTO_FREE char *text = queued();
    assert_non_null(strstr(text, "ursula"));
    assert_null(strstr(text, "hushhush"));
    must_be(run_adhoc(MODE_ERROR, adhoc_body), 502, "CHECK_RUN_FAILED");
}

static void test_nobody_works(void **state)
{
    must_be(run_stored(MODE_IDLE), 504, "CHECK_RUN_TIMEOUT");
    must_be(run_adhoc(MODE_IDLE, adhoc_body), 504, "CHECK_RUN_TIMEOUT");
    /* What nobody waits for any more is not run later. */
    int64_t before = kit_sql_i64(db, "SELECT count(*) FROM results");
    must_be(run_adhoc(MODE_ERROR, adhoc_body), 502, "CHECK_RUN_FAILED");
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM results"), before);
}

static int64_t subscribers(struct redis *r)
{
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(r, &reply, "PUBSUB", "NUMSUB", CHECK_DONE_CHANNEL));
    return reply->element[1]->integer;
}

static void test_subscription_comes_back(void **state)
{
    AUTO_REDIS r = kit_redis_open(kit_redis());
    assert_true(kit_wait(subscribers(r) == APIS, KIT_PATIENCE_MS));
    assert_ok(redis_do(r, NULL, "CLIENT", "KILL", "TYPE", "pubsub"));
    assert_true(kit_wait(subscribers(r) == APIS, KIT_PATIENCE_MS));
    struct kit_reply reply = run_adhoc(MODE_GOOD, adhoc_body);
    assert_int_equal(reply.status, 200);
    kit_reply_done(&reply);
}

/* --- a thousand at a time --- */

enum { CALLERS = 1000, FILES = 4096 };

/* For both ends of a thousand connections, in one process. */
static bool may_open_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return false;
    if (files.rlim_cur < FILES && files.rlim_max >= FILES) {
        files.rlim_cur = FILES;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur >= FILES;
}

static int64_t threads(void)
{
    int64_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    (void)closedir(tasks);
    return count;
}

/* Jobs that nobody has begun, also those behind others of their organisation. */
static int64_t waiting(struct queue *q, struct redis *r)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    struct queue_info info;
    assert_ok(queue_info_get(q, r, clock_wall_ms(), arena, &info));
    return info.depth;
}

static int call_run(const struct uuid *id)
{
    char text[4096];
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)api->port),
                                   .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    int n = snprintf(text, sizeof(text),
                     "POST /api/v1/checks/%s/run HTTP/1.1\r\nHost: test\r\n"
                     "Authorization: Bearer %s\r\nContent-Length: 0\r\n\r\n",
                     kit_id(id), me.access);
    assert_true(n > 0 && (size_t)n < sizeof(text));
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

/* How many have an answer within the time (or were cut off). */
static int answered(struct pollfd *callers, int timeout_ms)
{
    int n = poll(callers, CALLERS, timeout_ms);
    assert_true(n >= 0);
    return n;
}

static void must_have_been_run(int fd)
{
    char text[64] = "";
    const struct timeval limit = {.tv_sec = KIT_PATIENCE_MS / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
    if (!str_starts(text, "HTTP/1.1 200 "))
        fail_msg("%s", text);
    (void)close(fd);
}

/* They wait without threads of theirs, others are served meanwhile, and each gets its answer. */
static void test_a_thousand_callers_wait(void **state)
{
    static struct pollfd callers[CALLERS];
    if (!may_open_files()) {
        print_message("left out: %d open files are not allowed\n", FILES);
        skip();
    }
    const struct uuid slow = kit_check(db, &org, "slow");
    kit_sql(db, "UPDATE checks SET timeout_ms = 60000 WHERE id = '%s'", kit_id(&slow));
    set_mode(MODE_IDLE);
    AUTO_REDIS r = kit_redis_open(kit_redis());
    struct queue *q = NULL;
    assert_ok(queue_new("checks", 0, &q));
    const int64_t left = waiting(q, r);
    const int64_t idle = threads();
    for (int i = 0; i < CALLERS; i++)
        callers[i] = (struct pollfd){.fd = call_run(&slow), .events = POLLIN};
    assert_true(kit_wait(waiting(q, r) == left + CALLERS, KIT_PATIENCE_MS));
    assert_int_equal(threads(), idle);
    for (int i = 0; i < 20; i++)
        assert_int_equal(kit_status(api, "GET", "/api/v1/checks", me.access, NULL), 200);
    assert_int_equal(answered(callers, 0), 0);

    set_mode(MODE_GOOD);
    for (int i = 0; i < CALLERS; i++)
        must_have_been_run(callers[i].fd);
    assert_true(
        kit_sql_i64(db, "SELECT count(*) FROM results WHERE check_id = '%s'", kit_id(&slow)) > 0);
    queue_free(q);
}

static void test_without_redis(void **state)
{
    const struct kit_api_options options = {.redis = "unix:///nonexistent/redis.sock"};
    struct kit_api *alone = kit_api_start(database, NULL, &options);
    struct kit_tokens token = kit_sign_in(alone, "olga");
    char path[128];
    (void)snprintf(path, sizeof(path), "/api/v1/checks/%s/run", kit_id(&check));
    struct kit_reply r = kit_call(alone, "POST", path, token.access, NULL);
    assert_true(kit_reply_header(&r, "Retry-After")[0] != '\0');
    must_be(r, 503, "QUEUE_UNAVAILABLE");
    must_be(kit_call(alone, "POST", "/api/v1/checks/run", token.access, adhoc_body), 503,
            "QUEUE_UNAVAILABLE");
    /* Reading goes on. */
    assert_int_equal(kit_status(alone, "GET", "/api/v1/checks", token.access, NULL), 200);
    kit_api_stop(alone);
}

/* Callers of one microsecond would share a result. */
static void test_slots_are_nobody_elses(void **state)
{
    int64_t next = 0;
    for (int i = 0; i < 10000; i++) {
        const int64_t count = 1 + i % 3;
        const int64_t first = run_slots_us(count);
        assert_true(first >= next);
        next = first + count;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_run),
        cmocka_unit_test(test_lost_message),
        cmocka_unit_test(test_worker_that_cannot),
        cmocka_unit_test(test_adhoc_run),
        cmocka_unit_test(test_adhoc_refused),
        cmocka_unit_test(test_adhoc_secrets_are_sealed),
        cmocka_unit_test(test_nobody_works),
        cmocka_unit_test(test_subscription_comes_back),
        cmocka_unit_test(test_a_thousand_callers_wait),
        cmocka_unit_test(test_without_redis),
        cmocka_unit_test(test_slots_are_nobody_elses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
