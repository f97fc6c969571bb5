/* Growing byte buffer with a limit. */
#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *b, size_t limit_bytes)
{
    *b = (struct buf){.limit = limit_bytes};
}

void buf_done(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    *b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t len)
{
    if (b->failed)
        return NULL;
    if (len > b->limit || b->len > b->limit - len) {
        b->failed = true;
        return NULL;
    }

    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = MAX_OF(b->cap * 2, (size_t)64);
        if (cap < need)
            cap = need;
        char *data = realloc(b->data, cap);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_advance(struct buf *b, size_t len)
{
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    char *at = buf_reserve(b, len);
    if (!at)
        return;
    if (len > 0)
        memcpy(at, data, len);
    buf_advance(b, len);
}

void buf_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

static void put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_append(b, digits + at, sizeof(digits) - at);
}

void buf_i64(struct buf *b, int64_t v)
{
    if (v < 0) {
        buf_char(b, '-');
        put_u64(b, (uint64_t)0 - (uint64_t)v);
        return;
    }
    put_u64(b, (uint64_t)v);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0) {
        b->failed = true;
        return;
    }

    char *at = buf_reserve(b, (size_t)len);
    if (!at)
        return;
    (void)vsnprintf(at, (size_t)len + 1, fmt, ap);
    buf_advance(b, (size_t)len);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

const char *buf_cstr(const struct buf *b)
{
    return b->data ? b->data : "";
}

enum status buf_status(const struct buf *b)
{
    return b->failed ? ST_TOO_LARGE : ST_OK;
}
