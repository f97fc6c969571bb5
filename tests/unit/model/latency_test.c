/* Percentiles read from histograms. */
#include "model/latency.h"

#include <math.h>

#include "tests/kit/kit.h"

static int64_t bucket_of(double us)
{
    return us < 1 ? 0 : (int64_t)floor(16 * log2(us));
}

static void test_nothing(void **state)
{
    struct latency l = {0};
    assert_true(isnan(latency_quantile_us(&l, 0.5, 0, 0)));
    latency_add(&l, 7, 0);
    latency_add(&l, 7, -3);
    assert_true(l.total == 0);
}

static void test_bounds(void **state)
{
    struct latency l = {0};
    latency_add(&l, -5, 1);
    latency_add(&l, 100000, 1);
    assert_true(l.count[0] == 1);
    assert_true(l.count[LATENCY_BUCKETS - 1] == 1);
    /* One value is known exactly by its bounds. */
    struct latency one = {0};
    latency_add(&one, bucket_of(342000), 1);
    assert_true(latency_quantile_us(&one, 0.5, 342000, 342000) == 342000.0);
}

/* Times from 1 ms to 10 s: every percentile is within 2.2 % of the true one. */
static void test_error(void **state)
{
    enum { COUNT = 10000 };
    struct latency l = {0};
    for (int i = 1; i <= COUNT; i++)
        latency_add(&l, bucket_of(1000.0 * i), 1);
    for (int percent = 1; percent <= 100; percent++) {
        double want = 1000.0 * COUNT * percent / 100;
        double got = latency_quantile_us(&l, percent / 100.0, 1000, 1000 * COUNT);
        if (fabs(got - want) / want > 0.0222)
            fail_msg("p%d: %f, not %f", percent, got, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
