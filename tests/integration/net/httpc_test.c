/* The HTTP client against a real server: answers, redirects, the guard. */
#include "net/httpc.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tests/integration/net/httpc_fixture.h"
#include "tests/kit/web.h"

/* --- good answers --- */

static void an_answer_has_everything(void **state)
{
    hf_get(hf_at(hf.web, "/ok"), &hf.k);
    assert_string_equal(hf.k.r.error, "");
    assert_int_equal(hf.k.r.failure, HTTPC_OK);
    assert_int_equal(hf.k.r.status, 200);
    assert_string_equal(hf.k.body, "hello");
    assert_int_equal(hf.k.r.body_len, 5);
    assert_int_equal(hf.k.r.body_total, 5);
    assert_string_equal(hf.k.header, "Kit");
    assert_string_equal(hf.k.final_url, hf_at(hf.web, "/ok"));
    assert_string_equal(hf.k.r.remote_ip, "127.0.0.1");
    assert_int_equal(hf.k.r.redirects, 0);
    assert_int_equal(hf.k.r.cert_expires_at_us, 0);
    assert_int_equal(hf.k.r.phases.dns_us, 0);
    assert_true(hf.k.r.phases.connect_us >= 0);
    assert_int_equal(hf.k.r.phases.tls_us, -1);
    assert_true(hf.k.r.phases.wait_us >= 0);
    assert_true(hf.k.r.phases.transfer_us >= 0);
    assert_true(hf.k.r.total_us > 0);
}

static void names_are_resolved_by_the_hosts_file(void **state)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "http://localhost:%d/ok", web_port(hf.web));
    hf_get(url, &hf.k);
    assert_string_equal(hf.k.r.error, "");
    assert_int_equal(hf.k.r.status, 200);
    assert_true(hf.k.r.phases.dns_us >= 0);
}

static void ipv6_is_spoken(void **state)
{
    struct web *v6 = web_start(WEB_IPV6, 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://[::1]:%d/ok", web_port(v6));
    hf_get(url, &hf.k);
    assert_string_equal(hf.k.r.error, "");
    assert_string_equal(hf.k.r.remote_ip, "::1");
    assert_string_equal(hf.k.final_url, url);
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
        struct httpc_request r = hf_request(hf_at(hf.web, "/echo"));
        r.method = cases[i].method;
        r.headers = headers;
        r.header_count = ARRAY_LEN(headers);
        r.body = cases[i].body;
        r.body_len = cases[i].body ? strlen(cases[i].body) : 0;
        hf_ask(hf.client, &r, &hf.k);
        assert_int_equal(hf.k.r.status, 200);
        for (size_t j = 0; j < 4 && cases[i].want[j]; j++) {
            if (!strstr(hf.k.body, cases[i].want[j]))
                fail_msg("no \"%s\" in: %s", cases[i].want[j], hf.k.body);
        }
        assert_null(strstr(hf.k.body, "Length: 999")); /* a port may have these digits */
        assert_null(strstr(hf.k.body, "urlencoded"));
        assert_null(strstr(hf.k.body, "Expect"));
    }
    struct httpc_request head = hf_request(hf_at(hf.web, "/ok"));
    head.method = "HEAD";
    hf_ask(hf.client, &head, &hf.k);
    assert_int_equal(hf.k.r.status, 200);
    assert_int_equal(hf.k.r.body_total, 0);
}

static void credentials_in_the_url_are_sent_but_not_shown(void **state)
{
    char url[128];
    (void)snprintf(url, sizeof(url), "http://us%%65r:p%%40w@127.0.0.1:%d/echo", web_port(hf.web));
    hf_get(url, &hf.k);
    assert_non_null(strstr(hf.k.body, "Authorization: Basic dXNlcjpwQHc=")); /* user:p@w */
    assert_string_equal(hf.k.final_url, hf_at(hf.web, "/echo"));
    (void)snprintf(url, sizeof(url), "http://u%%00:p@127.0.0.1:%d/echo", web_port(hf.web));
    hf_get(url, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_BAD_URL);
    (void)snprintf(url, sizeof(url), "http://u%%4:p@127.0.0.1:%d/echo", web_port(hf.web));
    hf_get(url, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_BAD_URL);
}

static void requests_that_would_break_are_refused(void **state)
{
    static const struct httpc_header bad[] = {{"X", "a\r\nEvil: 1"}, {"X Y", "v"}, {"", "v"},
                                              {"X:", "v"},           {"X\n", "v"}, {"X", NULL}};
    struct httpc_request r = hf_request(hf_at(hf.web, "/ok"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        r.headers = &bad[i];
        r.header_count = 1;
        assert_status(ST_INVALID, httpc_submit(hf.client, &r, hf_keep, &hf.k, NULL));
    }
    r.header_count = 0;
    r.method = "GET / HTTP/1.1\r\nX:";
    assert_status(ST_INVALID, httpc_submit(hf.client, &r, hf_keep, &hf.k, NULL));
}

static void bodies_are_kept_up_to_the_bound_and_counted(void **state)
{
    struct httpc_request r = hf_request(hf_at(hf.web, "/body/500096"));
    r.max_body_bytes = 1000;
    hf_ask(hf.client, &r, &hf.k);
    assert_string_equal(hf.k.r.error, "");
    assert_int_equal(hf.k.r.body_len, 1000);
    assert_int_equal(hf.k.r.body_total, 500096);
}

/* --- redirects --- */

static void redirects_are_walked(void **state)
{
    hf_get(hf_at(hf.web, "/redirect/3"), &hf.k);
    assert_string_equal(hf.k.r.error, "");
    assert_int_equal(hf.k.r.status, 200);
    assert_int_equal(hf.k.r.redirects, 3);
    assert_string_equal(hf.k.final_url, hf_at(hf.web, "/ok"));
    struct httpc_request r = hf_request(hf_at(hf.web, "/redirect/3"));
    r.max_redirects = 0;
    hf_ask(hf.client, &r, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_OK);
    assert_int_equal(hf.k.r.status, 302);
    r.max_redirects = 2;
    hf_ask(hf.client, &r, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_TOO_MANY_REDIRECTS);
    assert_string_equal(hf.k.r.error, "more than 2 redirects");
    hf_get(hf_at(hf.web, "/loop"), &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_TOO_MANY_REDIRECTS);
    assert_int_equal(hf.k.r.redirects, 10);
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
        struct httpc_request r = hf_request(hf_at(hf.web, path));
        r.method = cases[i].method;
        r.headers = &type;
        r.header_count = 1;
        r.body = "payload";
        r.body_len = 7;
        hf_ask(hf.client, &r, &hf.k);
        assert_string_equal(hf.k.r.error, "");
        if (!str_starts(hf.k.body, cases[i].want))
            fail_msg("%s %d: %s", cases[i].method, cases[i].status, hf.k.body);
        assert_int_equal(strstr(hf.k.body, "payload") != NULL, cases[i].has_body);
        assert_int_equal(strstr(hf.k.body, "text/x-test") != NULL, cases[i].has_body);
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
    struct httpc_request r = hf_request(hf_at(hf.web, path));
    r.headers = headers;
    r.header_count = ARRAY_LEN(headers);
    hf_ask(hf.client, &r, &hf.k);
    assert_int_equal(hf.k.r.status, 200);
    assert_null(strstr(hf.k.body, "s3cret"));
    assert_non_null(strstr(hf.k.body, "text/x-kept"));
    r.url = hf_at(hf.web, "/to/307?/echo");
    hf_ask(hf.client, &r, &hf.k);
    assert_non_null(strstr(hf.k.body, "Bearer s3cret"));
    (void)snprintf(url, sizeof(url), "http://u:p@127.0.0.1:%d%s", web_port(hf.web), path);
    hf_get(url, &hf.k);
    assert_null(strstr(hf.k.body, "Authorization"));
    (void)snprintf(url, sizeof(url), "http://u:p@127.0.0.1:%d/to/307?/echo", web_port(hf.web));
    hf_get(url, &hf.k);
    assert_non_null(strstr(hf.k.body, "Authorization: Basic"));
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
        hf_get(hf_at(hf.web, cases[i].path), &hf.k);
        assert_int_equal(hf.k.r.failure, HTTPC_BAD_URL);
        if (!str_starts(hf.k.r.error, cases[i].error))
            fail_msg("%s: %s", cases[i].path, hf.k.r.error);
    }
}

/* --- the guard --- */

static void the_guard_decides_for_every_hop(void **state)
{
    /* Port of a server that is allowed only as 127.0.0.1; everything else of the loopback not. */
    struct egress *guard = NULL;
    assert_ok(egress_new("internal", "127.0.0.1/32", "", &guard, NULL));
    struct httpc *c = hf_start_client(guard, 4);
    static const struct {
        const char *location, *error;
    } cases[] = {
        {"http://127.0.0.2:%d/ok", "loopback address 127.0.0.2 is not allowed"},
        {"http://[::1]:%d/ok", "loopback address ::1 is not allowed"},
        {"http://[::ffff:127.0.0.2]:%d/ok", "loopback address 127.0.0.2 (inside"},
        {"http://169.254.169.254/latest/meta-data/", "cloud metadata address 169.254.169.254"},
        {"http://0.0.0.0:%d/ok", "unspecified address 0.0.0.0"},
    };
    size_t before = web_requests(hf.web);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char url[1024];
        char host[96];
        /* the location's port is put in by hand: the format comes from the table */
        const char *mark = strstr(cases[i].location, "%d");
        if (mark)
            (void)snprintf(host, sizeof(host), "%.*s%d%s", (int)(mark - cases[i].location),
                           cases[i].location, web_port(hf.web), mark + 2);
        else
            (void)str_copy(host, sizeof(host), cases[i].location);
        struct httpc_request direct = hf_request(host);
        hf_ask(c, &direct, &hf.k);
        assert_int_equal(hf.k.r.failure, HTTPC_DENIED);
        if (!str_starts(hf.k.r.error, cases[i].error))
            fail_msg("%s: %s", host, hf.k.r.error);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/to/302?%s", web_port(hf.web), host);
        struct httpc_request hop = hf_request(url);
        hf_ask(c, &hop, &hf.k);
        assert_int_equal(hf.k.r.failure, HTTPC_DENIED);
        assert_int_equal(hf.k.r.redirects, 1);
        if (!str_starts(hf.k.r.error, cases[i].error))
            fail_msg("%s: %s", url, hf.k.r.error);
    }
    /* Only the redirecting requests came through. */
    assert_int_equal(web_requests(hf.web) - before, ARRAY_LEN(cases));
    httpc_stop(c);
    egress_free(guard);
    /* A name that resolves to a forbidden address. */
    assert_ok(egress_new("internal", "", "", &guard, NULL));
    c = hf_start_client(guard, 4);
    struct httpc_request r = hf_request("http://localhost/");
    hf_ask(c, &r, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_DENIED);
    assert_non_null(strstr(hf.k.r.error, "localhost: loopback address"));
    httpc_stop(c);
    egress_free(guard);
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
    };
    return cmocka_run_group_tests(tests, hf_setup, hf_teardown);
}
