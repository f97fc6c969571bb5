/* Texts and numbers: what must parse, what must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void must_i64(const char *text, int64_t want)
{
    int64_t got = 0;
    assert_int_equal(str_to_i64(text, &got), ST_OK);
    assert_true(got == want);
}

static void must_not_i64(const char *text)
{
    int64_t got = 42;
    assert_int_equal(str_to_i64(text, &got), ST_INVALID);
    assert_int_equal(got, 42);
}

static void test_i64(void **state)
{
    (void)state;
    must_i64("0", 0);
    must_i64("-1", -1);
    must_i64("007", 7);
    must_i64("9223372036854775807", INT64_MAX);
    must_i64("-9223372036854775808", INT64_MIN);
    must_not_i64("");
    must_not_i64("-");
    must_not_i64("+1");
    must_not_i64(" 1");
    must_not_i64("1 ");
    must_not_i64("0x10");
    must_not_i64("1e3");
    must_not_i64("9223372036854775808");
}

static void must_f64(const char *text, double want)
{
    double got = 0;
    assert_int_equal(str_to_f64(text, &got), ST_OK);
    assert_float_equal(got, want, 1e-12);
}

static void must_not_f64(const char *text)
{
    double got = 42;
    assert_int_equal(str_to_f64(text, &got), ST_INVALID);
}

static void test_f64(void **state)
{
    (void)state;
    must_f64("1.5", 1.5);
    must_f64("-2e3", -2000);
    must_f64(".5", 0.5);
    must_not_f64("");
    must_not_f64("nan");
    must_not_f64("inf");
    must_not_f64("0x1p3");
    must_not_f64("1e999");
    must_not_f64("1,5");
    must_not_f64("1 ");
}

static void test_bool(void **state)
{
    (void)state;
    bool v = false;
    assert_int_equal(str_to_bool("TRUE", &v), ST_OK);
    assert_true(v);
    assert_int_equal(str_to_bool("off", &v), ST_OK);
    assert_false(v);
    assert_int_equal(str_to_bool("2", &v), ST_INVALID);
    assert_int_equal(str_to_bool("", &v), ST_INVALID);
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool valid;
    } cases[] = {
        {"", 0, true},
        {"plain", 5, true},
        {"gr\xc3\xbc\xc3\x9f", 6, true},
        {"\xe2\x82\xac", 3, true},
        {"\xf0\x9f\x94\x94", 4, true},
        {"a\0b", 3, false},             /* NUL */
        {"\xc0\x80", 2, false},         /* overlong NUL */
        {"\xe0\x80\x80", 3, false},     /* overlong */
        {"\xed\xa0\x80", 3, false},     /* surrogate */
        {"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
        {"\xff", 1, false},
        {"\xe2\x82", 2, false}, /* cut */
        {"\x80", 1, false},     /* continuation first */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(str_is_utf8(cases[i].bytes, cases[i].len), cases[i].valid);
}

static void test_hex(void **state)
{
    (void)state;
    char text[9];
    str_hex("\x00\xff\x1a\x2B", 4, text);
    assert_string_equal(text, "00ff1a2b");
    unsigned char bytes[4] = {0};
    assert_int_equal(str_unhex("00FF1a2b", 4, bytes), ST_OK);
    assert_memory_equal(bytes, "\x00\xff\x1a\x2b", 4);
    assert_int_equal(str_unhex("00FF1a2", 4, bytes), ST_INVALID);
    assert_int_equal(str_unhex("00FF1a2g", 4, bytes), ST_INVALID);
}

static void test_copy_cuts(void **state)
{
    (void)state;
    char small[4];
    assert_true(str_copy(small, sizeof(small), "abc"));
    assert_string_equal(small, "abc");
    assert_false(str_copy(small, sizeof(small), "abcd"));
    assert_string_equal(small, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_i64),  cmocka_unit_test(test_f64), cmocka_unit_test(test_bool),
        cmocka_unit_test(test_utf8), cmocka_unit_test(test_hex), cmocka_unit_test(test_copy_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
