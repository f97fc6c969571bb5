/* UUIDs; new ones are version 7 (RFC 9562): the time in ms first, so that they sort by age. */
#ifndef TOCSIN_BASE_UUID_H
#define TOCSIN_BASE_UUID_H

#include "base/defs.h"
#include "base/status.h"

#define UUID_TEXT_BYTES 37

struct uuid {
    uint8_t b[16];
};

/* A fresh id for this moment; ids of one process grow even within one millisecond. */
struct uuid uuid_new(void);
/* As uuid_new, but guessable and in no order: for what only has to differ, and is made often. */
struct uuid uuid_new_plain(void);
/* A version 7 id whose time part is given (ms since 1970), the rest random. */
struct uuid uuid_at(int64_t wall_ms);
/* The time part of a version 7 id. */
int64_t uuid_time_ms(const struct uuid *id);
void uuid_format(const struct uuid *id, char out[UUID_TEXT_BYTES]);
/* 8-4-4-4-12 hex digits, either case; ST_INVALID otherwise. */
NODISCARD enum status uuid_parse(const char *text, struct uuid *out);
bool uuid_eq(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *id);
int uuid_cmp(const struct uuid *a, const struct uuid *b);
/* FNV-1a of the bytes: for phases and shards, stable across versions. */
uint64_t uuid_hash(const struct uuid *id);

#endif
