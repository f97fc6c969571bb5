/*
 * A histogram of response times with 16 buckets for each doubling: bucket b holds 2^(b/16) to
 * 2^((b+1)/16) µs. Histograms of parts add up to the histogram of the whole, exactly, and a
 * percentile read from one is at most 2.2 % off (the idea is DDSketch's: Masson, Rim, Lee, 2019).
 * PostgreSQL's latency_bucket() is what puts times into buckets.
 */
#ifndef TOCSIN_MODEL_LATENCY_H
#define TOCSIN_MODEL_LATENCY_H

#include "base/defs.h"

enum { LATENCY_BUCKETS = 512 }; /* up to 2^32 µs, more than an hour */

struct latency {
    int64_t total;
    int64_t count[LATENCY_BUCKETS];
};

/* A bucket beyond the last one counts as the last one. */
void latency_add(struct latency *l, int64_t bucket, int64_t count);
/* The time in µs that the share q (0 to 1) of all does not exceed, by nearest rank; NaN when there
 * is nothing. Kept between min_us and max_us, which are known exactly. */
double latency_quantile_us(const struct latency *l, double q, int64_t min_us, int64_t max_us);

#endif
