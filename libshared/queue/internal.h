/* What the files of queue/ share. */
#ifndef TOCSIN_QUEUE_INTERNAL_H
#define TOCSIN_QUEUE_INTERNAL_H

#include "obs/metrics.h"
#include "queue/queue.h"

#define QUEUE_GROUP "workers"

enum {
    QUEUE_KEY_BYTES = 96,
    QUEUE_CONSUMER_BYTES = 101,
    QUEUE_ENTRY_BYTES = 48,
    QUEUE_SCRIPT_BATCH = 100, /* entries that one run of a script moves: Redis serves nobody else */
    QUEUE_ROUNDS_MAX = 20     /* such runs in one housekeeping pass */
};

struct queue {
    char prefix[QUEUE_KEY_BYTES]; /* "{q:checks:0}:" */
    char stream[QUEUE_PRIORITIES][QUEUE_KEY_BYTES];
    char delayed[QUEUE_KEY_BYTES];
    char dead[QUEUE_KEY_BYTES];
    char consumers[QUEUE_KEY_BYTES];
    char reaper[QUEUE_KEY_BYTES];
    /* The fetching thread's alone: */
    unsigned turn;                                  /* of the weighted fetch */
    char consumer[QUEUE_CONSUMER_BYTES];            /* that the marks below belong to */
    char last[QUEUE_PRIORITIES][QUEUE_ENTRY_BYTES]; /* newest entry received of each stream */
    bool has_lost_reply; /* entries after `last` may be ours without our knowing */
};

/* Makes the group of every stream, from id 0, where it is missing. */
NODISCARD enum status queue_make_groups(struct queue *q, struct redis *r);
/* retry.lua: due_ms 0 buries. ST_CONFLICT when the entry is not ours any more. */
NODISCARD enum status queue_end_delivery(struct queue *q, struct redis *r, const char *stream,
                                         const char *consumer, const char *entry, int64_t due_ms,
                                         const char *reason, int64_t now_ms);
/* "{q:checks:0}:worker:<consumer>" */
NODISCARD enum status queue_heartbeat_key(const struct queue *q, const char *consumer, char *out,
                                          size_t cap);

/* Counted here, shown by queue_metrics_add. */
extern struct metric queue_dead_metric;
extern struct metric queue_expired_metric;
extern struct metric queue_reaped_metric;

#endif
