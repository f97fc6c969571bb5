/* Mails: encodings, and the whole message about an event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/notifier/mail/encode.h"
#include "services/notifier/mail/message.h"

static void must_header(const char *value, const char *want)
{
    AUTO_BUF out;
    buf_init(&out, 1 << 16);
    mail_header(&out, "Subject", value);
    assert_string_equal(buf_cstr(&out), want);
}

static void test_headers(void **state)
{
    must_header("plain text", "Subject: plain text\r\n");
    must_header("", "Subject: \r\n");
    must_header("Gr\xc3\xbc\xc3\x9f"
                "e",
                "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n");
    must_header("a\r\nBcc: eve@example.org", "Subject: "
                                             "=?UTF-8?B?YSAgQmNjOiBldmVAZXhhbXBsZS5vcmc=?=\r\n");
    must_header("=?UTF-8?Q?x?=", "Subject: =?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?=\r\n");
    /* 44 letters, then a character of two bytes: it must not be cut in two. */
    must_header("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xbc",
                "Subject: =?UTF-8?B?YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=?="
                "\r\n =?UTF-8?B?w7w=?=\r\n");
}

static void must_qp(const char *text, const char *want)
{
    AUTO_BUF out;
    buf_init(&out, 1 << 16);
    mail_quoted_printable(&out, text, strlen(text));
    assert_string_equal(buf_cstr(&out), want);
}

static void test_quoted_printable(void **state)
{
    must_qp("hello\nworld\n", "hello\r\nworld\r\n");
    must_qp("a\r\nb", "a\r\nb");
    must_qp("1=1", "1=3D1");
    must_qp("\xc3\xbc", "=C3=BC");
    must_qp("end \nx", "end=20\r\nx");
    must_qp("end ", "end=20");
    must_qp(".\n", "=2E\r\n");
    must_qp("From x", "=46rom x");
    must_qp("a\rb", "a=0Db");
    must_qp("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=\r\n"
            "xxxxx");
}

static void test_html(void **state)
{
    AUTO_BUF out;
    buf_init(&out, 1 << 16);
    mail_html_escape(&out, "<b>&\"'</b>");
    assert_string_equal(buf_cstr(&out), "&lt;b&gt;&amp;&quot;&#39;&lt;/b&gt;");
}

static const struct delivery_row down = {
    .event = "check.down",
    .sequence = 1,
    .payload = "{\"check_name\":\"Shop <1>\",\"message\":\"refused\\r\\nX: y\",\"state\":\"down\","
               "\"previous_state\":\"up\",\"severity\":\"critical\",\"kind\":\"website\","
               "\"target\":\"https://shop.example\",\"at\":\"2026-01-01T00:00:00Z\","
               "\"duration_s\":3723.4}",
};

static void test_event(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    struct event_view v;
    struct delivery_row row = down;
    row.incident_id = uuid_at(1767225600000);
    assert_int_equal(event_view_make(&row, "https://t.example/", arena, &v), ST_OK);
    assert_string_equal(v.label, "DOWN");
    assert_string_equal(v.name, "Shop <1>");
    assert_string_equal(v.message, "refused  X: y");
    assert_string_equal(v.duration, "1 h 2 min");
    assert_string_equal(v.started_at, "");
    assert_memory_equal(v.link, "https://t.example/api/v1/incidents/", 35);
    assert_string_equal(event_duration(7, arena), "7 s");
    assert_string_equal(event_duration(61, arena), "1 min 1 s");
    assert_string_equal(event_duration(90000, arena), "1 d 1 h");
    row.payload = "{}";
    assert_int_equal(event_view_make(&row, "https://t.example", arena, &v), ST_OK);
    assert_string_equal(v.name, "");
}

static void test_message(void **state)
{
    static const char *const to[] = {"ann@example.org", "bob@example.org"};
    AUTO_ARENA arena = arena_new(1 << 16);
    AUTO_BUF out;
    struct event_view event;
    struct mailbox from;
    buf_init(&out, 1 << 18);
    assert_int_equal(mailbox_parse("Tocsin <tocsin@alerts.example>", &from, NULL), ST_OK);
    assert_int_equal(event_view_make(&down, "https://t.example", arena, &event), ST_OK);
    const struct mail_about about = {
        .event = &event,
        .key = "abc-1-def",
        .from = &from,
        .to = to,
        .to_count = 2,
        .subject_prefix = "[prod] ",
        .now_s = 1767225600,
    };
    mail_message(&out, &about);
    assert_int_equal(buf_status(&out), ST_OK);
    static const char *const parts[] = {
        "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n",
        "From: \"Tocsin\" <tocsin@alerts.example>\r\n",
        "To: <ann@example.org>,\r\n <bob@example.org>\r\n",
        "Subject: =?UTF-8?B?W3Byb2RdIFtET1dOXSBTaG9wIDwxPiDigJQgcmVmdXNlZCAgWDogeQ==?=\r\n",
        "Message-ID: <abc-1-def@alerts.example>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Type: multipart/alternative; boundary=\"=_abc-1-def\"\r\n\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
        "Shop &lt;1&gt;",
        "--=_abc-1-def--\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!strstr(out.data, parts[i]))
            fail_msg("%s not in:\n%s", parts[i], out.data);
    assert_null(strstr(out.data, "\r\nX: y"));
    for (const char *line = out.data; line; line = strstr(line, "\r\n")) {
        line += line == out.data ? 0 : 2;
        assert_true(strcspn(line, "\r\n") <= 200);
    }
    for (size_t i = 1; i < out.len; i++)
        if (out.data[i] == '\n')
            assert_int_equal(out.data[i - 1], '\r');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers), cmocka_unit_test(test_quoted_printable),
        cmocka_unit_test(test_html),    cmocka_unit_test(test_event),
        cmocka_unit_test(test_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
