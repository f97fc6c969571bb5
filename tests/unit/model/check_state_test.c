/* Stories of results and the states they lead to, one a line: each letter is one result in its own
 * slot (s success, w warning, e error, m missed), and what follows it is checked letter by letter.
 */
#include "model/check_state.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct story {
    const char *name;
    enum check_state_name from;
    int retries, recoveries;
    const char *results; /* "eee" */
    const char *states;  /* after each: p u d D ? m z; upper-case D is down, d degraded */
    const char *events;  /* after each: o opens, r resolves, t a transition without, '.' none */
    const char *soft;    /* after each: y or n */
};

static const struct story stories[] = {
    {"first success", CHECK_PENDING, 2, 1, "s", "u", "t", "n"},
    {"first warning", CHECK_PENDING, 2, 1, "w", "d", "t", "n"},
    {"first success counts at once", CHECK_PENDING, 2, 5, "s", "u", "t", "n"},
    {"one failure is soft", CHECK_UP, 2, 1, "e", "u", ".", "y"},
    {"failures are forgiven", CHECK_UP, 3, 1, "eesees", "uuuuuu", "......", "yynyyn"},
    {"second failure", CHECK_UP, 2, 1, "ee", "uD", ".o", "yn"},
    {"down at once", CHECK_UP, 1, 1, "e", "D", "o", "n"},
    {"pending to down", CHECK_PENDING, 3, 1, "eee", "ppD", "..o", "yyn"},
    {"stays down", CHECK_UP, 1, 1, "eeee", "DDDD", "o...", "nnnn"},
    {"recovers", CHECK_UP, 1, 1, "es", "Du", "or", "nn"},
    {"recovers after two", CHECK_UP, 1, 2, "ess", "DDu", "o.r", "nyn"},
    {"recovery interrupted", CHECK_UP, 1, 2, "esess", "DDDDu", "o...r", "nynyn"},
    {"recovers to degraded", CHECK_UP, 1, 1, "ew", "Dd", "or", "nn"},
    {"a warning counts for recovery", CHECK_UP, 1, 2, "ews", "DDu", "o.r", "nyn"},
    {"degraded and back", CHECK_UP, 2, 3, "wws", "ddu", "t.t", "nnn"},
    {"degraded to down", CHECK_DEGRADED, 2, 1, "ee", "dD", ".o", "yn"},
    {"a warning forgives failures", CHECK_UP, 2, 1, "ewe", "udd", ".t.", "yny"},
    {"missed says nothing", CHECK_UP, 2, 1, "emme", "uuuD", "...o", "yyyn"},
    {"missed in pending", CHECK_PENDING, 1, 1, "mm", "pp", "..", "nn"},
    {"unknown comes up", CHECK_UNKNOWN, 2, 2, "s", "u", "t", "n"},
    {"unknown goes down", CHECK_UNKNOWN, 2, 1, "ee", "?D", ".o", "yn"},
    {"paused stays", CHECK_PAUSED, 1, 1, "ewse", "zzzz", "....", "nnnn"},
    {"maintenance stays", CHECK_MAINTENANCE, 1, 1, "ewse", "mmmm", "....", "nnnn"},
    {"down twice", CHECK_UP, 1, 1, "eses", "DuDu", "oror", "nnnn"},
};

static char letter_of(enum check_state_name s)
{
    static const char letters[] = {
        [CHECK_PENDING] = 'p', [CHECK_UP] = 'u',      [CHECK_DEGRADED] = 'd',
        [CHECK_DOWN] = 'D',    [CHECK_UNKNOWN] = '?', [CHECK_MAINTENANCE] = 'm',
        [CHECK_PAUSED] = 'z'};
    return letters[s];
}

static enum result_status result_of(char c)
{
    return c == 's'   ? RESULT_SUCCESS
           : c == 'w' ? RESULT_WARNING
           : c == 'm' ? RESULT_MISSED
                      : RESULT_ERROR;
}

static void tell(const struct story *story)
{
    struct check_state s = {.state = story->from};
    const struct check_policy policy = {story->retries, story->recoveries};
    for (size_t i = 0; story->results[i] != '\0'; i++) {
        struct check_step step = {0};
        enum check_state_name before = s.state;
        int64_t at = 1000000 * (int64_t)(i + 1);
        check_state_fold(&s, &policy, result_of(story->results[i]), at, at + 5, &step);
        char event = step.opens_incident      ? 'o'
                     : step.resolves_incident ? 'r'
                     : step.is_transition     ? 't'
                                              : '.';
        if (letter_of(s.state) != story->states[i] || event != story->events[i] ||
            (check_state_is_soft(&s) ? 'y' : 'n') != story->soft[i])
            fail_msg("%s, result %zu: state %c, event %c, soft %d", story->name, i + 1,
                     letter_of(s.state), event, check_state_is_soft(&s));
        assert_false(step.is_late);
        assert_int_equal(step.from, before);
        assert_int_equal(step.to, s.state);
        assert_int_equal(step.is_transition, before != s.state);
        if (step.is_transition)
            assert_true(s.since_us == at + 5);
    }
}

static void test_stories(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(stories); i++)
        tell(&stories[i]);
}

static void test_late_results_have_no_say(void **state)
{
    const struct check_policy policy = {1, 1};
    struct check_state s = {.state = CHECK_UP, .last_slot_us = 5000};
    struct check_step step = {0};
    check_state_fold(&s, &policy, RESULT_ERROR, 4999, 6000, &step);
    assert_true(step.is_late);
    assert_false(step.is_transition);
    assert_int_equal(s.state, CHECK_UP);
    assert_int_equal(s.failures, 0);
    assert_true(s.last_slot_us == 5000);
    check_state_fold(&s, &policy, RESULT_ERROR, 5000, 6000, &step); /* another location's */
    assert_false(step.is_late);
    assert_int_equal(s.state, CHECK_DOWN);
}

static void test_missed_does_not_make_others_late(void **state)
{
    const struct check_policy policy = {2, 1};
    struct check_state s = {.state = CHECK_UP, .last_slot_us = 1000};
    struct check_step step = {0};
    check_state_fold(&s, &policy, RESULT_MISSED, 3000, 3000, &step);
    check_state_fold(&s, &policy, RESULT_ERROR, 2000, 2000, &step);
    assert_false(step.is_late);
    assert_int_equal(s.failures, 1);
}

static void test_incident_that_is_there_already(void **state)
{
    const struct check_policy policy = {1, 1};
    /* Paused while down, resumed: pending with its incident still open. */
    struct check_state s = {.state = CHECK_PENDING, .has_incident = true};
    struct check_step step = {0};
    check_state_fold(&s, &policy, RESULT_ERROR, 1, 1, &step);
    assert_true(step.is_transition);
    assert_false(step.opens_incident);
    check_state_fold(&s, &policy, RESULT_SUCCESS, 2, 2, &step);
    assert_true(step.resolves_incident);

    /* Resolved by hand while down: recovery has none to resolve. */
    s = (struct check_state){.state = CHECK_DOWN, .has_incident = false};
    check_state_fold(&s, &policy, RESULT_SUCCESS, 3, 3, &step);
    assert_true(step.is_transition);
    assert_false(step.resolves_incident);
}

static void test_names(void **state)
{
    for (int i = 0; i < CHECK_STATE_COUNT_; i++) {
        enum check_state_name s = CHECK_STATE_COUNT_;
        assert_int_equal(check_state_parse(check_state_name((enum check_state_name)i), &s), ST_OK);
        assert_int_equal(s, i);
    }
    assert_string_equal(result_status_name(RESULT_SUCCESS), "success");
    assert_string_equal(result_status_name(RESULT_MISSED), "missed");
    enum check_state_name s = CHECK_UP;
    assert_int_equal(check_state_parse("UP", &s), ST_INVALID);
    assert_int_equal(check_state_parse(NULL, &s), ST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_late_results_have_no_say),
        cmocka_unit_test(test_missed_does_not_make_others_late),
        cmocka_unit_test(test_incident_that_is_there_already),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
