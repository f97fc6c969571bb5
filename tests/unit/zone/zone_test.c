/* Zones and cron schedules against a brute-force oracle: the C library's localtime_r, asked minute
 * by minute, and cron(8)'s words about clocks that change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/rand.h"
#include "zone/zone.h"

#define MINUTE 60LL
#define DAY (24 * 60 * MINUTE)
#define FROM 631152000LL   /* 1990 */
#define UNTIL 2240524800LL /* 2041 */
enum { SHIFT_MAX = 180, WINDOW = 4 * 24 * 60, BEFORE = 200, SCHEDULES = 40 };

static const char *const zones[] = {
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Moscow",
    "Europe/Istanbul",
    "Europe/Volgograd",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Caracas",
    "America/Havana",
    "America/Nuuk",
    "America/Scoresbysund",
    "America/Santiago",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Africa/Juba",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
    "Pacific/Kiritimati",
    "Pacific/Easter",
};

static void use_zone(const char *name)
{
    char text[96];
    (void)snprintf(text, sizeof(text), ":%s", name);
    (void)setenv("TZ", text, 1);
    tzset();
}

static int64_t offset_at(int64_t at_s, struct tm *tm)
{
    time_t t = (time_t)at_s;
    assert_non_null(localtime_r(&t, tm));
    return tm->tm_gmtoff;
}

static void test_offsets(void **state)
{
    for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
        const struct tz *tz = zone_find(zones[z]);
        struct tm tm;
        use_zone(zones[z]);
        assert_non_null(tz);
        struct tz_segment seg = tz_segment_at(tz, FROM);
        for (int64_t at = FROM; at < UNTIL; at += 6 * 60 * MINUTE) {
            if (at >= seg.until_s) {
                struct tz_segment next = tz_segment_at(tz, seg.until_s);
                assert_true(next.from_s == seg.until_s && next.before_s == seg.offset_s);
                assert_true(next.offset_s != seg.offset_s);
                assert_true(offset_at(seg.until_s - 1, &tm) == seg.offset_s);
                assert_true(offset_at(seg.until_s, &tm) == next.offset_s);
                seg = tz_segment_at(tz, at);
            }
            if (offset_at(at, &tm) != seg.offset_s)
                fail_msg("%s at %lld: %lld, not %ld", zones[z], (long long)at,
                         (long long)seg.offset_s, tm.tm_gmtoff);
        }
    }
}

/* --- schedules --- */

/* The oracle reads the fields itself: lists of values, NULL for "*" of all. */
struct plain {
    char text[80];
    bool set[5][60];
    bool is_star[5];
};

static void random_field(struct plain *p, int i, int low, int high, char *out, size_t cap)
{
    int n = 0;
    switch (rand_below(i == 1 ? 6 : 4)) {
    case 0:
        (void)snprintf(out, cap, "*");
        p->is_star[i] = true;
        for (n = low; n <= high; n++)
            p->set[i][n] = true;
        return;
    case 1: {
        int step = 1 + (int)rand_below((uint64_t)(high - low) / 2);
        (void)snprintf(out, cap, "*/%d", step);
        p->is_star[i] = true;
        for (n = low; n <= high; n += step)
            p->set[i][n] = true;
        return;
    }
    case 2: {
        int a = low + (int)rand_below((uint64_t)(high - low));
        int b = a + (int)rand_below((uint64_t)(high - a));
        (void)snprintf(out, cap, "%d-%d", a, b);
        for (n = a; n <= b; n++)
            p->set[i][n] = true;
        return;
    }
    default: {
        /* Hours at which clocks change are of more interest than others. */
        int a = i == 1 ? (int)rand_below(5) : low + (int)rand_below((uint64_t)(high - low + 1));
        int b = low + (int)rand_below((uint64_t)(high - low + 1));
        (void)snprintf(out, cap, "%d,%d", a, b);
        p->set[i][a] = p->set[i][b] = true;
    }
    }
}

static void random_schedule(struct plain *p)
{
    static const int low[] = {0, 0, 1, 1, 0}, high[] = {59, 23, 31, 12, 6};
    char field[5][16];
    *p = (struct plain){.text = ""};
    for (int i = 0; i < 5; i++) {
        if (i >= 2 && rand_below(3) > 0) { /* mostly every day */
            (void)snprintf(field[i], sizeof(field[i]), "*");
            p->is_star[i] = true;
            for (int n = low[i]; n <= high[i]; n++)
                p->set[i][n] = true;
            continue;
        }
        random_field(p, i, low[i], high[i], field[i], sizeof(field[i]));
    }
    (void)snprintf(p->text, sizeof(p->text), "%s %s %s %s %s", field[0], field[1], field[2],
                   field[3], field[4]);
}

static bool matches(const struct plain *p, const struct tm *tm)
{
    bool day = p->set[2][tm->tm_mday], weekday = p->set[4][tm->tm_wday];
    return p->set[0][tm->tm_min] && p->set[1][tm->tm_hour] && p->set[3][tm->tm_mon + 1] &&
           (p->is_star[2] || p->is_star[4] ? day && weekday : day || weekday);
}

/* A window of minutes: local minutes since 1970, as if they were UTC. */
struct window {
    int64_t from_s;
    int64_t local[WINDOW];
    struct tm tm[WINDOW];
};

static void look(struct window *w, int64_t from_s)
{
    w->from_s = from_s;
    for (int i = 0; i < WINDOW; i++) {
        int64_t at = from_s + i * MINUTE;
        w->local[i] = (at + offset_at(at, &w->tm[i])) / MINUTE;
    }
}

static bool was_seen(const struct window *w, int i)
{
    for (int k = 1; k < SHIFT_MAX; k++) {
        if (w->local[i - k] == w->local[i])
            return true;
    }
    return false;
}

static bool was_skipped(const struct plain *p, const struct window *w, int i)
{
    int64_t skipped = w->local[i] - w->local[i - 1] - 1;
    if (skipped <= 0 || skipped >= SHIFT_MAX)
        return false;
    for (int64_t k = 1; k <= skipped; k++) {
        time_t t = (time_t)((w->local[i - 1] + k) * MINUTE);
        struct tm tm;
        (void)gmtime_r(&t, &tm);
        if (matches(p, &tm))
            return true;
    }
    return false;
}

static bool fires(const struct plain *p, const struct window *w, int i)
{
    bool is_match = matches(p, &w->tm[i]);
    if (p->is_star[0] || p->is_star[1])
        return is_match;
    return (is_match && !was_seen(w, i)) || was_skipped(p, w, i);
}

static void compare(const char *zone, const struct plain *p, const struct window *w)
{
    char text[128];
    struct schedule s;
    struct errbuf err = {""};
    (void)snprintf(text, sizeof(text), "CRON_TZ=%s %s", zone, p->text);
    if (schedule_read(text, &s, &err) != ST_OK) {
        assert_non_null(strstr(err.text, "never fires"));
        return;
    }
    int64_t last = schedule_slot_at(&s, 0, (w->from_s + (BEFORE - 1) * MINUTE) * 1000);
    int64_t next = schedule_next(&s, 0, (w->from_s + (BEFORE - 1) * MINUTE) * 1000);
    for (int i = BEFORE; i < WINDOW; i++) {
        int64_t at_ms = (w->from_s + i * MINUTE) * 1000;
        bool is_due = next == at_ms;
        if (is_due != fires(p, w, i))
            fail_msg("\"%s\" at %lld: %s", text, (long long)(at_ms / 1000),
                     is_due ? "fires" : "does not fire");
        if (is_due) {
            last = at_ms;
            next = schedule_next(&s, 0, at_ms);
        }
        /* Backwards is dearer, and so asked at instants and now and then. */
        if ((is_due || i % 97 == 0) && schedule_slot_at(&s, 0, at_ms + 59999) != last)
            fail_msg("\"%s\": the slot at %lld", text, (long long)(at_ms / 1000));
    }
}

static void compare_window(const char *zone, struct window *w, int64_t around_s)
{
    look(w, (around_s - (BEFORE + 36 * 60) * MINUTE) / MINUTE * MINUTE);
    for (int i = 0; i < SCHEDULES; i++) {
        struct plain p;
        random_schedule(&p);
        compare(zone, &p, w);
    }
}

/* Around changes of the clock, of which a zone has up to 140 in these years, and elsewhere. */
static void test_schedules(void **state)
{
    struct window *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
        const struct tz *tz = zone_find(zones[z]);
        use_zone(zones[z]);
        for (int i = 0; i < 12; i++) {
            int64_t at = FROM + (int64_t)rand_below((uint64_t)(UNTIL - FROM));
            struct tz_segment seg = tz_segment_at(tz, at);
            if (i % 4 != 0 && seg.until_s < UNTIL)
                at = seg.until_s;
            compare_window(zones[z], w, at);
        }
    }
    /* And the ones that moved across the date line. */
    use_zone("Pacific/Apia");
    compare_window("Pacific/Apia", w, 1325239200);
    use_zone("Pacific/Kwajalein");
    compare_window("Pacific/Kwajalein", w, 745934400);
    free(w);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"",
                                      "/",
                                      "/etc/passwd",
                                      "..",
                                      "../../../etc/passwd",
                                      "Europe/../UTC",
                                      "Europe/",
                                      "Europe",
                                      "Mars/Olympus",
                                      "UTC ",
                                      "Europe//Berlin",
                                      "zone.tab",
                                      "right/UTC",
                                      "Europe/Berlin\n",
                                      "tzdata.zi",
                                      ".",
                                      "Europe/berlin"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (zone_find(bad[i]))
            fail_msg("\"%s\" is a zone", bad[i]);
    }
    assert_ptr_equal(zone_find("Europe/Berlin"), zone_find("Europe/Berlin"));
    assert_non_null(strstr(schedule_check("CRON_TZ=Mars/Olympus @daily"), "no such time zone"));
    assert_null(schedule_check("CRON_TZ=America/Argentina/ComodRivadavia @daily"));
    assert_null(schedule_check_interval("30s"));
    assert_non_null(schedule_check_interval("@daily"));
    assert_non_null(schedule_check_interval("daily"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
