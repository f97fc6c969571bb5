/* RFC 3339 texts, and the clock that can be replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static void must_parse(const char *text, int64_t want_us)
{
    int64_t got = 0;
    assert_int_equal(time_parse_us(text, &got), ST_OK);
    assert_true(got == want_us);
}

static void must_not_parse(const char *text)
{
    int64_t got = 0;
    assert_int_equal(time_parse_us(text, &got), ST_INVALID);
}

static void test_parse(void **state)
{
    (void)state;
    must_parse("1970-01-01T00:00:00Z", 0);
    must_parse("2026-01-30T23:23:29Z", 1769815409000000);
    must_parse("2026-01-30t23:23:29z", 1769815409000000);
    must_parse("2026-01-30 23:23:29Z", 1769815409000000);
    must_parse("2026-01-30T18:23:29-05:00", 1769815409000000);
    must_parse("2026-01-31T05:08:29+05:45", 1769815409000000);
    must_parse("2024-01-30T22:19:11.131228-05:00", 1706671151131228);
    must_parse("2026-01-30T23:23:29.5Z", 1769815409500000);
    must_parse("2026-01-30T23:23:29.123456789Z", 1769815409123456);
    must_parse("2024-02-29", 1709164800000000);
    must_not_parse("");
    must_not_parse("yesterday");
    must_not_parse("2026-01-30T23:23:29");
    must_not_parse("2026-01-30T23:23Z");
    must_not_parse("2026-02-29T00:00:00Z");
    must_not_parse("2026-13-01T00:00:00Z");
    must_not_parse("2026-01-30T24:00:00Z");
    must_not_parse("2026-01-30T23:60:00Z");
    must_not_parse("2026-01-30T23:23:29.Z");
    must_not_parse("2026-01-30T23:23:29Zx");
    must_not_parse("2026-01-30T23:23:29+0500");
    must_not_parse("1969-12-31T23:59:59Z");
    must_not_parse("1970-01-01T00:00:00+01:00");
    must_not_parse("-2026-01-30");
}

static void test_format(void **state)
{
    (void)state;
    char text[TIME_TEXT_BYTES];
    time_format_us(1769815409000000, text);
    assert_string_equal(text, "2026-01-30T23:23:29Z");
    time_format_us(1769815409120000, text);
    assert_string_equal(text, "2026-01-30T23:23:29.120Z");
    time_format_us(1769815409000001, text);
    assert_string_equal(text, "2026-01-30T23:23:29.000001Z");
    time_format_ms(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    time_format_us(253402300800000000, text);
    assert_string_equal(text, "10000-01-01T00:00:00Z");
    time_format_us(INT64_MAX, text);
    assert_string_equal(text, "294247-01-10T04:00:54.775807Z");
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int64_t us = 1; us < 4000000000000000; us = us * 3 + 7) {
        char text[TIME_TEXT_BYTES];
        time_format_us(us, text);
        must_parse(text, us);
    }
}

static int64_t fixed(void *self)
{
    return *(int64_t *)self;
}

static void test_replaced(void **state)
{
    (void)state;
    int64_t now = 1234567;
    clock_use(&(struct clock_source){.wall_us = fixed, .mono_us = fixed, .self = &now});
    assert_true(clock_wall_us() == 1234567);
    assert_true(clock_wall_ms() == 1234);
    now = 2000000;
    assert_true(clock_mono_ms() == 2000);
    clock_use(NULL);
    assert_true(clock_wall_us() > 1700000000000000);
    int64_t before = clock_wall_ms();
    clock_set_offset_ms(3600000);
    assert_true(clock_wall_ms() >= before + 3600000);
    clock_set_offset_ms(0);
}

static void test_offset_file(void **state)
{
    (void)state;
    char path[] = "/tmp/clock-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(clock_set_offset_file("/nowhere/at/all"), ST_NOT_FOUND);
    assert_int_equal(clock_set_offset_file(path), ST_INVALID); /* empty */
    static const int64_t offsets[] = {0, 3600000, -3600000, 0};
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        int64_t before = clock_mono_ms() - clock_wall_ms();
        assert_int_equal(pwrite(fd, &offsets[i], sizeof(offsets[i]), 0), sizeof(offsets[i]));
        if (i == 0)
            assert_int_equal(clock_set_offset_file(path), ST_OK);
        int64_t stepped = before - (clock_mono_ms() - clock_wall_ms());
        int64_t expected = offsets[i] - (i > 0 ? offsets[i - 1] : 0);
        assert_true(stepped > expected - 60000 && stepped < expected + 60000);
    }
    (void)close(fd);
    (void)unlink(path);
}

/* What is believed moves as little as each answer demands. The last test: a clock that follows does
 * so to the end. */
static void test_follows_a_reference(void **state)
{
    (void)state;
    static const struct {
        int64_t said_ms, took_ms, believed_ms; /* beside an hour ahead of the monotonic clock */
    } rows[] = {
        {0, 200, 100},  {0, 50, 50},   {-20, 30, 10},
        {-20, 10, -10}, {500, 1, 500}, {-7200000, 0, -7200000},
    };
    const int64_t hour = 3600000000;
    assert_false(clock_is_following());
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t told = clock_mono_us();
        clock_follow(told + hour + rows[i].said_ms * 1000, told - rows[i].took_ms * 1000, told);
        assert_true(clock_is_following());
        /* Read between two looks at the other clock: it may be a while from one to the next. */
        const int64_t before = clock_mono_us(), wall = clock_wall_us(), after = clock_mono_us();
        assert_true(wall - after - hour <= rows[i].believed_ms * 1000);
        assert_true(wall - before - hour > rows[i].believed_ms * 1000 - 100000);
    }
    clock_set_offset_ms(3600000);
    assert_true(clock_wall_us() < clock_mono_us());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_format),
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_offset_file), cmocka_unit_test(test_follows_a_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
