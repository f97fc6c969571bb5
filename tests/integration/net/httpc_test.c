/* The HTTP client against a real server that answers, stalls, lies and breaks off. */
#include "net/httpc.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/kit/kit.h"
#include "tests/kit/web.h"

static struct web *web; /* plain */
static struct web *tls; /* self-signed */
static struct egress *open_guard;
static struct httpc *client;

/* --- asking and waiting --- */

/* A reply kept after its callback. */
struct kept {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int count;
    struct httpc_reply r;
    char body[65536];
    char final_url[512];
    char header[256]; /* x-served-by */
};

static void kept_init(struct kept *k)
{
    *k = (struct kept){0};
    (void)pthread_mutex_init(&k->lock, NULL);
    (void)pthread_cond_init(&k->came, NULL);
}

static void keep(const struct httpc_reply *reply, void *arg)
{
    struct kept *k = arg;
    (void)pthread_mutex_lock(&k->lock);
    k->count++;
    k->r = *reply;
    (void)str_copy(k->body, sizeof(k->body), reply->body);
    (void)str_copy(k->final_url, sizeof(k->final_url), reply->final_url);
    k->header[0] = '\0';
    for (size_t i = 0; i < reply->header_count; i++) {
        if (str_ieq(reply->headers[i].name, "x-served-by"))
            (void)str_copy(k->header, sizeof(k->header), reply->headers[i].value);
    }
    (void)pthread_cond_signal(&k->came);
    (void)pthread_mutex_unlock(&k->lock);
}

static void wait_for(struct kept *k)
{
    (void)pthread_mutex_lock(&k->lock);
    while (k->count == 0)
        (void)pthread_cond_wait(&k->came, &k->lock);
    (void)pthread_mutex_unlock(&k->lock);
    assert_int_equal(k->count, 1);
}

static struct httpc_request request(const char *url)
{
    return (struct httpc_request){
        .method = "GET",
        .url = url,
        .timeout_ms = 10000,
        .max_redirects = 10,
        .max_body_bytes = 32768,
    };
}

static void ask(struct httpc *c, const struct httpc_request *r, struct kept *k)
{
    kept_init(k);
    assert_ok(httpc_submit(c, r, keep, k, NULL));
    wait_for(k);
}

static const char *at(const struct web *w, const char *path)
{
    static char url[2048];
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%d%s", w == tls ? "https" : "http",
                   web_port(w), path);
    return url;
}

static void get(const char *url, struct kept *k)
{
    struct httpc_request r = request(url);
    ask(client, &r, k);
}

static struct httpc *start_client(const struct egress *egress, size_t max)
{
    struct httpc *c = NULL;
    assert_ok(httpc_start(&(struct httpc_config){.egress = egress,
                                                 .max_requests = max,
                                                 .user_agent = "Tocsin-test/1"},
                          &c));
    return c;
}

static int setup(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    web = web_start(0, 0);
    tls = web_start(WEB_TLS, 90);
    assert_ok(egress_new("internal", "127.0.0.0/8,::1", "", &open_guard, NULL));
    client = start_client(open_guard, 64);
    return 0;
}

static int teardown(void **state)
{
    httpc_stop(client);
    egress_free(open_guard);
    web_stop(web);
    web_stop(tls);
    return 0;
}

static struct kept k; /* large; one at a time unless a test says otherwise */

/* --- good answers --- */

static void an_answer_has_everything(void **state)
{
    get(at(web, "/ok"), &k);
    assert_string_equal(k.r.error, "");
    assert_int_equal(k.r.failure, HTTPC_OK);
    assert_int_equal(k.r.status, 200);
    assert_string_equal(k.body, "hello");
    assert_int_equal(k.r.body_len, 5);
    assert_int_equal(k.r.body_total, 5);
    assert_string_equal(k.header, "Kit");
    assert_string_equal(k.final_url, at(web, "/ok"));
    assert_string_equal(k.r.remote_ip, "127.0.0.1");
    assert_int_equal(k.r.redirects, 0);
    assert_int_equal(k.r.cert_expires_at_us, 0);
    assert_int_equal(k.r.phases.dns_us, 0);
    assert_true(k.r.phases.connect_us >= 0);
    assert_int_equal(k.r.phases.tls_us, -1);
    assert_true(k.r.phases.wait_us >= 0);
    assert_true(k.r.phases.transfer_us >= 0);
    assert_true(k.r.total_us > 0);
}

static void names_are_resolved_by_the_hosts_file(void **state)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "http://localhost:%d/ok", web_port(web));
    get(url, &k);
    assert_string_equal(k.r.error, "");
    assert_int_equal(k.r.status, 200);
    assert_true(k.r.phases.dns_us >= 0);
}

static void ipv6_is_spoken(void **state)
{
    struct web *v6 = web_start(WEB_IPV6, 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://[::1]:%d/ok", web_port(v6));
    get(url, &k);
    assert_string_equal(k.r.error, "");
    assert_string_equal(k.r.remote_ip, "::1");
    assert_string_equal(k.final_url, url);
    web_stop(v6);
}

static void requests_are_sent_as_asked(void **state)
{
    static const struct httpc_header headers[] = {
        {"X-Key", "v"}, {"X-Empty", ""}, {"Content-Length", "999"}, {"Accept", "text/html"}};
    static const struct {
        const char *method, *body, *want[4];
    } cases[] = {
        {"GET", NULL, {"GET /echo HTTP/1.1\r\n", "X-Key: v\r\n", "X-Empty:", "Accept: text/html"}},
        {"POST", "a=b", {"POST /echo HTTP/1.1", "Content-Length: 3", "\r\n\r\na=b"}},
        {"POST", NULL, {"POST /echo", "Content-Length: 0"}},
        {"PUT", "x", {"PUT /echo", "\r\n\r\nx"}},
        {"DELETE", NULL, {"DELETE /echo"}},
        {"OPTIONS", NULL, {"OPTIONS /echo", "User-Agent: Tocsin-test/1"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct httpc_request r = request(at(web, "/echo"));
        r.method = cases[i].method;
        r.headers = headers;
        r.header_count = ARRAY_LEN(headers);
        r.body = cases[i].body;
        r.body_len = cases[i].body ? strlen(cases[i].body) : 0;
        ask(client, &r, &k);
        assert_int_equal(k.r.status, 200);
        for (size_t j = 0; j < 4 && cases[i].want[j]; j++) {
            if (!strstr(k.body, cases[i].want[j]))
                fail_msg("no \"%s\" in: %s", cases[i].want[j], k.body);
        }
        assert_null(strstr(k.body, "999"));
        assert_null(strstr(k.body, "urlencoded"));
        assert_null(strstr(k.body, "Expect"));
    }
    struct httpc_request head = request(at(web, "/ok"));
    head.method = "HEAD";
    ask(client, &head, &k);
    assert_int_equal(k.r.status, 200);
    assert_int_equal(k.r.body_total, 0);
}

static void credentials_in_the_url_are_sent_but_not_shown(void **state)
{
    char url[128];
    (void)snprintf(url, sizeof(url), "http://us%%65r:p%%40w@127.0.0.1:%d/echo", web_port(web));
    get(url, &k);
    assert_non_null(strstr(k.body, "Authorization: Basic dXNlcjpwQHc=")); /* user:p@w */
    assert_string_equal(k.final_url, at(web, "/echo"));
    (void)snprintf(url, sizeof(url), "http://u%%00:p@127.0.0.1:%d/echo", web_port(web));
    get(url, &k);
    assert_int_equal(k.r.failure, HTTPC_BAD_URL);
    (void)snprintf(url, sizeof(url), "http://u%%4:p@127.0.0.1:%d/echo", web_port(web));
    get(url, &k);
    assert_int_equal(k.r.failure, HTTPC_BAD_URL);
}

static void requests_that_would_break_are_refused(void **state)
{
    static const struct httpc_header bad[] = {{"X", "a\r\nEvil: 1"}, {"X Y", "v"}, {"", "v"},
                                              {"X:", "v"},           {"X\n", "v"}, {"X", NULL}};
    struct httpc_request r = request(at(web, "/ok"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        r.headers = &bad[i];
        r.header_count = 1;
        assert_status(ST_INVALID, httpc_submit(client, &r, keep, &k, NULL));
    }
    r.header_count = 0;
    r.method = "GET / HTTP/1.1\r\nX:";
    assert_status(ST_INVALID, httpc_submit(client, &r, keep, &k, NULL));
}

static void bodies_are_kept_up_to_the_bound_and_counted(void **state)
{
    struct httpc_request r = request(at(web, "/body/500096"));
    r.max_body_bytes = 1000;
    ask(client, &r, &k);
    assert_string_equal(k.r.error, "");
    assert_int_equal(k.r.body_len, 1000);
    assert_int_equal(k.r.body_total, 500096);
}

/* --- redirects --- */

static void redirects_are_walked(void **state)
{
    get(at(web, "/redirect/3"), &k);
    assert_string_equal(k.r.error, "");
    assert_int_equal(k.r.status, 200);
    assert_int_equal(k.r.redirects, 3);
    assert_string_equal(k.final_url, at(web, "/ok"));
    struct httpc_request r = request(at(web, "/redirect/3"));
    r.max_redirects = 0;
    ask(client, &r, &k);
    assert_int_equal(k.r.failure, HTTPC_OK);
    assert_int_equal(k.r.status, 302);
    r.max_redirects = 2;
    ask(client, &r, &k);
    assert_int_equal(k.r.failure, HTTPC_TOO_MANY_REDIRECTS);
    assert_string_equal(k.r.error, "more than 2 redirects");
    get(at(web, "/loop"), &k);
    assert_int_equal(k.r.failure, HTTPC_TOO_MANY_REDIRECTS);
    assert_int_equal(k.r.redirects, 10);
}

static void redirects_change_the_method_as_browsers_do(void **state)
{
    static const struct {
        const char *method;
        int status;
        const char *want;
        bool has_body;
    } cases[] = {
        {"POST", 301, "GET /echo", false}, {"POST", 302, "GET /echo", false},
        {"POST", 303, "GET /echo", false}, {"PUT", 303, "GET /echo", false},
        {"PUT", 301, "PUT /echo", true},   {"POST", 307, "POST /echo", true},
        {"POST", 308, "POST /echo", true},
    };
    static const struct httpc_header type = {"Content-Type", "text/x-test"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/to/%d?/echo", cases[i].status);
        struct httpc_request r = request(at(web, path));
        r.method = cases[i].method;
        r.headers = &type;
        r.header_count = 1;
        r.body = "payload";
        r.body_len = 7;
        ask(client, &r, &k);
        assert_string_equal(k.r.error, "");
        if (!str_starts(k.body, cases[i].want))
            fail_msg("%s %d: %s", cases[i].method, cases[i].status, k.body);
        assert_int_equal(strstr(k.body, "payload") != NULL, cases[i].has_body);
        assert_int_equal(strstr(k.body, "text/x-test") != NULL, cases[i].has_body);
    }
}

static void secrets_stay_with_their_origin(void **state)
{
    struct web *other = web_start(0, 0);
    static const struct httpc_header headers[] = {{"Authorization", "Bearer s3cret"},
                                                  {"Cookie", "s3cret"},
                                                  {"X-API-Key", "s3cret"},
                                                  {"Accept", "text/x-kept"}};
    char path[128];
    char url[256];
    (void)snprintf(path, sizeof(path), "/to/307?http://127.0.0.1:%d/echo", web_port(other));
    struct httpc_request r = request(at(web, path));
    r.headers = headers;
    r.header_count = ARRAY_LEN(headers);
    ask(client, &r, &k);
    assert_int_equal(k.r.status, 200);
    assert_null(strstr(k.body, "s3cret"));
    assert_non_null(strstr(k.body, "text/x-kept"));
    r.url = at(web, "/to/307?/echo");
    ask(client, &r, &k);
    assert_non_null(strstr(k.body, "Bearer s3cret"));
    (void)snprintf(url, sizeof(url), "http://u:p@127.0.0.1:%d%s", web_port(web), path);
    get(url, &k);
    assert_null(strstr(k.body, "Authorization"));
    (void)snprintf(url, sizeof(url), "http://u:p@127.0.0.1:%d/to/307?/echo", web_port(web));
    get(url, &k);
    assert_non_null(strstr(k.body, "Authorization: Basic"));
    web_stop(other);
}

static void redirects_to_nonsense_are_told(void **state)
{
    static const struct {
        const char *path, *error;
    } cases[] = {
        {"/to/302?file:///etc/passwd", "redirect to an invalid URL: URL must begin"},
        {"/to/302?gopher://127.0.0.1/", "redirect to an invalid URL: URL must begin"},
        {"/to/302?http://0x7f.1/", "redirect to an invalid URL: host 0x7f.1"},
        {"/to/302?http://", "redirect to an invalid URL: URL has no host"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        get(at(web, cases[i].path), &k);
        assert_int_equal(k.r.failure, HTTPC_BAD_URL);
        if (!str_starts(k.r.error, cases[i].error))
            fail_msg("%s: %s", cases[i].path, k.r.error);
    }
}

/* --- the guard --- */

static void the_guard_decides_for_every_hop(void **state)
{
    /* Port of a server that is allowed only as 127.0.0.1; everything else of the loopback not. */
    struct egress *guard = NULL;
    assert_ok(egress_new("internal", "127.0.0.1/32", "", &guard, NULL));
    struct httpc *c = start_client(guard, 4);
    static const struct {
        const char *location, *error;
    } cases[] = {
        {"http://127.0.0.2:%d/ok", "loopback address 127.0.0.2 is not allowed"},
        {"http://[::1]:%d/ok", "loopback address ::1 is not allowed"},
        {"http://[::ffff:127.0.0.2]:%d/ok", "loopback address 127.0.0.2 (inside"},
        {"http://169.254.169.254/latest/meta-data/", "cloud metadata address 169.254.169.254"},
        {"http://0.0.0.0:%d/ok", "unspecified address 0.0.0.0"},
    };
    size_t before = web_requests(web);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char url[1024];
        char host[96];
        /* the location's port is put in by hand: the format comes from the table */
        const char *mark = strstr(cases[i].location, "%d");
        if (mark)
            (void)snprintf(host, sizeof(host), "%.*s%d%s", (int)(mark - cases[i].location),
                           cases[i].location, web_port(web), mark + 2);
        else
            (void)str_copy(host, sizeof(host), cases[i].location);
        struct httpc_request direct = request(host);
        ask(c, &direct, &k);
        assert_int_equal(k.r.failure, HTTPC_DENIED);
        if (!str_starts(k.r.error, cases[i].error))
            fail_msg("%s: %s", host, k.r.error);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/to/302?%s", web_port(web), host);
        struct httpc_request hop = request(url);
        ask(c, &hop, &k);
        assert_int_equal(k.r.failure, HTTPC_DENIED);
        assert_int_equal(k.r.redirects, 1);
        if (!str_starts(k.r.error, cases[i].error))
            fail_msg("%s: %s", url, k.r.error);
    }
    /* Only the redirecting requests came through. */
    assert_int_equal(web_requests(web) - before, ARRAY_LEN(cases));
    httpc_stop(c);
    egress_free(guard);
    /* A name that resolves to a forbidden address. */
    assert_ok(egress_new("internal", "", "", &guard, NULL));
    c = start_client(guard, 4);
    struct httpc_request r = request("http://localhost/");
    ask(c, &r, &k);
    assert_int_equal(k.r.failure, HTTPC_DENIED);
    assert_non_null(strstr(k.r.error, "localhost: loopback address"));
    httpc_stop(c);
    egress_free(guard);
}

/* --- failures --- */

static void failures_have_types_and_words(void **state)
{
    static const struct {
        const char *path;
        enum httpc_failure failure;
        const char *error;
    } cases[] = {
        {"/garbage", HTTPC_PROTOCOL, "HTTP/0.9"},
        {"/close", HTTPC_RECEIVE, "Empty reply"},
        {"/short", HTTPC_RECEIVE, "95 bytes remaining"},
        {"/reset", HTTPC_RECEIVE, "reset"},
        {"/endless", HTTPC_TOO_LARGE, "body of the answer is too large"},
        {"/headers/70000", HTTPC_TOO_LARGE, "headers of the answer are too large"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        get(at(web, cases[i].path), &k);
        if (k.r.failure != cases[i].failure || !strstr(k.r.error, cases[i].error))
            fail_msg("%s: %s, \"%s\"", cases[i].path, httpc_failure_name(k.r.failure), k.r.error);
        assert_true(k.r.phases.connect_us >= 0);
    }
}

static void bad_urls_are_told(void **state)
{
    get("http://127.1/", &k);
    assert_int_equal(k.r.failure, HTTPC_BAD_URL);
    get("ftp://example.com/", &k);
    assert_int_equal(k.r.failure, HTTPC_BAD_URL);
    assert_string_equal(k.r.error, "URL must begin with http:// or https://");
}

static void refused_connections_are_told(void **state)
{
    struct web *gone = web_start(0, 0);
    char url[64];
    char want[128];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", web_port(gone));
    (void)snprintf(want, sizeof(want), "could not connect to 127.0.0.1 port %d: Connection refused",
                   web_port(gone));
    web_stop(gone);
    get(url, &k);
    assert_int_equal(k.r.failure, HTTPC_CONNECT);
    assert_string_equal(k.r.error, want);
    assert_int_equal(k.r.phases.connect_us, -1);
    assert_int_equal(k.r.status, 0);
}

/* RFC 6761: names below "invalid" never exist. A machine without a name server says so instead. */
static void unknown_names_are_told(void **state)
{
    struct httpc_request r = request("http://no-such-host.invalid/");
    r.timeout_ms = 20000;
    ask(client, &r, &k);
    assert_int_equal(k.r.failure, HTTPC_DNS);
    assert_true(str_starts(k.r.error, "could not resolve no-such-host.invalid: "));
    assert_int_equal(k.r.phases.dns_us, -1);
    assert_int_equal(k.r.phases.connect_us, -1);
}

static void time_limits_name_their_phase(void **state)
{
    static const struct {
        const char *path, *error;
    } cases[] = {
        {"/silent", "timed out after 150 ms waiting for the answer of 127.0.0.1"},
        {"/stall", "timed out after 150 ms receiving the answer of 127.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct httpc_request r = request(at(web, cases[i].path));
        r.timeout_ms = 150;
        ask(client, &r, &k);
        assert_int_equal(k.r.failure, HTTPC_TIMEOUT);
        assert_string_equal(k.r.error, cases[i].error);
        assert_true(k.r.total_us >= 150000);
        assert_true(k.r.total_us < 5000000);
    }
}

/* --- TLS --- */

static void certificates_are_verified_and_dated(void **state)
{
    int64_t expires_at_us = web_cert_expires_at_s(tls) * 1000000;
    get(at(tls, "/ok"), &k);
    assert_int_equal(k.r.failure, HTTPC_TLS);
    assert_non_null(strstr(k.r.error, "self-signed certificate"));
    assert_int_equal(k.r.cert_expires_at_us, expires_at_us);
    assert_true(k.r.phases.connect_us >= 0);
    assert_int_equal(k.r.phases.tls_us, -1);
    struct httpc_request r = request(at(tls, "/ok"));
    r.insecure_tls = true;
    ask(client, &r, &k);
    assert_string_equal(k.r.error, "");
    assert_int_equal(k.r.status, 200);
    assert_true(k.r.phases.tls_us > 0);
    assert_int_equal(k.r.cert_expires_at_us, expires_at_us);
}

static void expired_certificates_are_dated_too(void **state)
{
    struct web *old = web_start(WEB_TLS, -3);
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", web_port(old));
    get(url, &k);
    assert_int_equal(k.r.failure, HTTPC_TLS);
    assert_int_equal(k.r.cert_expires_at_us, web_cert_expires_at_s(old) * 1000000);
    web_stop(old);
}

static void a_handshake_without_an_answer_is_named(void **state)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", web_port(web));
    struct httpc_request r = request(url);
    r.timeout_ms = 300;
    ask(client, &r, &k);
    assert_int_equal(k.r.failure, HTTPC_TIMEOUT);
    assert_string_equal(k.r.error, "timed out after 300 ms in the TLS handshake with 127.0.0.1");
    assert_true(k.r.phases.connect_us >= 0);
}

/* --- many, cancel, stop --- */

static atomic_int ended, cancelled;

static void count_end(const struct httpc_reply *reply, void *arg)
{
    if (reply->failure == HTTPC_CANCELLED)
        atomic_fetch_add(&cancelled, 1);
    atomic_fetch_add(&ended, 1);
}

static void too_many_are_refused_and_cancelled_ones_end_once(void **state)
{
    struct httpc *c = start_client(open_guard, 8);
    struct httpc_request r = request(at(web, "/silent"));
    uint64_t ids[8];
    atomic_store(&ended, 0);
    atomic_store(&cancelled, 0);
    for (size_t i = 0; i < 8; i++)
        assert_ok(httpc_submit(c, &r, count_end, NULL, &ids[i]));
    assert_int_equal(httpc_running(c), 8);
    assert_status(ST_OVERLOADED, httpc_submit(c, &r, count_end, NULL, NULL));
    for (size_t i = 0; i < 4; i++) {
        httpc_cancel(c, ids[i]);
        httpc_cancel(c, ids[i]);
    }
    httpc_cancel(c, 4711);
    assert_true(kit_wait(atomic_load(&cancelled) == 4, 5000));
    assert_true(kit_wait(httpc_running(c) == 4, 5000));
    httpc_stop(c);
    assert_int_equal(atomic_load(&ended), 8);
    assert_int_equal(atomic_load(&cancelled), 8);
}

static void many_at_once(void **state)
{
    struct httpc *c = start_client(open_guard, 2000);
    atomic_store(&ended, 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://localhost:%d/ok", web_port(web));
    struct httpc_request r = request(url);
    for (int i = 0; i < 150; i++)
        assert_ok(httpc_submit(c, &r, count_end, NULL, NULL));
    assert_true(kit_wait(atomic_load(&ended) == 150, 20000));
    assert_int_equal(httpc_running(c), 0);
    httpc_stop(c);
}

static void set_flag(void *arg)
{
    atomic_store((atomic_int *)arg, 1);
}

static void later_runs_later_or_at_the_stop(void **state)
{
    struct httpc *c = start_client(open_guard, 2);
    atomic_int soon = 0, late = 0;
    int64_t before = kit_real_mono_ms();
    assert_ok(httpc_later(c, 30, set_flag, &soon));
    assert_ok(httpc_later(c, 3600000, set_flag, &late));
    assert_true(kit_wait(atomic_load(&soon) == 1, 5000));
    assert_true(kit_real_mono_ms() - before >= 29);
    assert_int_equal(atomic_load(&late), 0);
    httpc_stop(c);
    assert_int_equal(atomic_load(&late), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_everything),
        cmocka_unit_test(names_are_resolved_by_the_hosts_file),
        cmocka_unit_test(ipv6_is_spoken),
        cmocka_unit_test(requests_are_sent_as_asked),
        cmocka_unit_test(credentials_in_the_url_are_sent_but_not_shown),
        cmocka_unit_test(requests_that_would_break_are_refused),
        cmocka_unit_test(bodies_are_kept_up_to_the_bound_and_counted),
        cmocka_unit_test(redirects_are_walked),
        cmocka_unit_test(redirects_change_the_method_as_browsers_do),
        cmocka_unit_test(secrets_stay_with_their_origin),
        cmocka_unit_test(redirects_to_nonsense_are_told),
        cmocka_unit_test(the_guard_decides_for_every_hop),
        cmocka_unit_test(failures_have_types_and_words),
        cmocka_unit_test(bad_urls_are_told),
        cmocka_unit_test(refused_connections_are_told),
        cmocka_unit_test(unknown_names_are_told),
        cmocka_unit_test(time_limits_name_their_phase),
        cmocka_unit_test(certificates_are_verified_and_dated),
        cmocka_unit_test(expired_certificates_are_dated_too),
        cmocka_unit_test(a_handshake_without_an_answer_is_named),
        cmocka_unit_test(too_many_are_refused_and_cancelled_ones_end_once),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(later_runs_later_or_at_the_stop),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
