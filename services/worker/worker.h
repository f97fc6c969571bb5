/*
 * The worker: fetch → execute → record → acknowledge, and a lease beside them.
 *
 * A job becomes a `struct work` with one `struct run` a check. Works and runs go one way through
 * the stages; the last run of a work that is through sends the work to the acknowledger, which
 * frees it. Until then its entry is pending in Redis: a worker that dies loses nothing.
 *
 *   fetch (a thread a queue)   own Redis and PostgreSQL connection
 *   execute                    the HTTP client's thread
 *   record                     own PostgreSQL connection
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
#include "net/httpc.h"
#include "queue/check_jobs.h"
#include "queue/queue.h"
#include "redis/redis.h"
#include "services/worker/kinds/kind.h"
#include "store/due.h"
#include "store/recorder.h"

enum {
    WORKER_LANES = 8,            /* queues one worker serves */
    WORKER_BACKLOG = 4000,       /* runs that may wait for the recorder before fetching pauses */
    WORKER_ACK_BATCH = 256,      /* jobs */
    WORKER_BACKOFF_MS = 100,     /* first wait after a store failed; */
    WORKER_BACKOFF_CAP_MS = 3000 /* … and the longest */
};

struct worker;

/* One queue that this worker serves. Each thread has a struct queue of its own. */
struct lane {
    struct worker *worker;
    char name[64];
    struct stage *stage;
    struct queue *fetching, *acking, *leasing;
    struct redis *redis; /* the fetch stage's */
    struct db *db;
};

/* One job in hand. */
struct work {
    struct worker *worker;
    struct lane *lane;
    struct arena *arena; /* the job's texts and bound configurations: written by fetch alone */
    struct job job;
    enum { WORK_SCHEDULED, WORK_RETRY, WORK_RUN, WORK_ADHOC } kind;
    struct run *runs;
    size_t run_count;
    atomic_size_t left;       /* runs not through, and one for the planner */
    atomic_bool is_abandoned; /* do not acknowledge: another worker will do it again */
    bool is_started;          /* under the engine's lock: a run of it is under way */
    struct check_adhoc adhoc;
    char failure[128];     /* why the job cannot be done: it goes to the dead letters */
    char reply_error[160]; /* what to tell who waits instead of a result */
    struct work *next;     /* while it is being fetched */
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

struct worker {
    const struct conf *conf;
    char consumer[101];
    struct seal_keys *seal; /* NULL: checks with secrets cannot be run */
    struct egress *egress;
    struct httpc *http;
    struct lane lanes[WORKER_LANES];
    size_t lane_count;
    struct stage *recorder, *acker, *leaser;
    struct bqueue *to_record, *to_ack;
    atomic_size_t unprobed;              /* runs fetched whose probe has not ended */
    atomic_size_t open;                  /* runs fetched whose job is not acknowledged */
    atomic_size_t alerts;                /* outbox rows since the notifier was last woken */
    atomic_bool is_leased;               /* nothing is fetched without a heartbeat */
    atomic_bool is_giving_up;            /* the grace is over: keep nothing, start nothing */
    atomic_int_least64_t engine_beat_ms; /* monotonic: when the probe loop last turned */
    /* The engine: runs that wait for their turn, and those that run. */
    pthread_mutex_t lock;
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

/* --- plan.c: jobs to runs --- */
/* Takes the job apart; everything is copied. A job that makes no sense becomes a work with a
 * `failure` and without runs. ST_NO_MEMORY. */
NODISCARD enum status work_new(struct lane *lane, const struct job *job, struct work **out);
/* Loads what the runs of all works need with one query, and binds it. ST_UNAVAILABLE: try again. */
NODISCARD enum status works_define(struct db *db, struct work *list);

/* --- engine.c --- */
/* Runs what the plan says; the rest is through at once. */
void engine_add(struct work *work);
/* Takes back the works of which nothing was started, and lets them be abandoned; `each` is told
 * while the work is still there. */
void engine_withdraw(struct worker *w, void (*each)(struct work *work));
/* The grace is over: what waits is abandoned, what runs is cancelled. */
void engine_cancel_all(struct worker *w);
/* Cancels probes that outlived their time limit by far: a kind that forgot its own. */
void engine_watch(struct worker *w);

/* --- metrics.c --- */
void worker_metrics_add(void);
void worker_metrics_running(size_t running);
void worker_metrics_open(size_t open);
void worker_metrics_probe(enum result_status status, int64_t took_us);
void worker_metrics_batch(size_t records, int64_t took_us);
void worker_metrics_lag(int64_t lag_us);
void worker_metrics_dropped(size_t records);
enum worker_dependency { WORKER_DATABASE, WORKER_REDIS, WORKER_PROBES };
void worker_health(enum worker_dependency what, bool ok);

#endif
