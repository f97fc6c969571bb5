/* The process clock and RFC 3339 text. */
#include "base/clock.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* One clock per process, because every log line and every thread must agree on what time it is. */
static struct clock_source replaced;
static bool is_replaced;
static _Atomic int64_t offset_us;
static const _Atomic int64_t *offset_file_ms; /* mapped; NULL: none */
/* Of the reference before the monotonic clock. */
static _Atomic int64_t ahead_us;
static _Atomic bool is_following;

static int64_t system_us(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    if (is_replaced)
        return replaced.wall_us(replaced.self);
    if (atomic_load_explicit(&is_following, memory_order_acquire))
        return system_us(CLOCK_MONOTONIC) + atomic_load_explicit(&ahead_us, memory_order_relaxed);
    int64_t us = system_us(CLOCK_REALTIME) + atomic_load_explicit(&offset_us, memory_order_relaxed);
    return offset_file_ms ? us + *offset_file_ms * 1000 : us;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

int64_t clock_mono_us(void)
{
    return is_replaced ? replaced.mono_us(replaced.self) : system_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

void clock_use(const struct clock_source *source)
{
    is_replaced = source != NULL;
    if (source)
        replaced = *source;
}

void clock_set_offset_ms(int64_t offset_ms)
{
    atomic_store_explicit(&offset_us, offset_ms * 1000, memory_order_relaxed);
}

enum status clock_set_offset_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ST_NOT_FOUND;
    void *map = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(int64_t))
        map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED)
        return ST_INVALID;
    offset_file_ms = map;
    return ST_OK;
}

/* What is known is moved as little as the answer demands: the clock shall not tremble. */
void clock_follow(int64_t reference_us, int64_t asked_mono_us, int64_t told_mono_us)
{
    int64_t least_us = reference_us - told_mono_us, most_us = reference_us - asked_mono_us;
    int64_t us = least_us + (most_us - least_us) / 2;
    if (atomic_load(&is_following))
        us = MAX_OF(MIN_OF(atomic_load(&ahead_us), most_us), least_us);
    atomic_store(&ahead_us, us);
    atomic_store(&is_following, true);
}

bool clock_is_following(void)
{
    return atomic_load(&is_following);
}

static char *put(char *p, char c)
{
    *p = c;
    return p + 1;
}

/* The last n digits. Not strftime: a reply has half a dozen of these. */
static char *put_digits(char *p, int v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + n;
}

void time_format_us(int64_t wall_us, char out[TIME_TEXT_BYTES])
{
    int64_t seconds = wall_us / 1000000;
    int64_t fraction = wall_us % 1000000;
    if (fraction < 0) {
        fraction += 1000000;
        seconds--;
    }
    time_t when = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&when, &tm) || tm.tm_year < -1900) {
        (void)snprintf(out, TIME_TEXT_BYTES, "1970-01-01T00:00:00Z");
        return;
    }
    char text[TIME_TEXT_BYTES];
    const int64_t year = (int64_t)tm.tm_year + 1900;
    const int year_digits = year > 99999 ? 6 : year > 9999 ? 5 : 4;
    char *p = put_digits(text, (int)year, year_digits);
    p = put_digits(put(p, '-'), tm.tm_mon + 1, 2);
    p = put_digits(put(p, '-'), tm.tm_mday, 2);
    p = put_digits(put(p, 'T'), tm.tm_hour, 2);
    p = put_digits(put(p, ':'), tm.tm_min, 2);
    p = put_digits(put(p, ':'), tm.tm_sec, 2);
    if (fraction != 0 && fraction % 1000 == 0)
        p = put_digits(put(p, '.'), (int)(fraction / 1000), 3);
    else if (fraction != 0)
        p = put_digits(put(p, '.'), (int)fraction, 6);
    p = put(put(p, 'Z'), '\0');
    memcpy(out, text, (size_t)(p - text));
}

void time_format_ms(int64_t wall_ms, char out[TIME_TEXT_BYTES])
{
    time_format_us(wall_ms * 1000, out);
}

/* Exactly `n` digits at *p; moves on. -1 when they are not there. */
static int digits(const char **p, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)**p))
            return -1;
        v = v * 10 + (**p - '0');
        (*p)++;
    }
    return v;
}

static bool eat(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool parse_date(const char **p, struct tm *tm)
{
    int year = digits(p, 4);
    if (year < 1970 || !eat(p, '-'))
        return false;
    int month = digits(p, 2);
    if (month < 1 || month > 12 || !eat(p, '-'))
        return false;
    int day = digits(p, 2);
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int last = days[month - 1] + (month == 2 && leap ? 1 : 0);
    if (day < 1 || day > last)
        return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    return true;
}

static bool parse_clock(const char **p, struct tm *tm, int64_t *fraction_us)
{
    tm->tm_hour = digits(p, 2);
    if (tm->tm_hour < 0 || tm->tm_hour > 23 || !eat(p, ':'))
        return false;
    tm->tm_min = digits(p, 2);
    if (tm->tm_min < 0 || tm->tm_min > 59 || !eat(p, ':'))
        return false;
    tm->tm_sec = digits(p, 2);
    if (tm->tm_sec < 0 || tm->tm_sec > 60)
        return false;
    if (!eat(p, '.'))
        return true;
    if (!isdigit((unsigned char)**p))
        return false;
    for (int64_t unit = 100000; isdigit((unsigned char)**p); (*p)++, unit /= 10)
        *fraction_us += (**p - '0') * unit;
    return true;
}

/* 'Z' or ±hh:mm, as seconds east of UTC. */
static bool parse_zone(const char **p, int64_t *east_s)
{
    if (eat(p, 'Z') || eat(p, 'z'))
        return true;
    int sign = **p == '+' ? 1 : **p == '-' ? -1 : 0;
    if (sign == 0)
        return false;
    (*p)++;
    int hours = digits(p, 2);
    if (hours < 0 || hours > 23 || !eat(p, ':'))
        return false;
    int minutes = digits(p, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *east_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

enum status time_parse_us(const char *text, int64_t *out)
{
    struct tm tm = {0};
    int64_t fraction_us = 0;
    int64_t east_s = 0;
    const char *p = text;
    if (!parse_date(&p, &tm))
        return ST_INVALID;
    if (*p != '\0') {
        if (!eat(&p, 'T') && !eat(&p, 't') && !eat(&p, ' '))
            return ST_INVALID;
        if (!parse_clock(&p, &tm, &fraction_us) || !parse_zone(&p, &east_s) || *p != '\0')
            return ST_INVALID;
    }
    int64_t seconds = (int64_t)timegm(&tm) - east_s;
    if (seconds < 0)
        return ST_INVALID;
    *out = seconds * 1000000 + fraction_us;
    return ST_OK;
}
