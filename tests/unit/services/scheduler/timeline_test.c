/* The scheduler's time against clocks that step. */
#include "services/scheduler/timeline.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOUR 3600000LL

static void test_follows_the_clock(void **state)
{
    struct timeline t = {0};
    enum timeline_event event;
    assert_true(timeline_now(&t, 1000000, 50, &event) == 1000000);
    assert_int_equal(event, TIMELINE_STEADY);
    for (int i = 1; i < 1000; i++) {
        assert_true(timeline_now(&t, 1000000 + i * 7, 50 + i * 7, &event) == 1000000 + i * 7);
        assert_int_equal(event, TIMELINE_STEADY);
    }
}

static void test_small_disagreements_are_waited_out(void **state)
{
    struct timeline t = {0};
    enum timeline_event event;
    (void)timeline_now(&t, 1000000, 0, &event);
    assert_true(timeline_now(&t, 999500, 10, &event) == 1000000);
    assert_int_equal(event, TIMELINE_STEADY);
    assert_true(timeline_now(&t, 999900, 410, &event) == 1000000);
    assert_true(timeline_now(&t, 1000100, 610, &event) == 1000100);
}

static void test_forward_is_followed(void **state)
{
    struct timeline t = {0};
    enum timeline_event event;
    (void)timeline_now(&t, 1000000, 0, &event);
    assert_true(timeline_now(&t, 1000000 + HOUR, 10, &event) == 1000000 + HOUR);
    assert_int_equal(event, TIMELINE_FORWARD);
    (void)timeline_now(&t, 1000010 + HOUR, 20, &event);
    assert_int_equal(event, TIMELINE_STEADY);
}

static void test_back_is_absorbed(void **state)
{
    struct timeline t = {0};
    enum timeline_event event;
    (void)timeline_now(&t, 10 * HOUR, 0, &event);
    int64_t last = timeline_now(&t, 9 * HOUR + 10, 10, &event); /* an hour back */
    assert_int_equal(event, TIMELINE_BACK);
    assert_true(last >= 10 * HOUR);
    /* It goes on at nine tenths, and meets the wall clock after ten hours. */
    int64_t mono = 10;
    bool has_met = false;
    while (mono < 12 * HOUR) {
        mono += 333;
        int64_t now = timeline_now(&t, 9 * HOUR + mono, mono, &event);
        assert_int_equal(event, TIMELINE_STEADY);
        assert_true(now > last || now - last == 0);
        assert_true(now - last <= 334);
        if (!has_met && now == 9 * HOUR + mono) {
            has_met = true;
            assert_true(mono > 9 * HOUR && mono < 10 * HOUR + 60000);
        }
        last = now;
    }
    assert_true(has_met);
    assert_true(last == 9 * HOUR + mono);
}

static void test_nonsense_is_dropped(void **state)
{
    struct timeline t = {0};
    enum timeline_event event;
    (void)timeline_now(&t, 9000 * HOUR, 0, &event);
    assert_true(timeline_now(&t, 10 * HOUR, 10, &event) == 10 * HOUR);
    assert_int_equal(event, TIMELINE_RESET);
}

static void test_marks_of_faster_clocks(void **state)
{
    struct timeline t = {0};
    enum timeline_event event;
    (void)timeline_now(&t, 10 * HOUR, 0, &event);
    assert_true(timeline_raise(&t, 9 * HOUR));
    assert_true(t.now_ms == 10 * HOUR);
    assert_true(timeline_raise(&t, 10 * HOUR + 5000));
    assert_true(timeline_now(&t, 10 * HOUR + 100, 100, &event) == 10 * HOUR + 5090);
    assert_false(timeline_raise(&t, 40 * HOUR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_the_clock),
        cmocka_unit_test(test_small_disagreements_are_waited_out),
        cmocka_unit_test(test_forward_is_followed),
        cmocka_unit_test(test_back_is_absorbed),
        cmocka_unit_test(test_nonsense_is_dropped),
        cmocka_unit_test(test_marks_of_faster_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
