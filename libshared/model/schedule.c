/* Reads schedule texts and does the arithmetic of slots; every reason for a refusal is a constant,
 * so that a schema table can hand it on. */
#include "model/schedule.h"

#include <ctype.h>
#include <string.h>

#include "base/limits.h"

#define SECOND_MS 1000LL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define WEEK_MS (7 * DAY_MS)

static const char why_empty[] = "the schedule is empty";
static const char why_text_long[] = "the schedule is longer than 200 characters";
static const char why_form[] =
    "not a schedule: write \"every 5 minutes\", \"30s\", \"2 hours\", a number of minutes, an ISO "
    "8601 duration such as \"PT5M\", or @minutely, @hourly, @daily, @weekly";
static const char why_number[] = "a schedule's number must be a whole number";
static const char why_every[] =
    "\"every\" is followed by a number and a unit, as in \"every 5 minutes\"";
static const char why_unit[] = "a schedule's unit must be seconds, minutes, hours, days or weeks";
static const char why_name[] =
    "of the @ names, @minutely, @hourly, @daily and @weekly are accepted";
static const char why_iso[] =
    "not an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as \"PT5M\"";
static const char why_calendar[] = "months and years vary in length: use days or weeks";
static const char why_short[] = "a schedule's interval must be at least 1 second";
static const char why_long[] = "a schedule's interval must be at most 366 days";

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    {"s", SECOND_MS},       {"sec", SECOND_MS},     {"secs", SECOND_MS}, {"second", SECOND_MS},
    {"seconds", SECOND_MS}, {"m", MINUTE_MS},       {"min", MINUTE_MS},  {"mins", MINUTE_MS},
    {"minute", MINUTE_MS},  {"minutes", MINUTE_MS}, {"h", HOUR_MS},      {"hr", HOUR_MS},
    {"hrs", HOUR_MS},       {"hour", HOUR_MS},      {"hours", HOUR_MS},  {"d", DAY_MS},
    {"day", DAY_MS},        {"days", DAY_MS},       {"w", WEEK_MS},      {"week", WEEK_MS},
    {"weeks", WEEK_MS},
};

static const struct {
    const char *name;
    int64_t ms;
} names[] = {
    {"@minutely", MINUTE_MS},
    {"@hourly", HOUR_MS},
    {"@daily", DAY_MS},
    {"@weekly", WEEK_MS},
};

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* Reads digits at *p; false on none. Anything past the longest interval is as good as infinite, so
 * the number stops growing there and products of it with a unit cannot overflow. */
static bool take_number(const char **p, int64_t *out)
{
    if (!isdigit((unsigned char)**p))
        return false;
    int64_t n = 0;
    for (; isdigit((unsigned char)**p); (*p)++)
        n = MIN_OF(n * 10 + (**p - '0'), (int64_t)LIMIT_SCHEDULE_MAX_MS + 1);
    *out = n;
    return true;
}

/* n units, or one more than the longest interval. */
static int64_t times(int64_t n, int64_t unit_ms)
{
    return n > LIMIT_SCHEDULE_MAX_MS / unit_ms ? LIMIT_SCHEDULE_MAX_MS + 1 : n * unit_ms;
}

static const char *parse_name(const char *text, int64_t *ms)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ms = names[i].ms;
            return NULL;
        }
    }
    return why_name;
}

static const char *parse_unit(const char *text, int64_t *ms)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text, units[i].name) == 0) {
            *ms = units[i].ms;
            return NULL;
        }
    }
    return why_unit;
}

/* "p1dt12h": each designator at most once and in order (ISO 8601-1, 5.5.2). Weeks may be mixed with
 * the others, which the 2019 edition allows. */
static const char *parse_iso(const char *text, int64_t *ms)
{
    static const struct {
        char letter;
        int64_t ms;
    } dates[] = {{'w', WEEK_MS}, {'d', DAY_MS}},
      clocks[] = {{'h', HOUR_MS}, {'m', MINUTE_MS}, {'s', SECOND_MS}};
    const char *p = text + 1;
    bool in_time = false;
    size_t next = 0;
    int64_t total = 0;

    if (*p == '\0')
        return why_iso;
    while (*p != '\0') {
        if (*p == 't') {
            if (in_time || p[1] == '\0')
                return why_iso;
            in_time = true;
            next = 0;
            p++;
            continue;
        }
        int64_t n = 0;
        if (!take_number(&p, &n))
            return why_iso;
        if (!in_time && (*p == 'y' || *p == 'm'))
            return why_calendar;
        size_t count = in_time ? ARRAY_LEN(clocks) : ARRAY_LEN(dates);
        while (next < count && (in_time ? clocks[next].letter : dates[next].letter) != *p)
            next++;
        if (next == count)
            return why_iso;
        total += times(n, in_time ? clocks[next].ms : dates[next].ms);
        next++;
        p++;
    }
    *ms = total;
    return NULL;
}

/* "every minute", "every 5 minutes", "5m", "5". */
static const char *parse_interval(const char *text, int64_t *ms)
{
    const char *p = text;
    bool has_every = strncmp(p, "every", 5) == 0 && (p[5] == ' ' || p[5] == '\t' || p[5] == '\0');
    if (has_every)
        p = skip_blanks(p + 5);

    int64_t n = 1;
    int64_t unit_ms = MINUTE_MS;
    if (isdigit((unsigned char)*p)) {
        if (!take_number(&p, &n))
            return why_number;
        if (*p == '.' || *p == ',')
            return why_number;
        p = skip_blanks(p);
        if (*p == '\0') {
            if (has_every)
                return why_every;
            *ms = times(n, MINUTE_MS);
            return NULL;
        }
    } else if (!has_every) {
        return *p == '-' || *p == '+' ? why_number : why_form;
    } else if (*p == '\0') {
        return why_every;
    } else if (!isalpha((unsigned char)*p)) {
        return why_number;
    } else if (p[1] == '\0') {
        return why_every; /* "every m": a short unit needs its number */
    }
    if (strpbrk(p, " \t"))
        return why_form; /* "* / 5 * * * *", "5 minutes please" */
    const char *why = parse_unit(p, &unit_ms);
    if (why)
        return why;
    *ms = times(n, unit_ms);
    return NULL;
}

/* The reason of a refusal, or NULL. */
static const char *parse(const char *text, int64_t *out_ms)
{
    char lower[LIMIT_SCHEDULE_TEXT + 1];
    if (!text)
        return why_empty;
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    if (len == 0)
        return why_empty;
    if (len > LIMIT_SCHEDULE_TEXT)
        return why_text_long;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)text[i]);
    lower[len] = '\0';

    int64_t ms = 0;
    const char *why = NULL;
    if (lower[0] == '@')
        why = parse_name(lower, &ms);
    else if (lower[0] == 'p')
        why = parse_iso(lower, &ms);
    else
        why = parse_interval(lower, &ms);
    if (why)
        return why;
    if (ms < LIMIT_SCHEDULE_MIN_MS)
        return why_short;
    if (ms > LIMIT_SCHEDULE_MAX_MS)
        return why_long;
    *out_ms = ms;
    return NULL;
}

enum status schedule_parse(const char *text, struct schedule *out, struct errbuf *err)
{
    int64_t ms = 0;
    const char *why = parse(text, &ms);
    if (why)
        return err_set(err, ST_INVALID, "%s", why);
    out->interval_ms = ms;
    return ST_OK;
}

const char *schedule_check(const char *text)
{
    int64_t ms = 0;
    return parse(text, &ms);
}

int64_t schedule_phase(const struct schedule *s, uint64_t hash)
{
    return (int64_t)(hash % (uint64_t)s->interval_ms);
}

static int64_t cut(__int128 v)
{
    if (v > INT64_MAX)
        return INT64_MAX;
    if (v < INT64_MIN)
        return INT64_MIN;
    return (int64_t)v;
}

/* floor((at - phase) / interval) * interval + phase, wide enough for any `at`. */
static __int128 slot_at_or_before(const struct schedule *s, int64_t phase_ms, int64_t at_ms)
{
    __int128 since = (__int128)at_ms - phase_ms;
    __int128 rest = since % s->interval_ms;
    if (rest < 0)
        rest += s->interval_ms;
    return (__int128)at_ms - rest;
}

int64_t schedule_slot_at(const struct schedule *s, int64_t phase_ms, int64_t at_ms)
{
    return cut(slot_at_or_before(s, phase_ms, at_ms));
}

int64_t schedule_next(const struct schedule *s, int64_t phase_ms, int64_t after_ms)
{
    return cut(slot_at_or_before(s, phase_ms, after_ms) + s->interval_ms);
}
