/* Workers that lose their stores, stop, or are killed: each result is stored once. */
#include "services/worker/worker.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "json/parse.h"
#include "tests/integration/services/worker/checks_fixture.h"
#include "tests/kit/web.h"

static void a_lost_database_connection_stores_once(void **state)
{
    struct uuid checks[40];
    int64_t slot = cf_slot_now_ms();
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        checks[i] = cf_make_check("/ok", "");
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        cf_schedule(&checks[i], 1, slot);
        if (i % 4 == 0)
            kit_sql(cf.db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                           " WHERE application_name LIKE 'tocsin-worker%%'"
                           " AND datname = current_database()");
    }
    /* What met a lost connection may wait to be tried again. */
    assert_true(kit_wait(cf_is_quiet() && cf_stats().delayed == 0, WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        assert_int_equal(cf_results_of(&checks[i]), 1);
}

static void jobs_of_a_dead_worker_are_taken_over(void **state)
{
    struct queue *other = NULL;
    AUTO_ARENA arena = arena_new(1 << 20);
    struct job_batch batch = {.arena = arena};
    struct uuid check = cf_make_check("/ok", "");
    cf_stop(5000);
    assert_ok(queue_new("checks", 0, &other));
    assert_ok(queue_heartbeat(other, cf.redis, "dead:1:boot", "{}", 300));
    cf_schedule(&check, 1, cf_slot_now_ms());
    assert_ok(queue_fetch(other, cf.redis, "dead:1:boot", 10, 0, &batch));
    assert_int_equal(batch.count, 1);
    queue_free(other);
    cf_start();
    assert_true(kit_wait(cf_results_of(&check) == 1 && cf_is_quiet(), WAIT_MS));
}

static void redis_may_be_flushed(void **state)
{
    struct uuid check = cf_make_check("/ok", "");
    assert_ok(redis_do(cf.redis, NULL, "FLUSHDB"));
    cf_schedule(&check, 1, cf_slot_now_ms());
    assert_true(kit_wait(cf_results_of(&check) == 1, WAIT_MS));
    assert_true(kit_wait(cf_is_quiet(), WAIT_MS));
}

/* Nothing is lost by a stop that does not wait: what runs stays pending, what waits goes back. */
static void a_stop_hands_back(void **state)
{
    struct uuid slow[8];
    int64_t slot = cf_slot_now_ms();
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        slow[i] = cf_make_check("/silent", ",\"timeout\":60");
        cf_schedule(&slow[i], 1, slot);
    }
    assert_true(kit_wait(cf_stats().pending >= 4, WAIT_MS));
    int64_t began = kit_real_mono_ms();
    cf_stop(50);
    assert_true(kit_real_mono_ms() - began < 30000); /* the probes would take a minute */
    struct queue_stats s = cf_stats();
    assert_int_equal(s.waiting + s.pending + s.delayed, ARRAY_LEN(slow));
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        assert_int_equal(cf_results_of(&slow[i]), 0);
        kit_sql(cf.db,
                "UPDATE checks SET config = '{\"url\":\"http://127.0.0.1:%d/ok\"}'"
                " WHERE id = '%s'",
                web_port(cf.web), kit_id(&slow[i]));
    }
    cf_start();
    for (size_t i = 0; i < ARRAY_LEN(slow); i++)
        assert_true(kit_wait(cf_results_of(&slow[i]) == 1, WAIT_MS));
    assert_true(kit_wait(cf_is_quiet(), WAIT_MS));
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
    (void)snprintf(text[0], sizeof(text[0]), "TOCSIN_DATABASE_URL=%s", cf.conf.database_url);
    (void)snprintf(text[1], sizeof(text[1]), "TOCSIN_REDIS_URL=%s", cf.conf.redis_url);
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
    cf_stop(5000);
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct uuid check = cf_make_check("/ok", "");
        struct uuid job;
        int status = 0;
        pid_t first = spawn(points[i]);
        cf_run_by_hand(&check, clock_wall_us(), &job);
        assert_int_equal(waitpid(first, &status, 0), first);
        if (!WIFSIGNALED(status))
            fail_msg("%s: exit status %d", points[i], WEXITSTATUS(status));
        pid_t second = spawn("");
        AUTO_JSON reply = cf_wait_reply(&job);
        assert_true(json_is_string(json_object_get(reply, "result_id")));
        assert_true(kit_wait(cf_is_quiet(), WAIT_MS));
        assert_int_equal(cf_results_of(&check), 1);
        (void)kill(second, SIGTERM);
        assert_int_equal(waitpid(second, &status, 0), second);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    cf_start();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_CASE(a_lost_database_connection_stores_once),
        CHECK_CASE(jobs_of_a_dead_worker_are_taken_over),
        CHECK_CASE(redis_may_be_flushed),
        CHECK_CASE(a_stop_hands_back),
        CHECK_CASE(killed_anywhere_it_stores_once),
    };
    return cmocka_run_group_tests(tests, cf_setup, cf_teardown);
}
