/* Mails against a scripted mail server: what is sent, what is tried again, what is refused, and
 * that nothing takes longer than it may. */
#include <stdio.h>
#include <string.h>

#include <auth-client.h>

#include "base/str.h"
#include "services/notifier/smtp/send.h"
#include "tests/kit/kit.h"
#include "tests/kit/smtp_peer.h"

enum { TIMEOUT_MS = 30000, IN_TIME_MS = 15000 };

static const char message[] =
    "Subject: test\r\nFrom: <t@example.org>\r\nTo: <a@example.org>\r\n"
    "Message-ID: <key@example.org>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000"
    "\r\n\r\n.dot\r\nlast\r\n";

struct trial {
    struct smtp_script script;
    const char *query;    /* of the URL */
    const char *userinfo; /* "user:password@" */
    const char *host;     /* NULL: localhost */
    const char *to;       /* NULL: a@example.org */
    const char *second;   /* another recipient */
    int64_t timeout_ms;
    bool is_distrusted; /* the certificate is not known */
    const _Atomic bool *is_aborted;
};

struct seen {
    struct smtp_outcome outcome;
    size_t mails, connections;
    char envelope[512], text[4096], auth[512];
    bool had_tls;
    int64_t took_ms;
};

static struct seen try_mail(const struct trial *t)
{
    struct smtp_peer *peer = smtp_peer_start(&t->script);
    struct smtp_server server;
    struct errbuf err = {0};
    char url[512];
    (void)snprintf(url, sizeof(url), "%s://%s%s:%d%s", t->script.is_implicit_tls ? "smtps" : "smtp",
                   t->userinfo ? t->userinfo : "", t->host ? t->host : "localhost",
                   smtp_peer_port(peer), t->query ? t->query : "");
    if (smtp_server_init(&server, url, t->is_distrusted ? "" : smtp_peer_ca_file(peer), &err) !=
        ST_OK)
        fail_msg("%s: %s", url, err.text);
    const char *const to[] = {t->to ? t->to : "a@example.org", t->second};
    const struct smtp_mail mail = {
        .from = "t@example.org",
        .to = to,
        .to_count = t->second ? 2 : 1,
        .message = message,
        .timeout_ms = t->timeout_ms ? t->timeout_ms : TIMEOUT_MS,
        .is_aborted = t->is_aborted,
    };
    struct seen s = {0};
    const int64_t from = kit_real_mono_ms();
    smtp_send(&server, &mail, &s.outcome);
    s.took_ms = kit_real_mono_ms() - from;
    s.mails = smtp_peer_mails(peer);
    s.connections = smtp_peer_connections(peer);
    (void)str_copy(s.envelope, sizeof(s.envelope), smtp_peer_envelope(peer));
    (void)str_copy(s.text, sizeof(s.text), smtp_peer_text(peer));
    (void)str_copy(s.auth, sizeof(s.auth), smtp_peer_auth(peer));
    s.had_tls = smtp_peer_had_tls(peer);
    smtp_server_done(&server);
    smtp_peer_stop(peer);
    return s;
}

static void must(const struct seen *s, enum smtp_verdict verdict, int code, const char *error)
{
    if (s->outcome.verdict != verdict || s->outcome.code != code ||
        !strstr(s->outcome.error, error))
        fail_msg("verdict %d code %d error \"%s\", not %d %d \"%s\"", (int)s->outcome.verdict,
                 s->outcome.code, s->outcome.error, (int)verdict, code, error);
}

#define NEVER "?starttls=never"

static void test_plain(void **state)
{
    const struct seen s = try_mail(&(struct trial){.query = NEVER, .second = "b@example.org"});
    must(&s, SMTP_SENT, 250, "");
    assert_int_equal(s.mails, 1);
    assert_string_equal(s.envelope, "t@example.org > a@example.org, b@example.org");
    assert_string_equal(s.text, message);
    assert_false(s.had_tls);
}

static void test_starttls(void **state)
{
    const struct seen s = try_mail(
        &(struct trial){.script = {.offers_starttls = true}, .userinfo = "ann:p%40ss@"});
    must(&s, SMTP_SENT, 250, "");
    assert_true(s.had_tls);
    assert_string_equal(s.auth, "AUTH PLAIN AGFubgBwQHNz");
}

static void test_implicit_tls(void **state)
{
    struct seen s = try_mail(
        &(struct trial){.script = {.is_implicit_tls = true}, .userinfo = "ann:p%40ss@"});
    must(&s, SMTP_SENT, 250, "");
    assert_true(s.had_tls);
    assert_string_equal(s.auth, "AUTH PLAIN AGFubgBwQHNz");
    s = try_mail(&(struct trial){.script = {.is_implicit_tls = true}, .host = "127.0.0.1"});
    must(&s, SMTP_SENT, 250, "");
}

static void test_certificate_must_be_right(void **state)
{
    struct seen s = try_mail(
        &(struct trial){.script = {.offers_starttls = true}, .is_distrusted = true});
    assert_int_equal(s.outcome.verdict, SMTP_RETRY);
    assert_int_equal(s.mails, 0);
    s = try_mail(&(struct trial){.script = {.is_implicit_tls = true}, .is_distrusted = true});
    must(&s, SMTP_RETRY, 0, "self-signed certificate");
    /* The same certificate, reached by a name that it does not bear. */
    s = try_mail(&(struct trial){.script = {.offers_starttls = true}, .host = "127.0.0.2"});
    assert_int_equal(s.outcome.verdict, SMTP_RETRY);
    assert_int_equal(s.mails, 0);
}

static void test_starttls_is_required(void **state)
{
    struct seen s = try_mail(&(struct trial){.userinfo = "ann:secret@"});
    must(&s, SMTP_RETRY, 0, "STARTTLS");
    assert_int_equal(s.mails, 0);
    assert_string_equal(s.auth, "");
    s = try_mail(&(struct trial){.script = {.offers_starttls = true, .starttls = "454 not now"}});
    must(&s, SMTP_RETRY, 454, "not now");
    assert_int_equal(s.mails, 0);
    /* Optional: the mail goes in clear text, a password does not. */
    s = try_mail(&(struct trial){.query = "?starttls=optional"});
    must(&s, SMTP_SENT, 250, "");
    s = try_mail(&(struct trial){.query = "?starttls=optional", .userinfo = "ann:secret@"});
    assert_null(strstr(s.auth, "PLAIN "));
}

static void test_starttls_injection(void **state)
{
    const struct seen s = try_mail(
        &(struct trial){.script = {.offers_starttls = true, .injects = true}});
    must(&s, SMTP_RETRY, 0, "more than its answer to STARTTLS");
    assert_int_equal(s.mails, 0);
}

static void test_temporary_and_permanent(void **state)
{
    static const struct {
        struct smtp_script script;
        enum smtp_verdict verdict;
        int code;
        const char *error;
    } rows[] = {
        {{.greeting = "421 too busy"}, SMTP_RETRY, 421, "too busy"},
        {{.greeting = "554 go away"}, SMTP_REFUSED, 554, "go away"},
        {{.mail = "451 try later"}, SMTP_RETRY, 451, "try later"},
        {{.mail = "550 no relay"}, SMTP_REFUSED, 550, "no relay"},
        {{.data = "452 full"}, SMTP_RETRY, 452, "full"},
        {{.end = "451 later"}, SMTP_RETRY, 451, "later"},
        {{.end = "554 5.7.1 spam"}, SMTP_REFUSED, 554, "spam"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct seen s = try_mail(&(struct trial){.script = rows[i].script, .query = NEVER});
        must(&s, rows[i].verdict, rows[i].code, rows[i].error);
    }
}

static void test_recipients(void **state)
{
    struct seen s = try_mail(&(struct trial){.query = NEVER, .to = "refused@example.org"});
    must(&s, SMTP_REFUSED, 550, "refused@example.org refused: 550 no such person");
    s = try_mail(&(struct trial){.query = NEVER, .to = "busy@example.org"});
    must(&s, SMTP_RETRY, 450, "come back later");
    s = try_mail(
        &(struct trial){.query = NEVER, .to = "refused@example.org", .second = "ok@example.org"});
    must(&s, SMTP_SENT, 250, "refused@example.org refused: 550");
    assert_string_equal(s.envelope, "t@example.org > ok@example.org");
    s = try_mail(&(struct trial){.query = NEVER, .to = "a@example.org\r\nRCPT TO:<b@example.org>"});
    must(&s, SMTP_REFUSED, 0, "not a mail address");
    assert_int_equal(s.connections, 0);
}

static void test_bad_password_is_tried_again(void **state)
{
    const struct seen s = try_mail(
        &(struct trial){.script = {.auth = "535 wrong", .mail = "530 sign in first"},
                        .query = NEVER,
                        .userinfo = "ann:wrong@"});
    must(&s, SMTP_RETRY, 530, "sign in first");
    assert_int_equal(s.mails, 0);
}

static void test_hangs_end_in_time(void **state)
{
    static const struct smtp_script scripts[] = {
        {.greeting = "hang"}, {.ehlo = "hang"}, {.mail = "hang"},
        {.data = "hang"},     {.end = "hang"},  {.trickles = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        const struct seen s = try_mail(
            &(struct trial){.script = scripts[i], .query = NEVER, .timeout_ms = 400});
        assert_int_equal(s.outcome.verdict, SMTP_RETRY);
        assert_int_equal(s.mails, 0);
        if (s.took_ms > IN_TIME_MS)
            fail_msg("script %zu took %d ms", i, (int)s.took_ms);
    }
}

static void test_drops(void **state)
{
    static const struct smtp_script scripts[] = {{.greeting = "drop"},
                                                 {.ehlo = "drop"},
                                                 {.mail = "drop"},
                                                 {.data = "drop"},
                                                 {.end = "drop"}};
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        const struct seen s = try_mail(&(struct trial){.script = scripts[i], .query = NEVER});
        assert_int_equal(s.outcome.verdict, SMTP_RETRY);
        assert_true(s.outcome.error[0] != '\0');
    }
}

static void test_abort(void **state)
{
    static const _Atomic bool yes = true;
    const struct seen s = try_mail(
        &(struct trial){.script = {.greeting = "hang"}, .query = NEVER, .is_aborted = &yes});
    assert_int_equal(s.outcome.verdict, SMTP_ABORTED);
    assert_true(s.took_ms < IN_TIME_MS);
}

static void test_nobody_there(void **state)
{
    struct smtp_server server;
    struct smtp_outcome out;
    static const char *const to[] = {"a@example.org"};
    assert_ok(smtp_server_init(&server, "smtp://127.0.0.1:1?starttls=never", "", NULL));
    const struct smtp_mail mail = {.from = "t@example.org",
                                   .to = to,
                                   .to_count = 1,
                                   .message = message,
                                   .timeout_ms = TIMEOUT_MS};
    smtp_send(&server, &mail, &out);
    assert_int_equal(out.verdict, SMTP_RETRY);
    assert_non_null(strstr(out.error, "refused"));
    smtp_server_done(&server);
}

int main(void)
{
    auth_client_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_implicit_tls),
        cmocka_unit_test(test_certificate_must_be_right),
        cmocka_unit_test(test_starttls_is_required),
        cmocka_unit_test(test_starttls_injection),
        cmocka_unit_test(test_temporary_and_permanent),
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_bad_password_is_tried_again),
        cmocka_unit_test(test_hangs_end_in_time),
        cmocka_unit_test(test_drops),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_nobody_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
