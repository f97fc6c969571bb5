/*
 * What a person or a program asks of a queue while it runs: pause and resume, cancel, limits. All
 * of it is stored in Redis and survives restarts of everything.
 */
#ifndef TOCSIN_QUEUE_CONTROL_H
#define TOCSIN_QUEUE_CONTROL_H

#include "queue/queue.h"

/* A paused queue takes jobs and gives none; workers see it within a second. `by` (who, why; may be
 * NULL) is shown with the queue. Pausing twice keeps the first time. */
NODISCARD enum status queue_pause(struct queue *q, struct redis *r, const char *by, int64_t now_ms);
NODISCARD enum status queue_resume(struct queue *q, struct redis *r);

/* Cancels a job. A delayed one is ended here (*state JOB_CANCELLED). For any other the wish is
 * stored for LIMIT_JOB_CANCEL_MS: the fetch drops it when its turn comes, and a worker that runs it
 * is told (*state JOB_QUEUED: nothing more is known). ST_CONFLICT when it has ended already. */
NODISCARD enum status queue_cancel(struct queue *q, struct redis *r, const struct uuid *id,
                                   int64_t now_ms, enum job_state *state);
/* For workers: which of the jobs they run are to be cancelled. Ask now and then. */
NODISCARD enum status queue_cancel_wanted(struct queue *q, struct redis *r, const struct job *jobs,
                                          size_t count, bool *wanted);

/* The rate of a task on this queue, in place of the task table's; count 0: no limit. NULL: the
 * table's again. ST_OVERLOADED beyond LIMIT_RATE_RULES. */
NODISCARD enum status queue_rate_set(struct queue *q, struct redis *r, const char *task,
                                     const struct queue_rate *rate);
/* The rate of jobs with a key (struct job), beside that of their task. The most precise rule
 * counts: task and key; the key alone (task NULL: all tasks of the queue share it); the task alone
 * (key NULL: each of its keys by itself); both NULL: each key of the queue by itself; then what the
 * job asks for. As queue_rate_set otherwise. */
NODISCARD enum status queue_key_rate_set(struct queue *q, struct redis *r, const char *task,
                                         const char *key, const struct queue_rate *rate);
struct rate_rule {
    const char *task, *key; /* NULL: any */
    bool is_key;            /* of queue_key_rate_set */
    struct queue_rate rate;
};
/* All rules of the queue, in no order. */
NODISCARD enum status queue_rates_list(struct queue *q, struct redis *r, struct arena *arena,
                                       struct rate_rule **out, size_t *count);

/* Removes all that waits, by state: JOB_QUEUED (not what runs), JOB_DELAYED or JOB_DEAD. Keys they
 * held are given back when their time is over. *removed: how many. */
NODISCARD enum status queue_purge(struct queue *q, struct redis *r, enum job_state state,
                                  int64_t *removed);

#endif
