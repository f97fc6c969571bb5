/* Structured logs to standard error, one write() a line so that lines never mix. */
#include "log/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"

/* Set once by log_setup before threads start: what every line of this process carries. */
static const char *service_name = "tocsin";
static enum log_level least = LOG_LEVEL_INFO;
static bool as_json = true;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(const char *service, enum log_level level, enum log_format format)
{
    service_name = service;
    least = level;
    as_json = format == LOG_FORMAT_JSON || (format == LOG_FORMAT_AUTO && !isatty(STDERR_FILENO));
}

bool log_is_on(enum log_level level)
{
    return level >= least;
}

bool log_is_flowing(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) > 0;
}

enum status log_level_parse(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (str_ieq(text, level_names[i])) {
            *out = (enum log_level)i;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

/* JSON string contents; bytes that are not UTF-8 become '?', so that a line is always valid. */
static void put_escaped(struct buf *b, const char *s)
{
    bool utf8 = str_is_utf8(s, strlen(s));
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p == '"' || *p == '\\') {
            buf_char(b, '\\');
            buf_char(b, (char)*p);
        } else if (*p < 0x20) {
            buf_printf(b, "\\u%04x", *p);
        } else {
            buf_char(b, *p >= 0x80 && !utf8 ? '?' : (char)*p);
        }
    }
}

static void put_string(struct buf *b, const char *s)
{
    if (!s) {
        buf_str(b, "null");
        return;
    }
    buf_char(b, '"');
    put_escaped(b, s);
    buf_char(b, '"');
}

static void put_value(struct buf *b, const struct log_kv *kv)
{
    char text[UUID_TEXT_BYTES];
    switch (kv->type) {
    case LOG_KV_STR:
        put_string(b, kv->v.s);
        break;
    case LOG_KV_I64:
        buf_i64(b, kv->v.i);
        break;
    case LOG_KV_BOOL:
        buf_str(b, kv->v.b ? "true" : "false");
        break;
    case LOG_KV_UUID:
        uuid_format(&kv->v.id, text);
        put_string(b, text);
        break;
    }
}

static void put_json(struct buf *b, const char *time, enum log_level level, const char *event,
                     const struct log_kv *kv, size_t count)
{
    buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"service\":\"%s\",\"event\":\"%s\"", time,
               level_names[level], service_name, event);
    for (size_t i = 0; i < count; i++) {
        buf_printf(b, ",\"%s\":", kv[i].key);
        put_value(b, &kv[i]);
    }
    buf_char(b, '}');
}

static void put_text(struct buf *b, const char *time, enum log_level level, const char *event,
                     const struct log_kv *kv, size_t count)
{
    buf_printf(b, "%s %-5s %s %s", time, level_names[level], service_name, event);
    for (size_t i = 0; i < count; i++) {
        buf_printf(b, " %s=", kv[i].key);
        put_value(b, &kv[i]);
    }
}

void log_write(enum log_level level, const char *event, const struct log_kv *kv, size_t count)
{
    char time[TIME_TEXT_BYTES];
    time_format_ms(clock_wall_ms(), time);
    AUTO_BUF line;
    buf_init(&line, LIMIT_LOG_LINE_BYTES);
    if (as_json)
        put_json(&line, time, level, event, kv, count);
    else
        put_text(&line, time, level, event, kv, count);
    if (line.failed) {
        buf_reset(&line);
        struct log_kv cut = kv_str("event", event);
        put_json(&line, time, level, "log_line_too_long", &cut, 1);
    }
    buf_char(&line, '\n');
    ssize_t written = write(STDERR_FILENO, buf_cstr(&line), line.len);
    (void)written; /* nobody is left to be told */
}
