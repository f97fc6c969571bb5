/* The mail server's URL, and the guard of STARTTLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/notifier/smtp/line.h"
#include "services/notifier/smtp/url.h"

static struct smtp_url must(const char *text)
{
    struct smtp_url u;
    struct errbuf err = {0};
    if (smtp_url_parse(text, &u, &err) != ST_OK)
        fail_msg("%s: %s", text, err.text);
    return u;
}

static void must_not(const char *text)
{
    struct smtp_url u;
    struct errbuf err = {0};
    if (smtp_url_parse(text, &u, &err) != ST_INVALID)
        fail_msg("taken: %s", text);
    assert_true(err.text[0] != '\0');
}

static void test_good(void **state)
{
    struct smtp_url u = must("smtp://mail.example.org");
    assert_string_equal(u.host, "mail.example.org");
    assert_int_equal(u.port, 587);
    assert_int_equal(u.starttls, SMTP_STARTTLS_REQUIRED);
    assert_false(u.is_implicit_tls);
    assert_string_equal(u.user, "");

    u = must("smtps://Mail.Example.org/");
    assert_string_equal(u.host, "mail.example.org");
    assert_int_equal(u.port, 465);
    assert_true(u.is_implicit_tls);

    u = must("smtp://ann%40example.org:p%3Aa%2Fs%40s:w@mail:25?starttls=optional");
    assert_string_equal(u.user, "ann@example.org");
    assert_string_equal(u.password, "p:a/s@s:w");
    assert_string_equal(u.host, "mail");
    assert_int_equal(u.port, 25);
    assert_int_equal(u.starttls, SMTP_STARTTLS_OPTIONAL);

    u = must("smtp://[2001:db8::1]:2525/?starttls=never");
    assert_string_equal(u.host, "2001:db8::1");
    assert_true(u.is_ip);
    assert_int_equal(u.port, 2525);
    assert_int_equal(u.starttls, SMTP_STARTTLS_NEVER);

    assert_true(must("smtp://127.0.0.1").is_ip);
    assert_false(must("smtp://mail_relay").is_ip);
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://:25",
        "smtp://mail:0",
        "smtp://mail:65536",
        "smtp://mail:port",
        "smtp://mail:",
        "smtp://mail/path",
        "smtp://mail?starttls=maybe",
        "smtp://mail?other=1",
        "smtp://mail?starttls=never&x=1",
        "smtp://user@mail",
        "smtp://:secret@mail",
        "smtp://user:pass%0d%0aword@mail",
        "smtp://user:pass%0@mail",
        "smtp://user:pass%zz@mail",
        "smtp://user:pass%00@mail",
        "smtp://ma il",
        "smtp://mail\n",
        "smtp://mail#x",
        "smtp://[::1",
        "smtp://[mail]x",
        "smtp://mail..example",
        "smtp://-mail",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        must_not(bad[i]);
}

static void test_errors_keep_the_password(void **state)
{
    struct smtp_url u;
    struct errbuf err = {0};
    assert_int_equal(smtp_url_parse("smtp://ann:hunter2@mail:99999", &u, &err), ST_INVALID);
    assert_null(strstr(err.text, "hunter2"));
}

/* One exchange: what the client says, then what the server answers in pieces. */
static bool passes(const char *client, const char *first, const char *second)
{
    struct starttls_guard g = {0};
    starttls_guard_client(&g, client, strlen(client));
    if (!starttls_guard_server(&g, first, strlen(first)))
        return false;
    return starttls_guard_server(&g, second, strlen(second));
}

static void test_guard(void **state)
{
    assert_true(passes("EHLO x\r\n", "250-a\r\n250-b\r\n", "250 c\r\n"));
    assert_true(passes("STARTTLS\r\n", "220 ready\r\n", ""));
    assert_true(passes("STARTTLS\r\n", "22", "0 ready\r\n"));
    assert_true(passes("STARTTLS\r\n", "220-wait\r\n220", " ready\r\n"));
    assert_false(passes("STARTTLS\r\n", "220 ready\r\n250-injected\r\n", ""));
    assert_false(passes("STARTTLS\r\n", "220 ready\r\n", "250-injected\r\n"));
    assert_false(passes("starttls\r\n", "220 ready\r\n", "x"));
    assert_false(passes("STARTTLS\r\n", "220-a\r\n220 b\r\n2", ""));

    struct starttls_guard g = {0};
    starttls_guard_client(&g, "STARTTLS\r\n", 10);
    assert_true(starttls_guard_server(&g, "220 go\r\n", 8));
    starttls_guard_client(&g, "\x16\x03\x01", 3);
    assert_true(starttls_guard_server(&g, "\x16\x03\x03 many bytes\n of TLS\n", 23));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_errors_keep_the_password),
        cmocka_unit_test(test_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
