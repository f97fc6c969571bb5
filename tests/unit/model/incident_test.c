/* The truth table of incident states. */
#include "model/incident.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_moves(void **state)
{
    static const bool may[INCIDENT_STATE_COUNT_][INCIDENT_STATE_COUNT_] = {
        [INCIDENT_OPEN] = {[INCIDENT_ACKED] = true, [INCIDENT_RESOLVED] = true},
        [INCIDENT_ACKED] = {[INCIDENT_RESOLVED] = true},
    };
    for (int from = 0; from < INCIDENT_STATE_COUNT_; from++) {
        for (int to = 0; to < INCIDENT_STATE_COUNT_; to++) {
            enum incident_state s = (enum incident_state)from;
            enum status st = incident_move(&s, (enum incident_state)to);
            assert_int_equal(st, may[from][to] ? ST_OK : ST_CONFLICT);
            assert_int_equal(s, may[from][to] ? to : from);
        }
    }
}

static void test_names(void **state)
{
    static const char *const names[] = {"open", "acknowledged", "resolved"};
    for (int i = 0; i < INCIDENT_STATE_COUNT_; i++) {
        enum incident_state s = INCIDENT_STATE_COUNT_;
        assert_int_equal(incident_state_parse(names[i], &s), ST_OK);
        assert_int_equal(s, i);
    }
    enum incident_state s = INCIDENT_OPEN;
    assert_int_equal(incident_state_parse("closed", &s), ST_INVALID);
    assert_int_equal(incident_state_parse(NULL, &s), ST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
