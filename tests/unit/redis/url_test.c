/* Where Redis is, as a URL. */
#include "redis/url.h"

#include "tests/kit/kit.h"

static void must_parse(const char *text, const char *host, int port, const char *path, int db,
                       const char *user, const char *password)
{
    struct redis_url url;
    struct errbuf err = {{0}};
    if (redis_url_parse(text, &url, &err) != ST_OK)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(url.path, path);
    assert_int_equal(url.db, db);
    assert_string_equal(url.user, user);
    assert_string_equal(url.password, password);
}

static void test_accepts(void **state)
{
    must_parse("redis://localhost", "localhost", 6379, "", 0, "", "");
    must_parse("redis://localhost/", "localhost", 6379, "", 0, "", "");
    must_parse("redis://127.0.0.1:6380/3", "127.0.0.1", 6380, "", 3, "", "");
    must_parse("redis://[::1]:6380/1", "::1", 6380, "", 1, "", "");
    must_parse("redis://[::1]", "::1", 6379, "", 0, "", "");
    must_parse("redis://:secret@r", "r", 6379, "", 0, "", "secret");
    must_parse("redis://me:p%40ss%2Fw@r:1/2", "r", 1, "", 2, "me", "p@ss/w");
    must_parse("redis://me:a@b@r", "r", 6379, "", 0, "me", "a@b");
    must_parse("unix:///run/redis.sock", "", 6379, "/run/redis.sock", 0, "", "");
    must_parse("unix:///run/redis.sock?db=5", "", 6379, "/run/redis.sock", 5, "", "");
}

static void test_refuses(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "rediss://localhost",
        "http://localhost",
        "redis://",
        "redis:///0",
        "redis://:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h:",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/99999",
        "redis://h?db=1",
        "redis://me@h",
        "redis://me:%4@h",
        "redis://me:%00@h",
        "redis://me:%zz@h",
        "redis://[::1",
        "redis://[::1]x",
        "redis://a b",
        "unix://run/redis.sock",
        "unix:///",
        "unix:///s?database=1",
        "unix:///s?db=",
        "unix:///aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct redis_url url;
        struct errbuf err = {{0}};
        if (redis_url_parse(bad[i], &url, &err) != ST_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_accepts),
                                       cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
