/*
 * The scheduler's mind: which checks are due when, by shard. Pure: time comes in, batches go out.
 *
 * A check is in the heap of its shard at the moment of its next dispatch, which is its next slot,
 * or, for a slot that was overslept, a moment spread over the seconds to come. What is dispatched
 * at a time T is the newest slot at or before T; the check then waits for the first slot after T.
 * Hence no slot is dispatched twice, and none is skipped as long as ticks come in time.
 *
 * A batch stays its shard's current one until sched_done: an attempt whose outcome is unknown is
 * repeated unchanged, and the tick's time, which grows from batch to batch, lets the publishing
 * script see that it knows it. All slots of a shard up to a finished batch's tick were dispatched,
 * so that the next owner of the shard goes on from there.
 */
#ifndef TOCSIN_SCHEDULER_CORE_H
#define TOCSIN_SCHEDULER_CORE_H

#include "base/defs.h"
#include "base/status.h"
#include "base/uuid.h"

enum {
    SCHED_SHARDS = 16,
    SCHED_BATCH_CHECKS = 2048, /* of one batch; those of the same millisecond go along */
    SCHED_LATE_MS = 10000,     /* later than this is overslept: its load is spread */
    SCHED_SPREAD_MS = 60000    /* … over half the interval, at most this */
};

/* No time: no watermark, nothing due. */
#define SCHED_NEVER INT64_MIN
#define SCHED_FOREVER INT64_MAX

struct sched_due {
    struct uuid check_id;
    int64_t slot_ms, prev_ms;
    int64_t interval_ms;
};

struct sched_batch {
    int64_t tick_ms;
    struct sched_due *due;
    size_t count, cap;
};

struct sched;

/* NULL without memory. */
struct sched *sched_new(void);
void sched_free(struct sched *s);
size_t sched_count(const struct sched *s);

/* Takes a shard over: slots up to `mark_ms` were dispatched (SCHED_NEVER: unknown). It yields no
 * batches before sched_run, so that all its checks can be loaded first. */
void sched_open(struct sched *s, int shard, int64_t mark_ms);
void sched_run(struct sched *s, int shard);
/* Gives the shard up, with its checks and its current batch. */
void sched_close(struct sched *s, int shard);
bool sched_is_open(const struct sched *s, int shard);
bool sched_is_running(const struct sched *s, int shard);
/* The tick of the last finished batch, or what sched_open was told. */
int64_t sched_mark(const struct sched *s, int shard);

/* A check as it is when its shard is loaded. Its newest slot is due unless it lies at or before the
 * shard's mark or `settled_ms` (slots up to there have their results or are not expected). */
NODISCARD enum status sched_load(struct sched *s, int shard, const struct uuid *id,
                                 int64_t interval_ms, int64_t settled_ms, int64_t now_ms);
/* A check as it is after a change: with a new interval, its first slot is the next one; else it
 * waits on as it did. */
NODISCARD enum status sched_put(struct sched *s, int shard, const struct uuid *id,
                                int64_t interval_ms, int64_t now_ms);
/* What was published up to `lost_to_ms` may be gone: the check's newest slot is due again if it is
 * one of those and not settled. */
void sched_republish(struct sched *s, const struct uuid *id, int64_t lost_to_ms, int64_t settled_ms,
                     int64_t now_ms);
/* No effect on a check that is not there. */
void sched_remove(struct sched *s, const struct uuid *id);

/* The shard's current batch, made if there is none and something is due; *out is NULL else. It is
 * valid until sched_done. ST_NO_MEMORY leaves everything due. */
NODISCARD enum status sched_tick(struct sched *s, int shard, int64_t now_ms,
                                 const struct sched_batch **out);
/* The current batch was published. */
void sched_done(struct sched *s, int shard);
/* When a running shard has something due next, its current batch included; SCHED_FOREVER. */
int64_t sched_deadline(const struct sched *s);

#endif
