/*
 * Prometheus metrics of a daemon. A metric is a static object that registers itself by metrics_add
 * at start; updates are atomic and cheap. Labels are fixed at registration (one object per label
 * set). The text format is version 0.0.4.
 */
#ifndef TOCSIN_OBS_METRICS_H
#define TOCSIN_OBS_METRICS_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/defs.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum { METRIC_BUCKETS = 16 };
struct metric {
    const char *name; /* tocsin_jobs_processed_total */
    const char *help;
    const char *labels; /* `task="check.run"`, or NULL */
    enum metric_type type;
    _Atomic int64_t value; /* counter, gauge; histogram: sum in µs */
    _Atomic int64_t
        bucket[METRIC_BUCKETS + 1]; /* histogram of seconds, upper bounds in metrics.c */
    int64_t (*read)(void *arg);     /* gauge computed when scraped, or NULL */
    void *arg;
    struct metric *next;
};

/* Adds to the process's registry; not to be removed. Call before threads start. Metrics of one name
 * must be added one after the other. */
void metrics_add(struct metric *m);
static inline void metric_inc(struct metric *m)
{
    (void)atomic_fetch_add_explicit(&m->value, 1, memory_order_relaxed);
}
static inline void metric_add(struct metric *m, int64_t n)
{
    (void)atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void metric_set(struct metric *m, int64_t v)
{
    atomic_store_explicit(&m->value, v, memory_order_relaxed);
}
void metric_observe_us(struct metric *m, int64_t us);
/* What has labels that are not known at start: a part of the page that `write` appends when it is
 * scraped, after metrics_write_head of each name. It must not block. At most 8; before threads
 * start.
 */
void metrics_collector_add(void (*write)(struct buf *out));
/* "# HELP … # TYPE …" */
void metrics_write_head(struct buf *out, const char *name, const char *type, const char *help);
/* The whole page, with process_* metrics (resident memory, CPU seconds, start time, open fds). */
void metrics_write(struct buf *out);

#endif
