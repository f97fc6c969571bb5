/* gzip over zlib's streaming calls. */
#include "net/gzip.h"

#include <limits.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, STEP_BYTES = 32768, MEM_LEVEL = 8 };

static uInt zlib_len(size_t n)
{
    return n > UINT_MAX ? UINT_MAX : (uInt)n;
}

/* Room for the next step, never more than the limit leaves; one byte above it tells an overflow. */
static char *next_room(struct buf *out, size_t *room)
{
    size_t left = out->limit > out->len ? out->limit - out->len : 0;
    *room = MIN_OF(left, (size_t)STEP_BYTES);
    return *room > 0 ? buf_reserve(out, *room) : NULL;
}

/* At the limit: does the stream hold anything more? */
static enum status inflate_at_limit(z_stream *z, int *rc)
{
    unsigned char extra = 0;
    z->next_out = &extra;
    z->avail_out = 1;
    *rc = inflate(z, Z_NO_FLUSH);
    return z->avail_out == 0 ? ST_TOO_LARGE : ST_OK;
}

static enum status inflate_step(z_stream *z, struct buf *out, int *rc)
{
    size_t room = 0;
    char *at = next_room(out, &room);
    if (room == 0)
        return inflate_at_limit(z, rc);
    if (!at)
        return ST_NO_MEMORY;
    z->next_out = (Bytef *)at;
    z->avail_out = zlib_len(room);
    *rc = inflate(z, Z_NO_FLUSH);
    buf_advance(out, room - z->avail_out);
    return ST_OK;
}

static enum status inflate_all(z_stream *z, struct buf *out)
{
    for (;;) {
        int rc = Z_OK;
        TRY(inflate_step(z, out, &rc));
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0)
                return ST_OK;
            if (inflateReset(z) != Z_OK)
                return ST_MALFORMED;
        } else if (rc == Z_MEM_ERROR) {
            return ST_NO_MEMORY;
        } else if (rc != Z_OK) {
            return ST_MALFORMED; /* Z_BUF_ERROR: input ended early */
        }
    }
}

enum status gzip_inflate(const void *data, size_t len, struct buf *out)
{
    if (len > UINT_MAX)
        return ST_TOO_LARGE;
    z_stream z = {.next_in = (z_const Bytef *)data, .avail_in = (uInt)len};
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return ST_NO_MEMORY;
    enum status st = inflate_all(&z, out);
    (void)inflateEnd(&z);
    return st;
}

enum status gzip_deflate(const void *data, size_t len, struct buf *out)
{
    if (len > UINT_MAX)
        return ST_TOO_LARGE;
    z_stream z = {.next_in = (z_const Bytef *)data, .avail_in = (uInt)len};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEM_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return ST_NO_MEMORY;
    int rc = Z_OK;
    while (rc == Z_OK) {
        size_t room = 0;
        char *at = next_room(out, &room);
        if (!at)
            break;
        z.next_out = (Bytef *)at;
        z.avail_out = zlib_len(room);
        rc = deflate(&z, Z_FINISH);
        buf_advance(out, room - z.avail_out);
    }
    (void)deflateEnd(&z);
    return rc == Z_STREAM_END ? ST_OK : ST_TOO_LARGE;
}
