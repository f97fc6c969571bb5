/*
 * A bounded cache of small values for many threads: striped locks, an age limit, and a stripe that
 * is full forgets all it has, which costs a look-up each and needs no list of recent use.
 */
#ifndef TOCSIN_INGEST_CACHE_H
#define TOCSIN_INGEST_CACHE_H

#include "base/defs.h"
#include "base/status.h"

struct cache;

/* Values have `value_bytes`; ttl_ms 0: for ever. NULL without memory. */
struct cache *cache_new(size_t max, size_t value_bytes, int64_t ttl_ms);
/* NULL is fine. */
void cache_free(struct cache *c);
/* Copies the value out; false when it is not there or too old. */
bool cache_get(struct cache *c, const void *key, size_t len, void *out);
/* Without memory nothing is kept. */
void cache_put(struct cache *c, const void *key, size_t len, const void *value);
void cache_remove(struct cache *c, const void *key, size_t len);
FOR_TESTS size_t cache_count(struct cache *c);

#endif
