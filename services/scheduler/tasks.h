/*
 * Tasks' schedules: what to enqueue when one is due. Each slot is enqueued once, however often it
 * is tried, by an idempotency key of the schedule and the slot; runs that must not overlap share
 * the schedule's key, of which one runs at a time, and hold a key that leaves further slots out.
 */
#ifndef TOCSIN_SCHEDULER_TASKS_H
#define TOCSIN_SCHEDULER_TASKS_H

#include "db/db.h"
#include "redis/redis.h"
#include "services/scheduler/core.h"
#include "store/schedules.h"

struct tasks;

/* NULL without memory. */
struct tasks *tasks_new(void);
void tasks_free(struct tasks *t);
/* Learns, or learns anew, of a task's schedule (copied). ST_OVERLOADED: there are too many. */
NODISCARD enum status tasks_put(struct tasks *t, const struct schedule_row *row);
/* No effect on one that is not known. */
void tasks_remove(struct tasks *t, const struct uuid *id);
/* Enqueues what a batch has due of tasks, and notes the slots in the database, which may fail
 * without harm. ST_OVERLOADED: a queue is full; ST_UNAVAILABLE: perhaps done; repeat both. */
NODISCARD enum status tasks_publish(struct tasks *t, struct redis *redis, struct db *db,
                                    const struct sched_batch *batch);

#endif
