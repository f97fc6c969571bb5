/* Requests that are too large, too slow, cut off or one behind the other. */
#include "tests/integration/net/http_fixture.h"

#include <errno.h>

#include "auth/scopes.h"
#include "net/gzip.h"

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
    sf_ask(text);
    assert_int_equal(sf.reply.status, 200);
    fill(text, sizeof(text), "GET /x/", 8200, " HTTP/1.1\r\n" H "\r\n");
    sf_ask(text);
    sf_assert_problem(414, "URI_TOO_LONG");
    fill(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H "X: ", 16000, "\r\n\r\n");
    sf_ask(text);
    assert_int_equal(sf.reply.status, 200);
    fill(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H "X: ", 17000, "\r\n\r\n");
    sf_ask(text);
    sf_assert_problem(431, "HEADERS_TOO_LARGE");
    /* The longest target and the longest headers at once. */
    fill(text, sizeof(text), "GET /x/", 8100, " HTTP/1.1\r\n" H "X: ");
    size_t n = strlen(text);
    fill(text + n, sizeof(text) - n, "", 16000, "\r\n\r\n");
    sf_ask(text);
    assert_int_equal(sf.reply.status, 200);
    /* Beyond the connection's memory libmicrohttpd answers by itself. */
    fill(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H "X: ", 200000, "\r\n\r\n");
    sf_ask(text);
    assert_true(sf.reply.status == 431 || sf.reply.status == 413 || sf.reply.status == 0);

    /* Announced: refused before a byte of it was sent. */
    sf_ask("POST /raw HTTP/1.1\r\n" H "Content-Length: 100000000\r\n\r\n");
    sf_assert_problem(413, "TOO_LARGE");
    sf_ask("POST /raw HTTP/1.1\r\n" H "Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n");
    sf_assert_problem(413, "TOO_LARGE");
    /* So little that it is read first, so that the client surely gets the answer. */
    fill(text, sizeof(text), "POST /raw HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n", 1001, "");
    sf_ask(text);
    sf_assert_problem(413, "TOO_LARGE");
    /* Not announced: refused when it turns out. */
    fill(text, sizeof(text), "POST /raw HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n7d0\r\n",
         2000, "\r\n0\r\n\r\n");
    sf_ask(text);
    sf_assert_problem(413, "TOO_LARGE");
    fill(text, sizeof(text), "POST /raw HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n", 1000, "");
    sf_ask(text);
    assert_int_equal(sf.reply.status, 200);
    assert_non_null(strstr(sf.reply.body, "\"bytes\":1000"));
}

static void test_many_headers(void **state)
{
    static char text[20000];
    size_t n = (size_t)snprintf(text, sizeof(text), "GET /x/1 HTTP/1.1\r\n" H);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "X-%d: y\r\n", i);
    (void)snprintf(text + n, sizeof(text) - n, "\r\n");
    sf_ask(text);
    sf_assert_problem(431, "HEADERS_TOO_LARGE");
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
    peer_ask(sf.port, text, n + packed.len, &sf.reply);
}

static void test_gzip(void **state)
{
    ask_gzip(100000);
    assert_int_equal(sf.reply.status, 200);
    assert_non_null(strstr(sf.reply.body, "\"bytes\":100000"));
    ask_gzip(100001);
    sf_assert_problem(413, "TOO_LARGE");
    ask_gzip(1 << 20);
    sf_assert_problem(413, "TOO_LARGE");

    char text[64];
    sf_ask("GET /big HTTP/1.1\r\n" H "Accept-Encoding: br, gzip\r\n\r\n");
    assert_string_equal(peer_header(&sf.reply, "Content-Encoding", text, sizeof(text)), "gzip");
    AUTO_BUF plain;
    buf_init(&plain, 1 << 20);
    assert_ok(gzip_inflate(sf.reply.body, sf.reply.body_len, &plain));
    assert_true(plain.len > 20000 && sf.reply.body_len < 2000);
    static const char *const plain_wanted[] = {"", "Accept-Encoding: br\r\n",
                                               "Accept-Encoding: gzip;q=0\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(plain_wanted); i++) {
        char request[128];
        (void)snprintf(request, sizeof(request), "GET /big HTTP/1.1\r\n" H "%s\r\n",
                       plain_wanted[i]);
        sf_ask(request);
        assert_string_equal(peer_header(&sf.reply, "Content-Encoding", text, sizeof(text)), "");
        assert_true(sf.reply.body_len > 20000);
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
        peer_open(&peers[i], sf.port);
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
    peer_open(&p, sf.port);
    peer_text(&p, "GET /x/1 HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    const struct timeval wait = {.tv_usec = 50000};
    (void)setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    int64_t began = kit_real_mono_ms();
    char byte = 0;
    ssize_t n = -1;
    while (n < 0 && kit_real_mono_ms() - began < KIT_PATIENCE_MS) {
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
    peer_open(&p, sf.port);
    peer_text(&p, "POST /raw HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
    (void)shutdown(p.fd, SHUT_WR);
    assert_true(peer_is_closed(&p));
    peer_close(&p);
}

static void test_pipelining(void **state)
{
    static struct peer p;
    peer_open(&p, sf.port);
    peer_text(&p, "GET /x/1 HTTP/1.1\r\n" H "\r\n"
                  "POST /raw HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
                  "GET /nope HTTP/1.1\r\n" H "\r\n"
                  "POST /nope HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nGET"
                  "GET /x/2 HTTP/1.1\r\n" H "\r\n"
                  "GET /x/%00 HTTP/1.1\r\n" H "\r\n"
                  "GET /x/3 HTTP/1.1\r\n" H "\r\n");
    static const int statuses[] = {200, 200, 404, 404, 200, 400};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        peer_read(&p, false, &sf.reply);
        assert_int_equal(sf.reply.status, statuses[i]);
    }
    /* After what was malformed nothing more is believed. */
    assert_true(peer_is_closed(&p));
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_many_headers),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_pipelining),
    };
    /* libmicrohttpd may see the end of a stream that came with its last bytes only at a deadline.
     */
    const struct CMUnitTest deadlines[] = {
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_dripping),
        cmocka_unit_test(test_truncated_body),
    };
    int failed = cmocka_run_group_tests(tests, sf_start, sf_stop);
    return failed + cmocka_run_group_tests(deadlines, sf_start_hasty, sf_stop);
}
