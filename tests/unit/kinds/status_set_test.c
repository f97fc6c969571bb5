/* Sets of status codes: what is read, what is refused, and which codes are in. */
#include "kinds/status_set.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/defs.h"

static const struct {
    const char *text;
    int in[4], out[4]; /* 0 ends */
} good[] = {
    {"200", {200}, {199, 201, 100}},
    {"100,599", {100, 599}, {101, 598, 600, 99}},
    {"200-299", {200, 250, 299}, {199, 300}},
    {"200 - 204, 301", {200, 204, 301}, {205, 300}},
    {"2xx,4XX", {200, 299, 400, 499}, {199, 300, 399, 500}},
    {" 404 ", {404}, {403, 405}},
    {"163,164", {163, 164}, {162, 165}}, /* two words of bits meet here */
};

static const char *const bad[] = {
    "",        " ",       "99",          "600",         "1000",    "20",  "200-",  "-200",
    "299-200", "200,",    ",200",        "200,,201",    "200;201", "0xx", "6xx",   "2x",
    "2xx-3xx", "200 201", "two hundred", "200-299-300", "+200",    "2.0", "200\n",
};

static void test_good(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct status_set set;
        assert_null(status_set_read(good[i].text, &set));
        assert_null(status_set_check(good[i].text));
        for (size_t j = 0; j < ARRAY_LEN(good[i].in) && good[i].in[j]; j++)
            assert_true(status_set_has(&set, good[i].in[j]));
        for (size_t j = 0; j < ARRAY_LEN(good[i].out) && good[i].out[j]; j++)
            assert_false(status_set_has(&set, good[i].out[j]));
        assert_false(status_set_has(&set, 0));
        assert_false(status_set_has(&set, -1));
    }
}

static void test_bad(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (!status_set_check(bad[i]))
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
