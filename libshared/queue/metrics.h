/*
 * Prometheus metrics of the queue. What workers do is counted where it is done, by task; what lies
 * in Redis is shown by one process (the scheduler that owns the first shard), by queue: no number
 * is there twice. Names and meaning: docs/queue.md.
 */
#ifndef TOCSIN_QUEUE_METRICS_H
#define TOCSIN_QUEUE_METRICS_H

#include "queue/queue.h"

/* Registers the counters and histograms of all tasks of the table (others count as "other"); once a
 * process, before threads start. Without it nothing is counted. */
void queue_metrics_add(void);
/* For workers, when a handler returned: how long one attempt took, however it ended. */
void queue_metrics_ran(const char *task, int64_t took_us);

enum { QUEUE_GAUGES_MAX = 64 /* queues shown, of those there are by name */ };
/* Adds the numbers of the queues to the page of metrics, as the last refresh found them; once. */
void queue_gauges_add(void);
/* Asks Redis for them: one script a queue. Those older than half a minute are not shown. */
NODISCARD enum status queue_gauges_refresh(struct redis *r, int64_t now_ms);
/* Another process shows them from now on. */
void queue_gauges_clear(void);

#endif
