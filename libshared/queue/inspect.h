/*
 * What is where: for the API, the command line and metrics. Everything is bounded: a page, a scan,
 * a stream of events. Looking changes nothing, except that somebody who reads events has them
 * written.
 */
#ifndef TOCSIN_QUEUE_INSPECT_H
#define TOCSIN_QUEUE_INSPECT_H

#include "queue/queue.h"

enum { QUEUE_NAME_BYTES = 41 };

/* Names of the queues that were ever used, with those of the task table: sorted, in the arena. */
NODISCARD enum status queue_names(struct redis *r, struct arena *arena, const char ***out,
                                  size_t *count);

struct queue_info {
    int64_t waiting[QUEUE_PRIORITIES]; /* not handed out, with those in their tenants' lines */
    int64_t depth;                     /* all of waiting */
    int64_t lag;                       /* of these, in the streams already */
    int64_t in_flight, delayed, dead;  /* now */
    int64_t oldest_age_ms;             /* of what waits, 0: nothing does */
    int64_t late_ms;                   /* how long the most overdue delayed job is overdue */
    /* Since the queue was made, or Redis was emptied. */
    int64_t enqueued, succeeded, retried, died, cancelled, expired, redelivered;
    int64_t workers;
    bool is_paused;
    int64_t paused_at_ms;
    const char *paused_by; /* NULL: not paused */
    /* Keys that hold what is not the queue's: "p1 is a string, stats is a list"; NULL: none. What
     * lies behind them counts as empty, and the rest of the queue works. */
    const char *broken;
    bool is_broken;
};
NODISCARD enum status queue_info_get(struct queue *q, struct redis *r, int64_t now_ms,
                                     struct arena *arena, struct queue_info *out);

/* One job, wherever it is. */
struct job_view {
    struct job job; /* task NULL: the entry could not be read, or only its result is left */
    enum job_state state;
    int64_t due_at_ms;          /* JOB_DELAYED */
    const char *worker;         /* JOB_RUNNING: the consumer that has it */
    int64_t running_ms;         /* … and since when */
    bool is_cancel_wanted;      /* by queue_job_get alone */
    const char *result, *error; /* of its end, NULL */
    const char *chain_ids;      /* of one that has ended: what was to follow it, by comma, NULL */
    int64_t started_at_ms, finished_at_ms;
    /* Of queue_awaited_get alone: "waiting" for a job or a group, or "dropped": it will not come,
     * unless the job before it succeeds after all. `state` is JOB_QUEUED or JOB_CANCELLED then. */
    const char *awaited;
    struct uuid awaits_job, awaits_group; /* nil: not for one */
};
/* The name of its state, as people are shown it. */
const char *job_view_state(const struct job_view *v);
struct job_page {
    struct job_view *jobs;
    size_t count;
    const char *next; /* cursor of the next page, NULL: this is the last */
    /* of queue_jobs_scan: */
    size_t looked, matched; /* jobs that were looked at; those that fit, shown or not */
    const char *last; /* cursor behind the last one shown, NULL: there are fewer than wanted */
};
/* One look at jobs in one of the states JOB_QUEUED (with those in tenants' lines), JOB_DELAYED,
 * JOB_RUNNING, JOB_DEAD (newest first): at most LIMIT_JOB_LIST of them, so that one with filters
 * may find none and still have a next. */
struct job_scan {
    enum job_state state;
    const char *cursor; /* `next` or `last` of the page before, NULL: from the first */
    size_t skip, take;  /* of those that fit: not shown; shown */
    bool is_counting;   /* looks on behind those that are shown */
    const char *task;   /* only this one's, NULL: any */
    const char *tenant; /* only this one's, NULL: any … */
    bool or_no_tenant;  /* … and those of nobody */
};
/* What moves meanwhile may come twice or not at all. ST_INVALID for a cursor that is none. */
NODISCARD enum status queue_jobs_scan(struct queue *q, struct redis *r, const struct job_scan *scan,
                                      struct arena *arena, struct job_page *out);
/* ST_NOT_FOUND: it ended without a result being kept, or is further away than LIMIT_JOB_SCAN. */
NODISCARD enum status queue_job_get(struct queue *q, struct redis *r, const struct uuid *id,
                                    struct arena *arena, struct job_view *out);

/* Ids of the jobs that are to follow it, in their order. ST_INVALID: its chain cannot be read. */
NODISCARD enum status job_view_chain(const struct job_view *v, struct arena *arena,
                                     struct uuid **out, size_t *count);

/* The outcome alone. To wait for it, subscribe to the channel first (one subscription serves any
 * number of waiters: "<job id> <state>" comes for each job whose result is kept), then ask. */
NODISCARD enum status queue_result_get(struct queue *q, struct redis *r, const struct uuid *id,
                                       struct arena *arena, struct job_view *out);
void queue_done_channel(const struct queue *q, char out[96]);
/* How jobs ended whose results are kept, in one round trip for any number: JOB_STATE_COUNT_ where
 * there is no result (it has not ended, or was not kept, or is forgotten). */
NODISCARD enum status queue_ends_get(struct queue *q, struct redis *r, const struct uuid *ids,
                                     size_t count, enum job_state *out);

/* Dead letters, by job id; ST_NOT_FOUND, ST_INVALID (it cannot be read). Requeued ones begin with
 * their first attempt. */
NODISCARD enum status queue_dead_requeue(struct queue *q, struct redis *r, const struct uuid *id);
/* All of them that can be read and whose task is `task` (NULL: any). */
NODISCARD enum status queue_dead_requeue_all(struct queue *q, struct redis *r, const char *task,
                                             int64_t *moved);

struct worker_view {
    const char *consumer;
    const char *info; /* JSON of its heartbeat, NULL: its lease has ended */
};
NODISCARD enum status queue_workers_list(struct queue *q, struct redis *r, struct arena *arena,
                                         struct worker_view **out, size_t *count);

struct job_event {
    const char *entry; /* cursor of the next call */
    int64_t at_ms;
    const char *event; /* enqueued, started, succeeded, retried, dead, cancelled, expired */
    struct uuid id;
    const char *task;   /* NULL: not known here */
    int64_t attempt;    /* 0: not known here */
    const char *reason; /* NULL */
};
/* Events after the cursor ("$" at first: from now on, *next is where to go on). Those of jobs that
 * succeed are written only while somebody asks: call again within 5 s. */
NODISCARD enum status queue_events_read(struct queue *q, struct redis *r, const char *cursor,
                                        size_t max, struct arena *arena, struct job_event **out,
                                        size_t *count, const char **next);

#endif
