/* Cron fields by table, and single instants that a person can check by hand. */
#include "model/cron.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "zone/zone.h"

static void must_parse(const char *text)
{
    struct cron c;
    const char *why = cron_parse(text, &c);
    if (why)
        fail_msg("\"%s\" is refused: %s", text, why);
}

static void must_not_parse(const char *text, const char *part_of_reason)
{
    struct cron c;
    const char *why = cron_parse(text, &c);
    if (!why)
        fail_msg("\"%s\" is accepted", text);
    if (!strstr(why, part_of_reason))
        fail_msg("\"%s\" is refused because %s", text, why);
}

static void test_accepted(void **state)
{
    must_parse("* * * * *");
    must_parse("*/1 */1 */1 */1 */1");
    must_parse("*/15 * * * *");
    must_parse("0,15,30,45 * * * *");
    must_parse("0-29/5,30-59/10 * * * *");
    must_parse("59 23 31 12 7");
    must_parse("0 0 1 1 0");
    must_parse("0 9 * * mon-fri");
    must_parse("0 9 * jan,jul mon,wed");
    must_parse("0 9 * jan-mar fri-sun");
    must_parse("0 9 * * sun-sat");
    must_parse("0 9 * * 5-7");
    must_parse("0 0 29 2 *");
    must_parse("0 0 31 * *");
    must_parse("0 0 31 2 1"); /* Mondays in February */
    must_parse("0\t0  1\t*  *");
    must_parse("00 09 01 01 01");
    must_parse("5-5 * * * *");
    must_parse("@yearly");
    must_parse("@annually");
    must_parse("@monthly");
    must_parse("@weekly");
    must_parse("@daily");
    must_parse("@midnight");
    must_parse("@hourly");
}

static void test_refused(void **state)
{
    must_not_parse("", "five fields");
    must_not_parse("* * * *", "five fields");
    must_not_parse("* * * * * *", "five fields");
    must_not_parse("60 * * * *", "minute must be");
    must_not_parse("-1 * * * *", "minute must be");
    must_not_parse("a * * * *", "minute must be");
    must_not_parse("5, * * * *", "minute must be");
    must_not_parse(",5 * * * *", "minute must be");
    must_not_parse("5- * * * *", "minute must be");
    must_not_parse("5;6 * * * *", "minute must be");
    must_not_parse("99999999999999999999 * * * *", "minute must be");
    must_not_parse("? * * * *", "minute must be");
    must_not_parse("** * * * *", "minute must be");
    must_not_parse("0 24 * * *", "hour must be");
    must_not_parse("0 0 0 * *", "day of month must be");
    must_not_parse("0 0 32 * *", "day of month must be");
    must_not_parse("0 0 l * *", "day of month must be");
    must_not_parse("0 0 15w * *", "day of month must be");
    must_not_parse("0 0 1 0 *", "month must be");
    must_not_parse("0 0 1 13 *", "month must be");
    must_not_parse("0 0 1 january *", "month must be");
    must_not_parse("0 0 1 mon *", "month must be");
    must_not_parse("0 0 * * 8", "day of week must be");
    must_not_parse("0 0 * * jan", "day of week must be");
    must_not_parse("0 0 * * 1#2", "day of week must be");
    must_not_parse("0 0 * * 5l", "day of week must be");
    must_not_parse("30-10 * * * *", "from the lower");
    must_not_parse("0 0 * * fri-mon", "from the lower");
    must_not_parse("*/0 * * * *", "step");
    must_not_parse("*/61 * * * *", "step");
    must_not_parse("5/10 * * * *", "step");
    must_not_parse("*/ * * * *", "step");
    must_not_parse("1-5/6 * * * *", "step");
    must_not_parse("*/99999999999999999999 * * * *", "step");
    must_not_parse("0 0 31 2 *", "never fires");
    must_not_parse("0 0 30,31 2 *", "never fires");
    must_not_parse("0 0 31 2,4,6,9,11 *", "never fires");
    must_not_parse("0 0 30 2 */2", "never fires");
    must_not_parse("@fortnightly", "@monthly");
}

/* Seconds of "2024-03-31 01:00" in UTC. */
static int64_t utc(const char *text)
{
    struct tm tm = {0};
    if (sscanf(text, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min) != 5)
        fail_msg("\"%s\" is no time", text);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm);
}

static const char *show(int64_t at_s, char out[32])
{
    time_t t = (time_t)at_s;
    struct tm tm;
    (void)gmtime_r(&t, &tm);
    (void)strftime(out, 32, "%Y-%m-%d %H:%M", &tm);
    return out;
}

static void test_instants(void **state)
{
    static const struct {
        const char *cron, *zone;
        const char *at[5]; /* UTC: after the first one come exactly the others */
    } rows[] = {
        {"*/20 * * * *", NULL, {"2024-02-28 23:50", "2024-02-29 00:00", "2024-02-29 00:20"}},
        {"0 0 29 2 *", NULL, {"2096-03-01 00:00", "2104-02-29 00:00", "2108-02-29 00:00"}},
        {"0 0 13 * 5", NULL, {"2024-09-11 00:00", "2024-09-13 00:00", "2024-09-20 00:00"}},
        {"0 0 */31 * 1", NULL, {"2024-03-01 00:00", "2024-04-01 00:00", "2024-07-01 00:00"}},
        {"0 0 * * 7", NULL, {"2024-03-01 00:00", "2024-03-03 00:00", "2024-03-10 00:00"}},
        {"59 23 31 12 *", NULL, {"2024-12-31 23:58", "2024-12-31 23:59", "2025-12-31 23:59"}},
        /* Berlin: 02:00 to 03:00 is skipped on 31 March, repeated on 27 October. */
        {"0 9 * * *", "Europe/Berlin", {"2024-03-30 08:00", "2024-03-31 07:00"}},
        {"30 2 * * *",
         "Europe/Berlin",
         {"2024-03-30 01:30", "2024-03-31 01:00", "2024-04-01 00:30"}},
        {"0,30 2 * * *",
         "Europe/Berlin",
         {"2024-03-30 01:30", "2024-03-31 01:00", "2024-04-01 00:00"}},
        {"0 2,3 * * *",
         "Europe/Berlin",
         {"2024-03-30 02:00", "2024-03-31 01:00", "2024-04-01 00:00"}},
        {"30 2 * * *",
         "Europe/Berlin",
         {"2024-10-26 00:30", "2024-10-27 00:30", "2024-10-28 01:30"}},
        {"*/30 * * * *",
         "Europe/Berlin",
         {"2024-03-31 00:30", "2024-03-31 01:00", "2024-03-31 01:30"}},
        {"*/30 2 * * *",
         "Europe/Berlin",
         {"2024-03-31 00:00", "2024-04-01 00:00", "2024-04-01 00:30"}},
        {"*/30 2 * * *",
         "Europe/Berlin",
         {"2024-10-26 12:00", "2024-10-27 00:00", "2024-10-27 00:30", "2024-10-27 01:00",
          "2024-10-27 01:30"}},
        /* Lord Howe moves by half an hour, at 02:00. */
        {"15 2 * * *",
         "Australia/Lord_Howe",
         {"2024-10-05 14:00", "2024-10-05 15:30", "2024-10-06 15:15"}},
        {"45 1 * * *",
         "Australia/Lord_Howe",
         {"2024-04-05 14:50", "2024-04-06 14:45", "2024-04-07 15:15"}},
        /* Samoa had no 30 December 2011. */
        {"0 12 30 12 *", "Pacific/Apia", {"2011-01-01 00:00", "2012-12-29 22:00"}},
        {"0 12 * * *",
         "Pacific/Apia",
         {"2011-12-29 00:00", "2011-12-29 22:00", "2011-12-30 22:00"}},
        {"0 6 * * *",
         "Asia/Kathmandu",
         {"2024-01-01 00:00", "2024-01-01 00:15", "2024-01-02 00:15"}},
        /* The rule in the file's footer. */
        {"30 2 * * *",
         "Europe/Berlin",
         {"2090-03-26 00:00", "2090-03-26 01:00", "2090-03-27 00:30"}},
        {"30 1 * * *",
         "Europe/Dublin",
         {"2090-03-26 00:00", "2090-03-26 01:00", "2090-03-27 00:30"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cron c;
        const struct tz *tz = rows[i].zone ? zone_find(rows[i].zone) : NULL;
        assert_true(!rows[i].zone || tz);
        assert_null(cron_parse(rows[i].cron, &c));
        int64_t at = utc(rows[i].at[0]);
        for (size_t k = 1; k < ARRAY_LEN(rows[i].at) && rows[i].at[k]; k++) {
            char got[32];
            int64_t next = cron_next(&c, tz, at);
            if (next != utc(rows[i].at[k]))
                fail_msg("%s in %s: %s, not %s", rows[i].cron, rows[i].zone, show(next, got),
                         rows[i].at[k]);
            assert_true(cron_last(&c, tz, next) == next);
            assert_true(cron_last(&c, tz, next - 1) <= at);
            at = next;
        }
    }
}

static void test_ends_of_time(void **state)
{
    struct cron c;
    const struct tz *tz = zone_find("Europe/Berlin");
    assert_null(cron_parse("0 0 29 2 */6", &c)); /* 29 February on a Saturday or Sunday */
    for (int64_t at = utc("2001-01-01 00:00"); at < utc("2400-01-01 00:00");) {
        int64_t next = cron_next(&c, tz, at);
        assert_true(next > at && next != CRON_NEVER);
        assert_true(cron_last(&c, tz, next) == next);
        at = next;
    }
    assert_true(cron_next(&c, tz, INT64_MAX) == CRON_NEVER);
    assert_true(cron_next(&c, tz, INT64_MIN) != CRON_NEVER);
    assert_true(cron_last(&c, tz, INT64_MIN) == INT64_MIN);
    assert_true(cron_last(&c, tz, INT64_MAX) > 0);
    assert_true(cron_last(&c, NULL, INT64_MAX) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_instants),
        cmocka_unit_test(test_ends_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
