/* Stream ids in their order, and what the state of a stream says about a mark. */
#include "services/ingest/position.h"
#include "tests/kit/kit.h"

static void ids_are_ordered_by_number(void **state)
{
    static const struct {
        const char *a, *b;
        int want;
    } rows[] = {
        {"0-0", "0-0", 0},
        {"9-0", "10-0", -1},
        {"10-2", "10-10", -1},
        {"1706652000000-1", "1706652000000-0", 1},
        {"rubbish", "0-0", 0},
        {"5", "0-0", 0},
        {"5-x", "0-1", -1},
        {"-", "0-0", 0},
        {"18446744073709551615-1", "1-1", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(entry_id_compare(rows[i].a, rows[i].b), rows[i].want);
    assert_int_equal(entry_id_ms("1706652000000-7"), 1706652000000);
}

static void marks_are_judged(void **state)
{
    static const struct {
        struct position p;
        const char *mark;
        enum position_verdict want;
    } rows[] = {
        {{.exists = false}, "99-0", POSITION_GOOD},
        {{.exists = true, .last_generated = "5-0"}, "5-0", POSITION_GOOD},
        {{.exists = true, .last_generated = "5-0"}, "0-0", POSITION_GOOD},
        {{.exists = true, .last_generated = "5-0"}, "5-1", POSITION_AHEAD},
        {{.exists = true, .last_generated = "9-0", .first = "7-0"}, "6-0", POSITION_GOOD},
        {{.exists = true, .last_generated = "9-0", .first = "7-0"}, "7-0", POSITION_LEFTOVER},
        {{.exists = true, .last_generated = "9-0", .first = "7-0"}, "8-0", POSITION_LEFTOVER},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(position_judge(&rows[i].p, rows[i].mark), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_ordered_by_number),
        cmocka_unit_test(marks_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
