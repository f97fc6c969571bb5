/*
 * Enqueueing within a transaction of PostgreSQL: the job is a row of the change that asks for it,
 * and a relay publishes it after the commit. What was rolled back is never run, what was committed
 * is run although Redis was away. A relay that dies between publishing and marking publishes again;
 * the queue knows the job by its id for a day (an idempotency key), so it runs once.
 *
 * A published row stays until its job has ended. A counter in Redis grows with every publishing,
 * after it, and PostgreSQL notes how far it has come: where Redis is behind, it has lost its
 * memory, and all rows are published again. A job that ended in the last moment before that may run
 * twice.
 */
#ifndef TOCSIN_STORE_JOB_OUTBOX_H
#define TOCSIN_STORE_JOB_OUTBOX_H

#include "db/db.h"
#include "queue/queue.h"

/* The results of these jobs are kept so long at least, as the sign that they ended. */
enum { JOB_OUTBOX_BATCH = 500, JOB_OUTBOX_RESULT_MS = 3600 * 1000 };

/* Writes jobs down, up to JOB_OUTBOX_BATCH; within the caller's transaction, or alone. `queue`
 * NULL: where their tasks' routes lead. ST_INVALID (unknown task), ST_TOO_LARGE. */
NODISCARD enum status job_outbox_add(struct db *db, struct arena *arena, const char *queue,
                                     const struct job *jobs, size_t count);

/* One that was written down and is not in its queue yet; everything in the arena. Ask before the
 * queue: then it is found in one of them. ST_NOT_FOUND. */
NODISCARD enum status job_outbox_find(struct db *db, struct arena *arena, const struct uuid *id,
                                      const char **queue, struct job *out);

struct job_outbox_pass {
    size_t published;
    int64_t lag_us[JOB_OUTBOX_BATCH]; /* of each of them: from its row to its job */
    bool is_lost;                     /* Redis had lost its memory */
};
/* One pass: publishes up to JOB_OUTBOX_BATCH jobs. Any number of relays may run. out->published
 * tells whether to come again at once. ST_OVERLOADED: a queue is full and its jobs stay;
 * ST_UNAVAILABLE. */
NODISCARD enum status job_outbox_relay(struct db *db, struct redis *r, struct job_outbox_pass *out);

/* Whether Redis remembers all that PostgreSQL knows to have been published. */
NODISCARD enum status job_outbox_probe(struct db *db, struct redis *r, bool *is_lost);
/* The same of the mark that PostgreSQL had a moment ago (job_outbox_count), asking Redis alone. */
NODISCARD enum status job_outbox_is_whole(struct redis *r, int64_t mark, bool *out);
/* The same; if not, what is unfinished is to be published again, once however many ask. */
NODISCARD enum status job_outbox_recover(struct db *db, struct redis *r, bool *is_lost);
/* Deletes rows whose jobs have ended, of 500 after *cursor (0: from the first), which becomes 0
 * after the last ones. */
NODISCARD enum status job_outbox_settle(struct db *db, struct redis *r, int64_t *cursor,
                                        size_t *ended);

struct job_outbox_counts {
    int64_t waiting, unfinished, failed, oldest_ms;
    int64_t mark;  /* how far Redis was with the outbox */
    bool has_runs; /* of schedules, whose ends are not known */
};
NODISCARD enum status job_outbox_count(struct db *db, struct job_outbox_counts *out);

#endif
