/* Networks, their lists, and what is in them. */
#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/cidr.h"

static struct cidr_address address(const char *text)
{
    struct cidr_address a = {0};
    a.is_v4 = inet_pton(AF_INET, text, a.b) == 1;
    if (!a.is_v4)
        assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
    return a;
}

static void test_networks(void **state)
{
    static const struct {
        const char *network, *address;
        bool has;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.9.9.9/8", "10.1.1.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"0.0.0.0/0", "1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.8", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::ffff:10.0.0.0/104", "10.1.1.1", true},
        {"::1", "::1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cidr n;
        const struct cidr_address a = address(rows[i].address);
        assert_ok(cidr_parse(rows[i].network, &n));
        if (cidr_has(&n, &a) != rows[i].has)
            fail_msg("%s in %s", rows[i].address, rows[i].network);
    }
    static const char *const wrong[] = {"",          "/8",        "10.0.0.0/33", "10.0.0.0/-1",
                                        "::/129",    "10.0.0/8",  "a.example",   "10.0.0.0/8/8",
                                        "10.0.0.0/", "10.0.0.0/x"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct cidr n;
        assert_status(ST_INVALID, cidr_parse(wrong[i], &n));
    }
}

static void test_lists(void **state)
{
    struct cidr_list list = {0};
    struct errbuf err = {""};
    assert_ok(cidr_list_parse(NULL, "list", &list, &err));
    assert_ok(cidr_list_parse(" 10.0.0.0/8,, 192.0.2.0/24 ::1\n", "list", &list, &err));
    assert_int_equal(list.count, 3);
    const struct cidr_address in = address("192.0.2.200"), out = address("192.0.3.1");
    assert_true(cidr_list_has(&list, &in));
    assert_false(cidr_list_has(&list, &out));
    assert_status(ST_INVALID, cidr_list_parse("10.0.0.0/8, nonsense", "list", &list, &err));
    assert_non_null(strstr(err.text, "nonsense"));
    cidr_list_done(&list);
}

static void test_unmap(void **state)
{
    struct cidr_address a = address("::ffff:192.0.2.1"), b = address("::1");
    cidr_address_unmap(&a);
    const struct cidr_address want = address("192.0.2.1");
    assert_true(cidr_address_eq(&a, &want));
    cidr_address_unmap(&b);
    assert_false(b.is_v4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_unmap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
