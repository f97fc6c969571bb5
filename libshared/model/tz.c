/* Reads TZif and the POSIX rule in its footer; every count and number in the file is distrusted. */
#include "model/tz.h"

#include <ctype.h>
#include <string.h>

#include "base/limits.h"
#include "model/civil.h"

enum {
    HEADER_BYTES = 44,
    OFFSET_MAX_S = 26 * 3600, /* RFC 8536, 3.2 */
    RULE_HOURS_MAX = 167,
    RULE_YEARS = 3, /* looked at around an instant */
    RULE_EVENTS = 2 * RULE_YEARS
};

struct rule_day {
    char form; /* 'J': day 1–365, never 29 February; 'n': day 0–365; 'M': month, week, weekday */
    int month, week, day;
    int64_t time_s;
};

struct rule {
    bool is_set, has_dst;
    int64_t std_s, dst_s;
    struct rule_day start, end;
};

struct change {
    int64_t at_s;
    int64_t offset_s; /* from then on */
};

struct tz {
    int64_t first_s; /* offset before the first change */
    struct rule rule;
    size_t count;
    struct change changes[];
};

/* --- bytes --- */

struct reader {
    const unsigned char *data;
    size_t left;
};

/* The next n bytes, or NULL. */
static const unsigned char *take_bytes(struct reader *r, size_t n)
{
    if (r->left < n)
        return NULL;
    const unsigned char *at = r->data;
    r->data += n;
    r->left -= n;
    return at;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t time_at(const unsigned char *p, size_t width)
{
    if (width == 4)
        return (int32_t)be32(p);
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

/* --- the footer: std offset [dst [offset] , start [/time] , end [/time]] --- */

static bool skip_name(const char **p)
{
    const char *at = *p;
    if (*at == '<') {
        at += strcspn(at, ">");
        if (*at != '>' || at - *p < 4)
            return false;
        *p = at + 1;
        return true;
    }
    while (isalpha((unsigned char)*at))
        at++;
    if (at - *p < 3)
        return false;
    *p = at;
    return true;
}

static bool take_int(const char **p, int max, int *out)
{
    int n = 0;
    const char *at = *p;
    for (; isdigit((unsigned char)*at); at++) {
        n = n * 10 + (*at - '0');
        if (n > max)
            return false;
    }
    if (at == *p)
        return false;
    *p = at;
    *out = n;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **p, int hours_max, int64_t *out)
{
    int part[3] = {0};
    int64_t sign = **p == '-' ? -1 : 1;
    if (**p == '-' || **p == '+')
        (*p)++;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && **p != ':')
            break;
        if (i > 0)
            (*p)++;
        if (!take_int(p, i == 0 ? hours_max : 59, &part[i]))
            return false;
    }
    *out = sign * (part[0] * 3600LL + part[1] * 60LL + part[2]);
    return true;
}

static bool take_rule_day(const char **p, struct rule_day *out)
{
    struct rule_day d = {.form = 'n', .time_s = 2 * 3600};
    if (**p == 'J') {
        d.form = *(*p)++;
        if (!take_int(p, 365, &d.day) || d.day < 1)
            return false;
    } else if (**p == 'M') {
        d.form = *(*p)++;
        if (!take_int(p, 12, &d.month) || d.month < 1 || *(*p)++ != '.' ||
            !take_int(p, 5, &d.week) || d.week < 1 || *(*p)++ != '.' || !take_int(p, 6, &d.day))
            return false;
    } else if (!take_int(p, 365, &d.day)) {
        return false;
    }
    if (**p == '/') {
        (*p)++;
        if (!take_time(p, RULE_HOURS_MAX, &d.time_s))
            return false;
    }
    *out = d;
    return true;
}

static bool parse_rule(const char *text, struct rule *out)
{
    struct rule r = {.is_set = true};
    const char *p = text;
    if (!skip_name(&p) || !take_time(&p, 24, &r.std_s))
        return false;
    r.std_s = -r.std_s; /* POSIX counts west of Greenwich */
    if (*p != '\0') {
        r.has_dst = true;
        r.dst_s = r.std_s + 3600;
        if (!skip_name(&p))
            return false;
        if (*p != ',') {
            if (!take_time(&p, 24, &r.dst_s))
                return false;
            r.dst_s = -r.dst_s;
        }
        if (*p++ != ',' || !take_rule_day(&p, &r.start) || *p++ != ',' ||
            !take_rule_day(&p, &r.end) || *p != '\0')
            return false;
    }
    *out = r;
    return true;
}

/* Seconds since 1970 of the rule's moment in a year, as if local time were UTC. */
static int64_t rule_moment(const struct rule_day *d, int64_t year)
{
    int64_t day = civil_to_days(year, 1, 1);
    if (d->form == 'J') {
        day += d->day - 1 + (d->day >= 60 && civil_is_leap(year));
    } else if (d->form == 'n') {
        day += d->day;
    } else {
        int64_t first = civil_to_days(year, d->month, 1);
        int ahead = (d->day - civil_weekday(first) + 7) % 7 + (d->week - 1) * 7;
        while (ahead >= civil_month_days(year, d->month))
            ahead -= 7;
        day = first + ahead;
    }
    return day * CIVIL_DAY_S + d->time_s;
}

/* --- the file --- */

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static bool read_header(struct reader *r, unsigned char *version, struct counts *c)
{
    const unsigned char *h = take_bytes(r, HEADER_BYTES);
    if (!h || memcmp(h, "TZif", 4) != 0)
        return false;
    *version = h[4];
    *c = (struct counts){be32(h + 20), be32(h + 24), be32(h + 28),
                         be32(h + 32), be32(h + 36), be32(h + 40)};
    return c->time <= LIMIT_TZ_CHANGES && c->type >= 1 && c->type <= 256 && c->chars <= 4096 &&
           c->leap <= 4096 && c->isut <= 256 && c->isstd <= 256;
}

static size_t block_bytes(const struct counts *c, size_t width)
{
    return c->time * (width + 1) + (size_t)c->type * 6 + c->chars + c->leap * (width + 4) +
           c->isstd + c->isut;
}

/* Changes that change no offset (a zone's name, or what counts as summer time) are left out. */
static const char *read_block(const unsigned char *b, const struct counts *c, size_t width,
                              struct tz *tz)
{
    const unsigned char *indexes = b + c->time * width;
    const unsigned char *types = indexes + c->time;
    int64_t last_s = INT64_MIN;
    for (uint32_t i = 0; i < c->type; i++) {
        int64_t offset_s = (int32_t)be32(types + (size_t)i * 6);
        if (offset_s < -OFFSET_MAX_S || offset_s > OFFSET_MAX_S)
            return "its offset from UTC is out of bounds";
    }
    tz->first_s = (int32_t)be32(types);
    int64_t offset_s = tz->first_s;
    for (uint32_t i = 0; i < c->time; i++) {
        int64_t at_s = time_at(b + i * width, width);
        if (indexes[i] >= c->type || (i > 0 && at_s <= last_s))
            return "its transitions are out of order";
        last_s = at_s;
        int64_t next_s = (int32_t)be32(types + (size_t)indexes[i] * 6);
        if (next_s == offset_s)
            continue;
        offset_s = next_s;
        tz->changes[tz->count++] = (struct change){at_s, offset_s};
    }
    return NULL;
}

static const char *read_footer(struct reader *r, struct tz *tz)
{
    char text[128];
    if (r->left < 2 || r->data[0] != '\n')
        return "its footer is missing";
    const unsigned char *end = memchr(r->data + 1, '\n', r->left - 1);
    size_t len = end ? (size_t)(end - r->data - 1) : sizeof(text);
    if (len >= sizeof(text))
        return "its footer is too long";
    memcpy(text, r->data + 1, len);
    text[len] = '\0';
    if (memchr(text, '\0', len) || (len > 0 && !parse_rule(text, &tz->rule)))
        return "its footer is not a POSIX time zone";
    return NULL;
}

enum status tz_new(const unsigned char *data, size_t len, struct tz **out, struct errbuf *err)
{
    struct reader r = {data, len};
    struct counts c;
    unsigned char version = 0;
    size_t width = 4;
    if (!read_header(&r, &version, &c))
        return err_set(err, ST_INVALID, "not a time zone file (TZif)");
    if (version >= '2') {
        width = 8;
        if (!take_bytes(&r, block_bytes(&c, 4)) || !read_header(&r, &version, &c))
            return err_set(err, ST_INVALID, "a time zone file that is cut short");
    }
    const unsigned char *block = take_bytes(&r, block_bytes(&c, width));
    if (!block)
        return err_set(err, ST_INVALID, "a time zone file that is cut short");
    if (c.leap > 0)
        return err_set(err, ST_INVALID, "a time zone that counts leap seconds");

    struct tz *tz = calloc(1, sizeof(*tz) + c.time * sizeof(struct change));
    if (!tz)
        return ST_NO_MEMORY;
    const char *why = read_block(block, &c, width, tz);
    if (!why && width == 8)
        why = read_footer(&r, tz);
    if (why) {
        free(tz);
        return err_set(err, ST_INVALID, "a time zone file that is broken: %s", why);
    }
    *out = tz;
    return ST_OK;
}

void tz_free(struct tz *tz)
{
    free(tz);
}

/* --- looking up --- */

/* Narrows *seg, which begins with the last change of the file, by one change of the rule. */
static void apply_change(struct tz_segment *seg, int64_t at_s, const struct change *c)
{
    if (c->at_s < seg->from_s || (c->at_s == seg->from_s && c->offset_s == seg->offset_s))
        return;
    if (c->at_s > at_s) {
        if (c->offset_s != seg->offset_s)
            seg->until_s = MIN_OF(seg->until_s, c->at_s);
    } else if (c->offset_s != seg->offset_s) {
        seg->before_s = seg->offset_s;
        seg->offset_s = c->offset_s;
        seg->from_s = c->at_s;
    }
}

static void apply_rule(const struct rule *r, int64_t at_s, struct tz_segment *seg)
{
    struct change list[RULE_EVENTS];
    size_t n = 0;
    if (!r->has_dst) /* the file's last change led there */
        return;
    int64_t year = civil_from_days(civil_floor_div(at_s, CIVIL_DAY_S)).year;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        struct change on = {rule_moment(&r->start, y) - r->std_s, r->dst_s};
        struct change off = {rule_moment(&r->end, y) - r->dst_s, r->std_s};
        bool on_first = on.at_s < off.at_s;
        list[n++] = on_first ? on : off;
        list[n++] = on_first ? off : on;
    }
    for (size_t i = 0; i < n; i++) {
        /* A period of no length: summer time all the year round. */
        if (i + 1 < n && list[i + 1].at_s <= list[i].at_s)
            continue;
        apply_change(seg, at_s, &list[i]);
    }
}

struct tz_segment tz_segment_at(const struct tz *tz, int64_t at_s)
{
    struct tz_segment seg = {.from_s = INT64_MIN, .until_s = INT64_MAX};
    if (!tz)
        return seg;
    size_t low = 0, high = tz->count; /* changes before `low` lie at or before at_s */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (tz->changes[mid].at_s <= at_s)
            low = mid + 1;
        else
            high = mid;
    }
    seg.offset_s = low > 0 ? tz->changes[low - 1].offset_s : tz->first_s;
    seg.before_s = low > 1 ? tz->changes[low - 2].offset_s : tz->first_s;
    if (low > 0)
        seg.from_s = tz->changes[low - 1].at_s;
    if (low < tz->count)
        seg.until_s = tz->changes[low].at_s;
    else if (tz->rule.is_set)
        apply_rule(&tz->rule, at_s, &seg);
    return seg;
}
