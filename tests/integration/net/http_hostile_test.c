/* Requests that are wrong, hostile or merely unusual, sent as raw bytes to a running server. */
#include "tests/integration/net/http_fixture.h"

#include "auth/scopes.h"
#include "base/str.h"
#include "net/errors.h"

static void test_wrong_requests(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *code; /* NULL: libmicrohttpd answers by itself, or just closes (status 0) */
    } cases[] = {
        {"GET /x/1 HTTP/1.1\r\n" H "\r\n", 200, NULL},
        {"GET /x/1/ HTTP/1.1\r\n" H "\r\n", 200, NULL},
        /* framing */
        {"POST /raw HTTP/1.1\r\n" H
         "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, "MALFORMED_REQUEST"},
        {"POST /raw HTTP/1.1\r\n" H
         "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
         400, "MALFORMED_REQUEST"},
        {"POST /raw HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\nabc", 400,
         "MALFORMED_REQUEST"},
        {"POST /raw HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400,
         "MALFORMED_REQUEST"},
        {"POST /raw HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400,
         "MALFORMED_REQUEST"},
        {"POST /raw HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400,
         "MALFORMED_REQUEST"},
        {"POST /raw HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
         "MALFORMED_REQUEST"},
        {"POST /raw HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200,
         NULL},
        /* header fields */
        {"GET /x/1 HTTP/1.1\r\n" H "Host: b\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\n" H "Bad Name: b\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\n" H "Name : b\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\n" H "X@Y: b\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\n" H "X: a\x01z\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\n" H "X: a\nY: b\r\nZ: c\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\nHost: a\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\n" H "X: a\r\n folded\r\nY: z\r\n\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/1 HTTP/1.1\r\n\r\n", 400, NULL}, /* no Host */
        {"nonsense\r\n\r\n", 0, NULL},
        /* targets */
        {"GET /x/%00 HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/a%2fb HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/../x/1 HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/%2e%2e HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/%zz HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /x/%ff HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"}, /* no UTF-8 */
        {"GET http://a/x/1 HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /q?size=1&size=2 HTTP/1.1\r\n" H "\r\n", 422, "VALIDATION_ERROR"},
        {"GET /q?name=a&size=x HTTP/1.1\r\n" H "\r\n", 422, "VALIDATION_ERROR"},
        {"GET /q?name=%ff HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /q?name=a%0 HTTP/1.1\r\n" H "\r\n", 400, "MALFORMED_REQUEST"},
        {"GET /q?name=a+b&size=7&other=1 HTTP/1.1\r\n" H "\r\n", 200, NULL},
        /* routes and methods */
        {"GET /nope HTTP/1.1\r\n" H "\r\n", 404, "NOT_FOUND"},
        {"GET / HTTP/1.1\r\n" H "\r\n", 404, "NOT_FOUND"},
        {"DELETE /x/1 HTTP/1.1\r\n" H "\r\n", 405, "METHOD_NOT_ALLOWED"},
        {"TRACE /x/1 HTTP/1.1\r\n" H "\r\n", 405, "METHOD_NOT_ALLOWED"},
        {"BREW /x/1 HTTP/1.1\r\n" H "\r\n", 405, "METHOD_NOT_ALLOWED"},
        {"OPTIONS /x/1 HTTP/1.1\r\n" H "\r\n", 204, NULL},
        {"HEAD /x/1 HTTP/1.1\r\n" H "\r\n", 200, NULL},
        {"POST /nope HTTP/1.1\r\n" JSON "Content-Length: 2\r\n\r\n{}", 404, "NOT_FOUND"},
        /* handlers */
        {"GET /late HTTP/1.1\r\n" H "\r\n", 503, "UNAVAILABLE"},
        {"GET /nothing HTTP/1.1\r\n" H "\r\n", 500, "INTERNAL"},
        {"GET /login HTTP/1.1\r\n" H "\r\n", 401, "INVALID_TOKEN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sf_ask(cases[i].request);
        if (sf.reply.status != cases[i].status)
            fail_msg("%s: status %d\n%s", cases[i].request, sf.reply.status, sf.reply.body);
        if (cases[i].code)
            sf_assert_problem(cases[i].status, cases[i].code);
    }
}

static void ask_body(const char *path, const char *headers, const void *body, size_t len)
{
    static char text[4096];
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "POST %s HTTP/1.1\r\n" H "%sContent-Length: %zu\r\n\r\n", path,
                                headers, len);
    memcpy(text + n, body, len);
    peer_ask(sf.port, text, n + len, &sf.reply);
}

static void test_bodies(void **state)
{
    static const char json_type[] = "Content-Type: application/json\r\n";
    static const char form_type[] = "Content-Type: application/x-www-form-urlencoded\r\n";
#define B(text) text, sizeof(text) - 1
    static const struct {
        const char *path, *type, *body;
        size_t len;
        int status;
    } cases[] = {
        {"/json", json_type, B("{\"name\":\"a\"}"), 200},
        {"/json", "", B("{\"name\":\"a\"}"), 200},
        {"/json", "Content-Type: application/json; charset=utf-8\r\n", B("{\"name\":\"a\"}"), 200},
        {"/json", "Content-Type: application/merge-patch+json\r\n", B("{\"name\":\"a\"}"), 200},
        {"/json", json_type, B(""), 400},
        {"/json", json_type, B("{"), 400},
        {"/json", json_type, B("{\"name\":\"a\"} x"), 400},
        {"/json", json_type, B("{\"name\":\"a\"}\0"), 400},
        {"/json", json_type, B("{\"size\":1\0,\"name\":\"a\"}"), 400},
        {"/json", json_type, B("{\"name\":\"a\\u0000\"}"), 400},
        {"/json", json_type, B("{\"name\":\"a\",\"name\":\"b\"}"), 400},
        {"/json", json_type, B("{\"name\":\"\xff\"}"), 400},
        {"/json", json_type, B("{\"name\":NaN}"), 400},
        {"/json", json_type, B("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["), 400},
        {"/json", json_type, B("[]"), 422},
        {"/json", json_type, B("null"), 422},
        {"/json", json_type, B("{}"), 422},
        {"/json", json_type, B("{\"name\":1}"), 422},
        {"/json", json_type, B("{\"name\":\"\"}"), 422},
        {"/json", json_type, B("{\"name\":\"12345678901\"}"), 422},
        {"/json", json_type, B("{\"name\":\"a\",\"size\":101}"), 422},
        {"/json", json_type, B("{\"name\":\"a\",\"extra\":1}"), 422},
        {"/json", "Content-Type: text/plain\r\n", B("{\"name\":\"a\"}"), 415},
        {"/json", form_type, B("name=a"), 415},
        {"/json", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", B("x"), 415},
        {"/json", "Content-Type: application/json\r\nContent-Encoding: br\r\n", B("x"), 415},
        {"/form", form_type, B("name=a&size=5"), 200},
        {"/form", form_type, B("name=a+%41"), 200},
        {"/form", json_type, B("{\"name\":\"a\"}"), 200},
        {"/form", form_type, B("name=%zz"), 400},
        {"/form", form_type, B("name=a\0b"), 400},
        {"/form", form_type, B("name=a&name=b"), 422},
        {"/form", form_type, B("size=5"), 422},
        {"/gzip", "Content-Encoding: gzip\r\n", B("no gzip"), 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask_body(cases[i].path, cases[i].type, cases[i].body, cases[i].len);
        if (sf.reply.status != cases[i].status)
            fail_msg("%s %s: status %d\n%s", cases[i].path, cases[i].body, sf.reply.status,
                     sf.reply.body);
        if (sf.reply.status >= 400)
            assert_true(strstr(sf.reply.head, "application/problem+json") != NULL);
    }
}

static void test_echo(void **state)
{
    sf_ask("GET /x/caf%C3%A9%20%2B?ignored HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(
        sf.reply.body,
        "{\"method\":\"GET\",\"id\":\"caf\xc3\xa9 +\",\"peer\":\"127.0.0.1\",\"bytes\":0}");
    sf_ask("HEAD /x/1 HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(sf.reply.body_len, 0);
}

/* Whatever status a handler ends with has a documented code and says nothing of the inside. */
static void test_every_status(void **state)
{
    for (int i = ST_OK + 1; i < STATUS_COUNT_; i++) {
        const enum status st = (enum status)i;
        char request[128], text[16];
        (void)snprintf(request, sizeof(request), "GET /fail/%s HTTP/1.1\r\n" H "\r\n",
                       status_name(st));
        sf_ask(request);
        assert_non_null(error_code_find(status_code(st)));
        assert_int_equal(error_code_find(status_code(st))->st, st);
        if (status_http(st) != 422) /* whose `errors` a handler has to write */
            sf_assert_problem(status_http(st), status_code(st));
        assert_int_equal(sf.reply.status, status_http(st));
        assert_non_null(strstr(sf.reply.body, status_code(st)));
        if (status_http(st) == 503)
            assert_string_not_equal(peer_header(&sf.reply, "Retry-After", text, sizeof(text)), "");
    }
}

static void test_reply_headers(void **state)
{
    static const struct {
        const char *name, *value;
    } wanted[] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Frame-Options", "DENY"},
        {"Cache-Control", "private, no-cache"},
        {"Server", "Tocsin"},
        {"X-Request-Id", "my-id_7.a"},
        {"Content-Type", "application/json"},
    };
    char text[256];
    sf_ask("GET /x/1 HTTP/1.1\r\n" H "X-Request-Id: my-id_7.a\r\n\r\n");
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_string_equal(peer_header(&sf.reply, wanted[i].name, text, sizeof(text)),
                            wanted[i].value);
    assert_true(str_starts(peer_header(&sf.reply, "Content-Security-Policy", text, sizeof(text)),
                           "default-src 'none'"));

    static const char *const bad_ids[] = {
        "a b", "<script>", "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_LEN(bad_ids); i++) {
        char request[256];
        struct uuid id;
        (void)snprintf(request, sizeof(request),
                       "GET /x/1 HTTP/1.1\r\n" H "X-Request-Id: %s\r\n\r\n", bad_ids[i]);
        sf_ask(request);
        assert_ok(uuid_parse(peer_header(&sf.reply, "X-Request-Id", text, sizeof(text)), &id));
    }

    sf_ask("GET /headers HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&sf.reply, "Cache-Control", text, sizeof(text)), "max-age=60");
    assert_null(strstr(sf.reply.head, "Set-Cookie"));
    sf_ask("DELETE /x/1 HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&sf.reply, "Allow", text, sizeof(text)), "GET, HEAD, OPTIONS");
    sf_ask("GET /login HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&sf.reply, "WWW-Authenticate", text, sizeof(text)),
                        "Bearer realm=\"tocsin\"");
    sf_ask("GET /late HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&sf.reply, "Retry-After", text, sizeof(text)), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_requests), cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_echo),           cmocka_unit_test(test_every_status),
        cmocka_unit_test(test_reply_headers),
    };
    return cmocka_run_group_tests(tests, sf_start, sf_stop);
}
