/*
 * What a daemon depends on and how it fares: each dependency has an atomic state that the stage
 * using it keeps up to date; /readyz is the conjunction of the required ones.
 */
#ifndef TOCSIN_OBS_HEALTH_H
#define TOCSIN_OBS_HEALTH_H

#include <stdatomic.h>

#include "base/defs.h"

struct health_item {
    const char *name; /* "database", "redis", "scheduler" */
    bool is_required; /* not ready without it; otherwise degraded */
    _Atomic bool is_ok;
    struct health_item *next;
};

/* Call before threads start; the item lives for ever. */
void health_add(struct health_item *item);
static inline void health_set(struct health_item *item, bool ok)
{
    atomic_store(&item->is_ok, ok);
}
enum health_state { HEALTH_OK, HEALTH_DEGRADED, HEALTH_DOWN };
enum health_state health_state(void);
/* "ok", "degraded", "down" */
const char *health_state_name(enum health_state state);
/* Walks the items; NULL at the end. Start with NULL. */
const struct health_item *health_next(const struct health_item *item);

#endif
