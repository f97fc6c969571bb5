/* How jobs stand of which PostgreSQL remembers that they were enqueued. */
#ifndef TOCSIN_STORE_JOB_WATCH_H
#define TOCSIN_STORE_JOB_WATCH_H

#include "db/db.h"
#include "queue/queue.h"

struct watched_job {
    const char *queue;
    struct uuid id; /* nil: none, it is left alone */
    bool is_old;    /* long enough for its result to be forgotten: worth a search */
    /* Filled in: */
    bool has_ended;
    enum job_state state; /* JOB_STATE_COUNT_: it has not ended, or is nowhere to be found */
};

/* A job has ended when its result says so, or, an old one, when the queue does not know it at all
 * although Redis has lost nothing. Queues' names that are none count as ended. The array's order
 * stays. */
NODISCARD enum status jobs_watch(struct db *db, struct redis *r, struct arena *arena,
                                 struct watched_job *jobs, size_t count);

#endif
