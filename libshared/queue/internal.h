/* What the files of queue/ share. */
#ifndef TOCSIN_QUEUE_INTERNAL_H
#define TOCSIN_QUEUE_INTERNAL_H

#include "gen/scripts.h"
#include "obs/metrics.h"
#include "queue/queue.h"

#define QUEUE_GROUP "workers"
/* The names of all queues. */
#define QUEUE_NAMES_KEY "tocsin:queues"

enum {
    QUEUE_KEY_BYTES = 96,
    QUEUE_CONSUMER_BYTES = 101,
    QUEUE_ENTRY_BYTES = 48,
    QUEUE_TEXT_MAX = 256, /* bytes of a key, a tenant, a channel */
    QUEUE_NAME_MAX = 40,
    QUEUE_CONTROL_MS = 200, /* how old a view of pauses and cancels may be */
    JOB_CHAIN_MAX = 262144,
    JOB_ATTEMPTS_MAX = 1000,
    JOB_TASK_MAX = 64,        /* bytes of a task's name */
    QUEUE_SCRIPT_BATCH = 100, /* entries that one run of a script moves: Redis serves nobody else */
    /* A job that went down with so many workers is one of some suspects, comes alone; how many
     * suspects at a time otherwise. */
    QUEUE_SUSPECT_LOST = 2,
    QUEUE_ALONE_LOST = 3,
    QUEUE_SUSPECTS = 16,
    QUEUE_ROUNDS_MAX = 20 /* such runs in one housekeeping pass */
};

/* What was asked of a queue, as the last fetch saw it. */
struct queue_control {
    int64_t at_mono_ms; /* when; 0: never */
    bool is_paused;
    bool has_rates;     /* limits were set beside those of the task table */
    bool has_cancelled; /* jobs that must not run */
    bool has_lines;     /* jobs that wait by tenant */
};

struct queue {
    char name[64];
    char prefix[QUEUE_KEY_BYTES]; /* "{q:checks:0}:" */
    char stream[QUEUE_PRIORITIES][QUEUE_KEY_BYTES];
    char delayed[QUEUE_KEY_BYTES];
    char dead[QUEUE_KEY_BYTES];
    char consumers[QUEUE_KEY_BYTES];
    char stats[QUEUE_KEY_BYTES];
    char control[QUEUE_KEY_BYTES];
    char cancelled[QUEUE_KEY_BYTES];
    char lines[QUEUE_KEY_BYTES];
    char events[QUEUE_KEY_BYTES];
    char tail[QUEUE_KEY_BYTES];
    _Atomic bool has_tail;        /* somebody reads events, … */
    _Atomic int64_t tail_mono_ms; /* … as was seen then */
    _Atomic uint64_t remembered;  /* connection on which the name was written down */
    /* The fetching thread's alone: */
    unsigned turn;                                  /* of the weighted fetch */
    char consumer[QUEUE_CONSUMER_BYTES];            /* that the marks below belong to */
    char last[QUEUE_PRIORITIES][QUEUE_ENTRY_BYTES]; /* newest entry received of each stream */
    bool has_lost_reply; /* entries after `last` may be ours without our knowing */
    bool is_drained;     /* the last fetch left nothing behind: the next one may wait at once */
    bool is_idle;        /* the last wait brought nothing */
    bool is_broken[QUEUE_PRIORITIES]; /* the key holds something else than a stream */
    int64_t broken_told_mono_ms;
    struct queue_control seen;
};

bool queue_name_is_good(const char *name);
/* Count 0 stands for no limit, whatever the rest says. */
static inline bool queue_rate_is_good(const struct queue_rate *rate)
{
    return rate->count == 0 ||
           (rate->count > 0 && rate->count <= INT32_MAX && rate->period_ms > 0 &&
            rate->burst >= 0 && rate->burst <= INT32_MAX);
}
/* A script of which the queue's prefix is the one key: all others are made from it, and lie under
 * its hash tag. */
NODISCARD enum status queue_script(const struct queue *q, struct redis *r,
                                   const struct redis_script *script, const struct rargs *args,
                                   redisReply **reply);

/* Writes the queue's name down for queue_names, once a connection. */
NODISCARD enum status queue_remember(struct queue *q, struct redis *r);

/* What comes after a job: its chain, its group. Harmless when repeated. */
NODISCARD enum status queue_follow_up(struct redis *r, const struct job *job,
                                      const struct job_outcome *outcome);
/* Ends a job that will not be run, after what follows it (its chain, its group): whoever waits on
 * its channel hears why. */
NODISCARD enum status queue_end_unrun(struct queue *q, struct redis *r, const char *consumer,
                                      const struct job *job, const struct job_outcome *outcome);

struct delay {
    int64_t due_ms;
    const char *reason;                 /* NULL: that of before */
    bool is_retry;                      /* counts as an attempt */
    int64_t granted_ms, key_granted_ms; /* by the rate limits, 0 */
    bool waits_for_key;                 /* begun as soon as another job of its key ends */
};
/* retry.lua: the entry becomes a delayed job. ST_CONFLICT when it is not ours any more. */
NODISCARD enum status queue_delay(struct queue *q, struct redis *r, const char *consumer,
                                  const struct job *job, const struct delay *delay);

/* control.c: what was asked of the queue, pipelined with a fetch, or by itself when it is older
 * than QUEUE_CONTROL_MS. */
NODISCARD enum status queue_control_append(struct queue *q, struct redis *r);
NODISCARD enum status queue_control_fetch(struct queue *q, struct redis *r);
NODISCARD enum status queue_control_refresh(struct queue *q, struct redis *r);
/* Looks whether somebody reads events, when the last look is too old. */
NODISCARD enum status queue_tail_refresh(struct queue *q, struct redis *r);
/* Appends an event a job, if somebody reads events; *commands grows by as many. */
NODISCARD enum status queue_events_append(struct queue *q, struct redis *r, const char *event,
                                          const struct job *jobs, size_t count, size_t *commands);
/* Moves jobs of tenants in turn to where a fetch of `max` finds them. */
NODISCARD enum status queue_pump(struct queue *q, struct redis *r, size_t max);

/* admit.c: takes out of jobs[0 … *count) what must not start now: cancelled, expired, limited. */
NODISCARD enum status queue_admit(struct queue *q, struct redis *r, const char *consumer,
                                  int64_t now_ms, struct job *jobs, size_t *count);
/* "{q:checks:0}:worker:<consumer>" */
NODISCARD enum status queue_heartbeat_key(const struct queue *q, const char *consumer, char *out,
                                          size_t cap);

/* metrics.c: nothing happens before queue_metrics_add. A task of NULL counts as "other". */
enum queue_counter {
    QUEUE_PROCESSED,
    QUEUE_FAILED,
    QUEUE_RETRIED,
    QUEUE_DEAD,
    QUEUE_REDELIVERED,
    QUEUE_EXPIRED,
    QUEUE_CANCELLED,
    QUEUE_COUNTER_COUNT_
};
void queue_count(const char *task, enum queue_counter what);
void queue_count_end(const char *task, enum job_state state);
void queue_count_deliveries(const struct job *jobs, size_t count, int64_t now_ms);
extern struct metric queue_reaped_metric;

#endif
