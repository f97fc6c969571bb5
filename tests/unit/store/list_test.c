/* Which end a page is read from. */
#include "store/list.h"
#include "tests/kit/kit.h"

static const char *const sorts[] = {"-at", "at", "name", "-name", "alone", NULL};

static void a_page_is_read_from_the_nearer_end(void **state)
{
    static const struct {
        int64_t total, limit, offset; /* total -1: nobody knows it */
        const char *sort;
        struct list_window want;
    } rows[] = {
        {100, 10, 0, "-at", {"-at", 10, 0, false}},
        {100, 10, 50, "-at", {"-at", 10, 50, false}},
        {100, 10, 51, "-at", {"at", 10, 39, true}},
        {100, 10, 90, "at", {"-at", 10, 0, true}},
        {100, 10, 95, "name", {"-name", 5, 0, true}},
        {100, 10, 99, "-name", {"name", 1, 0, true}},
        {100, 10, 100, "at", {"at", 0, 0, false}},
        {100, 10, 1000, "-at", {"-at", 0, 0, false}},
        {100, 10, 90, "alone", {"alone", 10, 90, false}},
        {1, 10, 0, "-at", {"-at", 10, 0, false}},
        {0, 10, 0, "-at", {"-at", 0, 0, false}},
        {-1, 10, 0, "-at", {"-at", 10, 0, false}},
        {-1, 10, 90, "-at", {"-at", 10, 90, false}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct page page = {.limit = rows[i].limit, .offset = rows[i].offset};
        const struct list_window w = list_window(&page, sorts, rows[i].sort, rows[i].total);
        assert_string_equal(w.sort, rows[i].want.sort);
        assert_int_equal(w.limit, rows[i].want.limit);
        assert_int_equal(w.offset, rows[i].want.offset);
        assert_int_equal(w.is_turned, rows[i].want.is_turned);
    }
}

static void rows_are_turned(void **state)
{
    static const int64_t turned[][5] = {{0}, {1}, {2, 1}, {3, 2, 1}, {4, 3, 2, 1}, {5, 4, 3, 2, 1}};
    for (size_t count = 0; count < ARRAY_LEN(turned); count++) {
        int64_t v[] = {1, 2, 3, 4, 5};
        list_turn(v, count, sizeof(*v));
        assert_memory_equal(v, turned[count], count * sizeof(*v));
        for (size_t i = count; i < ARRAY_LEN(v); i++)
            assert_int_equal(v[i], (int64_t)i + 1);
    }
    list_turn(NULL, 0, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_read_from_the_nearer_end),
        cmocka_unit_test(rows_are_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
