/*
 * Replies that are kept for seconds: in this process, and lists and summaries in Redis too, for the
 * others. A route says in its row (`reads`) what its reply depends on; a kept one is only served
 * while the generations of all that (store/generations.h) are what they were before the database
 * was read for it. They are asked for each request, with one query for all that wait together. So a
 * read that begins after a change was committed never sees what was before it, through whichever
 * process, and whoever made the change.
 */
#ifndef TOCSIN_API_CACHE_H
#define TOCSIN_API_CACHE_H

#include "services/api/api.h"
#include "store/generations.h"

struct cache;

/* route.reads: what people edit is part of every list. */
enum cached {
    CACHED_EDITS = 1u << GENERATION_EDITS,
    CACHED_RESULTS = 1u << GENERATION_RESULTS | CACHED_EDITS,
    CACHED_DELIVERIES = 1u << GENERATION_DELIVERIES | CACHED_EDITS,
    /* One thing of many, and read by its key: worth keeping in the process alone, and once it was
     * asked for a second time. */
    CACHED_HERE = 1u << 16
};

/* NULL without memory. Metrics are added once a process. */
struct cache *cache_new(const struct conf *conf);
/* NULL is fine. */
void cache_free(struct cache *c);

/* Of requests that wait together: replies from this process's table, or notes the generations for
 * the two below. */
void cache_look_batch(struct req **r, size_t count);
/* Replies from Redis. */
void cache_look(struct req *r);
void cache_keep(struct req *r);

#endif
