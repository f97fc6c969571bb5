/* The slots of one item: when each is due, and which of them are still owed. Pure. */
#ifndef TOCSIN_SCHEDULER_SLOTS_H
#define TOCSIN_SCHEDULER_SLOTS_H

#include "services/scheduler/core.h"

/* Whose slots: small enough to be passed by value. */
struct slots {
    const struct sched_plan *plan;
    uint64_t hash; /* uuid_hash of the item's id */
};

/* Times in ms since 1970; a slot that there is not is INT64_MIN or INT64_MAX. */
int64_t slots_before(struct slots s, int64_t slot_ms);
int64_t slots_gap(struct slots s, int64_t slot_ms);
/* The newest slot that is due at or before a time; when the first one after that is due. */
int64_t slots_at(struct slots s, int64_t at_ms);
int64_t slots_due_after(struct slots s, int64_t at_ms);
/* Whether the newest slot waits for its dispatch: those due up to done_ms had theirs, those up to
 * settled_ms need none. */
bool slots_are_owed(struct slots s, int64_t done_ms, int64_t settled_ms, int64_t now_ms);
/* When to dispatch something next. What is up to SCHED_LATE_MS late is owed slot by slot, at its
 * own time; of what was overslept the newest slot alone is, at a moment of the coming seconds that
 * the item's id decides, so that a long sleep ends without a herd. */
int64_t slots_next(struct slots s, int64_t done_ms, int64_t settled_ms, int64_t now_ms);

#endif
