/* One-time passwords against the vectors of RFC 6238 and RFC 4226. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "auth/totp.h"
#include "base/str.h"

/* "12345678901234567890" */
static const char secret[] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

static void the_vectors_of_the_rfcs(void **state)
{
    static const struct {
        int64_t step;
        int digits;
        uint32_t code;
    } rows[] = {
        /* RFC 6238, appendix B */
        {59 / 30, 8, 94287082},
        {1111111109 / 30, 8, 7081804},
        {1111111111 / 30, 8, 14050471},
        {1234567890 / 30, 8, 89005924},
        {2000000000 / 30, 8, 69279037},
        {20000000000 / 30, 8, 65353130},
        /* RFC 4226, appendix D */
        {0, 6, 755224},
        {1, 6, 287082},
        {2, 6, 359152},
        {3, 6, 969429},
        {4, 6, 338314},
        {5, 6, 254676},
        {6, 6, 287922},
        {7, 6, 162583},
        {8, 6, 399871},
        {9, 6, 520489},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t code = 0;
        assert_int_equal(totp_code(secret, rows[i].step, rows[i].digits, &code), ST_OK);
        assert_int_equal(code, rows[i].code);
    }
}

static void a_code_fits_its_time_once(void **state)
{
    static const struct {
        const char *code;
        int64_t now_s, last_step;
        enum status st;
        int64_t step;
    } rows[] = {
        {"287082", 30, 0, ST_OK, 1},
        {"287 082", 59, 0, ST_OK, 1},
        {"287082", 89, 0, ST_OK, 1}, /* one's clock is behind */
        {"287082", 0, -1, ST_OK, 1}, /* … or ahead */
        {"287082", 90, 0, ST_UNAUTHENTICATED, 0},
        {"287082", 30, 1, ST_UNAUTHENTICATED, 0}, /* used */
        {"755224", 30, 1, ST_UNAUTHENTICATED, 0}, /* older than the used one */
        {"359152", 60, 1, ST_OK, 2},
        {"287083", 30, 0, ST_UNAUTHENTICATED, 0},
        {"000000", 30, 0, ST_UNAUTHENTICATED, 0},
        {"28708", 30, 0, ST_INVALID, 0},
        {"2870820", 30, 0, ST_INVALID, 0},
        {"+28708", 30, 0, ST_INVALID, 0},
        {"", 30, 0, ST_INVALID, 0},
        {"28708a", 30, 0, ST_INVALID, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t step = 0;
        const enum status st = totp_verify(secret, rows[i].code, rows[i].now_s, rows[i].last_step,
                                           &step);
        if (st != rows[i].st || step != rows[i].step)
            fail_msg("%s at %lld: %s", rows[i].code, (long long)rows[i].now_s, status_name(st));
    }
}

static void secrets_are_base32(void **state)
{
    char a[TOTP_SECRET_TEXT], b[TOTP_SECRET_TEXT];
    totp_secret_new(a);
    totp_secret_new(b);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 32);
    assert_string_not_equal(a, b);
    uint32_t code = 0;
    assert_int_equal(totp_code(a, 1, 6, &code), ST_OK);
    char too_long[200];
    memset(too_long, 'A', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    const char *const bad[] = {"", "A", "GEZDGNB1", "GEZD GNBV", "GEZD=", too_long};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(totp_code(bad[i], 1, 6, &code), ST_INVALID);
    assert_int_equal(totp_code(secret, 1, 5, &code), ST_INVALID);
}

static void the_uri_is_what_apps_read(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    assert_string_equal(totp_uri("ABC", "ann@example.test", arena),
                        "otpauth://totp/Tocsin:ann@example.test?secret=ABC&issuer=Tocsin"
                        "&algorithm=SHA1&digits=6&period=30");
    assert_non_null(strstr(totp_uri("ABC", "a b&secret=x/é", arena),
                           "Tocsin:a%20b%26secret%3Dx%2F%C3%A9?secret=ABC"));
}

static void recovery_codes_are_read_as_typed(void **state)
{
    char code[RECOVERY_CODE_TEXT];
    unsigned char a[RECOVERY_HASH_BYTES], b[RECOVERY_HASH_BYTES];
    recovery_code_new(code);
    assert_int_equal(strlen(code), 19);
    assert_int_equal(recovery_code_hash("abcd-efgh-ijkl-mn23", a), ST_OK);
    assert_int_equal(recovery_code_hash("ABCDEFGH IJKLMN23", b), ST_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(recovery_code_hash(code, b), ST_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_false(totp_looks_like_code(code));
    assert_true(totp_looks_like_code("123 456"));
    static const char *const bad[] = {
        "", "abcd", "abcd-efgh-ijkl-mn2", "abcd-efgh-ijkl-mn234", "abcd-efgh-ijkl-mn21", "123456"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(recovery_code_hash(bad[i], a), ST_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfcs),
        cmocka_unit_test(a_code_fits_its_time_once),
        cmocka_unit_test(secrets_are_base32),
        cmocka_unit_test(the_uri_is_what_apps_read),
        cmocka_unit_test(recovery_codes_are_read_as_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
