/* How the probe limit follows what there is to do. */
#include "services/worker/worker.h"
#include "tests/kit/kit.h"

struct step {
    int64_t at_ms;
    size_t running, limit;
};

static void must_scale(struct bounds bounds, const struct step *steps, size_t count)
{
    struct worker w = {.probes = bounds};
    struct scaling s = {0};
    (void)pthread_mutex_init(&w.lock, NULL);
    w.ready_end = &w.ready;
    atomic_store(&w.probe_limit, bounds.min);
    for (size_t i = 0; i < count; i++) {
        atomic_store(&w.unprobed, steps[i].running);
        scale_probes(&w, &s, steps[i].at_ms);
        if (atomic_load(&w.probe_limit) != steps[i].limit)
            fail_msg("at %d ms: %zu, not %zu", (int)steps[i].at_ms, atomic_load(&w.probe_limit),
                     steps[i].limit);
    }
    (void)pthread_mutex_destroy(&w.lock);
}

static void test_grows_while_full(void **state)
{
    static const struct step steps[] = {
        {0, 9, 10},     {250, 10, 10},  {499, 10, 10},  {500, 10, 16},
        {1000, 10, 16}, {1250, 16, 16}, {1500, 15, 16}, {1750, 16, 16},
        {1999, 16, 16}, {2000, 16, 20}, {9000, 99, 20},
    };
    must_scale((struct bounds){10, 20}, steps, ARRAY_LEN(steps));
}

static void test_shrinks_when_empty(void **state)
{
    static const struct step steps[] = {
        {1, 10, 10},    {501, 10, 16},  {1000, 0, 16},   {20000, 3, 16},
        {30000, 4, 16}, {60001, 3, 10}, {200000, 0, 10},
    };
    must_scale((struct bounds){10, 20}, steps, ARRAY_LEN(steps));
}

static void test_one_number_stays(void **state)
{
    static const struct step steps[] = {{1, 10, 10}, {1000, 10, 10}, {99000, 0, 10}};
    must_scale((struct bounds){10, 10}, steps, ARRAY_LEN(steps));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_while_full),
        cmocka_unit_test(test_shrinks_when_empty),
        cmocka_unit_test(test_one_number_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
