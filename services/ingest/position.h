/* Reading a metrics stream: entry ids, and whether a mark still fits what Redis holds. */
#ifndef TOCSIN_INGEST_POSITION_H
#define TOCSIN_INGEST_POSITION_H

#include "redis/redis.h"
#include "store/samples.h"

/* Stream ids "ms-seq" in their order: < 0, 0, > 0. What is no id counts as 0-0. */
FOR_TESTS int entry_id_compare(const char *a, const char *b);
/* The time part, ms. */
int64_t entry_id_ms(const char *id);

struct position {
    bool exists;
    int64_t length;
    char last_generated[INGEST_ENTRY_ID_BYTES];
    char first[INGEST_ENTRY_ID_BYTES]; /* "" when the stream is empty */
};
/* Asks Redis (XINFO STREAM). A missing stream is ST_OK with exists false. */
NODISCARD enum status position_read(struct redis *redis, int shard, struct position *out);

enum position_verdict {
    POSITION_GOOD,
    POSITION_LEFTOVER, /* entries at or before the mark: a writer died before it deleted them, or
                          they came after a flush while the clock was behind */
    POSITION_AHEAD     /* the mark is beyond all that the stream ever had: it was flushed and the
                          clock went back, or another copy of Redis took over */
};
enum position_verdict position_judge(const struct position *p, const char *mark);

#endif
