/* When a delivery is tried again, and which endpoints have a place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "services/notifier/endpoints.h"
#include "services/notifier/retry.h"

static void test_schedule(void **state)
{
    struct retry_schedule s;
    assert_int_equal(retry_schedule_parse("5s,30s, 2m,1h", &s, NULL), ST_OK);
    assert_int_equal(s.count, 4);
    assert_int_equal(s.wait_ms[0], 5000);
    assert_int_equal(s.wait_ms[2], 120000);
    assert_int_equal(s.wait_ms[3], 3600000);
    static const char *const bad[] = {
        "", "5s,", ",", "0", "5s,soon", "-5s", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (retry_schedule_parse(bad[i], &s, NULL) != ST_INVALID)
            fail_msg("taken: %s", bad[i]);
}

static void must_wait(const struct retry_schedule *s, int64_t attempt, int64_t after, int64_t min,
                      int64_t max)
{
    for (int i = 0; i < 50; i++) {
        const int64_t wait = retry_wait_ms(s, attempt, after);
        if (wait < min || wait > max)
            fail_msg("attempt %d waits %d ms", (int)attempt, (int)wait);
    }
}

static void test_wait(void **state)
{
    struct retry_schedule s;
    assert_int_equal(retry_schedule_parse("5s,30s", &s, NULL), ST_OK);
    must_wait(&s, 1, 0, 4000, 6000);
    must_wait(&s, 2, 0, 24000, 36000);
    must_wait(&s, 9, 0, 24000, 36000);
    must_wait(&s, 1, 90000, 90000, 90000);
    must_wait(&s, 1, 1000, 4000, 6000);
    must_wait(&s, 1, INT64_MAX, LIMIT_NOTIFY_RETRY_AFTER_MS, LIMIT_NOTIFY_RETRY_AFTER_MS);
}

static void test_retry_after(void **state)
{
    const int64_t now = 1767225600; /* 2026-01-01T00:00:00Z */
    assert_int_equal(retry_after_parse_ms(NULL, now), 0);
    assert_int_equal(retry_after_parse_ms("120", now), 120000);
    assert_int_equal(retry_after_parse_ms("0", now), 0);
    assert_int_equal(retry_after_parse_ms("-5", now), 0);
    assert_int_equal(retry_after_parse_ms("soon", now), 0);
    assert_int_equal(retry_after_parse_ms("99999999999999", now), LIMIT_NOTIFY_RETRY_AFTER_MS);
    assert_int_equal(retry_after_parse_ms("Thu, 01 Jan 2026 00:01:00 GMT", now), 60000);
    assert_int_equal(retry_after_parse_ms("Wed, 31 Dec 2025 00:00:00 GMT", now), 0);
}

static struct endpoint_name named(const char *target)
{
    return (struct endpoint_name){.target = target};
}

static void test_places(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    struct endpoints *e = endpoints_new(2, 8);
    const struct endpoint_name a = named("http://a/");
    const struct endpoint_name b = {.channel_id = uuid_new()};
    struct endpoint *first = endpoint_enter(e, &a, false, 0);
    struct endpoint *second = endpoint_enter(e, &a, false, 0);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    assert_null(endpoint_enter(e, &a, false, 0));
    struct endpoint *other = endpoint_enter(e, &b, false, 0);
    assert_non_null(other);

    struct endpoints_busy busy;
    assert_int_equal(endpoints_busy(e, 0, arena, &busy), ST_OK);
    assert_int_equal(busy.target_count, 1);
    assert_int_equal(busy.channel_count, 0);
    assert_string_equal(busy.targets[0], "http://a/");

    struct endpoint *forced = endpoint_enter(e, &a, true, 0);
    assert_non_null(forced);
    endpoint_leave(e, forced, ENDPOINT_WORKS, 0);
    endpoint_leave(e, first, ENDPOINT_WORKS, 0);
    assert_non_null(endpoint_enter(e, &a, false, 0));
    endpoints_free(e);
}

static void fail_times(struct endpoints *e, const struct endpoint_name *name, int times,
                       int64_t now_ms)
{
    for (int i = 0; i < times; i++) {
        struct endpoint *p = endpoint_enter(e, name, true, now_ms);
        assert_non_null(p);
        endpoint_leave(e, p, ENDPOINT_FAILS, now_ms);
    }
}

static void test_circuit(void **state)
{
    struct endpoints *e = endpoints_new(4, 8);
    const struct endpoint_name a = named("http://a/");
    fail_times(e, &a, ENDPOINT_FAILURES - 1, 0);
    assert_int_equal(endpoints_count_open(e, 0), 0);
    fail_times(e, &a, 1, 1000);
    assert_int_equal(endpoints_count_open(e, 1000), 1);
    assert_null(endpoint_enter(e, &a, false, 1000 + ENDPOINT_PAUSE_MS - 1));

    /* After the pause one may try, and only one. */
    struct endpoint *probe = endpoint_enter(e, &a, false, 1000 + ENDPOINT_PAUSE_MS);
    assert_non_null(probe);
    assert_null(endpoint_enter(e, &a, false, 1000 + ENDPOINT_PAUSE_MS));
    endpoint_leave(e, probe, ENDPOINT_FAILS, 20000);
    assert_null(endpoint_enter(e, &a, false, 20000 + 2 * ENDPOINT_PAUSE_MS - 1));
    probe = endpoint_enter(e, &a, false, 20000 + 2 * ENDPOINT_PAUSE_MS);
    assert_non_null(probe);
    endpoint_leave(e, probe, ENDPOINT_WORKS, 40000);
    assert_int_equal(endpoints_count_open(e, 40000), 0);
    struct endpoint *p = endpoint_enter(e, &a, false, 40000);
    assert_non_null(p);
    assert_non_null(endpoint_enter(e, &a, false, 40000));
    endpoints_free(e);
}

static void test_table_is_bounded(void **state)
{
    struct endpoints *e = endpoints_new(4, 2);
    const struct endpoint_name a = named("http://a/");
    const struct endpoint_name b = named("http://b/");
    const struct endpoint_name c = named("http://c/");
    fail_times(e, &a, 1, 0); /* remembered, but nobody is at it */
    assert_non_null(endpoint_enter(e, &b, false, 0));
    assert_non_null(endpoint_enter(e, &c, false, 0)); /* a is forgotten */
    assert_null(endpoint_enter(e, &a, false, 0));
    endpoints_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),    cmocka_unit_test(test_wait),
        cmocka_unit_test(test_retry_after), cmocka_unit_test(test_places),
        cmocka_unit_test(test_circuit),     cmocka_unit_test(test_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
