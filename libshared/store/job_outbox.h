/*
 * Enqueueing within a transaction of PostgreSQL: the job is a row of the change that asks for it,
 * and a relay publishes it after the commit. What was rolled back is never run, what was committed
 * is run although Redis was away. A relay that dies between publishing and deleting publishes
 * again; the queue knows the job by its id for a day (an idempotency key), so it runs once.
 */
#ifndef TOCSIN_STORE_JOB_OUTBOX_H
#define TOCSIN_STORE_JOB_OUTBOX_H

#include "db/db.h"
#include "queue/queue.h"

enum { JOB_OUTBOX_BATCH = 500 };

/* Writes jobs down, up to JOB_OUTBOX_BATCH; within the caller's transaction, or alone. `queue`
 * NULL: where their tasks' routes lead. ST_INVALID (unknown task), ST_TOO_LARGE. */
NODISCARD enum status job_outbox_add(struct db *db, struct arena *arena, const char *queue,
                                     const struct job *jobs, size_t count);

/* One pass: publishes up to JOB_OUTBOX_BATCH jobs. Any number of relays may run. *published tells
 * whether to come again at once. ST_OVERLOADED: a queue is full and its jobs stay; ST_UNAVAILABLE.
 */
NODISCARD enum status job_outbox_relay(struct db *db, struct redis *r, size_t *published);

struct job_outbox_counts {
    int64_t waiting, failed, oldest_ms;
};
NODISCARD enum status job_outbox_count(struct db *db, struct job_outbox_counts *out);

#endif
