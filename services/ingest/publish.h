/*
 * Appending scrapes to the metrics streams: {m:<shard>}:metrics, the shard chosen by the host, one
 * field "f" with a frame (wire.h) per entry.
 */
#ifndef TOCSIN_INGEST_PUBLISH_H
#define TOCSIN_INGEST_PUBLISH_H

#include <stdatomic.h>

#include "base/arena.h"
#include "obs/metrics.h"
#include "redis/redis.h"
#include "store/samples.h"

#define STREAM_KEY_BYTES 32
void stream_key(int shard, char out[STREAM_KEY_BYTES]);
void stream_dead_key(int shard, char out[STREAM_KEY_BYTES]);

/* Shared by all handler threads. */
struct publisher {
    _Atomic int64_t length[INGEST_SHARDS]; /* as the last reply that told said */
    int64_t length_max;                    /* LIMIT_METRIC_STREAM_LENGTH */
};

/* All scrapes are in Redis, or ST_OVERLOADED (a stream is full, Redis is out of memory) or
 * ST_UNAVAILABLE; then part of them may be there, and sending them again changes nothing. */
NODISCARD enum status publish(struct publisher *p, struct redis *redis, struct arena *arena,
                              const struct scrape *scrapes, size_t count, int64_t received_us);

#endif
