/* What became of the newest runs of tasks' schedules. */
#ifndef TOCSIN_STORE_SCHEDULE_RUNS_H
#define TOCSIN_STORE_SCHEDULE_RUNS_H

#include "db/db.h"
#include "redis/redis.h"

/* Looks after the jobs of up to 500 schedules after *cursor (nil: from the first), which becomes
 * nil after the last ones, and notes the ends. Any number may look. *ended: jobs. */
NODISCARD enum status schedule_runs_settle(struct db *db, struct redis *r, struct uuid *cursor,
                                           size_t *ended);

#endif
