/* gzip (RFC 1952) of whole buffers, with a limit on what comes out. */
#ifndef TOCSIN_NET_GZIP_H
#define TOCSIN_NET_GZIP_H

#include "base/buf.h"
#include "base/defs.h"
#include "base/status.h"

/* Appends the decompressed bytes to `out`, whose limit bounds them (a bomb is ST_TOO_LARGE as soon
 * as it passes it). Members that follow each other are joined. ST_MALFORMED: not gzip, damaged, or
 * cut off; ST_NO_MEMORY. */
NODISCARD enum status gzip_inflate(const void *data, size_t len, struct buf *out);
/* Appends the compressed bytes (fast level). ST_TOO_LARGE past out's limit; ST_NO_MEMORY. */
NODISCARD enum status gzip_deflate(const void *data, size_t len, struct buf *out);

#endif
