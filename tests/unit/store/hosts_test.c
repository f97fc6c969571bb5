/* Slugs and connectivity. */
#include "store/hosts.h"
#include "tests/kit/kit.h"

static void slugs_are_made_of_names(void **state)
{
    static const struct {
        const char *name, *slug;
    } rows[] = {
        {"server-001", "server-001"},
        {"Production Server", "production-server"},
        {"  a  b  ", "a-b"},
        {"Web.Example.com", "web-example-com"},
        {"", "host"},
        {"---", "host"},
        {"\xc3\xa9t\xc3\xa9", "t"},
        {"a_b", "a-b"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b c",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char slug[HOST_SLUG_BYTES];
        host_slug(rows[i].name, slug);
        assert_string_equal(slug, rows[i].slug);
        assert_true(host_is_slug(slug));
    }
    static const char *const not_slugs[] = {"", "-a", "a-", "A", "a b", "a.b", "\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_LEN(not_slugs); i++)
        assert_false(host_is_slug(not_slugs[i]));
}

static void connectivity_follows_from_the_last_sign(void **state)
{
    const int64_t now = 1706652000LL * 1000000;
    assert_string_equal(host_connectivity(0, now), "unknown");
    assert_string_equal(host_connectivity(now, now), "online");
    assert_string_equal(host_connectivity(now + 5000000, now), "online");
    assert_string_equal(host_connectivity(now - LIMIT_HOST_ONLINE_US, now), "online");
    assert_string_equal(host_connectivity(now - LIMIT_HOST_ONLINE_US - 1, now), "offline");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slugs_are_made_of_names),
        cmocka_unit_test(connectivity_follows_from_the_last_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
