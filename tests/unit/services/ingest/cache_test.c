/* The cache: bounded, ageing, and a stripe that is full starts anew. */
#include <stdio.h>
#include <string.h>

#include "services/ingest/cache.h"
#include "tests/kit/kit.h"

static void values_come_back_until_they_are_too_old(void **state)
{
    kit_clock_set(1706652000LL * 1000000);
    struct cache *c = cache_new(100, sizeof(int), 5000);
    int v = 7, out = 0;
    assert_false(cache_get(c, "a", 1, &out));
    cache_put(c, "a", 1, &v);
    assert_true(cache_get(c, "a", 1, &out));
    assert_int_equal(out, 7);
    v = 8;
    cache_put(c, "a", 1, &v);
    assert_true(cache_get(c, "a", 1, &out));
    assert_int_equal(out, 8);
    kit_clock_advance_ms(4999);
    assert_true(cache_get(c, "a", 1, &out));
    kit_clock_advance_ms(1);
    assert_false(cache_get(c, "a", 1, &out));
    cache_put(c, "a", 1, &v);
    cache_remove(c, "a", 1);
    assert_false(cache_get(c, "a", 1, &out));
    cache_free(c);
    kit_clock_reset();
}

static void it_never_holds_more_than_it_may(void **state)
{
    struct cache *c = cache_new(1600, sizeof(int), 0);
    for (int i = 0; i < 20000; i++) {
        int out = -1;
        cache_put(c, &i, sizeof(i), &i);
        assert_true(cache_count(c) <= 1600);
        assert_true(cache_get(c, &i, sizeof(i), &out) && out == i); /* the newest is there */
    }
    cache_free(c);
    cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_until_they_are_too_old),
        cmocka_unit_test(it_never_holds_more_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
