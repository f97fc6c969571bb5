/* How the HTTP client names failures, verifies certificates, and bears load and stops. */
#include "net/httpc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/integration/net/httpc_fixture.h"
#include "tests/kit/web.h"

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
        hf_get(hf_at(hf.web, cases[i].path), &hf.k);
        if (hf.k.r.failure != cases[i].failure || !strstr(hf.k.r.error, cases[i].error))
            fail_msg("%s: %s, \"%s\"", cases[i].path, httpc_failure_name(hf.k.r.failure),
                     hf.k.r.error);
        assert_true(hf.k.r.phases.connect_us >= 0);
    }
}

static void bad_urls_are_told(void **state)
{
    hf_get("http://127.1/", &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_BAD_URL);
    hf_get("ftp://example.com/", &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_BAD_URL);
    assert_string_equal(hf.k.r.error, "URL must begin with http:// or https://");
}

static void refused_connections_are_told(void **state)
{
    const int port = kit_port();
    char url[64];
    char want[128];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    (void)snprintf(want, sizeof(want), "could not connect to 127.0.0.1 port %d: Connection refused",
                   port);
    hf_get(url, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_CONNECT);
    assert_string_equal(hf.k.r.error, want);
    assert_int_equal(hf.k.r.phases.connect_us, -1);
    assert_int_equal(hf.k.r.status, 0);
}

/* RFC 6761: names below "invalid" never exist. A machine without a name server says so instead. */
static void unknown_names_are_told(void **state)
{
    struct httpc_request r = hf_request("http://no-such-host.invalid/");
    r.timeout_ms = 20000;
    hf_ask(hf.client, &r, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_DNS);
    assert_true(str_starts(hf.k.r.error, "could not resolve no-such-host.invalid: "));
    assert_int_equal(hf.k.r.phases.dns_us, -1);
    assert_int_equal(hf.k.r.phases.connect_us, -1);
}

static void time_limits_name_their_phase(void **state)
{
    static const struct {
        const char *path, *error;
    } cases[] = {
        {"/silent", "timed out after 1200 ms waiting for the answer of 127.0.0.1"},
        {"/stall", "timed out after 1200 ms receiving the answer of 127.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct httpc_request r = hf_request(hf_at(hf.web, cases[i].path));
        r.timeout_ms = 1200;
        hf_ask(hf.client, &r, &hf.k);
        assert_int_equal(hf.k.r.failure, HTTPC_TIMEOUT);
        assert_string_equal(hf.k.r.error, cases[i].error);
        assert_true(hf.k.r.total_us >= 1200000);
        assert_true(hf.k.r.total_us < 30000000);
    }
}

/* --- TLS --- */

static void certificates_are_verified_and_dated(void **state)
{
    int64_t expires_at_us = web_cert_expires_at_s(hf.tls) * 1000000;
    hf_get(hf_at(hf.tls, "/ok"), &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_TLS);
    assert_non_null(strstr(hf.k.r.error, "self-signed certificate"));
    assert_int_equal(hf.k.r.cert_expires_at_us, expires_at_us);
    assert_true(hf.k.r.phases.connect_us >= 0);
    assert_int_equal(hf.k.r.phases.tls_us, -1);
    struct httpc_request r = hf_request(hf_at(hf.tls, "/ok"));
    r.insecure_tls = true;
    hf_ask(hf.client, &r, &hf.k);
    assert_string_equal(hf.k.r.error, "");
    assert_int_equal(hf.k.r.status, 200);
    assert_true(hf.k.r.phases.tls_us > 0);
    assert_int_equal(hf.k.r.cert_expires_at_us, expires_at_us);
}

static void expired_certificates_are_dated_too(void **state)
{
    struct web *old = web_start(WEB_TLS, -3);
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", web_port(old));
    hf_get(url, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_TLS);
    assert_int_equal(hf.k.r.cert_expires_at_us, web_cert_expires_at_s(old) * 1000000);
    web_stop(old);
}

static void a_handshake_without_an_answer_is_named(void **state)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/ok", web_port(hf.web));
    struct httpc_request r = hf_request(url);
    r.timeout_ms = 1200;
    hf_ask(hf.client, &r, &hf.k);
    assert_int_equal(hf.k.r.failure, HTTPC_TIMEOUT);
    assert_string_equal(hf.k.r.error,
                        "timed out after 1200 ms in the TLS handshake with 127.0.0.1");
    assert_true(hf.k.r.phases.connect_us >= 0);
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
    struct httpc *c = hf_start_client(hf.open_guard, 8);
    struct httpc_request r = hf_request(hf_at(hf.web, "/silent"));
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
    assert_true(kit_wait(atomic_load(&cancelled) == 4, KIT_PATIENCE_MS));
    assert_true(kit_wait(httpc_running(c) == 4, KIT_PATIENCE_MS));
    httpc_stop(c);
    assert_int_equal(atomic_load(&ended), 8);
    assert_int_equal(atomic_load(&cancelled), 8);
}

static void many_at_once(void **state)
{
    struct httpc *c = hf_start_client(hf.open_guard, 2000);
    atomic_store(&ended, 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://localhost:%d/ok", web_port(hf.web));
    struct httpc_request r = hf_request(url);
    for (int i = 0; i < 150; i++)
        assert_ok(httpc_submit(c, &r, count_end, NULL, NULL));
    assert_true(kit_wait(atomic_load(&ended) == 150, KIT_PATIENCE_MS));
    assert_int_equal(httpc_running(c), 0);
    httpc_stop(c);
}

static void set_flag(void *arg)
{
    atomic_store((atomic_int *)arg, 1);
}

static void later_runs_later_or_at_the_stop(void **state)
{
    struct httpc *c = hf_start_client(hf.open_guard, 2);
    atomic_int soon = 0, late = 0;
    int64_t before = kit_real_mono_ms();
    assert_ok(httpc_later(c, 30, set_flag, &soon));
    assert_ok(httpc_later(c, 3600000, set_flag, &late));
    assert_true(kit_wait(atomic_load(&soon) == 1, KIT_PATIENCE_MS));
    assert_true(kit_real_mono_ms() - before >= 29);
    assert_int_equal(atomic_load(&late), 0);
    httpc_stop(c);
    assert_int_equal(atomic_load(&late), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    return cmocka_run_group_tests(tests, hf_setup, hf_teardown);
}
