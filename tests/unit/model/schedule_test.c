/* What is a schedule and what is not, and that slots tile the time line. */
#include "model/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/rand.h"
#include "base/uuid.h"

#define S 1000LL
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)

static void must_parse(const char *text, int64_t interval_ms)
{
    struct schedule s = {0};
    struct errbuf err = {{0}};
    if (schedule_parse(text, NULL, &s, &err) != ST_OK)
        fail_msg("\"%s\" is refused: %s", text, err.text);
    if (s.interval_ms != interval_ms)
        fail_msg("\"%s\" is %lld ms", text, (long long)s.interval_ms);
    assert_null(schedule_refusal(text, NULL));
}

static void must_not_parse(const char *text, const char *part_of_reason)
{
    struct schedule s = {.interval_ms = 77};
    struct errbuf err = {{0}};
    if (schedule_parse(text, NULL, &s, &err) != ST_INVALID)
        fail_msg("\"%s\" is accepted", text);
    if (!strstr(err.text, part_of_reason))
        fail_msg("\"%s\" is refused because %s", text, err.text);
    assert_int_equal(s.interval_ms, 77); /* untouched */
    assert_string_equal(schedule_refusal(text, NULL), err.text);
}

static void test_accepted(void **state)
{
    must_parse("every 5 minutes", 5 * M);
    must_parse("every minute", M);
    must_parse("every 1 minute", M);
    must_parse("every 30 seconds", 30 * S);
    must_parse("every second", S);
    must_parse("every hour", H);
    must_parse("every 2 hours", 2 * H);
    must_parse("every day", D);
    must_parse("every week", 7 * D);
    must_parse("every 5m", 5 * M);
    must_parse("every\t5   minutes", 5 * M);
    must_parse("30s", 30 * S);
    must_parse("5m", 5 * M);
    must_parse("5 min", 5 * M);
    must_parse("10 secs", 10 * S);
    must_parse("2 hours", 2 * H);
    must_parse("3 hrs", 3 * H);
    must_parse("1 day", D);
    must_parse("2w", 14 * D);
    must_parse("5", 5 * M);
    must_parse("60", H);
    must_parse("007", 7 * M);
    must_parse("PT30S", 30 * S);
    must_parse("PT5M", 5 * M);
    must_parse("PT1H", H);
    must_parse("PT1H30M", H + 30 * M);
    must_parse("P1D", D);
    must_parse("P1DT12H", D + 12 * H);
    must_parse("P2W", 14 * D);
    must_parse("pt5m", 5 * M);
    must_parse("@minutely", M);
    must_parse("@MINUTELY", M);
    must_parse("  Every 5 MINUTES \n", 5 * M);
    must_parse("1 second", LIMIT_SCHEDULE_MIN_MS);
    must_parse("366 days", LIMIT_SCHEDULE_MAX_MS);
    must_parse("0000000000000000000000000000000005m", 5 * M);
}

static void test_refused(void **state)
{
    must_not_parse(NULL, "empty");
    must_not_parse("", "empty");
    must_not_parse(" \t\n", "empty");
    must_not_parse("every", "\"every\" is followed by");
    must_not_parse("every 5", "\"every\" is followed by");
    must_not_parse("every m", "\"every\" is followed by");
    must_not_parse("every -5 minutes", "whole number");
    must_not_parse("every five minutes", "not a schedule");
    must_not_parse("every fortnight", "unit must be");
    must_not_parse("5 parsecs", "unit must be");
    must_not_parse("5ms", "unit must be");
    must_not_parse("everyminute", "not a schedule");
    must_not_parse("every 5 minutes please", "not a schedule");
    must_not_parse("CRON_TZ=UTC every 5 minutes", "cron schedules only");
    must_not_parse("TZ=UTC 5", "cron schedules only");
    must_not_parse("minutes", "not a schedule");
    must_not_parse("-5", "whole number");
    must_not_parse("+5", "whole number");
    must_not_parse("1.5 hours", "whole number");
    must_not_parse("1,5 hours", "whole number");
    must_not_parse("0", "at least 1 second");
    must_not_parse("0s", "at least 1 second");
    must_not_parse("PT0S", "at least 1 second");
    must_not_parse("367 days", "at most 366 days");
    must_not_parse("99999999999999999999999999999", "at most 366 days");
    must_not_parse("9223372036854775807s", "at most 366 days");
    must_not_parse("18446744073709551617 weeks", "at most 366 days");
    must_not_parse("P99999999999999999999WT1S", "at most 366 days");
    must_not_parse("P1M", "months and years");
    must_not_parse("P1Y", "months and years");
    must_not_parse("P", "ISO 8601");
    must_not_parse("PT", "ISO 8601");
    must_not_parse("P1DT", "ISO 8601");
    must_not_parse("P5", "ISO 8601");
    must_not_parse("PT5", "ISO 8601");
    must_not_parse("PT5S3M", "ISO 8601");
    must_not_parse("PT1M1M", "ISO 8601");
    must_not_parse("PT1TM", "ISO 8601");
    must_not_parse("P1H", "ISO 8601");
    must_not_parse("PT1D", "ISO 8601");
    must_not_parse("PT1.5S", "ISO 8601");
    must_not_parse("PT-5M", "ISO 8601");
}

static void test_calendar(void **state)
{
    must_parse("*/5 * * * *", 0);
    must_parse("0 5 * * 1", 0);
    must_parse(" 0\t5 * *  MON ", 0);
    must_parse("@hourly", 0);
    must_parse("@Daily", 0);
    must_parse("CRON_TZ=UTC 0 5 * * 1", 0);
    must_parse("cron_tz=Etc/UTC   @weekly", 0);
    must_parse("TZ=UTC 0 5 * * 1", 0);
    must_not_parse("CRON_TZ=UTC", "cron schedules only");
    must_not_parse("CRON_TZ= 0 5 * * 1", "no such time zone");
    must_not_parse("CRON_TZ=Mars/Olympus 0 5 * * 1", "no such time zone");
    must_not_parse("0 5 * *", "five fields");
    must_not_parse("0 0 5 * * 1", "five fields");
    must_not_parse("*", "five fields");
    must_not_parse("@", "@weekly");
    must_not_parse("@reboot", "@weekly");
    must_not_parse("tomorrow", "PT5M");
}

static void test_text_too_long(void **state)
{
    char text[LIMIT_SCHEDULE_TEXT + 2];
    memset(text, '0', sizeof(text));
    text[sizeof(text) - 2] = '5';
    text[sizeof(text) - 1] = '\0';
    must_not_parse(text, "longer than 200");
    must_parse(text + 1, 5 * M);
}

static int64_t random_time(void)
{
    switch (rand_below(4)) {
    case 0:
        return 1700000000000LL + (int64_t)rand_below(1000000000);
    case 1:
        return -(int64_t)rand_below(1ULL << 50);
    case 2:
        return (int64_t)rand_below(1ULL << 50);
    default:
        return (int64_t)rand_below(1000) - 500;
    }
}

static void test_slots_tile_the_time_line(void **state)
{
    for (int i = 0; i < 100000; i++) {
        struct schedule s = {.interval_ms = 1000 +
                                            (int64_t)rand_below(i % 2 ? 100000 : 31622400000)};
        struct uuid id = uuid_new();
        int64_t phase = schedule_phase(&s, uuid_hash(&id));
        int64_t t = random_time();
        int64_t slot = schedule_slot_at(&s, phase, t);
        int64_t next = schedule_next(&s, phase, t);
        assert_true(phase >= 0 && phase < s.interval_ms);
        assert_true(slot <= t && t < next);
        assert_true(next - slot == s.interval_ms);
        assert_true((slot - phase) % s.interval_ms == 0);
        assert_true(schedule_slot_at(&s, phase, slot) == slot);
        assert_true(schedule_next(&s, phase, slot) == next);
        assert_true(schedule_slot_at(&s, phase, next - 1) == slot);
    }
}

static void test_ends_of_time(void **state)
{
    struct schedule s = {.interval_ms = 60000};
    assert_true(schedule_next(&s, 59999, INT64_MAX) == INT64_MAX);
    assert_true(schedule_slot_at(&s, 0, INT64_MAX) <= INT64_MAX);
    assert_true(schedule_slot_at(&s, 1, INT64_MIN) == INT64_MIN);
    assert_true(schedule_next(&s, 1, INT64_MIN) > INT64_MIN);
    assert_true(schedule_slot_at(&s, 0, -1) == -60000);
    assert_true(schedule_next(&s, 0, -1) == 0);
    assert_true(schedule_slot_at(&s, 10, 9) == -59990);
}

static void test_counts(void **state)
{
    struct schedule s = {.interval_ms = 60000};
    assert_true(schedule_count(&s, 7, 7, 60007) == 1);
    assert_true(schedule_count(&s, 7, 6, 60006) == 1);
    assert_true(schedule_count(&s, 7, 6, 60007) == 2);
    assert_true(schedule_count(&s, 7, 60007, 7) == 0);
    assert_true(schedule_gap_ms(&s, 7, 12345) == 60000);
    assert_int_equal(schedule_parse("0 9 * * 1-5", NULL, &s, NULL), ST_OK);
    /* Thursday, 1 January 1970, and a week later. */
    assert_true(schedule_count(&s, 0, 0, 7 * D) == 5);
    assert_true(schedule_count(&s, 0, 9 * H, 7 * D) == 4);
    assert_true(schedule_gap_ms(&s, 0, 0) == D);
    assert_true(schedule_gap_ms(&s, 0, D + 9 * H) == 3 * D); /* the weekend */
    assert_true(schedule_phase(&s, 123456789) == 0);
}

static void test_previews(void **state)
{
    struct schedule s;
    int64_t at[3];
    assert_int_equal(schedule_parse("@monthly", NULL, &s, NULL), ST_OK);
    assert_true(schedule_preview(&s, 0, 0, at, ARRAY_LEN(at)) == 3);
    assert_true(at[0] == 31 * D && at[1] == 59 * D && at[2] == 90 * D);
    assert_true(schedule_preview(&s, 0, INT64_MAX, at, ARRAY_LEN(at)) == 0);
    assert_true(schedule_slot_at(&s, 0, INT64_MIN) == INT64_MIN);
    assert_true(schedule_next(&s, 0, INT64_MAX) == INT64_MAX);
    assert_true(schedule_next(&s, 0, INT64_MIN) > INT64_MIN);
    assert_true(schedule_gap_ms(&s, 0, INT64_MIN) > 0);
}

static void test_phases_spread(void **state)
{
    enum { CHECKS = 20000, BUCKETS = 20 };
    struct schedule s = {.interval_ms = 60000};
    int bucket[BUCKETS] = {0};
    for (int i = 0; i < CHECKS; i++) {
        struct uuid id = uuid_new();
        bucket[schedule_phase(&s, uuid_hash(&id)) * BUCKETS / s.interval_ms]++;
    }
    for (int i = 0; i < BUCKETS; i++) {
        assert_true(bucket[i] > CHECKS / BUCKETS * 7 / 10);
        assert_true(bucket[i] < CHECKS / BUCKETS * 13 / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_text_too_long),
        cmocka_unit_test(test_slots_tile_the_time_line),
        cmocka_unit_test(test_ends_of_time),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_previews),
        cmocka_unit_test(test_phases_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
