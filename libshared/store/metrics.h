/* Metrics read back as plain samples. */
#ifndef TOCSIN_STORE_METRICS_H
#define TOCSIN_STORE_METRICS_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/db.h"

struct metric_sample {
    int64_t time; /* µs */
    const char *metric_type;
    const char *metric_name;
    double value;
    const char *tags; /* JSON object */
};

struct metrics_query {
    struct uuid host_id;
    const char *metric_type; /* NULL: any */
    const char *metric_name; /* NULL: any */
    int64_t newest_us;       /* nothing newer; what the host's last_metrics_at says, or a cursor */
    int64_t skip;            /* samples to leave out, from the newest */
    int64_t limit;
};

/* The most recent samples, newest first, then in the order in which the series came up. Strings
 * live in the arena. */
NODISCARD enum status metrics_latest(struct db *db, struct arena *arena,
                                     const struct metrics_query *q, struct metric_sample **out,
                                     size_t *count);

#endif
