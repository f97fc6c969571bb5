/* Stages and bounded queues between threads. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bqueue.h"
#include "base/stage.h"

enum { ITEMS = 20000, PRODUCERS = 3 };

struct pipe {
    struct bqueue *q;
    _Atomic int64_t sum;
    _Atomic int taken;
};

static void produce(struct stage *s, void *arg)
{
    (void)s;
    struct pipe *p = arg;
    static int item[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        enum status st = bqueue_try_put(p->q, &item[i]);
        for (; st == ST_OVERLOADED; st = bqueue_try_put(p->q, &item[i]))
            (void)sched_yield();
        assert_int_equal(st, ST_OK);
    }
}

static void consume(struct stage *s, void *arg)
{
    (void)s;
    struct pipe *p = arg;
    void *items[64];
    size_t n = 0;
    while ((n = bqueue_take(p->q, items, ARRAY_LEN(items), -1)) > 0) {
        assert_true(n <= ARRAY_LEN(items));
        (void)atomic_fetch_add(&p->taken, (int)n);
    }
}

static void test_all_arrive(void **state)
{
    (void)state;
    struct pipe p = {.q = bqueue_new(50)};
    struct stage *producers[PRODUCERS];
    struct stage *consumers[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(stage_start("consumer", consume, &p, &consumers[i]), ST_OK);
    for (size_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(stage_start("producer", produce, &p, &producers[i]), ST_OK);
    for (size_t i = 0; i < PRODUCERS; i++)
        stage_join(producers[i]);
    bqueue_close(p.q);
    for (size_t i = 0; i < 2; i++)
        stage_join(consumers[i]);
    assert_int_equal(atomic_load(&p.taken), ITEMS * PRODUCERS);
    bqueue_free(p.q);
}

static void test_bounds(void **state)
{
    (void)state;
    int a = 0, b = 0, c = 0;
    struct bqueue *q = bqueue_new(2);
    void *items[4];
    assert_int_equal(bqueue_take(q, items, 4, 0), 0);
    assert_int_equal(bqueue_try_put(q, &a), ST_OK);
    assert_int_equal(bqueue_try_put(q, &b), ST_OK);
    assert_int_equal(bqueue_try_put(q, &c), ST_OVERLOADED);
    assert_int_equal(bqueue_count(q), 2);
    bqueue_close(q);
    assert_int_equal(bqueue_try_put(q, &c), ST_STOPPED);
    assert_int_equal(bqueue_take(q, items, 4, -1), 2);
    assert_ptr_equal(items[0], &a);
    assert_ptr_equal(items[1], &b);
    assert_int_equal(bqueue_take(q, items, 4, -1), 0);
    bqueue_free(q);
}

static void sleep_long(struct stage *s, void *arg)
{
    _Atomic int *wakes = arg;
    while (stage_sleep(s, 3600000))
        (void)atomic_fetch_add(wakes, 1);
}

static void test_sleep_is_cut_short(void **state)
{
    (void)state;
    _Atomic int wakes = 0;
    struct stage *s = NULL;
    assert_int_equal(stage_start("sleeper", sleep_long, &wakes, &s), ST_OK);
    while (atomic_load(&wakes) < 3)
        stage_wake(s);
    stage_stop(s);
    assert_true(stage_is_stopping(s));
    stage_join(s); /* would take an hour */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_arrive),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_sleep_is_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
