/* Reads schedule texts and does the arithmetic of slots; every reason for a refusal is a constant,
 * so that a schema table can hand it on. */
#include "model/schedule.h"

#include <ctype.h>
#include <string.h>

#include "base/limits.h"
#include "model/civil.h"

#define SECOND_MS 1000LL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define WEEK_MS (7 * DAY_MS)

static const char why_empty[] = "the schedule is empty";
static const char why_text_long[] = "the schedule is longer than 200 characters";
static const char why_form[] =
    "not a schedule: write \"every 5 minutes\", \"30s\", \"2 hours\", a number of minutes, an ISO "
    "8601 duration such as \"PT5M\", cron fields such as \"30 9 * * 1-5\", or @hourly, @daily";
static const char why_zone[] =
    "no such time zone: a zone has an IANA name, as in \"CRON_TZ=Europe/Berlin 30 9 * * 1-5\"";
static const char why_zoned[] =
    "a time zone is of use to cron schedules only, as in \"CRON_TZ=Europe/Berlin 30 9 * * 1-5\"";
static const char why_number[] = "a schedule's number must be a whole number";
static const char why_every[] =
    "\"every\" is followed by a number and a unit, as in \"every 5 minutes\"";
static const char why_unit[] = "a schedule's unit must be seconds, minutes, hours, days or weeks";
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

/* --- any of them --- */

static size_t count_words(const char *p)
{
    size_t n = 0;
    for (p = skip_blanks(p); *p != '\0'; p = skip_blanks(p)) {
        p += strcspn(p, " \t");
        n++;
    }
    return n;
}

/* "*" and digits begin a cron schedule, if more follows than a number and its unit. */
static bool is_cron(const char *text)
{
    if (text[0] == '@')
        return strcmp(text, "@minutely") != 0;
    return text[0] == '*' || count_words(text) >= 5 ||
           (isdigit((unsigned char)text[0]) && count_words(text) >= 3);
}

static const char *parse_plain(const char *lower, bool has_zone, struct schedule *s)
{
    if (is_cron(lower))
        return cron_parse(lower, &s->cron);
    if (has_zone)
        return why_zoned;
    const char *why = NULL;
    if (lower[0] == '@')
        s->interval_ms = MINUTE_MS;
    else if (lower[0] == 'p')
        why = parse_iso(lower, &s->interval_ms);
    else
        why = parse_interval(lower, &s->interval_ms);
    if (why)
        return why;
    if (s->interval_ms < LIMIT_SCHEDULE_MIN_MS)
        return why_short;
    return s->interval_ms > LIMIT_SCHEDULE_MAX_MS ? why_long : NULL;
}

/* The length of "CRON_TZ=" or "TZ=" before a zone, or 0. */
static size_t zone_prefix(const char *lower)
{
    if (strncmp(lower, "cron_tz=", 8) == 0)
        return 8;
    return strncmp(lower, "tz=", 3) == 0 ? 3 : 0;
}

/* The zone's name keeps its case. */
static const char *parse_zone(const char *text, size_t len, tz_find_fn *find, struct schedule *s)
{
    char name[LIMIT_TZ_NAME + 1];
    if (len == 0 || len > LIMIT_TZ_NAME)
        return why_zone;
    memcpy(name, text, len);
    name[len] = '\0';
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Etc/UTC") == 0)
        return NULL;
    s->tz = find ? find(name) : NULL;
    return s->tz ? NULL : why_zone;
}

/* The reason of a refusal, or NULL. */
static const char *parse(const char *text, tz_find_fn *find, struct schedule *out)
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

    struct schedule s = {0};
    size_t prefix = zone_prefix(lower);
    size_t end = prefix ? strcspn(lower, " \t") : 0;
    const char *why = prefix ? parse_zone(text + prefix, end - prefix, find, &s) : NULL;
    if (!why)
        why = parse_plain(skip_blanks(lower + end), prefix > 0, &s);
    if (!why)
        *out = s;
    return why;
}

enum status schedule_parse(const char *text, tz_find_fn *find, struct schedule *out,
                           struct errbuf *err)
{
    const char *why = parse(text, find, out);
    return why ? err_set(err, ST_INVALID, "%s", why) : ST_OK;
}

const char *schedule_refusal(const char *text, tz_find_fn *find)
{
    struct schedule s;
    return parse(text, find, &s);
}

bool schedule_eq(const struct schedule *a, const struct schedule *b)
{
    const struct cron *x = &a->cron, *y = &b->cron;
    return a->interval_ms == b->interval_ms && a->tz == b->tz && x->minutes == y->minutes &&
           x->hours == y->hours && x->days == y->days && x->months == y->months &&
           x->weekdays == y->weekdays && x->is_wild == y->is_wild && x->any_day == y->any_day &&
           x->any_weekday == y->any_weekday;
}

/* --- slots --- */

int64_t schedule_phase(const struct schedule *s, uint64_t hash)
{
    return s->interval_ms == 0 ? 0 : (int64_t)(hash % (uint64_t)s->interval_ms);
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

static int64_t to_ms(int64_t at_s)
{
    return at_s == INT64_MIN || at_s == CRON_NEVER ? at_s : at_s * SECOND_MS;
}

int64_t schedule_slot_at(const struct schedule *s, int64_t phase_ms, int64_t at_ms)
{
    if (s->interval_ms == 0)
        return to_ms(cron_last(&s->cron, s->tz, civil_floor_div(at_ms, SECOND_MS)));
    return cut(slot_at_or_before(s, phase_ms, at_ms));
}

int64_t schedule_next(const struct schedule *s, int64_t phase_ms, int64_t after_ms)
{
    if (s->interval_ms == 0)
        return to_ms(cron_next(&s->cron, s->tz, civil_floor_div(after_ms, SECOND_MS)));
    return cut(slot_at_or_before(s, phase_ms, after_ms) + s->interval_ms);
}

int64_t schedule_gap_ms(const struct schedule *s, int64_t phase_ms, int64_t at_ms)
{
    if (s->interval_ms != 0)
        return s->interval_ms;
    return cut((__int128)schedule_next(s, phase_ms, at_ms) - schedule_slot_at(s, phase_ms, at_ms));
}

int64_t schedule_count(const struct schedule *s, int64_t phase_ms, int64_t from_ms, int64_t to_ms)
{
    if (to_ms <= from_ms)
        return 0;
    if (s->interval_ms != 0)
        return (int64_t)((slot_at_or_before(s, phase_ms, to_ms) -
                          slot_at_or_before(s, phase_ms, from_ms)) /
                         s->interval_ms);
    int64_t n = 0;
    for (int64_t at = schedule_next(s, 0, from_ms); at <= to_ms && at != CRON_NEVER;
         at = schedule_next(s, 0, at))
        n++;
    return n;
}

size_t schedule_preview(const struct schedule *s, int64_t phase_ms, int64_t now_ms, int64_t *out,
                        size_t max)
{
    size_t n = 0;
    for (int64_t at = now_ms; n < max; out[n++] = at) {
        at = schedule_next(s, phase_ms, at);
        if (at == INT64_MAX)
            break;
    }
    return n;
}
