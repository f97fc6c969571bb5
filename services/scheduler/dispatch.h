/*
 * Batches into the job queue: one script per shard and tick, which refuses an older owner and
 * ignores a tick that it has seen, so that a call whose outcome is unknown is simply made again.
 */
#ifndef TOCSIN_SCHEDULER_DISPATCH_H
#define TOCSIN_SCHEDULER_DISPATCH_H

#include "queue/queue.h"
#include "services/scheduler/core.h"

struct dispatcher;

/* On the queue "checks"; `redis` is borrowed. */
NODISCARD enum status dispatcher_new(struct redis *redis, struct dispatcher **out);
void dispatcher_free(struct dispatcher *d);

struct dispatch_reply {
    int64_t mark_ms; /* of the shard before the call; SCHED_NEVER: none */
    bool is_lost;    /* Redis knew nothing of the shard */
};

/* Takes a shard over: from now on older epochs are refused. restore_ms (or SCHED_NEVER) becomes the
 * mark where there is none. ST_CONFLICT: there is a newer owner; ST_UNAVAILABLE. */
NODISCARD enum status dispatcher_claim(struct dispatcher *d, int shard, int64_t epoch,
                                       int64_t restore_ms, struct dispatch_reply *reply);
/* Publishes a batch; ST_OK also when it was published before. is_forced: though its tick is at or
 * below the mark. ST_CONFLICT: a newer owner; ST_OVERLOADED: the queue is full, nothing was done;
 * ST_UNAVAILABLE: perhaps done, repeat it. */
NODISCARD enum status dispatcher_publish(struct dispatcher *d, int shard, int64_t epoch,
                                         bool is_forced, const struct sched_batch *batch,
                                         struct dispatch_reply *reply);
/* Whether Redis still knows the shard: ST_NOT_FOUND when it does not. */
NODISCARD enum status dispatcher_probe(struct dispatcher *d, int shard);

#endif
