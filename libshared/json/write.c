/* Streaming JSON writer. */
#include "json/write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

void jw_init(struct jw *w, struct buf *out)
{
    *w = (struct jw){.out = out};
}

/* The comma before a value or key, if one is due. */
static void separate(struct jw *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    if (w->level[w->depth - 1].has_items)
        buf_char(w->out, ',');
    w->level[w->depth - 1].has_items = true;
}

static void open_level(struct jw *w, char open, char close)
{
    separate(w);
    if (w->depth >= (int)ARRAY_LEN(w->level)) {
        w->out->failed = true;
        return;
    }
    buf_char(w->out, open);
    w->level[w->depth].close = close;
    w->level[w->depth].has_items = false;
    w->depth++;
}

void jw_object(struct jw *w)
{
    open_level(w, '{', '}');
}

void jw_array(struct jw *w)
{
    open_level(w, '[', ']');
}

void jw_end(struct jw *w)
{
    if (w->depth == 0)
        return;
    w->depth--;
    buf_char(w->out, w->level[w->depth].close);
}

static void put_string(struct buf *out, const char *s, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    bool utf8 = str_is_utf8(s, len);
    buf_char(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || utf8))
            continue;
        buf_append(out, s + from, i - from);
        from = i + 1;
        char two[2] = {'\\', (char)c};
        char six[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        switch (c) {
        case '"':
        case '\\':
            buf_append(out, two, 2);
            break;
        case '\n':
            buf_append(out, "\\n", 2);
            break;
        case '\r':
            buf_append(out, "\\r", 2);
            break;
        case '\t':
            buf_append(out, "\\t", 2);
            break;
        default:
            if (c < 0x20)
                buf_append(out, six, 6);
            else
                buf_char(out, '?');
        }
    }
    buf_append(out, s + from, len - from);
    buf_char(out, '"');
}

void jw_key(struct jw *w, const char *key)
{
    separate(w);
    put_string(w->out, key, strlen(key));
    buf_char(w->out, ':');
    w->after_key = true;
}

void jw_null(struct jw *w)
{
    separate(w);
    buf_append(w->out, "null", 4);
}

void jw_strn(struct jw *w, const char *s, size_t len)
{
    separate(w);
    put_string(w->out, s, len);
}

void jw_str(struct jw *w, const char *s)
{
    if (s)
        jw_strn(w, s, strlen(s));
    else
        jw_null(w);
}

void jw_i64(struct jw *w, int64_t v)
{
    separate(w);
    buf_i64(w->out, v);
}

void jw_bool(struct jw *w, bool v)
{
    separate(w);
    buf_str(w->out, v ? "true" : "false");
}

void jw_f64(struct jw *w, double v)
{
    if (!isfinite(v)) {
        jw_null(w);
        return;
    }
    separate(w);
    if (v > -1e15 && v < 1e15 && (v < 0 || v > 0) && !(v < trunc(v)) && !(v > trunc(v))) {
        buf_i64(w->out, (int64_t)v);
        buf_append(w->out, ".0", 2);
        return;
    }
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(text, sizeof(text), "%.*g", precision, v);
        double back = 0;
        if (str_to_f64(text, &back) == ST_OK && !(back < v) && !(back > v))
            break;
    }
    buf_str(w->out, text);
    if (!strpbrk(text, ".e"))
        buf_append(w->out, ".0", 2);
}

void jw_uuid(struct jw *w, const struct uuid *id)
{
    if (uuid_is_nil(id)) {
        jw_null(w);
        return;
    }
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    jw_str(w, text);
}

void jw_time_us(struct jw *w, int64_t wall_us)
{
    if (wall_us == 0) {
        jw_null(w);
        return;
    }
    char text[TIME_TEXT_BYTES];
    time_format_us(wall_us, text);
    jw_str(w, text);
}

void jw_raw(struct jw *w, const char *json)
{
    separate(w);
    buf_str(w->out, json ? json : "null");
}

static int dump_to_buf(const char *data, size_t len, void *out)
{
    buf_append(out, data, len);
    return ((struct buf *)out)->failed ? -1 : 0;
}

void jw_json(struct jw *w, const json_t *value)
{
    if (!value) {
        jw_null(w);
        return;
    }
    separate(w);
    if (json_dump_callback(value, dump_to_buf, w->out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        w->out->failed = true;
}

void jw_kv_str(struct jw *w, const char *key, const char *s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void jw_kv_i64(struct jw *w, const char *key, int64_t v)
{
    jw_key(w, key);
    jw_i64(w, v);
}

void jw_kv_f64(struct jw *w, const char *key, double v)
{
    jw_key(w, key);
    jw_f64(w, v);
}

void jw_kv_bool(struct jw *w, const char *key, bool v)
{
    jw_key(w, key);
    jw_bool(w, v);
}

void jw_kv_uuid(struct jw *w, const char *key, const struct uuid *id)
{
    jw_key(w, key);
    jw_uuid(w, id);
}

void jw_kv_time_us(struct jw *w, const char *key, int64_t wall_us)
{
    jw_key(w, key);
    jw_time_us(w, wall_us);
}

void jw_kv_raw(struct jw *w, const char *key, const char *json)
{
    jw_key(w, key);
    jw_raw(w, json);
}
