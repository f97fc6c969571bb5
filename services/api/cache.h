/*
 * Replies of lists and summaries, kept in Redis for seconds. A route says in its row (`reads`) what
 * its reply depends on; a kept one is only served while the generations of all that (redis/
 * generation.h) are what they were before the database was read for it. So a read that begins after
 * a write was answered never sees what was before it, through whichever process. Without Redis
 * every reply comes from the database.
 */
#ifndef TOCSIN_API_CACHE_H
#define TOCSIN_API_CACHE_H

#include "redis/generation.h"
#include "services/api/api.h"

struct cache;

/* route.reads: what people edit is part of every list. */
enum cached {
    CACHED_EDITS = 1u << GENERATION_EDITS,
    CACHED_RESULTS = 1u << GENERATION_RESULTS | CACHED_EDITS,
    CACHED_DELIVERIES = 1u << GENERATION_DELIVERIES | CACHED_EDITS
};

/* NULL without memory. Metrics are added once a process. */
struct cache *cache_new(const struct conf *conf);
/* NULL is fine. */
void cache_free(struct cache *c);

/* Replies from the cache, or notes the generations for cache_keep. */
void cache_look(struct req *r);
void cache_keep(struct req *r);
/* Something of the caller's organisation may have changed: before the reply goes out. */
void cache_invalidate(struct req *r);

#endif
