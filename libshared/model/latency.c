/* Histograms of response times. */
#include "model/latency.h"

#include <math.h>

enum { PER_DOUBLING = 16 };

void latency_add(struct latency *l, int64_t bucket, int64_t count)
{
    if (count <= 0)
        return;
    l->count[MIN_OF(MAX_OF(bucket, (int64_t)0), (int64_t)LATENCY_BUCKETS - 1)] += count;
    l->total += count;
}

static double middle_us(size_t bucket)
{
    return exp2(((double)bucket + 0.5) / PER_DOUBLING);
}

double latency_quantile_us(const struct latency *l, double q, int64_t min_us, int64_t max_us)
{
    if (l->total == 0)
        return NAN;
    int64_t rank = (int64_t)ceil(q * (double)l->total);
    rank = MIN_OF(MAX_OF(rank, (int64_t)1), l->total);
    int64_t seen = 0;
    size_t bucket = 0;
    for (; bucket < LATENCY_BUCKETS - 1; bucket++) {
        seen += l->count[bucket];
        if (seen >= rank)
            break;
    }
    return fmin(fmax(middle_us(bucket), (double)min_us), (double)max_us);
}
