/* Exact quantiles: all values, sorted when asked. */
#include "bench/common/sample.h"

#include <math.h>

enum { FIRST_CAP = 1024 };
static const size_t SAMPLE_MAX = 1u << 27;

void sample_add(struct sample *s, int64_t value)
{
    if (s->count == s->cap) {
        size_t cap = s->cap > 0 ? s->cap * 2 : FIRST_CAP;
        int64_t *grown = cap <= SAMPLE_MAX ? realloc(s->value, cap * sizeof(*grown)) : NULL;
        if (!grown)
            abort();
        s->value = grown;
        s->cap = cap;
    }
    s->value[s->count++] = value;
}

void sample_done(struct sample *s)
{
    free(s->value);
    *s = (struct sample){0};
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t sample_quantile(struct sample *s, double q)
{
    if (s->count == 0)
        return 0;
    qsort(s->value, s->count, sizeof(*s->value), compare);
    double rank = ceil(q * (double)s->count);
    size_t at = rank < 1 ? 0 : (size_t)rank - 1;
    return s->value[MIN_OF(at, s->count - 1)];
}
