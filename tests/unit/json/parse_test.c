/* The strict door for JSON from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "json/parse.h"

static void must_parse(const char *text)
{
    AUTO_JSON v = NULL;
    assert_int_equal(json_parse(text, strlen(text), &v, NULL), ST_OK);
    assert_non_null(v);
}

static void must_not_parse(const char *text, size_t len, const char *why)
{
    AUTO_JSON v = NULL;
    struct errbuf err = {""};
    assert_int_equal(json_parse(text, len, &v, &err), ST_MALFORMED);
    assert_null(v);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}
#define MUST_NOT(text, why) must_not_parse(text, sizeof(text) - 1, why)

static void test_parse(void **state)
{
    (void)state;
    must_parse("{}");
    must_parse("[1, 2.5, -3e4, true, null, \"x\"]");
    must_parse(" {\"a\": {\"b\": [\"\\u20ac\"]}} \n");
    must_parse("\"text\"");
    MUST_NOT("", "empty");
    MUST_NOT("   ", "line");
    MUST_NOT("{\"a\":1\0}", "NUL byte at offset 6");
    MUST_NOT("{\"a\":\"x\0y\"}", "NUL");
    MUST_NOT("{\"a\":\"\\u0000\"}", "\\u0000");
    MUST_NOT("{\"a\":1,\"a\":2}", "duplicate");
    MUST_NOT("{\"a\":1}}", "end of file expected");
    MUST_NOT("{\"a\":1} x", "end of file");
    MUST_NOT("{\"a\":01}", "");
    MUST_NOT("{'a':1}", "");
    MUST_NOT("{\"a\":NaN}", "");
    MUST_NOT("{\"a\":1,}", "");
    MUST_NOT("{\"a\":\"\xff\"}", "0xff");
    MUST_NOT("{\"a\":\"\\ud800\"}", "");
    MUST_NOT("{\"a\":1e999}", "");
    MUST_NOT("{\"a\":99999999999999999999}", "");
    MUST_NOT("\xef\xbb\xbf{}", "");
    MUST_NOT("{\"a\":", "line 1");
}

/* What jsonb makes of 1e300, and of 5. */
static void test_kept(void **state)
{
    (void)state;
    char text[340] = "{\"big\":1";
    memset(text + 8, '0', 300);
    memcpy(text + 308, ",\"n\":5}", sizeof(",\"n\":5}"));
    AUTO_JSON big = json_load_kept(text);
    const double value = json_real_value(json_object_get(big, "big"));
    assert_true(value > 0.99e300 && value < 1.01e300);
    assert_true(json_number_value(json_object_get(big, "n")) > 4.9);
    AUTO_JSON usual = json_load_kept("{\"n\":5}");
    assert_true(json_is_integer(json_object_get(usual, "n")));
    assert_null(json_load_kept("{\"n\":"));
}

static void test_depth(void **state)
{
    (void)state;
    AUTO_BUF b;
    buf_init(&b, 300000);
    for (int i = 0; i < 32; i++)
        buf_char(&b, '[');
    for (int i = 0; i < 32; i++)
        buf_char(&b, ']');
    must_parse(buf_cstr(&b));
    buf_reset(&b);
    for (int i = 0; i < 33; i++)
        buf_char(&b, '[');
    for (int i = 0; i < 33; i++)
        buf_char(&b, ']');
    must_not_parse(buf_cstr(&b), b.len, "nested deeper than 32");
    buf_reset(&b);
    for (int i = 0; i < 100000; i++)
        buf_str(&b, "{\"");
    must_not_parse(buf_cstr(&b), b.len, "");
    must_parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ \\\" [[[\"");
}

int main(void)
{
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
