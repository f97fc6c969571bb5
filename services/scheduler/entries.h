/*
 * All items by id. There may be a million: an item takes 48 bytes and a place of 8 in a table that
 * is at most three quarters full, and to find one costs two misses of the processor's cache, to
 * add one a single one.
 */
#ifndef TOCSIN_SCHEDULER_ENTRIES_H
#define TOCSIN_SCHEDULER_ENTRIES_H

#include "base/heap.h"
#include "base/uuid.h"
#include "services/scheduler/core.h"

struct entry {
    struct heap_node
        node; /* at: moment of the next dispatch; of no meaning while its shard rests */
    struct uuid id;
    const struct sched_plan *plan; /* of the pool */
    /* Slots up to there were settled or not expected when this was loaded or changed; for a check
     * that never ran, when it was made. */
    uint32_t from_s;
    uint16_t from_ms;
    uint8_t shard;
    bool is_task : 1;
    bool is_fresh : 1; /* to run under the name of from_s */
};

struct entries;

/* NULL without memory. */
struct entries *entries_new(void);
/* With all entries. NULL is fine. */
void entries_free(struct entries *t);
size_t entries_count(const struct entries *t);
/* NULL: there is none. */
struct entry *entries_find(const struct entries *t, const struct uuid *id);
/* One that is not there yet; all of it but the id is zero. It never moves. ST_NO_MEMORY. */
NODISCARD enum status entries_add(struct entries *t, const struct uuid *id, struct entry **out);
/* One that is there. */
void entries_remove(struct entries *t, struct entry *e);

#endif
