/* What the relay and the reconciler of the job outbox share: the counter in Redis that shows
 * whether it still knows all it was told. */
#ifndef TOCSIN_STORE_JOB_OUTBOX_MARK_H
#define TOCSIN_STORE_JOB_OUTBOX_MARK_H

#include "db/db.h"
#include "redis/redis.h"

/* When Redis was last found to have lost its memory, µs since 1970; 0: never. */
NODISCARD enum status outbox_lost_at(struct db *db, int64_t *out);

enum outbox_loss {
    OUTBOX_WHOLE,
    OUTBOX_LOST,  /* Redis has forgotten marks, and nobody has noticed before */
    OUTBOX_FOUND, /* … somebody has, since `since_us` */
};
/* The next mark, after what it stands for was published; `since_us` is outbox_lost_at of before
 * that. */
NODISCARD enum status outbox_mark_step(struct db *db, struct redis *r, int64_t since_us,
                                       int64_t *mark, enum outbox_loss *loss);
/* All that was published is to be published again; the mark is now what Redis says. Within a
 * transaction. */
NODISCARD enum status outbox_reopen(struct db *db, int64_t mark);

#endif
