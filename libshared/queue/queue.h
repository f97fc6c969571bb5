/*
 * The job queue over Redis Streams. A task is a kind of work; a job is one instance of it; a queue
 * is a named set of streams, one a priority, all keys under one hash tag per shard:
 *     {q:<queue>:<shard>}:p0 … :p3   streams (p0 first)      :delayed  sorted set by due time
 *     {q:<queue>:<shard>}:dead       stream of dead letters  :worker:<consumer>  heartbeat
 * Delivery is at least once: late acknowledgement, leases per consumer, a reaper for the dead.
 * Exactly-once effects come from PostgreSQL (design: section 4).
 */
#ifndef TOCSIN_QUEUE_QUEUE_H
#define TOCSIN_QUEUE_QUEUE_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/defs.h"
#include "base/status.h"
#include "base/uuid.h"
#include "redis/redis.h"

enum { QUEUE_PRIORITIES = 4, QUEUE_DEFAULT_PRIORITY = 2, QUEUE_MAX_DELIVERIES = 5 };

/* Rows of the one task table (queue/tasks.c): routing and policy by task name. */
struct task {
    const char *name;  /* "check.run" */
    const char *queue; /* "checks" */
    int priority;      /* 0 first … 3 */
    int max_attempts;
    int64_t retry_base_ms, retry_cap_ms;
    int64_t time_limit_ms; /* hard, for one attempt */
};
const struct task *task_find(const char *name);

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
    const char *dedup; /* NULL */
    const char *group; /* NULL */
    const char *trace; /* traceparent, NULL */
    const char *reply; /* pub/sub channel that waits for the outcome, NULL */
    /* set by queue_fetch */
    const char *stream; /* key it came from */
    const char *entry;  /* stream id */
    int deliveries;
};

/* Encodes the stream fields (name, value …) of a job; scripts and pipelines append them too. */
void job_encode(const struct job *job, struct rargs *args);
/* Decodes one entry's fields into the arena. ST_INVALID for an entry that is not a job we
 * understand (it goes to the dead letters). */
NODISCARD enum status job_decode(redisReply *fields, struct arena *arena, struct job *out,
                                 struct errbuf *err);
/* Fills id, attempt, policy and times from the task table; ST_NOT_FOUND for an unknown task. */
NODISCARD enum status job_init(struct job *job, const char *task, const char *args, int64_t now_ms);

/* A named queue on one shard (names of a–z, 0–9, '_', '-', '.'); borrows no connection. Threads may
 * share one, but only one of them may fetch. */
struct queue;
NODISCARD enum status queue_new(const char *name, int shard, struct queue **out);
void queue_free(struct queue *q);
/* "{q:checks:0}:p1": borrowed. */
const char *queue_stream_key(const struct queue *q, int priority);
/* "{q:checks:0}:" + suffix, in the arena. */
const char *queue_key(const struct queue *q, const char *suffix, struct arena *arena);

/* XADD, or ZADD to :delayed when not_before_ms is in the future. ST_OVERLOADED when the stream
 * holds LIMIT_QUEUE_LENGTH entries, ST_TOO_LARGE, ST_UNAVAILABLE (outcome unknown). */
NODISCARD enum status queue_enqueue(struct queue *q, struct redis *r, const struct job *job);

struct job_batch {
    struct arena *arena; /* the caller's; jobs live in it */
    struct job *jobs;
    size_t count;
};
/* Up to `max` jobs for this consumer, higher priorities first but none starved, waiting up to
 * block_ms. Makes the group (from id 0) when it is missing. Entries that do not decode, expired
 * ones, and poison pills (QUEUE_MAX_DELIVERIES) are set aside as dead letters or dropped here, and
 * counted. */
NODISCARD enum status queue_fetch(struct queue *q, struct redis *r, const char *consumer,
                                  size_t max, int64_t block_ms, struct job_batch *out);
/* XACK + XDEL in one MULTI, any mix of streams of this queue. */
NODISCARD enum status queue_ack(struct queue *q, struct redis *r, const struct job *jobs,
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

/* Registers the queue's counters (obs/metrics.h); once, before threads start. */
void queue_metrics_add(void);

struct queue_stats {
    int64_t waiting, pending, delayed, dead;
};
NODISCARD enum status queue_stats_get(struct queue *q, struct redis *r, struct queue_stats *out);

/* Tells whoever waits on `channel` (job.reply) that a job ended: "<job id> <payload>". */
NODISCARD enum status queue_publish_done(struct redis *r, const char *channel,
                                         const struct uuid *job_id, const char *payload,
                                         size_t len);

#endif
