/*
 * Groups and chains. A group is a number of jobs and one that is enqueued when all of them are done
 * (a chord); a chain is a list of jobs each of which is enqueued when the one before has succeeded.
 * Both steps come before the acknowledgement of the job that makes them and are known by their
 * ids: a job that is delivered twice makes them once. They may lead to any queue.
 */
#ifndef TOCSIN_QUEUE_GROUP_H
#define TOCSIN_QUEUE_GROUP_H

#include "queue/queue.h"

enum { GROUP_NAME_BYTES = 96 };

struct group {
    struct uuid id;
    const char *queue;          /* that keeps the group's state */
    size_t total;               /* members, at most LIMIT_GROUP_JOBS */
    const struct job *callback; /* enqueued once all are done, NULL */
    bool is_lenient;            /* the callback comes even when members failed */
    int64_t ttl_ms;             /* of the state, 0: LIMIT_JOB_ONCE_MS */
};
/* Writes the group down under its name, "<queue>/<id>"; enqueue its members after that, each with
 * `group` = the name. Writing the same group again changes nothing. ST_INVALID, ST_TOO_LARGE. */
NODISCARD enum status queue_group_create(struct redis *r, const struct group *group,
                                         char name[GROUP_NAME_BYTES]);

struct group_view {
    int64_t total, succeeded, failed; /* cancelled and expired ones count as failed */
};
/* By its name. ST_NOT_FOUND after its time. */
NODISCARD enum status queue_group_get(struct redis *r, const char *name, struct group_view *out);

/* Sets jobs[0].chain to the rest, in the arena: then enqueue jobs[0] alone. Ids, policies and the
 * queue of each (its task's) are fixed here. ST_TOO_LARGE. */
NODISCARD enum status job_chain_make(struct job *jobs, size_t count, struct arena *arena);

/* --- for queue_finish --- */
NODISCARD enum status job_chain_next(struct redis *r, const struct job *job);
NODISCARD enum status job_group_done(struct redis *r, const struct job *job,
                                     const struct job_outcome *outcome);

#endif
