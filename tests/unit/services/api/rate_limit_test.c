/* Token buckets: how many pass, when the next may, and that memory stays bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "services/api/rate_limit.h"

#define SECOND INT64_C(1000000)

static struct rate_key key_of(const char *address)
{
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&peer;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&peer;
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        peer.ss_family = AF_INET;
    } else {
        peer.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
    }
    return rate_key_of_address(&peer);
}

static void a_minutes_worth_passes_at_once(void **state)
{
    struct rate_limit *r = rate_limit_new(64);
    const struct rate_key key = key_of("192.0.2.1");
    struct rate_state s;
    for (int i = 0; i < 100; i++) {
        assert_true(rate_limit_take(r, &key, 100, SECOND, &s));
        assert_int_equal(s.limit, 100);
        assert_int_equal(s.remaining, 99 - i);
        assert_int_equal(s.retry_s, 0);
    }
    assert_int_equal(s.reset_s, 60);
    assert_false(rate_limit_has(r, &key, 100, SECOND, NULL));
    assert_false(rate_limit_take(r, &key, 100, SECOND, &s));
    assert_int_equal(s.remaining, 0);
    assert_int_equal(s.retry_s, 1);
    /* one request each 600 ms, and not a microsecond earlier */
    assert_false(rate_limit_take(r, &key, 100, SECOND + 599999, NULL));
    assert_true(rate_limit_take(r, &key, 100, SECOND + 600000, NULL));
    assert_false(rate_limit_take(r, &key, 100, SECOND + 600000, NULL));
    /* full again after a minute, not fuller */
    for (int i = 0; i < 100; i++)
        assert_true(rate_limit_take(r, &key, 100, 1000 * SECOND, NULL));
    assert_false(rate_limit_take(r, &key, 100, 1000 * SECOND, NULL));
    /* a clock that went back gives nothing away */
    assert_false(rate_limit_take(r, &key, 100, 1 * SECOND, NULL));
    rate_limit_free(r);
}

static void buckets_are_apart(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rate_limit *r = rate_limit_new(64);
        const struct rate_key a = key_of(rows[i].a), b = key_of(rows[i].b);
        assert_true(rate_limit_take(r, &a, 1, 0, NULL));
        assert_int_equal(rate_limit_take(r, &b, 1, 0, NULL), !rows[i].same);
        rate_limit_free(r);
    }
    struct rate_limit *r = rate_limit_new(64);
    struct rate_key key = key_of("192.0.2.1");
    assert_true(rate_limit_take(r, &key, 1, 0, NULL));
    key.kind = RATE_CREDENTIAL;
    assert_true(rate_limit_take(r, &key, 1, 0, NULL));
    rate_limit_free(r);
}

static void a_flood_of_addresses_is_bounded(void **state)
{
    struct rate_limit *r = rate_limit_new(16);
    struct rate_key key = {.kind = RATE_ADDRESS};
    for (int i = 0; i < 100000; i++) {
        memcpy(key.bytes, &i, sizeof(i));
        assert_true(rate_limit_take(r, &key, 100, i, NULL));
    }
    rate_limit_free(r);
    rate_limit_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minutes_worth_passes_at_once),
        cmocka_unit_test(buckets_are_apart),
        cmocka_unit_test(a_flood_of_addresses_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
