/*
 * The job queue over Redis Streams. A task is a kind of work; a job is one instance of it; a queue
 * is a named set of streams, one a priority, all keys under one hash tag per shard:
 *     {q:<queue>:<shard>}:p0 … :p3   streams (p0 first)      :delayed  sorted set by due time
 *     {q:<queue>:<shard>}:dead       stream of dead letters  :worker:<consumer>  heartbeat
 * (all of them: docs/queue.md). control.h: pause, cancel, limits; group.h: groups and chains;
 * inspect.h: what is where; metrics.h: what is counted; store/job_outbox.h: enqueueing within a
 * transaction of PostgreSQL. Delivery is at least once: late acknowledgement, leases per consumer,
 * a reaper for the dead. Exactly-once effects come from PostgreSQL (design: section 4).
 */
#ifndef TOCSIN_QUEUE_QUEUE_H
#define TOCSIN_QUEUE_QUEUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/defs.h"
#include "base/status.h"
#include "base/uuid.h"
#include "json/schema.h"
#include "redis/redis.h"

enum {
    QUEUE_PRIORITIES = 4,
    QUEUE_DEFAULT_PRIORITY = 2,
    QUEUE_WAITED_PRIORITY = 0, /* somebody waits for the answer */
    /* Times a job may go down with its worker: three in company, five alone. */
    QUEUE_MAX_DELIVERIES = 8
};
enum { JOB_VERSION = 1 }; /* of the envelope: a newer one becomes a dead letter that says so */

/* At most `count` starts in `period_ms`, of them `burst` at once (1 and fewer: evenly spread). */
struct queue_rate {
    int64_t count, period_ms, burst;
};

/* Whose schedules may name a task. */
enum task_audience {
    TASK_INTERNAL, /* nobody's: its jobs are made by the program alone */
    TASK_USER,     /* any organisation's */
    TASK_SYSTEM    /* the installation's own, which have no organisation */
};

/* Rows of the one task table (queue/tasks.c): routing and policy by task name. */
struct task {
    const char *name;  /* "check.run" */
    const char *queue; /* "checks" */
    int priority;      /* 0 first … 3 */
    int max_attempts;
    int64_t retry_base_ms, retry_cap_ms;
    int64_t time_limit_ms;  /* hard, for one attempt */
    int64_t soft_limit_ms;  /* the handler is told, 0: never */
    int64_t result_ttl_ms;  /* how long the result is kept, 0: not at all */
    struct queue_rate rate; /* count 0: no limit; queue_rate_set overrides it */
    enum task_audience audience;
    /* What a schedule may give it; NULL: nothing. A member "check_id" (FT_UUID) or "check_ids" (a
     * list of those) names checks of the schedule's organisation. */
    const struct schema *args;
    bool takes_slot; /* a scheduled job is told its slot's time: "slot_us" */
};
const struct task *task_find(const char *name);
/* The i-th row, NULL behind the last. */
const struct task *task_at(size_t i);
/* Rows beside those of the table: for test programs, before threads start. Borrowed for ever. */
FOR_TESTS void tasks_add(const struct task *rows, size_t count);
/* Where jobs of this task go: its row's queue unless the routes say otherwise. */
const char *task_queue(const struct task *task);
/* Whether who asks for a job of this task may have it on that queue. Not on the checks': they are
 * only fetched while there is room for whatever else a queue holds, so that a few slow tasks there
 * would stop them all. */
bool task_fits_queue(const struct task *task, const char *queue);
#define QUEUE_IS_CHECKS "that queue is for checks alone"
/* Routes of the process, "task=queue,prefix.*=queue", the first that fits: call before threads
 * start. ST_INVALID with the part that is wrong; the text is copied. */
NODISCARD enum status task_routes_set(const char *text, struct errbuf *err);

struct job {
    struct uuid id;
    const char *task;
    const char *args; /* JSON object, at most LIMIT_JOB_ARGS_BYTES */
    int attempt;      /* from 1 */
    int max_attempts;
    int priority;
    int64_t enqueued_at_ms;
    int64_t not_before_ms; /* 0: at once */
    int64_t expires_at_ms; /* 0: never */
    int64_t time_limit_ms;
    int64_t soft_limit_ms;
    int64_t result_ttl_ms;
    const char *dedup;  /* only one job alive with this key, NULL */
    const char *group;  /* "<queue>/<uuid>" of the group it belongs to (group.h), NULL */
    const char *trace;  /* traceparent, NULL */
    const char *reply;  /* pub/sub channel that waits for the outcome, NULL */
    const char *tenant; /* takes turns with other tenants' jobs of its priority, NULL */
    const char *key;    /* of the concurrency and rate limits, NULL */
    int key_limit;      /* jobs of this key that may run at once, 0: any number */
    const char *chain;  /* what comes after success (group.h), NULL */
    /* Starts of jobs of this task and key, count 0: no limit; queue_key_rate_set overrides it. */
    struct queue_rate key_rate;
    const char *queue;  /* where it goes when it follows another job, NULL: its task's */
    int takes_previous; /* 1: then it is told what came before it, as "previous" of its args */
    /* Only for the enqueueing: not in the envelope. */
    const char *idempotency; /* the same key within its time gives the same job, NULL */
    int64_t idempotency_ttl_ms;
    /* set by queue_fetch */
    const char *stream; /* key it came from */
    const char *entry;  /* stream id */
    int deliveries;
    const char *reason;        /* of its last failure, NULL */
    int64_t granted_at_ms;     /* the rate limit's own date for it, that of its task, … */
    int64_t key_granted_at_ms; /* … that of its key */
    int64_t died_at_ms;        /* of a dead letter */
};

/* Appends the envelope. */
void job_pack(const struct job *job, struct buf *out);
NODISCARD enum status job_unpack(const void *data, size_t len, struct arena *arena, struct job *out,
                                 struct errbuf *err);
/* Encodes the stream fields (name, value …) of a job; scripts and pipelines append them too. The
 * envelope is written into `storage`, which must live as long as the arguments. */
void job_encode(const struct job *job, struct buf *storage, struct rargs *args);
/* Decodes one entry's fields into the arena. ST_INVALID for an entry that is not a job we
 * understand (it goes to the dead letters). */
NODISCARD enum status job_decode(redisReply *fields, struct arena *arena, struct job *out,
                                 struct errbuf *err);
/* A copy with all texts in the arena. */
NODISCARD enum status job_copy(const struct job *job, struct arena *arena, struct job *out);
/* Where it goes: its own queue, or its task's; "default" for a task that nobody knows. */
const char *job_home(const struct job *job);
/* Fills id, attempt, policy and times from the task table; ST_NOT_FOUND for an unknown task. */
NODISCARD enum status job_init(struct job *job, const char *task, const char *args, int64_t now_ms);

/* A named queue on one shard (names of a–z, 0–9, '_', '-', '.'); borrows no connection. Threads may
 * share one, but only one of them may fetch. */
struct queue;
NODISCARD enum status queue_new(const char *name, int shard, struct queue **out);
void queue_free(struct queue *q);
static inline void queue_freep(struct queue **q)
{
    queue_free(*q);
}
#define AUTO_QUEUE CLEANUP(queue_freep) struct queue *
/* "{q:checks:0}:p1": borrowed. */
const char *queue_stream_key(const struct queue *q, int priority);
/* "{q:checks:0}:" + suffix, in the arena. */
const char *queue_key(const struct queue *q, const char *suffix, struct arena *arena);

/* Adds a job: to its stream, to :delayed when not_before_ms is in the future, to its tenant's line.
 * A job whose dedup or idempotency key is taken is there already: ST_OK. ST_OVERLOADED when
 * LIMIT_QUEUE_LENGTH wait, ST_TOO_LARGE, ST_UNAVAILABLE (outcome unknown). */
NODISCARD enum status queue_enqueue(struct queue *q, struct redis *r, const struct job *job);
/* The same, and says which job it is: *id is another's and *is_new false when the key was taken. */
NODISCARD enum status queue_enqueue_once(struct queue *q, struct redis *r, const struct job *job,
                                         struct uuid *id, bool *is_new);
/* Any number of jobs in few round trips. *added (may be NULL): how many of them, from the first
 * on, are in the queue; after ST_UNAVAILABLE up to LIMIT_ENQUEUE_BATCH more may be. */
NODISCARD enum status queue_enqueue_many(struct queue *q, struct redis *r, const struct job *jobs,
                                         size_t count, size_t *added);

struct job_batch {
    struct arena *arena; /* the caller's; jobs live in it */
    struct job *jobs;
    size_t count;
};
/* Up to `max` jobs (LIMIT_FETCH_BATCH at most) for this consumer, higher priorities first but none
 * starved, waiting up to block_ms. Makes the group (from id 0) when it is missing. Entries that do
 * not decode, cancelled and expired ones, and poison pills (QUEUE_MAX_DELIVERIES) are set aside as
 * dead letters or dropped here, and counted. A paused queue gives nothing. */
NODISCARD enum status queue_fetch(struct queue *q, struct redis *r, const char *consumer,
                                  size_t max, int64_t block_ms, struct job_batch *out);
/* XACK + XDEL in one MULTI, any mix of streams of this queue: the end of jobs to which nothing
 * hangs (job_is_plain). */
NODISCARD enum status queue_ack(struct queue *q, struct redis *r, const struct job *jobs,
                                size_t count);
/* Whether the end of a job is no more than its acknowledgement: no result to keep, no key to give
 * back, nobody after it. */
bool job_is_plain(const struct job *job);

enum job_state {
    JOB_QUEUED,
    JOB_DELAYED,
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_DEAD,
    JOB_CANCELLED,
    JOB_EXPIRED,
    JOB_STATE_COUNT_
};
/* "succeeded" … */
const char *job_state_name(enum job_state state);
struct job_outcome {
    enum job_state state;  /* JOB_SUCCEEDED, JOB_DEAD, JOB_CANCELLED or JOB_EXPIRED */
    const char *result;    /* JSON of at most LIMIT_JOB_RESULT_BYTES, NULL */
    const char *error;     /* NULL */
    int64_t started_at_ms; /* 0: never */
    int64_t finished_at_ms;
};
/* Ends jobs for good: what comes after them first (their group, their chain), then, in one script
 * a job, the result, the keys they held and the acknowledgement; plain ones in one batch. A job
 * that is not this consumer's any more is left alone. After a failure all of them may be given
 * again. */
NODISCARD enum status queue_finish(struct queue *q, struct redis *r, const char *consumer,
                                   const struct job *jobs, const struct job_outcome *outcomes,
                                   size_t count);
/* Moves a failed job to :delayed with backoff, or to :dead after max_attempts; one script, and only
 * while the entry is still this consumer's: else ST_CONFLICT, and nothing is done. */
NODISCARD enum status queue_retry(struct queue *q, struct redis *r, const char *consumer,
                                  const struct job *job, const char *reason, int64_t now_ms);
/* Gives a prefetched job back at once (drain): re-added, then acknowledged, in one script.
 * ST_CONFLICT when it is not this consumer's any more. */
NODISCARD enum status queue_hand_back(struct queue *q, struct redis *r, const char *consumer,
                                      const struct job *job);

/* Lease of a consumer (any text up to 100 bytes, never used by two incarnations): SET heartbeat
 * with TTL, and its place in the set of consumers. Beat before the first fetch, then at a third of
 * the lease. */
NODISCARD enum status queue_heartbeat(struct queue *q, struct redis *r, const char *consumer,
                                      const char *info_json, int64_t lease_ms);
/* Ends the lease at once; what the consumer still holds goes back to the queue. */
NODISCARD enum status queue_leave(struct queue *q, struct redis *r, const char *consumer);
/* One housekeeping pass: promotes due delayed jobs; takes the pending entries of consumers without
 * a heartbeat over to be fetched again, and deletes those consumers when nothing of theirs is left.
 * *moved (may be NULL): how many jobs. Safe to run in every worker. */
NODISCARD enum status queue_maintain(struct queue *q, struct redis *r, int64_t now_ms,
                                     size_t *moved);

struct queue_stats {
    int64_t waiting, pending, delayed, dead;
};
NODISCARD enum status queue_stats_get(struct queue *q, struct redis *r, struct queue_stats *out);

/* Tells whoever waits on `channel` (job.reply) that a job ended: "<job id> <payload>". */
NODISCARD enum status queue_publish_done(struct redis *r, const char *channel,
                                         const struct uuid *job_id, const char *payload,
                                         size_t len);

#endif
