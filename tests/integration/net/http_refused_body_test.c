/*
 * A request with a body that is refused gets its reply, whole, however slowly the body comes and
 * however late the client looks: a server that closes while bytes are on their way resets the
 * connection, and what it said is lost (RFC 9112, section 9.6).
 */
#include "tests/integration/net/http_fixture.h"

#include <pthread.h>

#include "base/limits.h"
#include "net/http_internal.h"

enum { ROUNDS = 8, KIB = 1024, MIB = 1024 * 1024, SMALL_BUFFER = 8 * KIB };

/* A client as a slow line has it: little room in its socket, and not one look at the reply before
 * all is written. */
static void open_narrow(struct peer *p)
{
    const int bytes = SMALL_BUFFER;
    peer_open(p, sf.port);
    (void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static bool send_all(struct peer *p, const char *data, size_t len)
{
    while (len > 0) {
        const ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* A request hides in every piece: were the rest of a body taken for requests, it would be found. */
static const char *piece(size_t *len)
{
    static char text[64 * KIB];
    static const char hidden[] = "\r\n\r\nGET /x/smuggled HTTP/1.1\r\n" H "\r\n";
    memset(text, 'a', sizeof(text));
    memcpy(text + 100, hidden, sizeof(hidden) - 1);
    *len = sizeof(text);
    return text;
}

/* A part of a body, in pieces of many sizes; how many bytes went before the server took no more. */
static size_t send_part(struct peer *p, size_t bytes, bool is_chunked)
{
    size_t len = 0;
    size_t sent = 0;
    const char *text = piece(&len);
    for (size_t at = 1; sent < bytes; at = at * 7 % (len - 1) + 1) {
        const size_t n = MIN_OF(at, bytes - sent);
        char head[24];
        const int head_len = snprintf(head, sizeof(head), "%zx\r\n", n);
        if ((is_chunked && !send_all(p, head, (size_t)head_len)) || !send_all(p, text, n) ||
            (is_chunked && !send_all(p, "\r\n", 2)))
            break;
        sent += n;
    }
    return sent;
}

struct refusal_case {
    const char *what, *request;
    size_t bytes; /* of the body */
    int status;
    const char *code;
    bool is_chunked;
    bool is_last; /* the connection is closed after the reply */
};

static const struct refusal_case cases[] = {
    {"too large", "POST /raw", 900 * KIB, 413, "TOO_LARGE", false, false},
    {"too large", "POST /raw", 900 * KIB, 413, "TOO_LARGE", true, false},
    {"too large", "POST /json", 3 * MIB, 413, "TOO_LARGE", false, false},
    {"too large", "POST /json", 3 * MIB, 413, "TOO_LARGE", true, false},
    {"no such path", "POST /nope", 900 * KIB, 404, "NOT_FOUND", false, false},
    {"no such path", "POST /nope", 900 * KIB, 404, "NOT_FOUND", true, false},
    {"no such method", "PUT /x/1", 900 * KIB, 405, "METHOD_NOT_ALLOWED", false, false},
    {"no such method", "PUT /x/1", 900 * KIB, 405, "METHOD_NOT_ALLOWED", true, false},
    {"a coding", "POST /raw HTTP/1.1\r\nContent-Encoding: br", 900 * KIB, 415,
     "UNSUPPORTED_MEDIA_TYPE", false, false},
    {"a type", "POST /json HTTP/1.1\r\nContent-Type: text/plain", 900 * KIB, 415,
     "UNSUPPORTED_MEDIA_TYPE", true, false},
    {"no JSON", "POST /json", 900 * KIB, 400, "MALFORMED_REQUEST", false, false},
    {"no login", "GET /login", 900 * KIB, 401, "INVALID_TOKEN", false, false},
    /* where the body ends is not believed */
    {"two hosts", "POST /raw HTTP/1.1\r\nHost: b", 900 * KIB, 400, "MALFORMED_REQUEST", false,
     true},
    {"a bad name", "POST /raw HTTP/1.1\r\nX@: b", 900 * KIB, 400, "MALFORMED_REQUEST", true, true},
    /* libmicrohttpd's own refusals */
    {"a version", "POST /raw HTTP/3.0", 900 * KIB, 505, "HTTP_VERSION_NOT_SUPPORTED", false, true},
    {"a length", "POST /raw HTTP/1.1\r\nContent-Length: x", 900 * KIB, 400, "MALFORMED_REQUEST",
     false, true},
    /* more than is read for politeness */
    {"far too large", "POST /raw", LIMIT_HTTP_DISCARD_BYTES + MIB, 413, "TOO_LARGE", false, true},
    {"far too large", "POST /raw", LIMIT_HTTP_DISCARD_BYTES + 3 * MIB, 413, "TOO_LARGE", true,
     true},
    {"far too large for no path", "POST /nope", LIMIT_HTTP_DISCARD_BYTES + MIB, 404, "NOT_FOUND",
     false, true},
    {"for no path without end", "POST /nope", LIMIT_HTTP_DISCARD_BYTES + 3 * MIB, 413, "TOO_LARGE",
     true, true},
};

static void send_head(struct peer *p, const struct refusal_case *c)
{
    char head[512];
    char framing[64] = "Transfer-Encoding: chunked";
    if (!c->is_chunked)
        (void)snprintf(framing, sizeof(framing), "Content-Length: %zu", c->bytes);
    const bool has_version = strstr(c->request, "HTTP/") != NULL;
    (void)snprintf(head, sizeof(head), "%s%s\r\n" H "%s\r\n\r\n", c->request,
                   has_version ? "" : " HTTP/1.1", framing);
    assert_true(send_all(p, head, strlen(head)));
}

static void refuse_once(const struct refusal_case *c, struct peer *p)
{
    open_narrow(p);
    send_head(p, c);
    const size_t sent = send_part(p, c->bytes, c->is_chunked);
    if (sent != c->bytes || (c->is_chunked && !send_all(p, "0\r\n\r\n", 5)))
        fail_msg("%s %s: cut off after %zu of %zu bytes", c->request, c->what, sent, c->bytes);
    peer_read(p, false, &sf.reply);
    if (sf.reply.status != c->status)
        fail_msg("%s %s: %d, not %d", c->request, c->what, sf.reply.status, c->status);
    sf_assert_problem(c->status, c->code);
    if (c->is_last) {
        char text[32];
        assert_string_equal(peer_header(&sf.reply, "Connection", text, sizeof(text)), "close");
        assert_true(peer_is_closed(p));
    } else { /* the next request is the one that follows the body */
        peer_text(p, "GET /x/next HTTP/1.1\r\n" H "\r\n");
        peer_read(p, false, &sf.reply);
        assert_int_equal(sf.reply.status, 200);
        assert_non_null(strstr(sf.reply.body, "\"id\":\"next\""));
        assert_int_equal(p->len, 0);
    }
    peer_close(p);
}

static void test_every_refusal_arrives(void **state)
{
    static struct peer p;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
            refuse_once(&cases[i], &p);
    }
}

/* Who asks first is told at once, and is not sent into the body. */
static void test_expect(void **state)
{
    static struct peer p;
    static const struct {
        const char *request;
        int status;
    } asked[] = {
        {"POST /raw HTTP/1.1\r\n" H "Content-Length: 900000", 413},
        {"POST /raw HTTP/1.1\r\n" H "Content-Length: 99000000", 413},
        {"POST /nope HTTP/1.1\r\n" H "Content-Length: 900000", 404},
        {"POST /nope HTTP/1.1\r\n" H "Transfer-Encoding: chunked", 404},
        {"PUT /x/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked", 405},
    };
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        char text[256];
        peer_open(&p, sf.port);
        (void)snprintf(text, sizeof(text), "%s\r\nExpect: 100-Continue\r\n\r\n", asked[i].request);
        peer_text(&p, text);
        peer_read(&p, false, &sf.reply);
        assert_int_equal(sf.reply.status, asked[i].status);
        assert_string_equal(peer_header(&sf.reply, "Connection", text, sizeof(text)), "close");
        assert_true(peer_is_closed(&p));
        peer_close(&p);
    }
    /* One that is taken is sent for. */
    peer_open(&p, sf.port);
    peer_text(&p, "POST /raw HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    peer_read(&p, true, &sf.reply);
    assert_int_equal(sf.reply.status, 100);
    peer_text(&p, "abc");
    peer_read(&p, false, &sf.reply);
    assert_int_equal(sf.reply.status, 200);
    peer_close(&p);
}

/* With a reset: the server sees it at once, also in the middle of a body. */
static void hang_up(struct peer *p)
{
    const struct linger now = {.l_onoff = 1};
    (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    peer_close(p);
}

static size_t resident_bytes(void)
{
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    (void)fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Nothing that is thrown away is kept, and nobody is listened to for ever. */
static void test_bounds(void **state)
{
    enum { CLIENTS = 12, EACH = 7 * MIB };
    static struct peer peers[CLIENTS];
    const struct refusal_case no_path = {.request = "POST /nope", .bytes = EACH + 1};
    const struct refusal_case too_large = {.request = "POST /raw", .is_chunked = true};
    const size_t before = resident_bytes();
    for (size_t i = 0; i < CLIENTS; i++) {
        peer_open(&peers[i], sf.port);
        send_head(&peers[i], i % 2 ? &no_path : &too_large);
        assert_int_equal(send_part(&peers[i], EACH, i % 2 == 0), EACH);
    }
    assert_true(resident_bytes() < before + (size_t)CLIENTS * EACH / 4);
    for (size_t i = 0; i < CLIENTS; i++)
        hang_up(&peers[i]);

    const struct refusal_case endless[] = {
        {.request = "POST /raw", .bytes = (size_t)1 << 40},
        {.request = "POST /raw", .is_chunked = true},
        {.request = "POST /raw HTTP/1.1\r\nHost: b", .is_chunked = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
        const size_t most = LIMIT_HTTP_DISCARD_BYTES + LIMIT_HTTP_LINGER_BYTES + 32 * MIB;
        peer_open(&peers[0], sf.port);
        send_head(&peers[0], &endless[i]);
        assert_true(send_part(&peers[0], (size_t)1 << 40, endless[i].is_chunked) < most);
        peer_close(&peers[0]);
    }
}

static void *stop_server(void *arg)
{
    http_stop(arg, PEER_WAIT_S * 1000);
    return NULL;
}

/* Who is connected while the server drains is told so, whatever he sends. */
static void test_draining(void **state)
{
    static struct peer busy, idle;
    const struct refusal_case begun = {.request = "POST /nope", .bytes = 900 * KIB};
    const struct refusal_case late = {.request = "POST /json", .bytes = 900 * KIB};
    pthread_t stopper;
    open_narrow(&idle);
    peer_text(&idle, "GET /x/1 HTTP/1.1\r\n" H "\r\n");
    peer_read(&idle, false, &sf.reply);
    /* A reply may be here before its request has ended there: the next one to count is the busy
     * one. */
    assert_true(kit_wait(atomic_load(&sf.server->active) == 0, KIT_PATIENCE_MS));
    open_narrow(&busy);
    send_head(&busy, &begun);
    assert_true(kit_wait(atomic_load(&sf.server->active) == 1, KIT_PATIENCE_MS));
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, sf.server), 0);
    assert_true(kit_wait(atomic_load(&sf.server->is_stopping), KIT_PATIENCE_MS));

    send_head(&idle, &late);
    assert_int_equal(send_part(&idle, late.bytes, false), late.bytes);
    peer_read(&idle, false, &sf.reply);
    sf_assert_problem(503, "STOPPING");
    assert_int_equal(send_part(&busy, begun.bytes, false), begun.bytes);
    peer_read(&busy, false, &sf.reply);
    sf_assert_problem(404, "NOT_FOUND");
    peer_close(&busy);
    peer_close(&idle);
    (void)pthread_join(stopper, NULL);
    (void)sf_start(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_refusal_arrives),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_draining),
    };
    return cmocka_run_group_tests(tests, sf_start, sf_stop);
}
