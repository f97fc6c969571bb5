/*
 * Generations of what an organisation's lists show. Whoever changed something raises the generation
 * after the commit; who keeps a list writes down the generations that he read before he read the
 * database. What was kept under older generations is never shown, so it never shows an older state.
 */
#ifndef TOCSIN_REDIS_GENERATION_H
#define TOCSIN_REDIS_GENERATION_H

#include "base/uuid.h"
#include "redis/redis.h"

enum generation {
    GENERATION_EDITS,      /* whatever people do through the API */
    GENERATION_RESULTS,    /* results, and what follows from them: states, incidents, alerts */
    GENERATION_DELIVERIES, /* attempts to notify */
    GENERATION_COUNT_
};
/* The field of one in the hash of generation_key. */
const char *generation_field(enum generation g);
enum { GENERATION_KEY_BYTES = 48 };
/* "{c:<organisation>}": what begins with it lies in one slot of a cluster. */
void generation_tag(const struct uuid *org, char out[GENERATION_KEY_BYTES]);
void generation_key(const struct uuid *org, char out[GENERATION_KEY_BYTES]);

/* Raises one of each organisation; the ids are sorted and freed of repetitions and nils in place.
 * ST_UNAVAILABLE …: some may have been raised. */
NODISCARD enum status generation_raise(struct redis *r, struct uuid *orgs, size_t count,
                                       enum generation g);

#endif
