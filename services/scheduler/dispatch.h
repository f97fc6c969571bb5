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

/* Takes a shard over: from now on older epochs are refused. *mark_ms: how far its last owner came,
 * SCHED_NEVER when Redis does not know. ST_CONFLICT: there is a newer owner; ST_UNAVAILABLE. */
NODISCARD enum status dispatcher_claim(struct dispatcher *d, int shard, int64_t epoch,
                                       int64_t *mark_ms);
/* The same, and ticks after mark_ms are published from now on, whatever was before. */
NODISCARD enum status dispatcher_rewind(struct dispatcher *d, int shard, int64_t epoch,
                                        int64_t mark_ms);
/* Publishes a batch; ST_OK also when it was published before. known_ms: the shard's mark as this
 * owner left it. ST_CONFLICT: a newer owner; ST_NOT_FOUND: Redis lost its memory of that mark, and
 * nothing was done; ST_OVERLOADED: the queue is full, nothing was done; ST_UNAVAILABLE: perhaps
 * done, repeat it. */
NODISCARD enum status dispatcher_publish(struct dispatcher *d, int shard, int64_t epoch,
                                         int64_t known_ms, const struct sched_batch *batch);
/* Whether Redis still knows the shard: ST_NOT_FOUND when it does not. */
NODISCARD enum status dispatcher_probe(struct dispatcher *d, int shard);

#endif
