/*
 * What lies in a metrics stream: scrapes in a compact, versioned framing of our own. Host and
 * layout are resolved before, so that a value is eight bytes and the writer only copies.
 *
 * All integers are big-endian.
 *   frame   "TM" u8 version=1, u64 received_us, then scrapes to the end
 *   scrape  16 B host, u64 at_us, u64 layout (0: no values), u16 values, u16 disks, u16 networks,
 *           u16 processes, then as many f64, disk, network and process rows
 *   rows    the members in the order of store/samples.h: text = u16 length + UTF-8 without NUL,
 *           integer = u64 (INT64_MIN: not given), float = f64 (NaN: not given)
 */
#ifndef TOCSIN_INGEST_WIRE_H
#define TOCSIN_INGEST_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "store/samples.h"

#define WIRE_HEAD_BYTES 11

/* Starts a frame in an empty buffer. */
void wire_begin(struct buf *out, int64_t received_us);
/* Appends one scrape; its lists have at most UINT16_MAX rows. Failures show in buf_status. */
void wire_put(struct buf *out, const struct scrape *scrape);
/* Bytes that wire_put would append. */
size_t wire_size(const struct scrape *scrape);

/* Takes a frame apart. Texts and lists live in the arena; ST_INVALID, with what is wrong, for bytes
 * that are not a frame or hold what the tables would refuse: nothing is written then. */
NODISCARD enum status wire_decode(const void *data, size_t len, struct arena *arena,
                                  struct scrape **out, size_t *count, struct errbuf *err);

#endif
