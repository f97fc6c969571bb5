/* Fields into bits, and the search for the next and the last local time that the bits allow, one
 * stretch of constant offset after the other. */
#include "model/cron.h"

#include <ctype.h>
#include <string.h>

#include "model/civil.h"

#define MINUTE_S 60LL
#define HOUR_S 3600LL
#define SHIFT_MAX_S (3 * HOUR_S) /* from here on a change is not daylight saving */
#define FIRST_S (-62167219200LL) /* year 0 */
#define END_S 253402300800LL     /* year 10000 */
/* 29 February on one weekday comes after 40 years at the latest, across a year like 2100. */
#define HORIZON_S (50 * 366 * CIVIL_DAY_S)

static const char why_fields[] =
    "a cron schedule has five fields: minute, hour, day of month, month, day of week, as in "
    "\"30 9 * * 1-5\"";
static const char why_minute[] = "a cron schedule's minute must be *, or of 0 to 59";
static const char why_hour[] = "a cron schedule's hour must be *, or of 0 to 23";
static const char why_day[] = "a cron schedule's day of month must be *, or of 1 to 31";
static const char why_month[] = "a cron schedule's month must be *, of 1 to 12, or JAN to DEC";
static const char why_weekday[] =
    "a cron schedule's day of week must be *, of 0 to 7 (0 and 7 are Sunday), or SUN to SAT";
static const char why_order[] = "a cron schedule's range must go from the lower to the higher";
static const char why_step[] =
    "a cron schedule's step follows * or a range, is at least 1 and no longer than the range";
static const char why_never[] = "this cron schedule never fires: there is no such date";
static const char why_name[] =
    "of the @ names, @minutely, @hourly, @daily, @midnight, @weekly, @monthly, @yearly and "
    "@annually are accepted";

static const struct {
    const char *name, *text;
} names[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

static const struct field {
    int low, high;
    const char *words; /* three letters each, from `low` on */
    const char *why;
} fields[] = {
    {0, 59, "", why_minute},
    {0, 23, "", why_hour},
    {1, 31, "", why_day},
    {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec", why_month},
    {0, 7, "sunmontuewedthufrisat", why_weekday},
};

/* --- reading --- */

static bool take_number(const char **p, int *out)
{
    if (!isdigit((unsigned char)**p))
        return false;
    int n = 0;
    for (; isdigit((unsigned char)**p); (*p)++)
        n = MIN_OF(n * 10 + (**p - '0'), 10000);
    *out = n;
    return true;
}

static bool take_value(const struct field *f, const char **p, int *out)
{
    int n = 0;
    if (isalpha((unsigned char)**p)) {
        for (const char *word = f->words; *word != '\0'; word += 3, n++) {
            if (strncmp(*p, word, 3) == 0 && !isalpha((unsigned char)(*p)[3])) {
                *p += 3;
                *out = f->low + n;
                return true;
            }
        }
        return false;
    }
    if (!take_number(p, &n) || n < f->low || n > f->high)
        return false;
    *out = n;
    return true;
}

/* "*", "*\/5", "3", "1-5", "1-5/2" */
static const char *parse_item(const struct field *f, const char **p, uint64_t *bits)
{
    int from = f->low, to = f->high, step = 1;
    bool is_range = true;
    if (**p == '*') {
        (*p)++;
        if (f->words[0] == 's')
            to = 6; /* Sunday is not to come twice */
    } else {
        if (!take_value(f, p, &from))
            return f->why;
        to = from;
        is_range = **p == '-';
        if (is_range) {
            (*p)++;
            bool is_sunday = strncmp(*p, "sun", 3) == 0;
            if (!take_value(f, p, &to))
                return f->why;
            if (is_sunday && from > 0)
                to = 7; /* "fri-sun" */
        }
    }
    if (to < from)
        return why_order;
    if (**p == '/') {
        (*p)++;
        if (!is_range || !take_number(p, &step) || step < 1 || step > to - from + 1)
            return why_step;
    }
    for (int n = from; n <= to; n += step)
        *bits |= 1ULL << n;
    return NULL;
}

static const char *parse_field(const struct field *f, const char **p, uint64_t *bits)
{
    for (;;) {
        const char *why = parse_item(f, p, bits);
        if (why)
            return why;
        if (**p != ',')
            break;
        (*p)++;
    }
    if (**p != '\0' && **p != ' ' && **p != '\t')
        return f->why;
    *p += strspn(*p, " \t");
    return NULL;
}

static bool can_fire(const struct cron *c)
{
    if (!c->any_day && !c->any_weekday)
        return true; /* a weekday will do, and every month has all of them */
    for (int month = 1; month <= 12; month++) {
        uint32_t exist = (uint32_t)((1ULL << (civil_month_days(2000, month) + 1)) - 2);
        if ((c->months >> month & 1) && (c->days & exist))
            return true;
    }
    return false;
}

static const char *parse_fields(const char *text, struct cron *out)
{
    uint64_t bits[ARRAY_LEN(fields)] = {0};
    bool is_star[ARRAY_LEN(fields)];
    const char *p = text + strspn(text, " \t");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (*p == '\0')
            return why_fields;
        is_star[i] = *p == '*';
        const char *why = parse_field(&fields[i], &p, &bits[i]);
        if (why)
            return why;
    }
    if (*p != '\0')
        return why_fields;
    struct cron c = {
        .minutes = bits[0],
        .hours = (uint32_t)bits[1],
        .days = (uint32_t)bits[2],
        .months = (uint16_t)bits[3],
        .weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f),
        .is_wild = is_star[0] || is_star[1],
        .any_day = is_star[2],
        .any_weekday = is_star[4],
    };
    if (!can_fire(&c))
        return why_never;
    *out = c;
    return NULL;
}

const char *cron_parse(const char *text, struct cron *out)
{
    if (text[0] != '@')
        return parse_fields(text, out);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i].name) == 0)
            return parse_fields(names[i].text, out);
    }
    return why_name;
}

/* --- local time --- */

static bool day_matches(const struct cron *c, int64_t days, int day)
{
    bool in_month = c->days >> day & 1;
    bool in_week = c->weekdays >> civil_weekday(days) & 1;
    return c->any_day || c->any_weekday ? in_month && in_week : in_month || in_week;
}

/* The first day from `days` on, before `end`, that matches; `end` when there is none. */
static int64_t day_from(const struct cron *c, int64_t days, int64_t end)
{
    struct civil d = civil_from_days(days);
    while (days < end) {
        int length = civil_month_days(d.year, d.month);
        if (c->months >> d.month & 1) {
            for (; d.day <= length; d.day++, days++) {
                if (day_matches(c, days, d.day))
                    return MIN_OF(days, end);
            }
        } else {
            days += length - d.day + 1;
        }
        d = (struct civil){d.month == 12 ? d.year + 1 : d.year, d.month % 12 + 1, 1};
    }
    return end;
}

/* The last day up to `days`, from `first` on, that matches; first - 1 when there is none. */
static int64_t day_to(const struct cron *c, int64_t days, int64_t first)
{
    struct civil d = civil_from_days(days);
    while (days >= first) {
        if (c->months >> d.month & 1) {
            for (; d.day >= 1; d.day--, days--) {
                if (day_matches(c, days, d.day))
                    return MAX_OF(days, first - 1);
            }
        } else {
            days -= d.day;
        }
        d.year -= d.month == 1;
        d.month = d.month == 1 ? 12 : d.month - 1;
        d.day = civil_month_days(d.year, d.month);
    }
    return first - 1;
}

/* The lowest bit from `from` on, or -1; the highest one up to `to`, or -1. */
static int bit_from(uint64_t bits, int from)
{
    uint64_t left = from > 63 ? 0 : bits >> from << from;
    return left ? __builtin_ctzll(left) : -1;
}

static int bit_to(uint64_t bits, int to)
{
    uint64_t left = to < 0 ? 0 : bits & (~0ULL >> (63 - to));
    return left ? 63 - __builtin_clzll(left) : -1;
}

/* The first time of a day at or after `minute` (of the day), in minutes; -1: none. */
static int minute_from(const struct cron *c, int minute)
{
    int hour = bit_from(c->hours, minute / 60);
    if (hour < 0)
        return -1;
    int rest = bit_from(c->minutes, hour == minute / 60 ? minute % 60 : 0);
    if (rest < 0) {
        hour = bit_from(c->hours, hour + 1);
        rest = bit_from(c->minutes, 0);
    }
    return hour < 0 ? -1 : hour * 60 + rest;
}

static int minute_to(const struct cron *c, int minute)
{
    int hour = bit_to(c->hours, minute / 60);
    if (hour < 0)
        return -1;
    int rest = bit_to(c->minutes, hour == minute / 60 ? minute % 60 : 59);
    if (rest < 0) {
        hour = bit_to(c->hours, hour - 1);
        rest = bit_to(c->minutes, 59);
    }
    return hour < 0 ? -1 : hour * 60 + rest;
}

/* The first local time at or after `from`, before `end`; `end` when there is none. */
static int64_t local_from(const struct cron *c, int64_t from, int64_t end)
{
    int64_t minute = -civil_floor_div(-from, MINUTE_S); /* rounded up */
    int64_t end_day = civil_floor_div(end - 1, CIVIL_DAY_S) + 1;
    int64_t day = civil_floor_div(minute, 24 * 60);
    int64_t start = day_from(c, day, end_day);
    int found = start < end_day ? minute_from(c, start == day ? (int)(minute - day * 24 * 60) : 0)
                                : -1;
    if (found < 0 && start < end_day) {
        start = day_from(c, start + 1, end_day);
        found = minute_from(c, 0);
    }
    if (start >= end_day)
        return end;
    return MIN_OF(start * CIVIL_DAY_S + found * MINUTE_S, end);
}

/* The last local time at or before `to`, not before `first`; first - 1 when there is none. */
static int64_t local_to(const struct cron *c, int64_t to, int64_t first)
{
    int64_t minute = civil_floor_div(to, MINUTE_S);
    int64_t first_day = civil_floor_div(first, CIVIL_DAY_S);
    int64_t day = civil_floor_div(minute, 24 * 60);
    int64_t start = day_to(c, day, first_day);
    int found = start >= first_day
                    ? minute_to(c, start == day ? (int)(minute - day * 24 * 60) : 24 * 60 - 1)
                    : -1;
    if (found < 0 && start >= first_day) {
        start = day_to(c, start - 1, first_day);
        found = minute_to(c, 24 * 60 - 1);
    }
    if (start < first_day)
        return first - 1;
    return MAX_OF(start * CIVIL_DAY_S + found * MINUTE_S, first - 1);
}

/* --- instants --- */

/* How far the clock was set at the stretch's start, when that was for daylight saving; else 0. */
static int64_t shift_of(const struct tz_segment *seg)
{
    int64_t shift_s = seg->offset_s - seg->before_s;
    bool is_dst = seg->from_s != INT64_MIN && shift_s < SHIFT_MAX_S && shift_s > -SHIFT_MAX_S;
    return is_dst ? shift_s : 0;
}

/* The stretch without the local time that it repeats, for whom that does not count. */
static int64_t begin_of(const struct cron *c, const struct tz_segment *seg)
{
    int64_t shift_s = c->is_wild ? 0 : shift_of(seg);
    return shift_s < 0 ? seg->from_s - shift_s : seg->from_s;
}

/* Whether the schedule fires at the stretch's start for what the jump to it skipped. */
static bool fires_at_jump(const struct cron *c, const struct tz_segment *seg)
{
    if (c->is_wild || shift_of(seg) <= 0)
        return false;
    int64_t end = seg->from_s + seg->offset_s;
    return local_from(c, seg->from_s + seg->before_s, end) < end;
}

int64_t cron_next(const struct cron *c, const struct tz *tz, int64_t at_s)
{
    if (at_s < FIRST_S || at_s >= END_S)
        return at_s < FIRST_S ? cron_next(c, tz, FIRST_S) : CRON_NEVER;
    int64_t horizon_s = MIN_OF(at_s + HORIZON_S, END_S);
    for (int64_t from_s = at_s + 1; from_s < horizon_s;) {
        struct tz_segment seg = tz_segment_at(tz, from_s);
        int64_t end_s = MIN_OF(seg.until_s, horizon_s);
        if (from_s == seg.from_s && fires_at_jump(c, &seg))
            return from_s;
        int64_t begin_s = MAX_OF(from_s, begin_of(c, &seg));
        if (begin_s < end_s) {
            int64_t at = local_from(c, begin_s + seg.offset_s, end_s + seg.offset_s) - seg.offset_s;
            if (at < end_s)
                return at;
        }
        from_s = end_s;
    }
    return CRON_NEVER;
}

int64_t cron_last(const struct cron *c, const struct tz *tz, int64_t at_s)
{
    if (at_s < FIRST_S || at_s >= END_S)
        return at_s < FIRST_S ? INT64_MIN : cron_last(c, tz, END_S - 1);
    int64_t horizon_s = MAX_OF(at_s - HORIZON_S, FIRST_S);
    for (int64_t to_s = at_s; to_s >= horizon_s;) {
        struct tz_segment seg = tz_segment_at(tz, to_s);
        int64_t first_s = MAX_OF(begin_of(c, &seg), horizon_s);
        if (first_s <= to_s) {
            int64_t at = local_to(c, to_s + seg.offset_s, first_s + seg.offset_s) - seg.offset_s;
            if (at >= first_s)
                return at;
        }
        if (seg.from_s >= horizon_s && fires_at_jump(c, &seg))
            return seg.from_s;
        if (seg.from_s == INT64_MIN)
            break;
        to_s = seg.from_s - 1;
    }
    return INT64_MIN;
}
