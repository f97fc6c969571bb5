/* Accept-Encoding with its weights. */
#include "tests/kit/kit.h"

#include "net/http_accept.h"

static void test_gzip(void **state)
{
    static const struct {
        const char *accept;
        bool gzip;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"gzip", true},
        {"GZIP", true},
        {"x-gzip", true},
        {"br, gzip", true},
        {"br;q=1.0, gzip;q=0.8, *;q=0.1", true},
        {"gzip;q=0.001", true},
        {"gzip;q=0", false},
        {"gzip;q=0.0", false},
        {"gzip;q=0.000", false},
        {"gzip; q=0", false},
        {"gzip ;q=0.5", true},
        {"gzip;q=1.000", true},
        {"gzip;q=1.001", false},
        {"gzip;q=2", false},
        {"gzip;q=x", false},
        {"gzip;q=", false},
        {"gzip;level=9", false},
        {"*", true},
        {"*;q=0", false},
        {"gzip;q=0, *", false},
        {"identity", false},
        {"identity;q=1, gzip;q=0.5", false},
        {"identity;q=0.5, gzip", true},
        {"identity;q=0, gzip;q=0.5", true},
        {"br", false},
        {"gzipped", false},
        {"notgzip", false},
        {",,, ,gzip,,", true},
        {";q=1", false},
        {"gzip;", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (http_accepts_gzip(rows[i].accept) != rows[i].gzip)
            fail_msg("%s", rows[i].accept ? rows[i].accept : "(none)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gzip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
