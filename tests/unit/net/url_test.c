/* URLs: what is taken apart how, what is refused, and how references resolve. */
#include "net/url.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

static void must_parse(void **state)
{
    static const struct {
        const char *text, *scheme, *userinfo, *host;
        uint16_t port;
        const char *target;
        bool is_ip, is_ipv6;
    } cases[] = {
        {"http://example.com", "http", "", "example.com", 80, "/", false, false},
        {"https://example.com/", "https", "", "example.com", 443, "/", false, false},
        {"HTTPS://Example.COM:8443/A/b?c=d#e", "https", "", "example.com", 8443, "/A/b?c=d", false,
         false},
        {"http://example.com?q=1", "http", "", "example.com", 80, "/?q=1", false, false},
        {"http://example.com#f", "http", "", "example.com", 80, "/", false, false},
        {"http://example.com./x", "http", "", "example.com", 80, "/x", false, false},
        {"http://u:p%40w@h:1/", "http", "u:p%40w", "h", 1, "/", false, false},
        {"http://127.0.0.1:65535", "http", "", "127.0.0.1", 65535, "/", true, false},
        {"http://[::1]/", "http", "", "::1", 80, "/", true, true},
        {"http://[2001:DB8:0:0::1]:81/x", "http", "", "2001:db8::1", 81, "/x", true, true},
        {"http://my_host-1.lan/@x:y", "http", "", "my_host-1.lan", 80, "/@x:y", false, false},
        {"http://xn--bcher-kva.example/", "http", "", "xn--bcher-kva.example", 80, "/", false,
         false},
        {"http://1.2.3.4.example/", "http", "", "1.2.3.4.example", 80, "/", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url u;
        struct errbuf err = {0};
        if (url_parse(cases[i].text, &u, &err) != ST_OK)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_null(url_check_http(cases[i].text));
        assert_string_equal(u.scheme, cases[i].scheme);
        assert_string_equal(u.userinfo, cases[i].userinfo);
        assert_string_equal(u.host, cases[i].host);
        assert_int_equal(u.port, cases[i].port);
        assert_string_equal(u.target, cases[i].target);
        assert_int_equal(u.is_ip, cases[i].is_ip);
        assert_int_equal(u.is_ipv6, cases[i].is_ipv6);
    }
}

static void must_not_parse(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "empty"},
        {"example.com", "http://"},
        {"/path", "http://"},
        {"ftp://example.com/", "http://"},
        {"file:///etc/passwd", "http://"},
        {"javascript:alert(1)", "http://"},
        {"http:/example.com", "http://"},
        {"http:example.com", "http://"},
        {"http://", "no host"},
        {"http:///x", "no host"},
        {"http://?x", "no host"},
        {"http://:80/", "no host"},
        {"http://u@/", "no host"},
        {"http://exa mple.com", "space"},
        {" http://example.com", "space"},
        {"http://example.com\r\nHost: x", "control"},
        {"http://example.com/\x7f", "control"},
        {"http://ex\xc3\xa4mple.com/", "ASCII"},
        {"http://example.com\\@evil.com/", "backslash"},
        {"http://a@b@c/", "more than one @"},
        {"http://example.com:0/", "port"},
        {"http://example.com:65536/", "port"},
        {"http://example.com:/", "port"},
        {"http://example.com:8o/", "port"},
        {"http://example.com:-1/", "port"},
        {"http://example.com:80:80/", "port"},
        {"http://[::1]80/", "port"},
        {"http://[::1/", "bracket"},
        {"http://[::g]/", "IPv6"},
        {"http://[fe80::1%25eth0]/", "IPv6"},
        {"http://[127.0.0.1]/", "IPv6"},
        {"http://::1/", "no host"},
        {"http://2130706433/", "IPv4"},
        {"http://0x7f.1/", "IPv4"},
        {"http://0x7f000001/", "IPv4"},
        {"http://017700000001/", "IPv4"},
        {"http://017.0.0.1/", "IPv4"},
        {"http://127.1/", "IPv4"},
        {"http://127.0.0.1./", "IPv4"},
        {"http://1.2.3.256/", "IPv4"},
        {"http://1.2.3.4.5/", "IPv4"},
        {"http://a..b/", "name"},
        {"http://.a/", "name"},
        {"http://./", "name"},
        {"http://a../", "name"},
        {"http://-a/", "name"},
        {"http://a%2eb/", "name"},
        {"http://a*b/", "name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url u;
        struct errbuf err = {0};
        if (url_parse(cases[i].text, &u, &err) != ST_INVALID)
            fail_msg("%s was accepted", cases[i].text);
        if (!strstr(err.text, cases[i].why))
            fail_msg("%s: \"%s\" does not say %s", cases[i].text, err.text, cases[i].why);
        assert_string_equal(url_check_http(cases[i].text), err.text);
    }
}

static void lengths_are_bounded(void **state)
{
    static char text[LIMIT_URL_BYTES + 2] = "http://h/";
    for (size_t i = strlen(text); i < LIMIT_URL_BYTES; i++)
        text[i] = 'a';
    assert_null(url_check_http(text));
    text[LIMIT_URL_BYTES] = 'a';
    assert_non_null(strstr(url_check_http(text), "longer"));
    char label[128] = "http://";
    memset(label + 7, 'a', 63);
    assert_null(url_check_http(label));
    label[70] = 'a';
    assert_non_null(url_check_http(label));
}

/* The examples of RFC 3986 section 5.4, and what servers send besides. */
static void references_resolve(void **state)
{
    static const struct {
        const char *base, *reference, *want;
    } cases[] = {
        {"http://a/b/c/d;p?q", "g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "./g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "/g", "http://a/g"},
        {"http://a/b/c/d;p?q", "//g", "http://g"},
        {"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"},
        {"http://a/b/c/d;p?q", "g?y", "http://a/b/c/g?y"},
        {"http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q"},
        {"http://a/b/c/d;p?q", "g#s", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", ";x", "http://a/b/c/;x"},
        {"http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q"},
        {"http://a/b/c/d;p?q", ".", "http://a/b/c/"},
        {"http://a/b/c/d;p?q", "..", "http://a/b/"},
        {"http://a/b/c/d;p?q", "../g", "http://a/b/g"},
        {"http://a/b/c/d;p?q", "../..", "http://a/"},
        {"http://a/b/c/d;p?q", "../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "../../../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "/./g", "http://a/g"},
        {"http://a/b/c/d;p?q", "/../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "g.", "http://a/b/c/g."},
        {"http://a/b/c/d;p?q", "..g", "http://a/b/c/..g"},
        {"http://a/b/c/d;p?q", "./g/.", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "g?y/../x", "http://a/b/c/g?y/../x"},
        {"http://a/b/c/d;p?q", "https://x/y", "https://x/y"},
        {"http://a/b/c/d;p?q", "mailto:x", "mailto:x"},
        {"http://a", "g", "http://a/g"},
        {"http://a", "?x", "http://a?x"},
        {"http://a?q", "/x", "http://a/x"},
        {"https://u:p@a:81/b", "/c d\xc3\xa4", "https://u:p@a:81/c%20d%C3%A4"},
        {"https://a/", "//b:82/x", "https://b:82/x"},
        {"http://a/", "  /padded", "http://a/padded"},
    };
    AUTO_ARENA arena = arena_new(1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *out = NULL;
        assert_int_equal(url_resolve(cases[i].base, cases[i].reference, arena, &out), ST_OK);
        assert_string_equal(out, cases[i].want);
    }
    const char *out = NULL;
    assert_int_equal(url_resolve("relative", "x", arena, &out), ST_INVALID);
    assert_int_equal(url_resolve("http://a\x97.org/", "x", arena, &out), ST_INVALID);
    assert_int_equal(url_resolve("http://a.org/ b", "x", arena, &out), ST_INVALID);
    assert_int_equal(url_resolve("#ttp://a.org/", "x", arena, &out), ST_INVALID);
    assert_null(out);
}

static void origins(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"http://a/", "http://A:80/x?y", true},    {"https://a/", "https://a:443/", true},
        {"http://a/", "https://a/", false},        {"http://a/", "http://a:81/", false},
        {"http://a/", "http://b/", false},         {"http://a/", "http://a.b/", false},
        {"http://[::1]/", "http://[0::1]/", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url a, b;
        assert_int_equal(url_parse(cases[i].a, &a, NULL), ST_OK);
        assert_int_equal(url_parse(cases[i].b, &b, NULL), ST_OK);
        assert_int_equal(url_same_origin(&a, &b), cases[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(must_parse),
        cmocka_unit_test(must_not_parse),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(references_resolve),
        cmocka_unit_test(origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
