/* DNS messages: questions as bytes, answers from bytes, and which texts mean the same record. */
#include "net/dns_message.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "base/defs.h"

static void test_question(void **state)
{
    static const unsigned char wanted[] = "\0\0\1\x20\0\1\0\0\0\0\0\1"
                                          "\3www\7example\3com\0\0\x0f\0\1"
                                          "\0\0\x29\x04\xd0\0\0\x80\0\0\0";
    AUTO_BUF out;
    buf_init(&out, 512);
    const struct dns_question q = {
        .name = "www.example.com.", .type = DNS_MX, .recursion = true, .authentication = true};
    assert_int_equal(dns_question_write(&q, &out), ST_OK);
    assert_int_equal(out.len, sizeof(wanted) - 1);
    assert_memory_equal(out.data, wanted, out.len);
}

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static const struct {
    const char *name;
    enum status want;
} names[] = {
    {"example.com", ST_OK},
    {"example.com.", ST_OK},
    {"_sip._tcp.example.com", ST_OK},
    {"xn--bcher-kva.example", ST_OK},
    {LABEL_63 ".com", ST_OK},
    {LABEL_63 "." LABEL_63 "." LABEL_63
              ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi",
     ST_OK}, /* 253 */
    {LABEL_63 "." LABEL_63 "." LABEL_63
              ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij",
     ST_INVALID},
    {LABEL_63 "l.com", ST_INVALID},
    {"a..b", ST_INVALID},
    {".a", ST_INVALID},
    {"a..", ST_INVALID},
    {"a b.com", ST_INVALID},
    {"b\xc3\xbc"
     "cher.example",
     ST_INVALID},
    {"a\n.com", ST_INVALID},
};

static void test_names(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_BUF out;
        buf_init(&out, 512);
        const struct dns_question q = {.name = names[i].name, .type = DNS_A};
        if (dns_question_write(&q, &out) != names[i].want)
            fail_msg("%s", names[i].name);
    }
}

/* A response to "a.b A" with one record; its name is a pointer to the question's. */
#define HEAD(flags, answers) "\0\7" flags "\0\1\0" answers "\0\0\0\0\1a\1b\0\0\1\0\1"
#define RECORD(type, rest) "\xc0\x0c" type "\0\1\0\0\1\x2c" rest
#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *data;
    size_t len;
    int type;
    const char *text; /* NULL: refused */
} answers[] = {
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\1", "\0\4\xc0\0\2\1")), DNS_A, "192.0.2.1"},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\x1c", "\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1")),
     DNS_AAAA, "2001:db8::1"},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\5", "\0\4\1C\xc0\x0c")), DNS_CNAME, "c.a.b"},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\xf", "\0\6\0\x0a\1m\xc0\x0e")), DNS_MX, "10 m.b"},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\xf", "\0\3\0\0\0")), DNS_MX, "0 ."},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\x10", "\0\x0b\4v=\"1\5a b\\\1")), DNS_TXT,
     "\"v=\\\"1\" \"a b\\\\\\001\""},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\x10", "\0\1\0")), DNS_TXT, "\"\""},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\x21", "\0\x0a\0\0\0\5\x13\xc4\1s\xc0\x0e")), DNS_SRV,
     "0 5 5060 s.b"},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\1\1", "\0\x0a\0\5issueca.")), DNS_CAA,
     "0 issue \"ca.\""},
    {BYTES(HEAD("\x81\x80", "\1") RECORD(
         "\0\6", "\0\x1c\1n\xc0\x0e\1h\xc0\x0e\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5")),
     DNS_SOA, "n.b h.b 1 2 3 4 5"},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\x2e", "\0\2xy")), 46, ""}, /* RRSIG: not understood */
    /* cut short, at every kind of place */
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\1", "\0\4\xc0\0\2")), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\1", "\0\3\xc0\0\2")), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\1", "\0\5\xc0\0\2\1\1")), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\x10", "\0\2\4ab")), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\x10", "\0\3\4ab")), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") RECORD("\0\xf", "\0\2\0\x0a")), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\2") RECORD("\0\1", "\0\4\xc0\0\2\1")), 0, NULL},
    {BYTES("\0\7\x81\x80\0\1"), 0, NULL},
    {BYTES(""), 0, NULL},
    /* no response; a name that points at itself, ahead, or is too long */
    {BYTES(HEAD("\1\0", "\1") RECORD("\0\1", "\0\4\xc0\0\2\1")), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") "\xc0\x15\0\1\0\1\0\0\0\1\0\4\1\1\1\1"), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") "\xc0\x30\0\1\0\1\0\0\0\1\0\4\1\1\1\1"), 0, NULL},
    {BYTES(HEAD("\x81\x80", "\1") "\x40x\0\1\0\1\0\0\0\1\0\4\1\1\1\1"), 0, NULL},
};

static void test_answers(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        AUTO_ARENA arena = arena_new_small(1 << 20);
        struct dns_answer a;
        enum status st = dns_answer_read(answers[i].data, answers[i].len, arena, &a);
        if (st != (answers[i].text ? ST_OK : ST_INVALID))
            fail_msg("case %zu: %s", i, status_name(st));
        if (!answers[i].text)
            continue;
        assert_int_equal(a.count, 1);
        assert_int_equal(a.records[0].type, answers[i].type);
        assert_int_equal(a.records[0].ttl_s, 300);
        assert_string_equal(a.records[0].name, "a.b");
        assert_string_equal(a.records[0].text, answers[i].text);
        if (a.records[0].text[0])
            assert_true(dns_text_eq(a.records[0].type, a.records[0].text, answers[i].text));
    }
}

static void test_flags(void **state)
{
    AUTO_ARENA arena = arena_new_small(1 << 16);
    struct dns_answer a;
    assert_int_equal(dns_answer_read(BYTES(HEAD("\x86\x23", "\0")), arena, &a), ST_OK);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.rcode, 3);
    assert_string_equal(dns_rcode_name(a.rcode), "NXDOMAIN");
    assert_true(a.is_authoritative && a.is_authenticated && a.is_truncated);
    assert_int_equal(dns_answer_read(BYTES(HEAD("\x80\x00", "\0")), arena, &a), ST_OK);
    assert_false(a.is_authoritative || a.is_authenticated || a.is_truncated || a.rcode);
    assert_null(dns_rcode_name(15));
}

static const struct {
    int type;
    const char *a, *b;
    bool same;
} pairs[] = {
    {DNS_A, "192.0.2.1", "192.0.2.1", true},
    {DNS_A, "192.0.2.1", "192.0.2.10", false},
    {DNS_A, "192.0.2.1", "host", false},
    {DNS_AAAA, "2001:db8::1", "2001:0DB8:0:0:0:0:0:1", true},
    {DNS_AAAA, "2001:db8::1", "2001:db8::2", false},
    {DNS_MX, "10 mail.example.com", "10  Mail.Example.COM.", true},
    {DNS_MX, "10 mail.example.com", " 10 mail.example.com ", true},
    {DNS_MX, "10 mail.example.com", "20 mail.example.com", false},
    {DNS_MX, "0 .", "0 .", true},
    {DNS_CNAME, "example.net", "example.net.", true},
    {DNS_CNAME, "example.net", "example.org", false},
    {DNS_CNAME, "example.net", "example.ne", false},
    {DNS_TXT, "\"v=spf1 ~all\"", "v=spf1 ~all", true},
    {DNS_TXT, "\"v=spf1 \" \"~all\"", "v=spf1 ~all", true},
    {DNS_TXT, "\"V=spf1\"", "v=spf1", false},
    {DNS_TXT, "\"say \\\"hi\\\"\"", "\"say \\\"hi\\\"\"", true},
    {DNS_CAA, "0 issue \"letsencrypt.org\"", "0 issue \"letsencrypt.org\"", true},
    {DNS_CAA, "0 issue \"letsencrypt.org\"", "0 issue letsencrypt.org", true},
    {DNS_CAA, "0 issue \"letsencrypt.org\"", "0 issue \"example.org\"", false},
};

static void test_same(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (dns_text_eq(pairs[i].type, pairs[i].a, pairs[i].b) != pairs[i].same ||
            dns_text_eq(pairs[i].type, pairs[i].b, pairs[i].a) != pairs[i].same)
            fail_msg("%s and %s", pairs[i].a, pairs[i].b);
    }
}

static void test_reverse(void **state)
{
    char name[DNS_NAME_BYTES];
    assert_int_equal(dns_reverse_name("192.0.2.53", name), ST_OK);
    assert_string_equal(name, "53.2.0.192.in-addr.arpa");
    assert_int_equal(dns_reverse_name("2001:db8::1", name), ST_OK);
    assert_string_equal(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
                              "ip6.arpa");
    assert_int_equal(dns_reverse_name("example.com", name), ST_INVALID);
    assert_string_equal(dns_type_name(dns_type_parse("srv")), "SRV");
    assert_int_equal(dns_type_parse("ANY"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question), cmocka_unit_test(test_names),
        cmocka_unit_test(test_answers),  cmocka_unit_test(test_flags),
        cmocka_unit_test(test_same),     cmocka_unit_test(test_reverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
