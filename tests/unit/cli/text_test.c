/* Text for terminals: widths, cuts, ages, tables. */
#include "cli/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/str.h"

static void widths_and_cuts(void **state)
{
    static const struct {
        const char *text;
        size_t width, columns;
        const char *shown;
    } rows[] = {
        {"", 0, 3, ""},
        {"abc", 3, 3, "abc"},
        {"abcd", 4, 3, "ab…"},
        {"é→ü", 3, 0, "é→ü"},
        {"e\xcc\x81x", 2, 2, "e\xcc\x81x"},
        {"日本", 4, 4, "日本"},
        {"日本", 4, 3, "日…"},
        {"日本", 4, 2, "…"},
        {"a\x1b[2Jb\n", 7, 0, "a?[2Jb?"},
        {"\xc2\x9bm", 2, 0, "?m"},
        {"\xff\xc3", 2, 0, "??"},
        {"a\xe2\x80\xae"
         "b",
         3, 0, "a?b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF out;
        buf_init(&out, 256);
        assert_int_equal(text_width(rows[i].text), rows[i].width);
        const size_t width = text_put(&out, rows[i].text, rows[i].columns);
        assert_string_equal(buf_cstr(&out), rows[i].shown);
        assert_int_equal(width, text_width(rows[i].shown));
    }
}

static void ages(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {{-5, "0"},           {0, "0"},           {999, "999ms"},
                {1000, "1s"},        {59999, "59s"},     {60000, "1m00s"},
                {3599000, "59m59s"}, {3600000, "1h00m"}, {86399000, "23h59m"},
                {90000000, "1d01h"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[AGE_TEXT_BYTES];
        text_age(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void tables(void **state)
{
    static const char *const titles[] = {"NAME", ">N", "NOTE"};
    AUTO_ARENA arena = arena_new(1 << 20);
    struct table t;
    table_init(&t, arena, titles, ARRAY_LEN(titles));
    static const char *const names[] = {"é", "日本語", "plain"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        table_add(&t, names[i]);
        table_add_i64(&t, (int64_t)(i * 50));
        table_add(&t, i == 1 ? NULL : "x\ty");
    }
    AUTO_BUF out;
    buf_init(&out, 4096);
    table_print(&t, &out, 0, 0);
    assert_string_equal(buf_cstr(&out), "NAME      N  NOTE\n"
                                        "é         0  x?y\n"
                                        "日本語   50  -\n"
                                        "plain   100  x?y\n");
    buf_reset(&out);
    table_print(&t, &out, 1, 6);
    assert_string_equal(buf_cstr(&out), "NAME …\né    …\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_and_cuts),
        cmocka_unit_test(ages),
        cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
