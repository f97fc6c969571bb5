/* What the relay and the reconciler of the job outbox share: the counter in Redis that shows
 * whether it still knows all it was told. */
#ifndef TOCSIN_STORE_JOB_OUTBOX_MARK_H
#define TOCSIN_STORE_JOB_OUTBOX_MARK_H

#include "db/db.h"
#include "redis/redis.h"

/* The next mark, after what it stands for was published. *is_lost: Redis has forgotten marks. */
NODISCARD enum status outbox_mark_step(struct db *db, struct redis *r, int64_t *mark,
                                       bool *is_lost);
/* All that was published is to be published again; the mark is now what Redis says. Within a
 * transaction. */
NODISCARD enum status outbox_reopen(struct db *db, int64_t mark);

#endif
