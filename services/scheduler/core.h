/*
 * The scheduler's mind: what is due when, by shard. Pure: time comes in, batches go out. An item is
 * a check, or a task's schedule; both are planned alike.
 *
 * All shards are kept here, with their items; those that rest are another scheduler's, and run from
 * the moment in which they are taken over, as nothing has to be loaded then.
 *
 * An item of a running shard is in the heap at the moment T of its next dispatch, which is its next
 * slot (with its jitter), or, for a slot that was overslept, a moment spread over the seconds to
 * come. What is dispatched is the newest slot due at or before T; the item then waits for the first
 * one due after T, which may be past already: a tick that comes late by up to SCHED_LATE_MS skips
 * no slot. A check that never ran does not wait for its first slot: it runs at once under the name
 * of the second in which it was made, though not more than SCHED_FRESH_RATE of such a second.
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
#include "model/schedule.h"

enum {
    SCHED_SHARDS = 16,
    SCHED_BATCH_CHECKS = 2048, /* of one batch; those of the same millisecond go along */
    SCHED_LATE_MS = 10000,     /* later than this is overslept: only the newest slot runs, spread */
    SCHED_SPREAD_MS = 60000,   /* … over half the interval, at most this */
    SCHED_FRESH_RATE = 2000    /* checks a second that run because they are new */
};

/* No time: no watermark, nothing due. */
#define SCHED_NEVER INT64_MIN
#define SCHED_FOREVER INT64_MAX

/* What to do with slots that were overslept: all but the newest are skipped in any case. */
enum sched_catch_up { SCHED_RUN_ONCE, SCHED_SKIP };

/* How an item is planned. Many items share one plan. */
struct sched_plan {
    struct schedule schedule;
    int64_t jitter_ms; /* each slot is up to this late, by hash of item and slot; 0: none */
    enum sched_catch_up catch_up;
};

struct sched_item {
    struct uuid id;
    int shard;
    bool is_task;
    struct sched_plan plan;
    int64_t settled_ms; /* slots up to there have their results or are not expected */
    bool is_fresh;      /* a check that never ran, and was made or switched on at settled_ms */
};

struct sched_due {
    struct uuid id;
    bool is_task;
    int64_t slot_ms;
    int64_t prev_ms; /* 0: none */
    int64_t gap_ms;  /* to the next slot */
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

/* Of the shards that run. */
size_t sched_count_running(const struct sched *s);

/* Takes a shard over that rests (as all do at first): slots up to `mark_ms` were dispatched
 * (SCHED_NEVER: unknown). Items' slots are due that came after the mark and are not settled. */
void sched_run(struct sched *s, int shard, int64_t mark_ms, int64_t now_ms);
/* Gives the shard and its current batch up, but keeps its items. */
void sched_rest(struct sched *s, int shard);
bool sched_is_running(const struct sched *s, int shard);

/* An item of a resting shard, as it is in the database. */
NODISCARD enum status sched_load(struct sched *s, const struct sched_item *item);
/* The same of settled_ms and is_fresh alone; no effect on an item that is not there, or runs. */
void sched_settle(struct sched *s, const struct uuid *id, int64_t settled_ms, bool is_fresh);
/* An item as it is after a change: with a new plan, its first slot is the next one; else it waits
 * on as it did. */
NODISCARD enum status sched_put(struct sched *s, const struct sched_item *item, int64_t now_ms);
/* No effect on an item that is not there. */
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
