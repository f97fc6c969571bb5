/* From a post to stored rows. */
#include "tests/integration/services/ingest/fixture.h"

#include <string.h>

#include "base/str.h"
#include "store/hosts.h"
#include "store/metrics.h"

static void a_post_becomes_rows(void **state)
{
    const char *time = fx_time_text(5);
    assert_int_equal(fx_post(fx_body_at("server-001", time, 39.37), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));

    struct host host;
    assert_ok(host_find(fx.db, fx.arena, &fx.org, "server-001", &host));
    assert_string_equal(host.connectivity, "online");
    assert_true(host.last_metrics_at > 0);
    const struct metrics_query q = {
        .host_id = host.id, .newest_us = host.last_metrics_at, .limit = 10};
    struct metric_sample *samples = NULL;
    size_t count = 0;
    assert_ok(metrics_latest(fx.db, fx.arena, &q, &samples, &count));
    assert_int_equal(count, 2);
    assert_string_equal(samples[0].metric_type, "cpu");
    assert_true(samples[0].value > 39.36 && samples[0].value < 39.38);
    assert_string_equal(samples[1].tags, "{\"a\": \"1\", \"b\": \"2\"}");
    assert_int_equal(kit_sql_i64(fx.db, "SELECT total_bytes FROM disk_samples"), 206900281344);
    assert_int_equal(kit_sql_i64(fx.db, "SELECT inodes_total IS NULL::int FROM disk_samples"), 1);
    assert_int_equal(kit_sql_i64(fx.db, "SELECT bytes_sent FROM network_samples WHERE is_up"),
                     1382943312);
}

static void a_repeat_changes_nothing(void **state)
{
    const char *body = fx_body_at("server-001", fx_time_text(4), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fx_post(body, 202), 5);
    assert_true(kit_wait(fx_is_drained(), WAIT_MS));
    assert_int_equal(COUNT("scrapes"), 1);
    assert_int_equal(COUNT("disk_samples"), 1);
    assert_int_equal(COUNT("network_samples"), 1);
    assert_int_equal(COUNT("process_samples"), 1);
}

/* One hundred objects of two agents in one gzip body, each an instant of its own. */
static void a_backlog_is_taken_at_once(void **state)
{
    AUTO_BUF text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 100; i++) {
        char *one = fx_body_at(i % 2 ? "server-001" : "Web.Example.com", fx_time_text(3600 + i), i);
        buf_printf(&text, "%c%s", i ? ',' : '[', one);
    }
    buf_char(&text, ']');
    assert_int_equal(fx_post(buf_cstr(&text), 202), 500);
    assert_true(kit_wait(COUNT("process_samples") == 100, WAIT_MS));
    assert_int_equal(COUNT("scrapes"), 100);
    assert_int_equal(kit_sql_i64(fx.db, "SELECT count(*) FROM hosts WHERE slug = 'web-example-com' "
                                        "AND name = 'Web.Example.com'"),
                     1);
    /* Whatever the order and the times, a host has one layout for these two series. */
    assert_int_equal(COUNT("layouts"), 2);
}

static void old_samples_make_their_partition(void **state)
{
    assert_int_equal(fx_post(fx_body_at("server-001", fx_time_text(20 * 86400), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1 && COUNT("scrapes") == 1, WAIT_MS));
    /* What retention drops is made again for the next late sample. */
    kit_sql(fx.db,
            "SELECT partition_drop_before(t, now() - interval '10 days') FROM "
            "unnest(ARRAY['scrapes', 'disk_samples', 'network_samples', 'process_samples']) t");
    assert_int_equal(COUNT("scrapes"), 0);
    assert_int_equal(fx_post(fx_body_at("server-001", fx_time_text(20 * 86400), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1 && COUNT("scrapes") == 1, WAIT_MS));
}

static void bad_entries_are_put_aside(void **state)
{
    struct rargs a;
    rargs_init(&a, "XADD");
    rargs_str(&a, "{m:2}:metrics");
    rargs_str(&a, "*");
    rargs_str(&a, "f");
    rargs_bytes(&a, "TM\001rubbish", 10);
    assert_ok(redis_call(fx.redis, &a, NULL));
    assert_ok(redis_do(fx.redis, NULL, "XADD", "{m:2}:metrics", "*", "other", "field"));
    assert_true(kit_wait(fx_is_drained(), WAIT_MS));
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(fx.redis, &reply, "XLEN", "{m:2}:dead"));
    assert_int_equal(reply->integer, 2);
    assert_int_equal(fx_post(fx_body_at("server-001", fx_time_text(47), 1), 202), 5);
    assert_true(kit_wait(COUNT("process_samples") == 1, WAIT_MS));
}

static void two_writers_store_once(void **state)
{
    struct daemon_run second = fx_start(NULL);
    struct daemon_run first = fx.d;
    for (int i = 0; i < 60; i++) {
        fx.d = i % 2 ? first : second;
        char *agent = arena_printf(fx.arena, "server-%03d", i % 7);
        assert_int_equal(fx_post(fx_body_at(agent, fx_time_text(1000 + i), i), 202), 5);
    }
    fx.d = first;
    assert_true(kit_wait(fx_is_drained(), WAIT_MS));
    assert_int_equal(COUNT("scrapes"), 60);
    assert_int_equal(COUNT("process_samples"), 60);
    fx_stop(&second);
}

static void metrics_tell_what_happened(void **state)
{
    AUTO_BUF reply;
    buf_init(&reply, 1 << 20);
    assert_int_equal(fx_ask(fx.d.port, "/metrics", NULL, NULL, 0, false, &reply), 200);
    static const char *const names[] = {"tocsin_ingest_samples_total{outcome=\"accepted\"} ",
                                        "tocsin_ingest_samples_total{outcome=\"rejected\"} ",
                                        "tocsin_ingest_stream_length{shard=\"3\"} ",
                                        "tocsin_ingest_writer_lag_ms ",
                                        "tocsin_ingest_batch_rows "};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!strstr(buf_cstr(&reply), names[i]))
            fail_msg("%s is absent", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_post_becomes_rows, fx_before_each),
        cmocka_unit_test_setup(a_repeat_changes_nothing, fx_before_each),
        cmocka_unit_test_setup(a_backlog_is_taken_at_once, fx_before_each),
        cmocka_unit_test_setup(old_samples_make_their_partition, fx_before_each),
        cmocka_unit_test_setup(bad_entries_are_put_aside, fx_before_each),
        cmocka_unit_test_setup(two_writers_store_once, fx_before_each),
        cmocka_unit_test_setup(metrics_tell_what_happened, fx_before_each),
    };
    return cmocka_run_group_tests(tests, fx_set_up, fx_tear_down);
}
