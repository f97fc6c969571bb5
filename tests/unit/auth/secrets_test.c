/* Passwords, API keys and refresh tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/api_key.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"

static void password_is_known_again(void **state)
{
    char hash[PASSWORD_HASH_BYTES];
    assert_int_equal(password_hash("correct horse", hash), ST_OK);
    assert_true(str_starts(hash, "$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_int_equal(password_verify(hash, "correct horse"), ST_OK);

    static const char *const wrong[] = {"", "correct hors", "correct horse ", "Correct horse"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(password_verify(hash, wrong[i]), ST_UNAUTHENTICATED);
    assert_int_equal(password_verify(NULL, "correct horse"), ST_UNAUTHENTICATED);
    assert_int_equal(password_verify("not a hash", "correct horse"), ST_UNAUTHENTICATED);
}

static void password_has_bounds(void **state)
{
    char hash[PASSWORD_HASH_BYTES];
    char text[LIMIT_PASSWORD_BYTES + 2];
    memset(text, 'x', sizeof(text));
    text[LIMIT_PASSWORD_BYTES + 1] = '\0';
    assert_int_equal(password_hash("", hash), ST_INVALID);
    assert_int_equal(password_hash(NULL, hash), ST_INVALID);
    assert_int_equal(password_hash(text, hash), ST_INVALID);
    text[LIMIT_PASSWORD_BYTES] = '\0';
    assert_int_equal(password_hash(text, hash), ST_OK);
    assert_int_equal(password_verify(hash, text), ST_OK);
}

/* Otherwise the time of an answer would tell which accounts exist: the dummy must be real work. */
static void unknown_user_costs_a_hash(void **state)
{
    int64_t best_us = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        const int64_t start_us = clock_mono_us();
        assert_int_equal(password_verify(NULL, "x"), ST_UNAUTHENTICATED);
        best_us = MIN_OF(best_us, clock_mono_us() - start_us);
    }
    assert_true(best_us > 1000); /* filling 19 MiB twice takes no machine less */
}

static void keys_are_known_again(void **state)
{
    for (int i = 0; i < 200; i++) {
        struct api_key made, read;
        api_key_new(&made);
        assert_int_equal(strlen(made.text), 59);
        assert_int_equal(api_key_parse(made.text, &read), ST_OK);
        assert_string_equal(read.prefix, made.prefix);
        assert_int_equal(strlen(made.prefix), 15);
        assert_true(api_key_hash_eq(read.hash, made.hash));
        read.hash[31] ^= 1;
        assert_false(api_key_hash_eq(read.hash, made.hash));
    }
}

static void misshapen_keys_are_refused(void **state)
{
    struct api_key key, out;
    api_key_new(&key);
    char text[API_KEY_BYTES + 8];
    static const struct {
        size_t at;
        char c;
    } changes[] = {{0, 'T'},  {6, '-'},   {7, '1'},   {14, 'A'}, {15, '-'},
                   {16, ' '}, {58, '\0'}, {40, '\n'}, {30, '.'}};
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        str_copy(text, sizeof(text), key.text);
        text[changes[i].at] = changes[i].c;
        assert_int_equal(api_key_parse(text, &out), ST_UNAUTHENTICATED);
    }
    str_copy(text, sizeof(text), key.text);
    text[59] = 'x';
    text[60] = '\0';
    assert_int_equal(api_key_parse(text, &out), ST_UNAUTHENTICATED);
    assert_int_equal(api_key_parse("", &out), ST_UNAUTHENTICATED);
    assert_int_equal(api_key_parse(NULL, &out), ST_UNAUTHENTICATED);
}

static void secrets_hash_as_sha256(void **state)
{
    unsigned char hash[API_KEY_HASH_BYTES];
    char hex[2 * API_KEY_HASH_BYTES + 1];
    secret_hash("abc", hash); /* FIPS 180-2, appendix B.1 */
    str_hex(hash, sizeof(hash), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void tokens_differ(void **state)
{
    char a[SECRET_TOKEN_BYTES], b[SECRET_TOKEN_BYTES];
    secret_token_new(a);
    secret_token_new(b);
    assert_int_equal(strlen(a), 47);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(password_is_known_again),
        cmocka_unit_test(password_has_bounds),
        cmocka_unit_test(unknown_user_costs_a_hash),
        cmocka_unit_test(keys_are_known_again),
        cmocka_unit_test(misshapen_keys_are_refused),
        cmocka_unit_test(secrets_hash_as_sha256),
        cmocka_unit_test(tokens_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
