/*
 * A hash map from byte strings to pointers (open addressing, linear probing, SipHash with a
 * process key so that outsiders cannot choose colliding keys). Not safe between threads.
 */
#ifndef TOCSIN_BASE_MAP_H
#define TOCSIN_BASE_MAP_H

#include "base/defs.h"
#include "base/status.h"

struct map;

/* NULL without memory. `max` bounds the number of entries. */
struct map *map_new(size_t max);
/* Does not free the values. NULL is fine. */
void map_free(struct map *m);
static inline void map_freep(struct map **m)
{
    map_free(*m);
}
#define AUTO_MAP CLEANUP(map_freep) struct map *
size_t map_count(const struct map *m);
/* The value, or NULL. */
void *map_get(const struct map *m, const void *key, size_t len);
/* Sets the value (not NULL), copying the key. ST_OVERLOADED when full, ST_NO_MEMORY. */
NODISCARD enum status map_set(struct map *m, const void *key, size_t len, void *value);
/* Removes and returns the value, or NULL. */
void *map_remove(struct map *m, const void *key, size_t len);
/* Walks all entries: start with *at = 0; false at the end. Do not change the map meanwhile. */
bool map_next(const struct map *m, size_t *at, const void **key, size_t *len, void **value);

#endif
