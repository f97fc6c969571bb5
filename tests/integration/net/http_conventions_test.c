/* What the server does for every route: conditions, cross-origin requests, proxies, hooks. */
#include "tests/integration/net/http_peer.h"

#include "auth/scopes.h"
#include "base/str.h"
#include "json/parse.h"
#include "net/http.h"

struct thing {
    const char *name;
    int64_t updated_us;
};
static const struct field thing_fields[] = {
    {.name = "name", .type = FT_STRING, .offset = offsetof(struct thing, name)},
    {.name = "updated_at", .type = FT_TIME, .offset = offsetof(struct thing, updated_us)},
};
static const struct schema thing_schema = SCHEMA("Thing", struct thing, thing_fields);

static char long_name[2001];

static enum status get_thing(struct req *r)
{
    const struct thing t = {.name = "a", .updated_us = 1000000};
    reply_object(r, 200, &thing_schema, &t);
    return ST_OK;
}

static enum status get_long(struct req *r)
{
    const struct thing t = {.name = long_name};
    reply_object(r, 200, &thing_schema, &t);
    return ST_OK;
}

static enum status get_peer(struct req *r)
{
    struct jw *w = reply_json(r, 200);
    jw_object(w);
    jw_kv_str(w, "ip", req_peer_text(r));
    jw_kv_bool(w, "proxied", r->is_proxied);
    jw_end(w);
    return ST_OK;
}

static enum status get_page(struct req *r)
{
    reply_text(r, 200, "text/html; charset=utf-8", "<p>hi", 5);
    return ST_OK;
}

static enum status get_missing(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, NULL, "no");
}

static enum status post_thing(struct req *r)
{
    reply_empty(r, 204);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET, .path = "/thing", .scope = SCOPE_PUBLIC, .handler = get_thing},
    {.method = M_PUT, .path = "/thing", .scope = SCOPE_PUBLIC, .handler = get_thing},
    {.method = M_GET, .path = "/long", .scope = SCOPE_PUBLIC, .handler = get_long},
    {.method = M_GET, .path = "/peer", .scope = SCOPE_PUBLIC, .handler = get_peer},
    {.method = M_GET, .path = "/page", .scope = SCOPE_PUBLIC, .handler = get_page},
    {.method = M_GET, .path = "/missing", .scope = SCOPE_PUBLIC, .handler = get_missing},
    {.method = M_POST, .path = "/post", .scope = SCOPE_PUBLIC, .handler = post_thing},
};
static const struct route_set set = {routes, ARRAY_LEN(routes)};

/* What the hooks are told to do, by a header. */
static enum status before(struct req *r)
{
    const char *what = req_header(r, "X-Before");
    if (str_eq(what, "reply"))
        reply_text(r, 200, "text/plain", "before", 6);
    return str_eq(what, "fail") ? ST_UNAVAILABLE : ST_OK;
}

static enum status after(struct req *r)
{
    const char *what = req_header(r, "X-After");
    if (str_eq(what, "fail"))
        return req_fail(r, ST_CONFLICT, NULL, "it went wrong in the end");
    return ST_OK;
}

static struct http_server *server;
static int port;
static struct peer_reply reply;
static char text[1024];

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
        .before = before,
        .after = after,
        .cors_origins = "https://a.example, http://localhost:3000",
        .trusted_proxies = "127.0.0.0/8, 10.0.0.0/8, 2001:db8::/32",
        .hsts_s = 3600,
    };
    struct errbuf err = {0};
    json_setup();
    memset(long_name, 'x', sizeof(long_name) - 1);
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

static void ask(const char *method, const char *path, const char *headers)
{
    char request[2048];
    const int n = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method,
                           path, headers);
    peer_ask(port, request, (size_t)n, &reply);
}

static const char *header(const char *name)
{
    return peer_header(&reply, name, text, sizeof(text));
}

static void test_conditions(void **state)
{
    char tag[128], other[128], line[512], length[32];
    ask("GET", "/thing", "");
    (void)str_copy(tag, sizeof(tag), header("ETag"));
    (void)str_copy(length, sizeof(length), header("Content-Length"));
    assert_true(str_ends(tag, "-vf4240\""));
    assert_string_equal(header("Cache-Control"), "private, no-cache");
    ask("PUT", "/thing", "");
    assert_string_equal(header("ETag"), tag);
    assert_string_equal(header("Cache-Control"), "no-store");

    (void)snprintf(line, sizeof(line), "If-None-Match: \"x\", W/%s\r\n", tag);
    ask("GET", "/thing", line);
    assert_int_equal(reply.status, 304);
    assert_int_equal(reply.body_len, 0);
    assert_string_equal(header("Content-Length"), length);
    assert_string_equal(header("ETag"), tag);
    ask("HEAD", "/thing", line);
    assert_int_equal(reply.status, 304);
    ask("PUT", "/thing", line);
    assert_int_equal(reply.status, 200);
    ask("GET", "/thing", "If-None-Match: \"x\"\r\n");
    assert_int_equal(reply.status, 200);
    ask("GET", "/missing", "If-None-Match: *\r\n");
    assert_int_equal(reply.status, 404);
    assert_string_equal(header("ETag"), "");

    /* Each coding has a tag of its own, and either is as good as the other to compare with. */
    ask("GET", "/long", "");
    (void)str_copy(tag, sizeof(tag), header("ETag"));
    assert_string_equal(header("Vary"), "Accept-Encoding, Origin");
    ask("GET", "/long", "Accept-Encoding: gzip\r\n");
    assert_string_equal(header("Content-Encoding"), "gzip");
    (void)str_copy(other, sizeof(other), header("ETag"));
    assert_string_not_equal(tag, other);
    (void)snprintf(line, sizeof(line), "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", tag);
    ask("GET", "/long", line);
    assert_int_equal(reply.status, 304);
    (void)snprintf(line, sizeof(line), "If-None-Match: %s\r\n", other);
    ask("GET", "/long", line);
    assert_int_equal(reply.status, 304);
}

/* A length without a body must not be waited for, by neither side. */
static void test_connection_goes_on_after_304(void **state)
{
    static struct peer p;
    char tag[128], request[512];
    ask("GET", "/thing", "");
    (void)str_copy(tag, sizeof(tag), header("ETag"));
    (void)snprintf(request, sizeof(request),
                   "GET /thing HTTP/1.1\r\nHost: a\r\nIf-None-Match: %s\r\n\r\n"
                   "GET /thing HTTP/1.1\r\nHost: a\r\n\r\n",
                   tag);
    peer_open(&p, port);
    peer_text(&p, request);
    peer_read(&p, false, &reply);
    assert_int_equal(reply.status, 304);
    peer_read(&p, false, &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"name\":\"a\""));
    peer_close(&p);
}

static void test_cors(void **state)
{
    ask("GET", "/thing", "Origin: https://a.example\r\n");
    assert_string_equal(header("Access-Control-Allow-Origin"), "https://a.example");
    assert_string_equal(header("Access-Control-Allow-Credentials"), "true");
    assert_non_null(strstr(header("Access-Control-Expose-Headers"), "ETag"));
    ask("GET", "/missing", "Origin: http://localhost:3000\r\n");
    assert_string_equal(header("Access-Control-Allow-Origin"), "http://localhost:3000");

    static const char *const strangers[] = {"Origin: https://b.example\r\n",
                                            "Origin: null\r\n",
                                            "Origin: https://a.example.evil.test\r\n",
                                            "Origin: http://a.example\r\n",
                                            "Origin: https://a.example:444\r\n",
                                            "Origin: \r\n",
                                            "Origin: *\r\n",
                                            ""};
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        ask("GET", "/thing", strangers[i]);
        assert_int_equal(reply.status, 200);
        assert_string_equal(header("Access-Control-Allow-Origin"), "");
        assert_string_equal(header("Vary"), "Origin");
    }

    ask("OPTIONS", "/thing",
        "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n"
        "Access-Control-Request-Headers: if-match\r\n");
    assert_int_equal(reply.status, 204);
    assert_string_equal(header("Allow"), "GET, PUT, HEAD, OPTIONS");
    assert_string_equal(header("Access-Control-Allow-Methods"), "GET, PUT, HEAD, OPTIONS");
    static const char *const wanted[] = {"Authorization", "X-API-Key", "Idempotency-Key",
                                         "If-Match", "Content-Type"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_non_null(strstr(header("Access-Control-Allow-Headers"), wanted[i]));
    assert_string_equal(header("Access-Control-Max-Age"), "600");
    assert_non_null(strstr(header("Vary"), "Access-Control-Request-Headers"));
    ask("OPTIONS", "/thing", "Origin: https://b.example\r\nAccess-Control-Request-Method: PUT\r\n");
    assert_int_equal(reply.status, 204);
    assert_string_equal(header("Access-Control-Allow-Methods"), "");
    ask("OPTIONS", "/nope", "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n");
    assert_int_equal(reply.status, 404);
}

static void test_proxies(void **state)
{
    static const struct {
        const char *headers, *ip;
    } rows[] = {
        {"", "127.0.0.1"},
        {"X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 192.0.2.1:4711\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 2001:db9::1\r\n", "2001:db9::1"},
        {"X-Forwarded-For: [2001:db9::1]:80\r\n", "2001:db9::1"},
        {"X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1"},
        /* what the client wrote itself is not believed */
        {"X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1, 10.1.1.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.1.1.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 10.1.1.2, 10.1.1.1\r\n", "10.1.1.2"},
        /* beyond what cannot be read nobody is believed */
        {"X-Forwarded-For: 192.0.2.1, nonsense, 10.1.1.1\r\n", "10.1.1.1"},
        {"X-Forwarded-For: unknown\r\n", "127.0.0.1"},
        {"X-Forwarded-For: \r\n", "127.0.0.1"},
        {"X-Forwarded-For: ,\r\n", "127.0.0.1"},
        {"X-Forwarded-For: [::1\r\n", "127.0.0.1"},
        {"X-Real-Ip: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n", "127.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char want[128];
        (void)snprintf(want, sizeof(want), "{\"ip\":\"%s\",\"proxied\":true}", rows[i].ip);
        ask("GET", "/peer", rows[i].headers);
        assert_string_equal(reply.body, want);
    }
}

static void test_headers(void **state)
{
    ask("GET", "/page", "");
    assert_non_null(strstr(header("Content-Security-Policy"), "default-src 'self'"));
    assert_non_null(strstr(header("Content-Security-Policy"), "frame-ancestors 'none'"));
    assert_string_equal(header("Strict-Transport-Security"), "max-age=3600");
    ask("GET", "/nope", "");
    assert_string_equal(header("Strict-Transport-Security"), "max-age=3600");
    assert_string_equal(header("Cache-Control"), "no-store");
}

static void test_hooks(void **state)
{
    ask("POST", "/post", "");
    assert_int_equal(reply.status, 204);
    ask("POST", "/post", "X-Before: reply\r\n");
    assert_string_equal(reply.body, "before");
    ask("POST", "/post", "X-Before: fail\r\n");
    assert_int_equal(reply.status, 503);
    ask("POST", "/post", "X-After: fail\r\n");
    assert_int_equal(reply.status, 409);
    ask("GET", "/thing", "X-After: fail\r\n");
    assert_int_equal(reply.status, 409);
    assert_string_equal(header("ETag"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions), cmocka_unit_test(test_connection_goes_on_after_304),
        cmocka_unit_test(test_cors),       cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_headers),    cmocka_unit_test(test_hooks),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
