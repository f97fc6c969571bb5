/*
 * Tasks in processes: a pool of executors (executor.h) that come when jobs wait and go when they
 * are idle. One thread looks after all of them: it hands out jobs, hears of their ends, and keeps
 * the time limits. A task that crashes takes its executor with it and nothing else; one that does
 * not return is told by its soft limit and killed by its hard one.
 *
 * Queues take turns. One that has jobs running leaves an executor for each that has none, as far as
 * there are enough, so that a queue of long jobs does not shut out the others.
 */
#ifndef TOCSIN_WORKER_POOL_H
#define TOCSIN_WORKER_POOL_H

#include "services/worker/worker.h"

NODISCARD enum status pool_start(struct worker *w, struct pool **out);
/* How many more jobs of this lane may be fetched. */
size_t pool_room(struct pool *p, const struct lane *lane);
/* The work waits for an executor; it goes to the acknowledger when its attempt has ended. */
void pool_add(struct pool *p, struct work *work);
/* Something changed that the thread should look at: a cancelled work, the end of the grace. */
void pool_wake(struct pool *p);
/* Takes back what waits and lets it be abandoned; `each` is told while the work is still there. */
void pool_withdraw(struct pool *p, void (*each)(struct work *work));
/* Executors there are. */
size_t pool_executors(struct pool *p);
/* Kills what still runs (its works are abandoned) and waits for all processes. NULL is fine. */
void pool_stop(struct pool *p);
/* After all stages that know it have ended. NULL is fine. */
void pool_free(struct pool *p);

#endif
