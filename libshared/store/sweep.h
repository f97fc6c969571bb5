/*
 * The sweep: slots that should have a result by now and have none are recorded as missed, with the
 * reason, so that no run is silently absent.
 */
#ifndef TOCSIN_STORE_SWEEP_H
#define TOCSIN_STORE_SWEEP_H

#include "db/db.h"

enum {
    SWEEP_PAGE = 1000,     /* checks looked at in one step; also in sql/sweep.sql */
    SWEEP_MISSED_MAX = 500 /* results written in one step */
};

struct sweep {
    const bool *shards; /* of LEASE_SHARDS: those that this scheduler owns */
    int64_t grace_ms;   /* after a check's time limit */
    /* Of a shard, the time in which no scheduler ran it (both 0: none known): slots in there were
     * never dispatched. Per shard, from exclusive, to inclusive. */
    const int64_t *gap_from_ms, *gap_to_ms;
    struct uuid after; /* where the pass is: nil at the start */
};

/* One step of a pass over the enabled checks of the shards: looks at up to SWEEP_PAGE checks, and
 * settles those of them that are overdue. *missed: results written. *done: the pass is over, and
 * the next step begins a new one. Safe beside recorders and other sweeps. */
NODISCARD enum status sweep_step(struct db *db, struct sweep *s, int64_t now_ms, size_t *missed,
                                 bool *done);

#endif
