/* Requests that are wrong, hostile or merely unusual, sent as raw bytes to a running server. */
#include "tests/integration/net/http_peer.h"

#include <errno.h>

#include "auth/scopes.h"
#include "base/str.h"
#include "net/gzip.h"
#include "net/http.h"

struct in_thing {
    struct in_str name;
    struct in_i64 size;
};
#define AT(member) offsetof(struct in_thing, member)
static const struct field thing_fields[] = {
    {.name = "name",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(name),
     .min = 1,
     .max = 10},
    {.name = "size", .type = FT_INT, .offset = AT(size), .min = 1, .max = 100},
};
static const struct schema thing = SCHEMA("Thing", struct in_thing, thing_fields);

static enum status echo(struct req *r)
{
    struct jw *w = reply_json(r, 200);
    jw_object(w);
    jw_kv_str(w, "method", http_method_name(r->method));
    jw_kv_str(w, "id", r->param[0]);
    jw_kv_str(w, "peer", req_peer_text(r));
    jw_kv_i64(w, "bytes", (int64_t)r->body_len);
    if (r->in)
        jw_kv_str(w, "name", ((struct in_thing *)r->in)->name.v);
    if (r->query_in)
        jw_kv_i64(w, "size", ((struct in_thing *)r->query_in)->size.v);
    jw_end(w);
    return ST_OK;
}

static enum status big(struct req *r)
{
    struct jw *w = reply_json(r, 200);
    jw_array(w);
    for (int i = 0; i < 1000; i++)
        jw_str(w, "all work and no play");
    jw_end(w);
    return ST_OK;
}

static enum status fail_late(struct req *r)
{
    (void)reply_json(r, 200);
    return ST_UNAVAILABLE; /* a store was lost in the middle of the reply */
}

static enum status say_nothing(struct req *r)
{
    (void)r;
    return ST_OK;
}

static enum status with_headers(struct req *r)
{
    reply_header(r, "Cache-Control", "max-age=60");
    reply_header(r, "X-Split", "a\r\nSet-Cookie: b");
    reply_text(r, 200, "text/plain", "hi", 2);
    return ST_OK;
}

static enum status need_login(struct req *r)
{
    return req_fail(r, ST_UNAUTHENTICATED, "INVALID_TOKEN", "the token has expired");
}

static const struct route routes[] = {
    {M_GET, "/x/{id}", "", SCOPE_PUBLIC, .handler = echo},
    {M_GET, "/q", "", SCOPE_PUBLIC, .query = &thing, .handler = echo},
    {M_POST, "/json", "", SCOPE_PUBLIC, .body = &thing, .handler = echo},
    {M_POST, "/form", "", SCOPE_PUBLIC, .body = &thing, .flags = ROUTE_FORM, .handler = echo},
    {M_POST, "/raw", "", SCOPE_PUBLIC, .flags = ROUTE_RAW_BODY, .max_body_bytes = 1000,
     .handler = echo},
    {M_POST, "/gzip", "", SCOPE_PUBLIC, .flags = ROUTE_RAW_BODY | ROUTE_GZIP_BODY,
     .max_body_bytes = 100000, .handler = echo},
    {M_GET, "/big", "", SCOPE_PUBLIC, .handler = big},
    {M_GET, "/late", "", SCOPE_PUBLIC, .handler = fail_late},
    {M_GET, "/nothing", "", SCOPE_PUBLIC, .handler = say_nothing},
    {M_GET, "/headers", "", SCOPE_PUBLIC, .handler = with_headers},
    {M_GET, "/login", "", SCOPE_PUBLIC, .handler = need_login},
};
static const struct route_set set = {routes, ARRAY_LEN(routes)};

static struct http_server *server;
static int port;
static struct peer_reply reply; /* large: not on the stack */

static int start(void **state)
{
    const struct http_config config = {
        .listen = "127.0.0.1",
        .io_threads = 2,
        .handler_threads = 2,
        .queue_max = 64,
        .connections_max = 64,
        .sets = &set,
        .set_count = 1,
        .header_ms = 300,
        .body_ms = 300,
    };
    struct errbuf err = {0};
    json_setup();
    if (http_start(&config, &server, &err) != ST_OK)
        fail_msg("%s", err.text);
    port = http_port(server);
    return 0;
}

static int stop(void **state)
{
    http_stop(server, 1000);
    return 0;
}

static void ask(const char *text)
{
    peer_ask(port, text, strlen(text), &reply);
}

/* Every failure is a whole problem document. */
static void assert_problem(int status, const char *code)
{
    char text[128];
    AUTO_JSON json = NULL;
    assert_int_equal(reply.status, status);
    assert_string_equal(peer_header(&reply, "Content-Type", text, sizeof(text)),
                        "application/problem+json");
    assert_ok(json_parse(reply.body, reply.body_len, &json, NULL));
    static const char *const strings[] = {"type", "title", "detail", "code", "request_id"};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        assert_true(json_is_string(json_object_get(json, strings[i])));
    assert_int_equal(json_integer_value(json_object_get(json, "status")), status);
    assert_string_equal(json_string_value(json_object_get(json, "code")), code);
    const json_t *error = json_object_get(json, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    assert_true(json_is_string(json_object_get(error, "message")));
    assert_true(json_is_string(json_object_get(error, "details")));
    assert_true((status == 422) == json_is_array(json_object_get(json, "errors")));
    assert_string_equal(peer_header(&reply, "X-Request-Id", text, sizeof(text)),
                        json_string_value(json_object_get(json, "request_id")));
}

#define H "Host: a\r\n"
#define JSON H "Content-Type: application/json\r\n"

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
        ask(cases[i].request);
        if (reply.status != cases[i].status)
            fail_msg("%s: status %d\n%s", cases[i].request, reply.status, reply.body);
        if (cases[i].code)
            assert_problem(cases[i].status, cases[i].code);
    }
}

static void ask_body(const char *path, const char *headers, const void *body, size_t len)
{
    static char text[4096];
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "POST %s HTTP/1.1\r\n" H "%sContent-Length: %zu\r\n\r\n", path,
                                headers, len);
    memcpy(text + n, body, len);
    peer_ask(port, text, n + len, &reply);
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
        if (reply.status != cases[i].status)
            fail_msg("%s %s: status %d\n%s", cases[i].path, cases[i].body, reply.status,
                     reply.body);
        if (reply.status >= 400)
            assert_true(strstr(reply.head, "application/problem+json") != NULL);
    }
}

static void test_echo(void **state)
{
    ask("GET /x/caf%C3%A9%20%2B?ignored HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(
        reply.body,
        "{\"method\":\"GET\",\"id\":\"caf\xc3\xa9 +\",\"peer\":\"127.0.0.1\",\"bytes\":0}");
    ask("HEAD /x/1 HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(reply.body_len, 0);
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
    ask("GET /x/1 HTTP/1.1\r\n" H "X-Request-Id: my-id_7.a\r\n\r\n");
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_string_equal(peer_header(&reply, wanted[i].name, text, sizeof(text)),
                            wanted[i].value);
    assert_true(str_starts(peer_header(&reply, "Content-Security-Policy", text, sizeof(text)),
                           "default-src 'none'"));

    static const char *const bad_ids[] = {
        "a b", "<script>", "", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_LEN(bad_ids); i++) {
        char request[256];
        struct uuid id;
        (void)snprintf(request, sizeof(request),
                       "GET /x/1 HTTP/1.1\r\n" H "X-Request-Id: %s\r\n\r\n", bad_ids[i]);
        ask(request);
        assert_ok(uuid_parse(peer_header(&reply, "X-Request-Id", text, sizeof(text)), &id));
    }

    ask("GET /headers HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&reply, "Cache-Control", text, sizeof(text)), "max-age=60");
    assert_null(strstr(reply.head, "Set-Cookie"));
    ask("DELETE /x/1 HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&reply, "Allow", text, sizeof(text)), "GET, HEAD, OPTIONS");
    ask("GET /login HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&reply, "WWW-Authenticate", text, sizeof(text)),
                        "Bearer realm=\"tocsin\"");
    ask("GET /late HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(peer_header(&reply, "Retry-After", text, sizeof(text)), "1");
}

static void fill(char *text, size_t cap, const char *before, size_t bytes, const char *after)
{
    size_t n = strlen(before);
    assert_true(n + bytes + strlen(after) < cap);
    memcpy(text, before, n);
    memset(text + n, 'a', bytes);
    (void)snprintf(text + n + bytes, cap - n - bytes, "%s", after);
}

static void test_sizes(void **state)
{
    static char text[300000];
    fill(text, sizeof(text), "GET /x/", 8100, " HTTP/1.1\r\n" H "\r\n");
    ask(text);
    assert_int_equal(reply.status, 200);
    fill(text, sizeof(text), "GET /x/", 8200, " HTTP/1.1\r\n" H "\r\n");
    ask(text);
    assert_problem(414, "URI_TOO_LONG");
    fill(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H "X: ", 16000, "\r\n\r\n");
    ask(text);
    assert_int_equal(reply.status, 200);
    fill(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H "X: ", 17000, "\r\n\r\n");
    ask(text);
    assert_problem(431, "HEADERS_TOO_LARGE");
    /* The longest target and the longest headers at once. */
    fill(text, sizeof(text), "GET /x/", 8100, " HTTP/1.1\r\n" H "X: ");
    size_t n = strlen(text);
    fill(text + n, sizeof(text) - n, "", 16000, "\r\n\r\n");
    ask(text);
    assert_int_equal(reply.status, 200);
    /* Beyond the connection's memory libmicrohttpd answers by itself. */
    fill(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H "X: ", 200000, "\r\n\r\n");
    ask(text);
    assert_true(reply.status == 431 || reply.status == 413 || reply.status == 0);

    /* Announced: refused before a byte of it was sent. */
    ask("POST /raw HTTP/1.1\r\n" H "Content-Length: 100000000\r\n\r\n");
    assert_problem(413, "TOO_LARGE");
    ask("POST /raw HTTP/1.1\r\n" H "Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n");
    assert_problem(413, "TOO_LARGE");
    /* So little that it is read first, so that the client surely gets the answer. */
    fill(text, sizeof(text), "POST /raw HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n", 1001, "");
    ask(text);
    assert_problem(413, "TOO_LARGE");
    /* Not announced: refused when it turns out. */
    fill(text, sizeof(text), "POST /raw HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n7d0\r\n",
         2000, "\r\n0\r\n\r\n");
    ask(text);
    assert_problem(413, "TOO_LARGE");
    fill(text, sizeof(text), "POST /raw HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n", 1000, "");
    ask(text);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"bytes\":1000"));
}

static void test_many_headers(void **state)
{
    static char text[20000];
    size_t n = (size_t)snprintf(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "X-%d: y\r\n", i);
    (void)snprintf(text + n, sizeof(text) - n, "\r\n");
    ask(text);
    assert_problem(431, "HEADERS_TOO_LARGE");
}

static void ask_gzip(size_t plain_bytes)
{
    static char plain[1 << 20];
    static char text[16384];
    AUTO_BUF packed;
    buf_init(&packed, 8192);
    assert_ok(gzip_deflate(plain, plain_bytes, &packed));
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "POST /gzip HTTP/1.1\r\n" H
                                "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                                packed.len);
    memcpy(text + n, packed.data, packed.len);
    peer_ask(port, text, n + packed.len, &reply);
}

static void test_gzip(void **state)
{
    ask_gzip(100000);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"bytes\":100000"));
    ask_gzip(100001);
    assert_problem(413, "TOO_LARGE");
    ask_gzip(1 << 20);
    assert_problem(413, "TOO_LARGE");

    char text[64];
    ask("GET /big HTTP/1.1\r\n" H "Accept-Encoding: br, gzip\r\n\r\n");
    assert_string_equal(peer_header(&reply, "Content-Encoding", text, sizeof(text)), "gzip");
    AUTO_BUF plain;
    buf_init(&plain, 1 << 20);
    assert_ok(gzip_inflate(reply.body, reply.body_len, &plain));
    assert_true(plain.len > 20000 && reply.body_len < 2000);
    static const char *const plain_wanted[] = {"", "Accept-Encoding: br\r\n",
                                               "Accept-Encoding: gzip;q=0\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(plain_wanted); i++) {
        char request[128];
        (void)snprintf(request, sizeof(request), "GET /big HTTP/1.1\r\n" H "%s\r\n",
                       plain_wanted[i]);
        ask(request);
        assert_string_equal(peer_header(&reply, "Content-Encoding", text, sizeof(text)), "");
        assert_true(reply.body_len > 20000);
    }
}

static void test_slow(void **state)
{
    static const char *const starts[] = {
        "",
        "GET /x/1 HT",
        "GET /x/1 HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST /raw HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf",
        "POST /raw HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
    };
    static struct peer peers[ARRAY_LEN(starts)];
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        peer_open(&peers[i], port);
        peer_text(&peers[i], starts[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        if (!peer_is_closed(&peers[i]))
            fail_msg("\"%s\" was answered: %s", starts[i], peers[i].data);
        peer_close(&peers[i]);
    }
}

/* A byte now and then is no progress that counts. */
static void test_dripping(void **state)
{
    static struct peer p;
    peer_open(&p, port);
    peer_text(&p, "GET /x/1 HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    const struct timeval wait = {.tv_usec = 50000};
    (void)setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    int64_t began = kit_real_mono_ms();
    char byte = 0;
    ssize_t n = -1;
    while (n < 0 && kit_real_mono_ms() - began < 10000) {
        peer_text(&p, "x");
        n = recv(p.fd, &byte, 1, 0);
        if (n < 0 && errno != EAGAIN)
            n = 0;
    }
    assert_int_equal(n, 0);
    peer_close(&p);
}

static void test_truncated_body(void **state)
{
    static struct peer p;
    peer_open(&p, port);
    peer_text(&p, "POST /raw HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
    (void)shutdown(p.fd, SHUT_WR);
    assert_true(peer_is_closed(&p));
    peer_close(&p);
}

static void test_pipelining(void **state)
{
    static struct peer p;
    peer_open(&p, port);
    peer_text(&p, "GET /x/1 HTTP/1.1\r\n" H "\r\n"
                  "POST /raw HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
                  "GET /nope HTTP/1.1\r\n" H "\r\n"
                  "POST /nope HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nGET"
                  "GET /x/2 HTTP/1.1\r\n" H "\r\n"
                  "GET /x/%00 HTTP/1.1\r\n" H "\r\n"
                  "GET /x/3 HTTP/1.1\r\n" H "\r\n");
    static const int statuses[] = {200, 200, 404, 404, 200, 400};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        peer_read(&p, false, &reply);
        assert_int_equal(reply.status, statuses[i]);
    }
    /* After what was malformed nothing more is believed. */
    assert_true(peer_is_closed(&p));
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_requests), cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_echo),           cmocka_unit_test(test_reply_headers),
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_many_headers),
        cmocka_unit_test(test_gzip),           cmocka_unit_test(test_slow),
        cmocka_unit_test(test_dripping),       cmocka_unit_test(test_truncated_body),
        cmocka_unit_test(test_pipelining),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
