/* The few forms of MessagePack that envelopes are made of: arrays, texts, whole numbers, nil. Redis
 * scripts read the same with cmsgpack. Source: the MessagePack specification, "Formats". */
#ifndef TOCSIN_QUEUE_PACK_H
#define TOCSIN_QUEUE_PACK_H

#include "base/buf.h"

void pack_array(struct buf *b, size_t count);
/* NULL gives nil. */
void pack_str(struct buf *b, const char *s);
void pack_bytes(struct buf *b, const void *data, size_t len);
/* Not negative. */
void pack_i64(struct buf *b, int64_t v);

/* Reading goes forward over bytes that the caller owns. */
struct unpack {
    const unsigned char *at, *end;
};
enum unpack_type { UNPACK_NIL, UNPACK_I64, UNPACK_BYTES, UNPACK_ARRAY };
struct unpack_item {
    enum unpack_type type;
    int64_t number;    /* UNPACK_I64; the count of UNPACK_ARRAY */
    const char *bytes; /* UNPACK_BYTES: borrowed, not terminated */
    size_t len;
};
/* ST_INVALID at the end, and for anything but the forms above. */
NODISCARD enum status unpack_next(struct unpack *u, struct unpack_item *out);

#endif
