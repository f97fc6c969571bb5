/*
 * Groups and chains. A group is a number of jobs and one that is enqueued when all of them are done
 * (a chord); a chain is a list of jobs each of which is enqueued when the one before has succeeded.
 * Both steps come before the acknowledgement of the job that makes them and are known by their
 * ids: a job that is delivered twice makes them once. They may lead to any queue. Times of what
 * follows (not before, expires) count from when it is enqueued.
 *
 * What comes before is told to a job with `takes_previous`, as the member "previous" of its
 * arguments: to the next of a chain the result of the one before (null: there was none), to the
 * callback of a group {"group", "total", "succeeded", "failed", "left_out", "results": […]},
 * results in the order of the members, null where there is none or no room. At most
 * LIMIT_PREVIOUS_BYTES: a chain whose result is larger ends there (ST_TOO_LARGE), a group leaves
 * results out.
 */
#ifndef TOCSIN_QUEUE_GROUP_H
#define TOCSIN_QUEUE_GROUP_H

#include "queue/inspect.h"

enum { GROUP_NAME_BYTES = 96, GROUP_QUEUES_MAX = 32, GROUP_PAGE = 500 };

struct group_member {
    struct uuid id;
    const char *queue;
};
struct group {
    struct uuid id;
    const char *queue;          /* that keeps the group's state */
    size_t total;               /* members, at most LIMIT_GROUP_JOBS */
    const struct job *callback; /* enqueued once all are done, NULL */
    bool is_lenient;            /* the callback comes even when members failed */
    int64_t ttl_ms;             /* of the state after its last change, 0: LIMIT_JOB_ONCE_MS */
    const char *tenant;         /* NULL: nobody's */
    int64_t created_at_ms;
    /* `total` of them, on at most GROUP_QUEUES_MAX queues; NULL: they cannot be listed, and a
     * callback gets no results. */
    const struct group_member *members;
};
/* Writes the group down under its name, "<queue>/<id>"; enqueue its members after that, each with
 * `group` = the name. Writing the same group again changes nothing. ST_INVALID, ST_TOO_LARGE. */
NODISCARD enum status queue_group_create(struct redis *r, const struct group *group,
                                         char name[GROUP_NAME_BYTES]);
/* "<queue>/<id>". ST_INVALID: too long. */
NODISCARD enum status queue_group_name(const char *queue, const struct uuid *id,
                                       char name[GROUP_NAME_BYTES]);
/* The id in a name; the nil uuid when it is none. */
struct uuid queue_group_id(const char *name);

struct group_view {
    int64_t total, succeeded, failed; /* cancelled and expired ones count as failed */
    int64_t left_out;                 /* results for which there is no room */
    bool is_lenient;
    const char *tenant;                                    /* NULL: nobody's */
    int64_t created_at_ms, cancelled_at_ms, expires_at_ms; /* 0: not known, not cancelled */
    struct job callback;                                   /* task NULL: there is none */
};
/* By its name; texts in the arena. ST_NOT_FOUND after its time. */
NODISCARD enum status queue_group_get(struct redis *r, const char *name, struct arena *arena,
                                      struct group_view *out);

/* Members that have not ended. */
int64_t queue_group_pending(const struct group_view *v);
/* running, succeeded, completed (lenient, and not all succeeded), failed, cancelled. */
const char *queue_group_status(const struct group_view *v);
/* Of its callback: waiting, dropped (it will not come), that of a job; NULL: not known (any more),
 * or there is none. */
NODISCARD enum status queue_group_callback(struct redis *r, const struct group_view *v,
                                           struct arena *arena, const char **state);

struct group_member_view {
    struct uuid id;
    const char *queue;    /* NULL: not known */
    enum job_state state; /* JOB_STATE_COUNT_: it has not ended */
    const char *result;   /* JSON, where the callback gets it; NULL */
};
/* Members in their order, up to GROUP_PAGE from `first` on. ST_NOT_FOUND. */
NODISCARD enum status queue_group_members(struct redis *r, const char *name, size_t first,
                                          size_t max, struct arena *arena,
                                          struct group_member_view **out, size_t *count);
/* The callback will not come, and each member that has not ended is cancelled (queue_cancel), also
 * one that is enqueued later. ST_CONFLICT when all have ended; harmless when repeated, as after
 * ST_UNAVAILABLE. */
NODISCARD enum status queue_group_cancel(struct redis *r, const char *name, int64_t now_ms);
/* Forgets one whose members were not enqueued. */
NODISCARD enum status queue_group_drop(struct redis *r, const char *name);

/* Sets jobs[0].chain to the rest, in the arena: then enqueue jobs[0] alone. Ids, policies and the
 * queue of each (its own, or its task's) are fixed here. ST_TOO_LARGE. */
NODISCARD enum status job_chain_make(struct job *jobs, size_t count, struct arena *arena);
/* Ids of the jobs of a chain (struct job, member chain; NULL: none). ST_INVALID: it is none. */
NODISCARD enum status job_chain_ids(const char *chain, struct arena *arena, struct uuid **out,
                                    size_t *count);

/* Its jobs in their order, each by itself (NULL: none). ST_INVALID. */
NODISCARD enum status job_chain_jobs(const char *chain, struct arena *arena, struct job **out,
                                     size_t *count);
/* The n-th of them, with those behind it as its chain. ST_INVALID: there are fewer. */
NODISCARD enum status job_chain_job(const char *chain, size_t n, struct arena *arena,
                                    struct job *out);

/* --- what has not come yet (await.c) --- */

/* Notes what the jobs behind the first of a chain wait for, so that they are found before they
 * come: for a day beyond their delays, and anew with each of them that comes. */
NODISCARD enum status job_chain_note(struct redis *r, const struct job *first);
/* The same of a group's callback. */
NODISCARD enum status queue_callback_note(struct redis *r, const struct job *callback,
                                          const char *group, int64_t ttl_ms);
/* A job that was noted (ask the queues first): view.awaited says how it is, unless it has come just
 * now. ST_NOT_FOUND: nothing is known of it. *first is then the first job of its chain, not found
 * either, as it may not be published yet; nil: there is none. */
NODISCARD enum status queue_awaited_get(struct redis *r, const struct uuid *id, struct arena *arena,
                                        const char **queue, struct job_view *out,
                                        struct uuid *first);
/* What follows from a look at a job of its chain that has not succeeded. ST_NOT_FOUND: nothing. */
NODISCARD enum status job_awaited_after(const struct job_view *before, const struct uuid *id,
                                        struct arena *arena, struct job_view *out);

/* --- for queue_finish --- */
NODISCARD enum status job_chain_next(struct redis *r, const struct job *job,
                                     const struct job_outcome *outcome);
NODISCARD enum status job_group_done(struct redis *r, const struct job *job,
                                     const struct job_outcome *outcome);
/* Enqueues a job that follows another one, once, whoever tries how often. `previous`: JSON, for one
 * that takes it. */
NODISCARD enum status job_follow(struct redis *r, struct job *job, const char *previous,
                                 struct arena *arena);

#endif
