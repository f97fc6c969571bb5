/* Targets and header fields that no handler may see. */
#include "tests/kit/kit.h"

#include "base/limits.h"
#include "base/str.h"
#include "net/http_precheck.h"

static void test_targets(void **state)
{
    static const struct {
        const char *target;
        enum status want;
    } cases[] = {
        {"/", ST_OK},
        {"/api/v1/checks", ST_OK},
        {"/api/v1/checks/?page=2&sort=-created_at", ST_OK},
        {"/a//b", ST_OK}, /* no route has an empty segment */
        {"/a%20b", ST_OK},
        {"/caf%C3%A9", ST_OK},
        {"/a...b/.../.well-known", ST_OK},
        {"/a?path=../..", ST_OK},
        {"/a?x=%2F%5c%0a", ST_OK},
        {"", ST_MALFORMED},
        {"*", ST_MALFORMED},
        {"a", ST_MALFORMED},
        {"http://host/a", ST_MALFORMED},
        {"/a b", ST_MALFORMED},
        {"/caf\xc3\xa9", ST_MALFORMED},
        {"/a#b", ST_MALFORMED},
        {"/a\tb", ST_MALFORMED},
        {"/%", ST_MALFORMED},
        {"/%4", ST_MALFORMED},
        {"/%zz", ST_MALFORMED},
        {"/a?x=%4", ST_MALFORMED},
        {"/%00", ST_MALFORMED},
        {"/a?x=%00", ST_MALFORMED},
        {"/a%2fb", ST_MALFORMED},
        {"/a%2Fb", ST_MALFORMED},
        {"/a%5cb", ST_MALFORMED},
        {"/a\\b", ST_MALFORMED},
        {"/a%0ab", ST_MALFORMED},
        {"/a%7f", ST_MALFORMED},
        {"/..", ST_MALFORMED},
        {"/a/../b", ST_MALFORMED},
        {"/a/./b", ST_MALFORMED},
        {"/a/.", ST_MALFORMED},
        {"/a/%2e%2e/b", ST_MALFORMED},
        {"/a/.%2E", ST_MALFORMED},
        {"/a/..?x", ST_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct errbuf err = {0};
        enum status got = http_precheck_target(cases[i].target, &err);
        if (got != cases[i].want)
            fail_msg("\"%s\": %s", cases[i].target, status_name(got));
        assert_true((got == ST_OK) == (err.text[0] == '\0'));
    }
}

static void test_target_length(void **state)
{
    char text[LIMIT_HTTP_TARGET_BYTES + 2];
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    text[LIMIT_HTTP_TARGET_BYTES] = '\0';
    assert_ok(http_precheck_target(text, NULL));
    text[LIMIT_HTTP_TARGET_BYTES] = 'a';
    text[LIMIT_HTTP_TARGET_BYTES + 1] = '\0';
    assert_status(ST_URI_TOO_LONG, http_precheck_target(text, NULL));
}

/* "Name: value" lines, joined by CR LF, as fields. */
static size_t parse_fields(const char *text, struct http_field *out)
{
    size_t n = 0;
    while (*text) {
        size_t line = strcspn(text, "\r");
        const char *colon = memchr(text, ':', line);
        assert_non_null(colon);
        out[n].name = text;
        out[n].name_len = (size_t)(colon - text);
        out[n].value = colon + 1 + strspn(colon + 1, " ");
        out[n].value_len = (size_t)(text + line - out[n].value);
        n++;
        text += line;
        text += strspn(text, "\r\n");
    }
    return n;
}

static void test_fields(void **state)
{
    static const struct {
        const char *fields;
        bool is_http10;
        enum status want;
    } cases[] = {
        {"Host: a", false, ST_OK},
        {"Host: a\r\nContent-Length: 12", false, ST_OK},
        {"Host: a\r\nContent-Length: 0", false, ST_OK},
        {"Host: a\r\nTransfer-Encoding: chunked", false, ST_OK},
        {"Host: a\r\nTransfer-Encoding: CHUNKED", false, ST_OK},
        {"Accept: a\r\nAccept: b\r\nX-A_b~1: v", false, ST_OK},
        {"Host: a\r\nX: caf\xc3\xa9\tx", false, ST_OK},
        {"Host: a\r\nTransfer-Encoding: chunked", true, ST_MALFORMED},
        {"Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", false, ST_MALFORMED},
        {"Content-Length: 5\r\ntransfer-encoding: identity", false, ST_MALFORMED},
        {"Transfer-Encoding: gzip, chunked", false, ST_MALFORMED},
        {"Transfer-Encoding: identity", false, ST_MALFORMED},
        {"Transfer-Encoding: xchunked", false, ST_MALFORMED},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", false, ST_MALFORMED},
        {"Content-Length: 5\r\nContent-Length: 5", false, ST_MALFORMED},
        {"Content-Length: 5\r\ncontent-length: 6", false, ST_MALFORMED},
        {"Content-Length: 5, 5", false, ST_MALFORMED},
        {"Content-Length: -1", false, ST_MALFORMED},
        {"Content-Length: +5", false, ST_MALFORMED},
        {"Content-Length: 0x5", false, ST_MALFORMED},
        {"Content-Length: ", false, ST_MALFORMED},
        {"Content-Length: 9999999999999999999", false, ST_MALFORMED},
        {"Host: a\r\nHost: b", false, ST_MALFORMED},
        {"Host: a\r\nhOST: a", false, ST_MALFORMED},
        {"Authorization: a\r\nAuthorization: b", false, ST_MALFORMED},
        {"Content-Type: a\r\nContent-Type: b", false, ST_MALFORMED},
        {"Host : a", false, ST_MALFORMED},
        {" Host: a", false, ST_MALFORMED},
        {"X(y): a", false, ST_MALFORMED},
        {"X\x01: a", false, ST_MALFORMED},
        {": a", false, ST_MALFORMED},
        {"X: a\x01", false, ST_MALFORMED},
        {"X: a\nTransfer-Encoding: chunked", false, ST_MALFORMED},
        {"X: a\x7f", false, ST_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_field fields[8];
        size_t n = parse_fields(cases[i].fields, fields);
        enum status got = http_precheck_fields(fields, n, !cases[i].is_http10, NULL);
        if (got != cases[i].want)
            fail_msg("\"%s\": %s", cases[i].fields, status_name(got));
    }
}

static void test_field_limits(void **state)
{
    static struct http_field fields[LIMIT_HTTP_HEADERS_COUNT + 1];
    static char big[LIMIT_HTTP_HEADERS_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        fields[i] = (struct http_field){.name = "X", .value = "y", .name_len = 1, .value_len = 1};
    assert_ok(http_precheck_fields(fields, LIMIT_HTTP_HEADERS_COUNT, true, NULL));
    assert_status(ST_HEADERS_TOO_LARGE,
                  http_precheck_fields(fields, ARRAY_LEN(fields), true, NULL));

    memset(big, 'a', sizeof(big));
    fields[0].value = big;
    fields[0].value_len = sizeof(big) - 5;
    assert_ok(http_precheck_fields(fields, 1, true, NULL));
    fields[0].value_len = sizeof(big) - 4;
    assert_status(ST_HEADERS_TOO_LARGE, http_precheck_fields(fields, 1, true, NULL));
}

/* As libmicrohttpd leaves its buffer: every line end it accepts becomes NULs in place. */
static void test_line_ends(void **state)
{
    static const char good[] = "HTTP/1.1\0\0Host: a\0\0X: b\0\0";
    static const char bare_first[] = "HTTP/1.1\0Host: a\0\0X: b\0\0";
    static const char bare_later[] = "HTTP/1.1\0\0Host: a\0X: b\0\0";
    static const char inner_nul[] = "HTTP/1.1\0\0Host: a\0b\0\0X: b\0\0";
    static const struct {
        const char *text;
        size_t host, x;
        bool want;
    } cases[] = {
        {good, 10, 19, true},
        {bare_first, 9, 18, false},
        {bare_later, 10, 18, false},
        {inner_nul, 10, 21, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *host = cases[i].text + cases[i].host;
        const char *x = cases[i].text + cases[i].x;
        const struct http_field fields[] = {
            {.name = host, .value = host + 6, .name_len = 4, .value_len = 1},
            {.name = x, .value = x + 3, .name_len = 1, .value_len = 1}};
        assert_int_equal(http_fields_are_crlf(cases[i].text, fields, 2), cases[i].want);
    }
}

static void must_decode(const char *text, bool plus, const char *want)
{
    char out[64];
    assert_true(http_unescape(text, strlen(text), plus, out));
    assert_string_equal(out, want);
}

static void must_not_decode(const char *text)
{
    char out[64];
    assert_false(http_unescape(text, strlen(text), true, out));
}

static void test_unescape(void **state)
{
    must_decode("", true, "");
    must_decode("a+b", true, "a b");
    must_decode("a+b", false, "a+b");
    must_decode("caf%c3%A9", true, "caf\xc3\xa9");
    must_decode("%2B%25", true, "+%");
    must_not_decode("%");
    must_not_decode("%4");
    must_not_decode("%g0");
    must_not_decode("%00");
    must_not_decode("%ff");
    must_not_decode("%c3");
}

/* Lines as libmicrohttpd leaves them: CR and LF have become zeros. */
static void test_end(void **state)
{
    static const struct {
        const char *head; /* of 40 bytes at least */
        bool is_ended;
    } rows[] = {
        {"A: x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true},
        {"A: x\0\0\0\0{\"body\":1}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true},
        {"A: x\0\0\0\0GET / HTTP/1.1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true},
        {"A: x\0\0\0\0\0\x1f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true},
        {"A: x\0\0\0 b\0\0Z: c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false},
        {"A: x\0\0\0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false},
        {"A: x\0\0\0\0\0Z: c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct http_field field = {
            .name = rows[i].head, .value = rows[i].head + 3, .name_len = 1, .value_len = 1};
        if (http_fields_are_ended("HTTP/1.1", &field, 1) != rows[i].is_ended)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),   cmocka_unit_test(test_target_length),
        cmocka_unit_test(test_fields),    cmocka_unit_test(test_field_limits),
        cmocka_unit_test(test_line_ends), cmocka_unit_test(test_end),
        cmocka_unit_test(test_unescape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
