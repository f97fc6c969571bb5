/* Access tokens: what must pass, and every way in which a token may lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

#include "auth/jwt.h"
#include "base/limits.h"
#include "base/str.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define ID "\"018f0000-0000-7000-8000-000000000001\""
#define NOW 1700000000

static const struct jwt_key key = {SECRET, sizeof(SECRET) - 1};

static void put_base64(char *out, size_t cap, const void *data, size_t len)
{
    assert_non_null(
        sodium_bin2base64(out, cap, data, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING));
}

/* Signs whatever is asked for with our own key, as an attacker with a leaked one could not better:
 * only the shape of the token is then left to be refused. */
static const char *forge(const char *header, const char *claims, bool sha512)
{
    static char token[8192];
    char part[4096];
    unsigned char mac[64];
    put_base64(token, 2048, header, strlen(header));
    put_base64(part, sizeof(part), claims, strlen(claims));
    size_t len = strlen(token);
    (void)snprintf(token + len, sizeof(token) - len, ".%s", part);
    len = strlen(token);
    if (sha512) {
        crypto_auth_hmacsha512_state s;
        crypto_auth_hmacsha512_init(&s, (const unsigned char *)SECRET, sizeof(SECRET) - 1);
        crypto_auth_hmacsha512_update(&s, (const unsigned char *)token, len);
        crypto_auth_hmacsha512_final(&s, mac);
    } else {
        crypto_auth_hmacsha256_state s;
        crypto_auth_hmacsha256_init(&s, (const unsigned char *)SECRET, sizeof(SECRET) - 1);
        crypto_auth_hmacsha256_update(&s, (const unsigned char *)token, len);
        crypto_auth_hmacsha256_final(&s, mac);
    }
    put_base64(part, sizeof(part), mac, sha512 ? 64 : 32);
    (void)snprintf(token + len, sizeof(token) - len, ".%s", part);
    return token;
}

static enum status verify(const char *token)
{
    struct jwt_claims claims;
    struct errbuf err = {""};
    const enum status st = jwt_verify(&key, token, NOW, &claims, &err);
    if (st != ST_OK)
        assert_true(err.text[0] != '\0');
    return st;
}

static struct jwt_claims sample(void)
{
    struct jwt_claims c = {.user_id = uuid_new(),
                           .org_id = uuid_new(),
                           .role = ROLE_OPERATOR,
                           .epoch = 7,
                           .issued_at_s = NOW,
                           .expires_at_s = NOW + 3600,
                           .id = uuid_new(),
                           .session = uuid_new()};
    return c;
}

static void issued_token_is_accepted(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    const struct jwt_claims in = sample();
    struct jwt_claims out;
    const char *token = NULL;
    assert_int_equal(jwt_issue(&key, &in, arena, &token), ST_OK);
    assert_int_equal(jwt_verify(&key, token, NOW, &out, NULL), ST_OK);
    assert_true(uuid_eq(&in.user_id, &out.user_id));
    assert_true(uuid_eq(&in.org_id, &out.org_id));
    assert_true(uuid_eq(&in.id, &out.id));
    assert_true(uuid_eq(&in.session, &out.session));
    assert_int_equal(out.role, ROLE_OPERATOR);
    assert_int_equal(out.epoch, 7);
    assert_int_equal(out.issued_at_s, NOW);
    assert_int_equal(out.expires_at_s, NOW + 3600);
}

static void times_are_checked(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    const struct jwt_claims in = sample();
    struct jwt_claims out;
    const char *token = NULL;
    assert_int_equal(jwt_issue(&key, &in, arena, &token), ST_OK);
    static const struct {
        int64_t now_s;
        enum status st;
    } rows[] = {
        {NOW - 61, ST_UNAUTHENTICATED},
        {NOW - 60, ST_OK},
        {NOW + 3599, ST_OK},
        {NOW + 3600, ST_UNAUTHENTICATED},
        {INT64_C(1) << 40, ST_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(jwt_verify(&key, token, rows[i].now_s, &out, NULL), rows[i].st);
}

static void every_changed_byte_is_noticed(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    const struct jwt_claims in = sample();
    const char *token = NULL;
    assert_int_equal(jwt_issue(&key, &in, arena, &token), ST_OK);
    char *copy = arena_strdup(arena, token);
    for (size_t i = 0; copy[i]; i++) {
        const char c = copy[i];
        copy[i] = c == 'A' ? 'B' : 'A';
        assert_int_equal(verify(copy), ST_UNAUTHENTICATED);
        copy[i] = c;
    }
    assert_int_equal(verify(copy), ST_OK);
}

static void short_keys_are_refused(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    const struct jwt_claims in = sample();
    struct jwt_claims out;
    const char *token = NULL, *good = NULL;
    assert_int_equal(jwt_issue(&key, &in, arena, &good), ST_OK);
    const struct jwt_key bad[] = {{SECRET, 31}, {NULL, 0}, {NULL, 32}, {"", 0}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(jwt_issue(&bad[i], &in, arena, &token), ST_INVALID);
        assert_int_equal(jwt_verify(&bad[i], good, NOW, &out, NULL), ST_INVALID);
    }
    assert_int_equal(jwt_verify(NULL, good, NOW, &out, NULL), ST_INVALID);
    assert_null(token);
    const struct jwt_key other = {"another key of more than 32 bytes", 33};
    assert_int_equal(jwt_verify(&other, good, NOW, &out, NULL), ST_UNAUTHENTICATED);
}

static void odd_shapes_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        "a..c",
        ".b.c",
        "a.b.",
        "a.b.c.d",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJhbGciOiJIUzI1NiJ9.e30.",
        " ",
        "a.b.c ",
        "\n..",
        "eyJhbGciOiJIUzI1NiJ9=.e30.x",
        "e30.e30.e30",
        "W10.W10.W10",
        "bnVsbA.bnVsbA.bnVsbA",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(verify(bad[i]), ST_UNAUTHENTICATED);
    assert_int_equal(verify(NULL), ST_UNAUTHENTICATED);
}

static void huge_tokens_are_refused(void **state)
{
    const size_t bytes = 9u << 20;
    char *huge = malloc(bytes + 1);
    assert_non_null(huge);
    memset(huge, 'A', bytes);
    huge[bytes] = '\0';
    assert_int_equal(verify(huge), ST_UNAUTHENTICATED);
    huge[bytes / 3] = huge[bytes / 2] = '.';
    assert_int_equal(verify(huge), ST_UNAUTHENTICATED);
    huge[LIMIT_TOKEN_BYTES] = '\0';
    huge[100] = huge[200] = '.';
    assert_int_equal(verify(huge), ST_UNAUTHENTICATED);
    free(huge);
}

#define CLAIMS(extra)                                           \
    "{\"sub\":" ID ",\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID \
    ",\"role\":\"admin\",\"epoch\":1," extra "}"
#define TIMES "\"iat\":1700000000,\"exp\":1700003600"
#define GOOD CLAIMS(TIMES)

static void only_our_header_is_accepted(void **state)
{
    assert_int_equal(verify(forge(HEADER, GOOD, false)), ST_OK);
    assert_int_equal(verify(forge("{\"alg\":\"HS256\"}", GOOD, false)), ST_OK);
    static const char *const bad[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\",\"typ\":\"JWT\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"ES256\"}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":256}",
        "{\"alg\":null}",
        "{\"alg\":[\"HS256\"]}",
        "{\"alg\":\"\"}",
        "{}",
        "[]",
        "\"HS256\"",
        "{\"alg\":\"HS256\",\"alg\":\"none\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
        "{\"alg\":\"HS256\",\"typ\":1}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\"",
        "not json",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(verify(forge(bad[i], GOOD, false)), ST_UNAUTHENTICATED);
    /* the header would choose another algorithm with the right key */
    assert_int_equal(verify(forge("{\"alg\":\"HS512\",\"typ\":\"JWT\"}", GOOD, true)),
                     ST_UNAUTHENTICATED);
}

static void claims_are_checked(void **state)
{
    static const char *const bad[] = {
        CLAIMS("\"iat\":1700000000"),                        /* no exp */
        CLAIMS("\"exp\":1700003600"),                        /* no iat */
        CLAIMS("\"iat\":1700000000,\"exp\":\"1700003600\""), /* exp as text */
        CLAIMS("\"iat\":1700000000,\"exp\":1700003600.5"),   /* … as a fraction */
        CLAIMS("\"iat\":1700000000,\"exp\":null"),           /* … as null */
        CLAIMS("\"iat\":1700000000,\"exp\":true"),           /* … as a boolean */
        CLAIMS("\"iat\":1700000000,\"exp\":1699999999"),     /* expired */
        CLAIMS("\"iat\":1700000000,\"exp\":0"),
        CLAIMS("\"iat\":1700000000,\"exp\":-1"),
        CLAIMS("\"iat\":1700000000,\"exp\":99999999999999999999"), /* more than 64 bits */
        CLAIMS("\"iat\":1700000061,\"exp\":1700003600"),           /* from the future */
        CLAIMS("\"iat\":\"1700000000\",\"exp\":1700003600"),
        CLAIMS("\"iat\":-5,\"exp\":1700003600"),
        CLAIMS(TIMES ",\"nbf\":1700000061"), /* not yet */
        CLAIMS(TIMES ",\"nbf\":\"soon\""),
        CLAIMS(TIMES ",\"exp\":1800000000"), /* twice */
        CLAIMS(TIMES ",\"role\":\"owner\""),
        "{\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID ",\"role\":\"admin\",\"epoch\":1," TIMES "}",
        "{\"sub\":" ID ",\"jti\":" ID ",\"sid\":" ID ",\"role\":\"admin\",\"epoch\":1," TIMES "}",
        "{\"sub\":" ID ",\"org\":" ID ",\"sid\":" ID ",\"role\":\"admin\",\"epoch\":1," TIMES "}",
        "{\"sub\":" ID ",\"org\":" ID ",\"jti\":" ID ",\"role\":\"admin\",\"epoch\":1," TIMES "}",
        "{\"sub\":" ID ",\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID ",\"epoch\":1," TIMES "}",
        "{\"sub\":" ID ",\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID ",\"role\":\"admin\"," TIMES
        "}",
        "{\"sub\":1,\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID
        ",\"role\":\"admin\",\"epoch\":1," TIMES "}",
        "{\"sub\":\"admin\",\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID
        ",\"role\":\"admin\",\"epoch\":1," TIMES "}",
        "{\"sub\":" ID ",\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID
        ",\"role\":\"root\",\"epoch\":1," TIMES "}",
        "{\"sub\":" ID ",\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID ",\"role\":3,\"epoch\":1," TIMES
        "}",
        "{\"sub\":" ID ",\"org\":" ID ",\"jti\":" ID ",\"sid\":" ID
        ",\"role\":\"admin\",\"epoch\":\"1\"," TIMES "}",
        "[" GOOD "]",
        "{}",
        GOOD " x",
    };
    assert_int_equal(verify(forge(HEADER, GOOD, false)), ST_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (verify(forge(HEADER, bad[i], false)) != ST_UNAUTHENTICATED)
            fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(
        verify(forge(HEADER, CLAIMS(TIMES ",\"nbf\":1700000000,\"iss\":\"x\""), false)), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issued_token_is_accepted),      cmocka_unit_test(times_are_checked),
        cmocka_unit_test(every_changed_byte_is_noticed), cmocka_unit_test(short_keys_are_refused),
        cmocka_unit_test(odd_shapes_are_refused),        cmocka_unit_test(huge_tokens_are_refused),
        cmocka_unit_test(only_our_header_is_accepted),   cmocka_unit_test(claims_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
