/* Measurements kept one by one, for exact quantiles. */
#ifndef TOCSIN_BENCH_COMMON_SAMPLE_H
#define TOCSIN_BENCH_COMMON_SAMPLE_H

#include "base/defs.h"

struct sample {
    int64_t *value;
    size_t count, cap;
};

/* Beyond SAMPLE_MAX values, or without memory, aborts: a benchmark that lies is worth nothing. */
void sample_add(struct sample *s, int64_t value);
void sample_done(struct sample *s);
/* Sorts; q in [0, 1], by the nearest rank; 0 without values. */
int64_t sample_quantile(struct sample *s, double q);

#endif
