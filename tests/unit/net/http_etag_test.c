/* Entity tags: what matches what. */
#include "tests/kit/kit.h"

#include <string.h>

#include "net/http_etag.h"

static void test_make(void **state)
{
    char a[ETAG_BYTES], b[ETAG_BYTES], c[ETAG_BYTES];
    etag_make("one", 3, 0, a);
    etag_make("two", 3, 0, b);
    etag_make("one", 3, 0, c);
    assert_string_equal(a, c);
    assert_string_not_equal(a, b);
    assert_true(a[0] == '"' && a[strlen(a) - 1] == '"' && strlen(a) == 34);
    etag_of_gzip(c);
    assert_string_not_equal(a, c);
    assert_non_null(strstr(c, "-gz\""));
    etag_make("one", 3, INT64_C(1790000000123456), a);
    etag_of_gzip(a);
    assert_true(strlen(a) < ETAG_BYTES - 1 && a[strlen(a) - 1] == '"');
}

static void test_none_match(void **state)
{
    static const char tag[] = "\"abc-v1f\"";
    static const struct {
        const char *list;
        bool has;
    } rows[] = {
        {"\"abc-v1f\"", true},
        {"W/\"abc-v1f\"", true},
        {"\"abc-v1f-gz\"", true},
        {"\"x\", \"abc-v1f\"", true},
        {" \"x\" ,W/\"y\",\t\"abc-v1f\" ", true},
        {"*", true},
        {" * ", true},
        {"", false},
        {"\"\"", false},
        {"\"abc\"", false},
        {"abc-v1f", false},
        {"\"abc-v1f", false},
        {"**", false},
        {"\"x\" junk \"abc-v1f\"", false},
        {"\"x\"\"abc-v1f\"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (etag_list_has(rows[i].list, tag) != rows[i].has)
            fail_msg("%s", rows[i].list);
    }
    assert_true(etag_list_has(tag, "\"abc-v1f-gz\""));
}

static void test_match(void **state)
{
    static const struct {
        const char *list;
        enum status st;
        bool any;
        size_t count;
        int64_t first;
    } rows[] = {
        {"\"abc-v1f\"", ST_OK, false, 1, 31},
        {"\"abc-v1f-gz\"", ST_OK, false, 1, 31},
        {"\"abc-v1F\", \"b-v2\"", ST_OK, false, 2, 31},
        {"*", ST_OK, true, 0, 0},
        {"W/\"abc-v1f\"", ST_OK, false, 0, 0},
        {"\"abc\"", ST_OK, false, 0, 0},
        {"\"v1f\"", ST_OK, false, 0, 0},
        {"\"a-v\"", ST_OK, false, 0, 0},
        {"\"a-vxyz\"", ST_OK, false, 0, 0},
        {"\"a-v1111111111111111\"", ST_OK, false, 0, 0},
        {"\"\"", ST_OK, false, 0, 0},
        {"", ST_MALFORMED, false, 0, 0},
        {"abc", ST_MALFORMED, false, 0, 0},
        {"\"abc", ST_MALFORMED, false, 0, 0},
        {"*, \"a\"", ST_MALFORMED, false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t v[4] = {0};
        size_t count = 0;
        bool any = false;
        const enum status st = etag_list_versions(rows[i].list, v, ARRAY_LEN(v), &count, &any);
        if (st != rows[i].st || any != rows[i].any || count != rows[i].count ||
            v[0] != rows[i].first)
            fail_msg("%s: %s, %zu", rows[i].list, status_name(st), count);
    }
    int64_t v[1];
    size_t count = 0;
    bool any = false;
    assert_ok(etag_list_versions("\"a-v1\",\"a-v2\"", v, 1, &count, &any));
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_none_match),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
