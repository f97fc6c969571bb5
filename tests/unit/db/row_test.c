/* Reading columns, of texts that no sound server sends as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "db/db.h"

static PGresult *row_of(const char *text)
{
    PGresAttDesc column = {.name = (char *)(uintptr_t) "v"};
    PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_non_null(r);
    assert_true(PQsetResultAttrs(r, 1, &column));
    assert_true(PQsetvalue(r, 0, 0, (char *)(uintptr_t)text, (int)strlen(text)));
    return r;
}

static void test_arrays(void **state)
{
    static const struct {
        const char *text;
        enum status status;
        size_t count;
        const char *all; /* the elements, with '|' between them */
    } rows[] = {
        {"{}", ST_OK, 0, ""},
        {"{a}", ST_OK, 1, "a"},
        {"{a,NULL,\"NULL\",\"\"}", ST_OK, 4, "a||NULL|"},
        {"{\"a,b\",\"c\\\"\\\\d\",\"}\"}", ST_OK, 3, "a,b|c\"\\d|}"},
        {"", ST_CORRUPT, 0, ""},
        {"a,b", ST_CORRUPT, 0, ""},
        {"{a,", ST_CORRUPT, 0, ""},
        /* Counted and read with another idea of what is quoted. */
        {"\"\"\"#\"\"\",,,,,,,,", ST_CORRUPT, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ARENA arena = arena_new(4096);
        AUTO_RESULT r = row_of(rows[i].text);
        const char **list = NULL;
        size_t count = 0;
        char all[64] = "";
        if (row_strs(r, 0, "v", arena, &list, &count) != rows[i].status)
            fail_msg("another status of %s", rows[i].text);
        assert_int_equal(count, rows[i].count);
        for (size_t k = 0; k < count; k++) {
            size_t used = strlen(all);
            (void)snprintf(all + used, sizeof(all) - used, "%s%s", k ? "|" : "", list[k]);
        }
        assert_string_equal(all, rows[i].all);
    }
}

static void test_bytes(void **state)
{
    AUTO_ARENA arena = arena_new(4096);
    AUTO_RESULT good = row_of("\\x00ff");
    AUTO_RESULT bad = row_of("\\x0g");
    AUTO_RESULT escaped = row_of("abc");
    const unsigned char *bytes = NULL;
    size_t len = 0;
    assert_int_equal(row_bytes(good, 0, "v", arena, &bytes, &len), ST_OK);
    assert_int_equal(len, 2);
    assert_memory_equal(bytes, "\0\xff", 2);
    assert_int_equal(row_bytes(bad, 0, "v", arena, &bytes, &len), ST_CORRUPT);
    assert_int_equal(row_bytes(escaped, 0, "v", arena, &bytes, &len), ST_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
