/* What the scheduler's files share. */
#ifndef TOCSIN_SCHEDULER_INTERNAL_H
#define TOCSIN_SCHEDULER_INTERNAL_H

#include <pthread.h>

#include "base/stage.h"
#include "obs/health.h"
#include "obs/metrics.h"
#include "services/scheduler/dispatch.h"
#include "services/scheduler/scheduler.h"
#include "services/scheduler/tasks.h"
#include "services/scheduler/timeline.h"
#include "store/leases.h"
#include "store/schedules.h"

enum { OWNER_BYTES = 160 };

/* Work on a shard that takes several turns of the loop. */
enum shard_phase {
    SHARD_RESTING,  /* another scheduler's, or nobody's; kept up to date all the same */
    SHARD_CLAIMING, /* leased; Redis must learn of it and say how far the last owner came */
    SHARD_STALE,    /* Redis does not know: what has results must be read, in the next pass */
    SHARD_READING,
    SHARD_READY, /* runs with the next step */
    SHARD_RUNNING
};

struct shard_work {
    enum shard_phase phase;
    int64_t epoch;
    int64_t mark_ms;  /* from which it will run */
    int64_t known_ms; /* the mark in Redis, as we left it */
    bool is_lost;     /* Redis lost what was published: whatever has no result is published anew */
};

/* What a pass reads: of all that is kept, or of where it stands alone. */
enum pass_step { PASS_NONE, PASS_CHECKS, PASS_STATES, PASS_TASKS };

struct pass {
    enum pass_step step;
    struct reader *reader; /* of the streams */
    struct uuid after;     /* of the tasks' schedules */
};

/* The dispatching thread's own. */
struct dispatching {
    struct db *db;
    struct redis *redis;
    struct dispatcher *dispatcher;
    struct tasks *tasks;
    struct sched *sched;
    struct timeline timeline;
    struct arena *arena; /* of one page */
    struct schedule_cursor cursor;
    bool has_cursor;
    struct shard_work shards[SCHED_SHARDS];
    struct pass pass;
    bool is_warm; /* all items were read once: nobody shares shards with us before */
    /* instants, monotonic; warm_at: when the first pass ended */
    int64_t warm_at, lease_until, renew_at, poll_at, redis_after, db_after;
};

/* What the house-keeping thread must know of the other one. */
struct ownership {
    pthread_mutex_t lock;
    bool is_mine[SCHED_SHARDS];
    int64_t gap_from_ms[SCHED_SHARDS], gap_to_ms[SCHED_SHARDS];
};

struct scheduler {
    const struct conf *conf;
    char owner[OWNER_BYTES]; /* host:pid:uuid, never used again */
    struct dispatching run;
    struct ownership owned;
    struct stage *dispatch_stage, *keeper_stage, *relay_stage;
};

/* --- leases.c --- */

/* Renews, takes and gives shards; sets when to come again. */
void scheduler_turn_leases(struct scheduler *s, int64_t mono_ms);
bool scheduler_has_lease(const struct scheduler *s);
/* Gives a shard up here; its lease is another matter. */
void scheduler_rest_shard(struct scheduler *s, int shard);

/* --- shards.c --- */

/* One step of what shards need beside ticking: claiming, reading on, running. True when there is
 * more to do at once. */
bool scheduler_work_shards(struct scheduler *s);
/* A step of the first pass, which reads all items before there are leases. True when there is more
 * to do at once. */
bool scheduler_warm_up(struct scheduler *s);
/* What is done about once a second: a page of the log of changes, and a look whether Redis still
 * knows us. True when there is more to do at once. */
bool scheduler_poll(struct scheduler *s);
/* Redis forgot what it was told: everything that runs starts anew from what has results. */
void scheduler_redis_lost(struct scheduler *s);
/* A call about a shard failed: ST_CONFLICT means that it has a newer owner. */
void scheduler_shard_failed(struct scheduler *s, int shard, enum status st);

/* --- pass.c --- */

/* A pass takes several steps of some milliseconds each. The log of changes is read from a moment
 * before it on, but no further until it has ended, as it is older than what the log leads to. */
NODISCARD enum status scheduler_pass_begin(struct scheduler *s, enum pass_step first);
/* PASS_NONE is the step after the last one. After a failure nothing is left of the pass. */
NODISCARD enum status scheduler_pass_on(struct scheduler *s);
void scheduler_pass_end(struct scheduler *s);
/* An enabled item as the core has it, its task known as well; false, said in the log, when it
 * cannot be. */
bool scheduler_item_of(struct scheduler *s, const struct schedule_row *row, struct sched_item *out);

/* --- loop.c, keeper.c, relay.c --- */

void scheduler_dispatch_loop(struct stage *stage, void *arg);
void scheduler_keeper_loop(struct stage *stage, void *arg);
void scheduler_relay_loop(struct stage *stage, void *arg);

/* --- metrics.c --- */

/* Once a process, however many schedulers a test starts in it. */
void scheduler_metrics_add(void);
void scheduler_relay_metrics_add(void); /* relay.c's share of it */
extern struct metric scheduler_checks_metric, scheduler_kept_metric, scheduler_shards_metric,
    scheduler_dispatched_metric, scheduler_ticks_metric, scheduler_lag_metric,
    scheduler_missed_metric, scheduler_tasks_metric, scheduler_overlaps_metric;
extern struct health_item scheduler_db_health, scheduler_redis_health, scheduler_lease_health;

#endif
