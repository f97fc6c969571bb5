/* From a post to stored rows, through crashes, flushes and stores that are away. */
#include "tests/integration/services/ingest/fixture.h"

#include <string.h>
#include <sys/wait.h>

#include "base/str.h"

static void crash_case(const char *point)
{
    fx_stop(&fx.d);
    fx.d = fx_start(point);
    int64_t before = COUNT("scrapes");
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    const char *body = fx_body_at("server-001", fx_time_text(100), 7);
    long status = fx_post_key(fx.key, body, &reply);
    assert_true(status == 202 || status == 0); /* 0: it died before it could say so */
    int end = 0;
    assert_true(kit_wait(waitpid(fx.d.pid, &end, WNOHANG) == fx.d.pid, WAIT_MS));
    assert_true(WIFSIGNALED(end));
    fx.d = fx_start(NULL);
    assert_true(kit_wait(fx_is_drained() && COUNT("scrapes") == before + 1, WAIT_MS));
    assert_int_equal(COUNT("process_samples"), before + 1);
}

static void a_crash_loses_nothing_and_doubles_nothing(void **state)
{
    static const char *const points[] = {"ingest.after_xadd", "ingest.after_copy",
                                         "ingest.before_commit", "ingest.after_commit"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        kit_sql(fx.db, "TRUNCATE scrapes, disk_samples, network_samples, process_samples");
        crash_case(points[i]);
    }
}

static void it_goes_on_after_a_flush(void **state)
{
    assert_int_equal(fx_post(fx_body_at("server-001", fx_time_text(50), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));
    assert_ok(redis_do(fx.redis, NULL, "FLUSHDB"));
    assert_int_equal(fx_post(fx_body_at("server-001", fx_time_text(49), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 2, WAIT_MS));
}

/* As after a flush while the clock is behind: ids below the mark. */
static void a_mark_ahead_of_the_stream_is_given_up(void **state)
{
    assert_ok(redis_do(fx.redis, NULL, "FLUSHDB"));
    kit_sql(fx.db, "UPDATE ingest_marks SET entry_id = '99999999999999-0'");
    assert_int_equal(fx_post(fx_body_at("server-001", fx_time_text(48), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1 && COUNT("scrapes") == 1, WAIT_MS));
    assert_true(kit_wait(fx_is_drained(), WAIT_MS));
}

static long try_post(const char *key, const char *body)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    return fx_post_key(key, body, &reply);
}

/* Without PostgreSQL a key cannot be checked; with it back the same daemon goes on. */
static void without_postgresql_it_says_so(void **state)
{
    char *name = kit_sql_text(fx.db, "SELECT current_database()");
    struct db *other = kit_db_open(getenv("TOCSIN_TEST_DATABASE_URL"));
    kit_sql(other, "ALTER DATABASE %s ALLOW_CONNECTIONS false", name);
    kit_sql(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'",
            name);
    /* They were asked to end; until they have, they answer. */
    assert_true(kit_wait(
        kit_sql_i64(other, "SELECT count(*) FROM pg_stat_activity WHERE datname = '%s'", name) == 0,
        WAIT_MS));
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    char key[API_KEY_BYTES];
    struct api_key unknown;
    api_key_new(&unknown);
    (void)str_copy(key, sizeof(key), unknown.text);
    assert_int_equal(fx_post_key(key, "{\"agent_id\":\"x\",\"metrics\":[]}", &reply), 503);
    assert_true(kit_wait(fx_get_status(fx.d.port, "/readyz") == 503, WAIT_MS));
    assert_int_equal(fx_get_status(fx.d.port, "/livez"), 200);

    kit_sql(other, "ALTER DATABASE %s ALLOW_CONNECTIONS true", name);
    assert_true(kit_wait(fx_get_status(fx.d.port, "/readyz") == 200, WAIT_MS));
    db_free(other);
    free(name);
    db_free(fx.db);
    fx.db = kit_db_open(fx.conninfo);
    /* Each handler's own connection is found broken by the request that meets it: senders repeat.
     */
    const char *body = fx_body_at("server-001", fx_time_text(46), 1);
    assert_true(kit_wait(try_post(fx.key, body) == 202, WAIT_MS));
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_crash_loses_nothing_and_doubles_nothing, fx_before_each),
        cmocka_unit_test_setup(it_goes_on_after_a_flush, fx_before_each),
        cmocka_unit_test_setup(a_mark_ahead_of_the_stream_is_given_up, fx_before_each),
        cmocka_unit_test_setup(without_postgresql_it_says_so, fx_before_each),
    };
    return cmocka_run_group_tests(tests, fx_set_up, fx_tear_down);
}
