/*
 * A growing byte buffer with a limit. An append past the limit or without memory marks the buffer
 * failed and appends nothing more: writers append freely and ask once at the end.
 */
#ifndef TOCSIN_BASE_BUF_H
#define TOCSIN_BASE_BUF_H

#include <stdarg.h>

#include "base/defs.h"
#include "base/status.h"

struct buf {
    char *data; /* always terminated once anything was appended; NULL before */
    size_t len;
    size_t cap;
    size_t limit; /* bytes, without the terminator */
    bool failed;
};

/* Caller's storage; nothing is allocated before the first append. */
void buf_init(struct buf *b, size_t limit_bytes);
/* Frees the contents; the buffer can be used again. NULL is fine. */
void buf_done(struct buf *b);
#define AUTO_BUF CLEANUP(buf_done) struct buf
/* Forgets the contents and the failure, keeps the memory. */
void buf_reset(struct buf *b);

void buf_append(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
FOR_TESTS void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Makes room for `len` more bytes; returns where to write them (then call buf_advance), or NULL. */
char *buf_reserve(struct buf *b, size_t len);
void buf_advance(struct buf *b, size_t len);
/* The contents as a C string ("" when empty), owned by the buffer. */
const char *buf_cstr(const struct buf *b);
/* ST_OK, or ST_TOO_LARGE when anything did not fit. */
NODISCARD enum status buf_status(const struct buf *b);

#endif
