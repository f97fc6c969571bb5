/*
 * The worker: fetch → execute → record → acknowledge, and a lease beside them.
 *
 * A job becomes a `struct work`: checks with one `struct run` a check, any other task with a
 * `struct task_end`. Works and runs go one way through the stages; the last run of a work that is
 * through sends the work to the acknowledger, which frees it. Until then its entry is pending in
 * Redis: a worker that dies loses nothing.
 *
 *   fetch (a thread a queue)   own Redis connection, and PostgreSQL where there are checks
 *   execute                    checks: the HTTP client's thread; tasks: processes (pool.h)
 *   record                     own PostgreSQL and Redis connection
 *   acknowledge, lease         own Redis connection each
 */
#ifndef TOCSIN_WORKER_WORKER_H
#define TOCSIN_WORKER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth/seal.h"
#include "base/arena.h"
#include "base/bqueue.h"
#include "base/clock.h"
#include "base/stage.h"
#include "conf/conf.h"
#include "db/db.h"
#include "json/write.h"
#include "net/httpc.h"
#include "queue/check_jobs.h"
#include "queue/queue.h"
#include "redis/redis.h"
#include "services/worker/kinds/kind.h"
#include "store/due.h"
#include "store/recorder.h"

enum {
    WORKER_LANES = LIMIT_WORKER_QUEUES,
    WORKER_BACKLOG = 4000,       /* runs that may wait for the recorder before fetching pauses */
    WORKER_ACK_BATCH = 256,      /* jobs */
    WORKER_BACKOFF_MS = 100,     /* first wait after a store failed; */
    WORKER_BACKOFF_CAP_MS = 3000 /* … and the longest */
};

struct worker;
struct pool;
struct task_handler;

/* One queue that this worker serves. Each thread has a struct queue of its own. */
struct lane {
    struct worker *worker;
    char name[64];
    struct stage *stage;
    struct queue *fetching, *acking, *leasing;
    struct redis *redis; /* the fetch stage's */
    struct db *db;
    /* What its jobs are: as the routes say, and what came beside that. */
    atomic_bool has_probes, has_tasks;
    atomic_bool is_full;                  /* the fetch stage waits for room */
    atomic_bool wants_reconnect;          /* … is asked to connect anew */
    atomic_int_least64_t room_mono_ms;    /* since when there has been room for jobs, 0: none now */
    atomic_int_least64_t fetched_mono_ms; /* when jobs last came */
    atomic_size_t open;                   /* works in hand */
    char cancelled_key[128];
    /* Tasks, under the pool's lock: */
    struct work *ready, **ready_end; /* for an executor */
    size_t ready_count, running;
    int64_t mean_us; /* of what the last ones took, 0: none yet */
};

/* How an attempt of a task ended. Written by the pool's thread before the work goes on. */
struct task_end {
    enum task_how {
        TASK_RUNNING,
        TASK_SUCCEEDED,
        TASK_RETRY, /* tried again as its policy says */
        TASK_FINAL, /* a dead letter at once */
        TASK_CANCELLED,
        TASK_EXPIRED,    /* before its turn came */
        TASK_HANDED_BACK /* not begun, or not to the end: another worker's */
    } how;
    const char *result; /* JSON in the work's arena, NULL */
    char reason[LIMIT_TASK_REASON];
    int64_t ready_mono_ms;              /* since when it waits for an executor */
    char progress[LIMIT_TASK_PROGRESS]; /* under the worker's lock */
};

/* One job in hand. */
struct work {
    struct worker *worker;
    struct lane *lane;
    struct arena *arena; /* the job's texts and bound configurations: written by fetch alone */
    struct job job;
    enum { WORK_SCHEDULED, WORK_RETRY, WORK_RUN, WORK_ADHOC, WORK_TASK } kind;
    struct run *runs;
    size_t run_count;
    struct task_end *task;    /* WORK_TASK alone */
    atomic_size_t left;       /* runs not through (a task counts as one), and one for the planner */
    atomic_bool is_abandoned; /* do not acknowledge: another worker will do it again */
    atomic_bool is_cancelled; /* somebody does not want it any more */
    bool is_started;          /* under the worker's lock: a run of it is under way */
    int64_t started_at_ms;    /* the same; 0: not yet */
    struct work *newer, *older; /* under the worker's lock: all that are in hand */
    bool is_settled;            /* the acknowledger is through with it */
    struct check_adhoc adhoc;
    char failure[128];     /* why the job cannot be done: it goes to the dead letters */
    char reply_error[160]; /* what to tell who waits instead of a result */
    struct work *next;     /* while it is being fetched, waits for an executor, or is held */
};

/* One check of a job. */
struct run {
    struct probe probe; /* first: probe.done finds the run by it */
    struct work *work;
    struct run *next, **self; /* in one of the engine's lists; where that list points at this */
    enum { RUN_SKIPPED, RUN_READY, RUN_BROKEN /* its result is known already */ } plan;
    struct uuid check_id;
    int64_t slot_us, prev_slot_us;
    int64_t retry_ms; /* the soft state's next try comes after this; 0: none */
    const struct probe_kind *kind;
    json_t *config_json; /* owned: the bound configuration borrows from it */
    int64_t executed_us; /* wall clock when the probe started */
    int64_t deadline_mono_ms;
    bool is_recorded;
    struct record_outcome outcome;
};

/* "4", or "1,8". */
struct bounds {
    size_t min, max;
};

struct worker {
    const struct conf *conf;
    struct bounds probes, executors;
    atomic_size_t probe_limit; /* probes at a time now: within the bounds */
    struct pool *pool;
    char consumer[101];
    struct seal_keys *seal; /* NULL: checks with secrets cannot be run */
    struct egress *egress;
    struct httpc *http;
    struct lane lanes[WORKER_LANES];
    size_t lane_count;
    struct stage *recorder, *acker, *leaser;
    struct bqueue *to_record, *to_ack;
    atomic_size_t unprobed;                 /* runs fetched whose probe has not ended */
    atomic_size_t open;                     /* runs fetched whose job is not acknowledged */
    atomic_size_t alerts;                   /* outbox rows since the notifier was last woken */
    atomic_bool is_leased;                  /* nothing is fetched without a heartbeat */
    atomic_bool is_giving_up;               /* the grace is over: keep nothing, start nothing */
    atomic_int_least64_t engine_beat_ms;    /* monotonic: when the probe loop last turned */
    atomic_int_least64_t processed, failed; /* jobs that ended; attempts that failed */
    pthread_mutex_t lock;
    struct work *oldest, *newest; /* all works in hand */
    /* The engine: runs that wait for their turn, and those that run. */
    struct run *ready, **ready_end;
    struct run *running;
    size_t running_count;
    bool is_pumping;
};

/* --- worker.c --- */
/* Starts all stages; stores that are down are no failure. conf is borrowed. */
NODISCARD enum status worker_start(const struct conf *conf, struct worker **out,
                                   struct errbuf *err);
/* Drains for up to grace_ms, hands back what was not started, leaves, frees. */
void worker_stop(struct worker *w, int64_t grace_ms);
/* The run is through (recorded, or skipped): the last one sends its work to the acknowledger. */
void work_run_through(struct work *work);
void work_free(struct work *work);

/* --- stages --- */
void fetch_stage(struct stage *stage, void *lane);
void record_stage(struct stage *stage, void *worker);
void ack_stage(struct stage *stage, void *worker);
void lease_stage(struct stage *stage, void *worker);

/* --- works.c: all that is in hand --- */
void works_add(struct work *work);
void works_remove(struct work *work);
/* Ends those of the lane that somebody cancelled. ST_UNAVAILABLE. */
NODISCARD enum status works_cancel(struct lane *lane, struct redis *r);
/* An array of what runs, the oldest first, WORKS_SHOWN at most. */
enum { WORKS_SHOWN = 50 };
/* Checks and tasks in hand. */
size_t works_running(struct worker *w);
void works_write(struct worker *w, struct jw *out);

/* --- plan.c: jobs to runs --- */
/* Whether jobs of this task are made of checks. */
bool plan_is_probe(const char *task);
/* Takes the job apart; everything is copied. A job that makes no sense becomes a work with a
 * `failure` and without runs. ST_NO_MEMORY. */
NODISCARD enum status work_new(struct lane *lane, const struct job *job, struct work **out);
/* Loads what the runs of all works need with one query, and binds it. ST_UNAVAILABLE: try again. */
NODISCARD enum status works_define(struct db *db, struct work *list);

/* --- engine.c --- */
/* Runs what the plan says; the rest is through at once. */
void engine_add(struct work *work);
/* The probe limit has grown. */
void engine_pump(struct worker *w);
/* Takes back the works of which nothing was started, and lets them be abandoned; `each` is told
 * while the work is still there. */
void engine_withdraw(struct worker *w, void (*each)(struct work *work));
/* The grace is over: what waits is abandoned, what runs is cancelled. */
void engine_cancel_all(struct worker *w);
/* Cancels probes that outlived their time limit by far: a kind that forgot its own. */
void engine_watch(struct worker *w);
/* The work is cancelled: what waits of it is through, its probes are told to end. Under the
 * worker's lock; the runs that were taken out come back for engine_drop, without it. */
struct run *engine_cancel(struct work *work, struct run *taken);
void engine_drop(struct run *taken);

/* --- scale.c --- */
/* ST_INVALID unless 0 or 1 (as `least`) ≤ MIN ≤ MAX ≤ most, and 1 ≤ MAX. */
NODISCARD enum status bounds_parse(const char *text, size_t least, size_t most, struct bounds *out);
/* Moves the probe limit within its bounds: now and then. */
struct scaling {
    int64_t full_since_ms, empty_since_ms;
};
void scale_probes(struct worker *w, struct scaling *s, int64_t now_mono_ms);

/* --- watch.c: a lane whose jobs do not come --- */
struct watch {
    int64_t look_at_ms, stalled_since_ms;
    bool is_reconnected;
};
/* Exits the process when nothing else helped. ST_UNAVAILABLE. */
NODISCARD enum status watch_lane(struct lane *lane, struct watch *watch, struct redis *r,
                                 int64_t now_mono_ms);

/* --- metrics.c --- */
void worker_metrics_add(void);
void worker_metrics_running(size_t running);
void worker_metrics_open(size_t open);
void worker_metrics_probe(enum result_status status, int64_t took_us);
void worker_metrics_batch(size_t records, int64_t took_us);
void worker_metrics_lag(int64_t lag_us);
void worker_metrics_dropped(size_t records);
void worker_metrics_executors(size_t executors);
void worker_metrics_attempt(enum task_how how);
enum worker_dependency { WORKER_DATABASE, WORKER_REDIS, WORKER_PROBES, WORKER_EXECUTORS };
void worker_health(enum worker_dependency what, bool ok);

#endif
