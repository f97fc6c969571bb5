/* The egress guard, as tables of must and must not. */
#include "net/egress.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage address(const char *text, uint16_t port)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&out, &v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&out, &v6, sizeof(v6));
    else
        fail_msg("not an address: %s", text);
    return out;
}

static struct egress *guard(const char *preset, const char *allow, const char *deny)
{
    struct egress *e = NULL;
    struct errbuf err = {0};
    if (egress_new(preset, allow, deny, &e, &err) != ST_OK)
        fail_msg("%s", err.text);
    return e;
}

static void must_pass(const struct egress *e, const char *text)
{
    struct sockaddr_storage a = address(text, 443);
    struct errbuf err = {0};
    if (egress_check(e, (const struct sockaddr *)&a, &err) != ST_OK)
        fail_msg("%s was denied: %s", text, err.text);
}

static void must_not_pass(const struct egress *e, const char *text, const char *why)
{
    struct sockaddr_storage a = address(text, 443);
    struct errbuf err = {0};
    if (egress_check(e, (const struct sockaddr *)&a, &err) != ST_EGRESS_DENIED)
        fail_msg("%s was let through", text);
    if (strncmp(err.text, why, strlen(why)) != 0)
        fail_msg("%s: denied as \"%s\", not as %s", text, err.text, why);
}

static const struct {
    const char *text;
    const char *internal; /* NULL: allowed; else how the reason begins */
    const char *strict;
} ranges[] = {
    /* public */
    {"1.1.1.1", NULL, NULL},
    {"8.8.8.8", NULL, NULL},
    {"9.255.255.255", NULL, NULL},
    {"11.0.0.0", NULL, NULL},
    {"126.255.255.255", NULL, NULL},
    {"128.0.0.0", NULL, NULL},
    {"172.15.255.255", NULL, NULL},
    {"172.32.0.0", NULL, NULL},
    {"192.167.255.255", NULL, NULL},
    {"198.17.255.255", NULL, NULL},
    {"198.20.0.0", NULL, NULL},
    {"223.255.255.255", NULL, NULL},
    {"2606:4700:4700::1111", NULL, NULL},
    {"2a00:1450:4001:800::200e", NULL, NULL},
    {"2001:4860:4860::8888", NULL, NULL},
    /* private */
    {"10.0.0.0", NULL, "private address 10.0.0.0 "},
    {"10.255.255.255", NULL, "private"},
    {"172.16.0.1", NULL, "private"},
    {"172.31.255.255", NULL, "private"},
    {"192.168.0.1", NULL, "private"},
    {"192.168.255.255", NULL, "private"},
    {"100.64.0.1", NULL, "shared"},
    {"100.127.255.255", NULL, "shared"},
    {"fc00::1", NULL, "private"},
    {"fdff:ffff::1", NULL, "private"},
    /* this machine */
    {"0.0.0.0", "unspecified", "unspecified"},
    {"0.1.2.3", "reserved", "reserved"},
    {"127.0.0.1", "loopback address 127.0.0.1 is not allowed", "loopback"},
    {"127.255.255.255", "loopback", "loopback"},
    {"::", "unspecified", "unspecified"},
    {"::1", "loopback", "loopback"},
    /* link-local, metadata */
    {"169.254.0.1", "link-local", "link-local"},
    {"169.254.169.254", "cloud metadata", "cloud metadata"},
    {"169.254.170.2", "cloud metadata", "cloud metadata"},
    {"169.254.255.255", "link-local", "link-local"},
    {"100.100.100.200", "cloud metadata", "cloud metadata"},
    {"192.0.0.192", "cloud metadata", "cloud metadata"},
    {"168.63.129.16", "cloud metadata", "cloud metadata"},
    {"fd00:ec2::254", "cloud metadata", "cloud metadata"},
    {"fd20:ce::254", "cloud metadata", "cloud metadata"},
    {"fe80::1", "link-local", "link-local"},
    {"fe80::a9fe:a9fe", "link-local", "link-local"},
    {"febf:ffff::1", "link-local", "link-local"},
    /* multicast, reserved */
    {"192.0.0.1", "reserved", "reserved"},
    {"192.0.2.1", "reserved", "reserved"},
    {"192.88.99.1", "reserved", "reserved"},
    {"198.18.0.1", "reserved", "reserved"},
    {"198.19.255.255", "reserved", "reserved"},
    {"198.51.100.1", "reserved", "reserved"},
    {"203.0.113.1", "reserved", "reserved"},
    {"224.0.0.1", "multicast", "multicast"},
    {"239.255.255.255", "multicast", "multicast"},
    {"240.0.0.1", "reserved", "reserved"},
    {"255.255.255.255", "broadcast", "broadcast"},
    {"100::1", "reserved (discard)", "reserved"},
    {"2001:2::1", "reserved", "reserved"},
    {"2001:10::1", "reserved", "reserved"},
    {"2001:20::1", "reserved", "reserved"},
    {"2001:db8::1", "reserved (documentation)", "reserved"},
    {"3fff::1", "reserved (documentation)", "reserved"},
    {"5f00::1", "reserved", "reserved"},
    {"fec0::1", "reserved", "reserved"},
    {"ff02::1", "multicast", "multicast"},
    {"4000::1", "reserved", "reserved"},
    {"e000::1", "reserved", "reserved"},
    /* IPv4 inside IPv6: mapped, translated, compatible, NAT64, 6to4, Teredo */
    {"::ffff:127.0.0.1", "loopback address 127.0.0.1 (inside ::ffff:127.0.0.1)", "loopback"},
    {"::ffff:169.254.169.254", "cloud metadata", "cloud metadata"},
    {"::ffff:10.0.0.1", NULL, "private"},
    {"::ffff:8.8.8.8", NULL, NULL},
    {"::ffff:0:127.0.0.1", "loopback", "loopback"},
    {"::127.0.0.1", "loopback", "loopback"},
    {"::2", "reserved", "reserved"},
    {"::8.8.8.8", NULL, NULL},
    {"64:ff9b::127.0.0.1", "loopback", "loopback"},
    {"64:ff9b::a9fe:a9fe", "cloud metadata", "cloud metadata"},
    {"64:ff9b::10.1.2.3", NULL, "private"},
    {"64:ff9b::8.8.8.8", NULL, NULL},
    {"64:ff9b:1::8.8.8.8", "reserved (local NAT64)", "reserved"},
    {"2002:7f00:1::", "loopback", "loopback"},
    {"2002:a9fe:a9fe::1", "cloud metadata", "cloud metadata"},
    {"2002:a00:1::1", NULL, "private"},
    {"2002:808:808::1", NULL, NULL},
    {"2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback", "loopback"},      /* ~127.0.0.1 */
    {"2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved (doc", "reserved"}, /* ~192.0.2.45 */
    {"2001:0:4136:e378:8000:63bf:f7f7:f7f7", NULL, NULL},                  /* ~8.8.8.8 */
};

static void ranges_by_preset(void **state)
{
    struct egress *internal = guard("internal", "", "");
    struct egress *strict = guard("strict", NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (ranges[i].internal)
            must_not_pass(internal, ranges[i].text, ranges[i].internal);
        else
            must_pass(internal, ranges[i].text);
        if (ranges[i].strict)
            must_not_pass(strict, ranges[i].text, ranges[i].strict);
        else
            must_pass(strict, ranges[i].text);
    }
    egress_free(internal);
    egress_free(strict);
}

static void deny_beats_allow_beats_preset(void **state)
{
    struct egress *e = guard("strict", "127.0.0.0/8, 10.0.0.0/8 ::1/128,192.168.1.7",
                             "10.9.0.0/16, 8.8.8.8/32,64:ff9b::/96,2606:4700::/32");
    must_pass(e, "127.0.0.1");
    must_pass(e, "::1");
    must_pass(e, "::ffff:127.0.0.1");
    must_pass(e, "2002:7f00:1::");
    must_pass(e, "10.8.255.255");
    must_pass(e, "192.168.1.7");
    must_not_pass(e, "192.168.1.8", "private");
    must_not_pass(e, "10.9.0.1", "denied");
    must_not_pass(e, "::ffff:10.9.0.1", "denied");
    must_not_pass(e, "8.8.8.8", "denied");
    must_not_pass(e, "64:ff9b::1.1.1.1", "denied");
    must_not_pass(e, "2606:4700:4700::1111", "denied");
    must_pass(e, "1.1.1.1");
    egress_free(e);
}

static void prefix_lengths(void **state)
{
    struct egress *e = guard("strict", "10.1.2.128/25,fd00:0:0:8000::/49,::ffff:172.16.0.0/108",
                             "0.0.0.0/1");
    must_not_pass(e, "10.1.2.128", "denied");
    must_pass(e, "fd00:0:0:8000::1");
    must_pass(e, "fd00:0:0:ffff::1");
    must_not_pass(e, "fd00::1", "private");
    must_pass(e, "172.31.0.1");
    must_pass(e, "172.32.0.1");
    must_not_pass(e, "11.0.0.1", "denied");
    egress_free(e);
}

static void own_stores_are_denied_whatever_is_allowed(void **state)
{
    struct egress *e = guard("internal", "127.0.0.0/8,::1,0.0.0.0/0", "");
    struct sockaddr_storage postgres = address("10.0.0.5", 5432);
    struct sockaddr_storage redis = address("127.0.0.1", 6379);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_int_equal(egress_deny_own(e, (const struct sockaddr *)&postgres), ST_OK);
    assert_int_equal(egress_deny_own(e, (const struct sockaddr *)&redis), ST_OK);
    assert_int_equal(egress_deny_own(e, (const struct sockaddr *)&local), ST_OK);
    static const struct {
        const char *text;
        uint16_t port;
        bool is_allowed;
    } cases[] = {
        {"10.0.0.5", 5432, false},     {"10.0.0.5", 80, true},    {"::ffff:10.0.0.5", 5432, false},
        {"2002:a00:5::", 5432, false}, {"10.0.0.6", 5432, true},  {"127.0.0.1", 6379, false},
        {"127.0.0.2", 6379, false},    {"::1", 6379, false},      {"0.0.0.0", 6379, false},
        {"::", 6379, false},           {"127.0.0.1", 8080, true}, {"::1", 8080, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sockaddr_storage a = address(cases[i].text, cases[i].port);
        enum status want = cases[i].is_allowed ? ST_OK : ST_EGRESS_DENIED;
        if (egress_check(e, (const struct sockaddr *)&a, NULL) != want)
            fail_msg("%s port %u", cases[i].text, cases[i].port);
    }
    egress_free(e);
}

static void other_families_are_denied(void **state)
{
    struct egress *e = guard("internal", "0.0.0.0/0", "");
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_int_equal(egress_check(e, (const struct sockaddr *)&local, NULL), ST_EGRESS_DENIED);
    egress_free(e);
}

static void bad_settings_are_named(void **state)
{
    static const struct {
        const char *preset, *allow, *deny, *names;
    } cases[] = {
        {"lax", "", "", "lax"},
        {"", "", "", "preset"},
        {NULL, "", "", "preset"},
        {"strict", "10.0.0.0/33", "", "10.0.0.0/33"},
        {"strict", "10.0.0.0/-1", "", "10.0.0.0/-1"},
        {"strict", "10.0.0/8", "", "10.0.0/8"},
        {"strict", "::1/129", "", "::1/129"},
        {"strict", "10.0.0.0/", "", "10.0.0.0/"},
        {"strict", "010.0.0.0/8", "", "010.0.0.0/8"},
        {"strict", "", "1.1.1.1, example.com", "deny list: example.com"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct egress *e = NULL;
        struct errbuf err = {0};
        assert_int_equal(egress_new(cases[i].preset, cases[i].allow, cases[i].deny, &e, &err),
                         ST_INVALID);
        assert_null(e);
        if (!strstr(err.text, cases[i].names))
            fail_msg("\"%s\" does not name %s", err.text, cases[i].names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_by_preset),
        cmocka_unit_test(deny_beats_allow_beats_preset),
        cmocka_unit_test(prefix_lengths),
        cmocka_unit_test(own_stores_are_denied_whatever_is_allowed),
        cmocka_unit_test(other_families_are_denied),
        cmocka_unit_test(bad_settings_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
