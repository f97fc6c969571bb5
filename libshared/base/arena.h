/* Memory that lives as long as one request or message: many allocations, one free, a limit. */
#ifndef TOCSIN_BASE_ARENA_H
#define TOCSIN_BASE_ARENA_H

#include "base/defs.h"
#include "base/status.h"

struct arena;

/* NULL without memory. `limit_bytes` bounds the sum of all allocations. */
struct arena *arena_new(size_t limit_bytes);
/* The same, beginning with a small block: for what there may be thousands of at a time. */
struct arena *arena_new_small(size_t limit_bytes);
/* NULL is fine. */
void arena_free(struct arena *a);
static inline void arena_freep(struct arena **a)
{
    arena_free(*a);
}
#define AUTO_ARENA CLEANUP(arena_freep) struct arena *
/* Frees all allocations but keeps one block for reuse. */
void arena_reset(struct arena *a);

/* Zeroed, aligned for any type; NULL past the limit or without memory. Size 0 gives a pointer. */
void *arena_alloc(struct arena *a, size_t bytes);
/* An array of `count` elements; NULL on overflow as well. */
void *arena_array(struct arena *a, size_t count, size_t bytes);
/* A copy of `len` bytes with a terminator. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
/* NULL for NULL. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
