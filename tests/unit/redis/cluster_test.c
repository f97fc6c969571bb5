/* Slots, keys of commands and redirections of Redis Cluster. */
#include "redis/cluster.h"

#include <string.h>

#include "tests/kit/kit.h"

static void test_slots(void **state)
{
    static const struct {
        const char *key;
        int slot;
    } rows[] = {
        {"123456789", 0x31c3 % REDIS_SLOTS}, /* the specification's own example */
        {"foo", 12182},
        {"{foo}", 12182},
        {"{foo}.bar", 12182},
        {"a{foo}{bar}", 12182},
        {"", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(redis_slot(rows[i].key, strlen(rows[i].key)), rows[i].slot);
    /* An empty tag is none. */
    assert_int_not_equal(redis_slot("{}a", 3), redis_slot("{}b", 3));
    assert_int_not_equal(redis_slot("{a", 2), redis_slot("{b", 2));
}

static void test_keys_of_commands(void **state)
{
    static const struct {
        const char *words[8];
        bool has_key;
    } rows[] = {
        {{"GET", "foo"}, true},
        {{"PING"}, false},
        {{"MULTI"}, false},
        {{"PUBLISH", "foo", "x"}, false},
        {{"EVALSHA", "abc", "1", "foo", "x"}, true},
        {{"EVAL", "return 1", "0", "foo"}, false},
        {{"XINFO", "CONSUMERS", "foo", "g"}, true},
        {{"XREADGROUP", "GROUP", "g", "c", "STREAMS", "foo", ">"}, true},
        {{"XREAD", "COUNT", "1"}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t length[8];
        int count = 0;
        for (; count < 8 && rows[i].words[count]; count++)
            length[count] = strlen(rows[i].words[count]);
        assert_int_equal(redis_command_slot(count, rows[i].words, length),
                         rows[i].has_key ? 12182 : -1);
    }
}

static void test_redirects(void **state)
{
    struct redis_redirect to;
    assert_ok(redis_redirect_parse("MOVED 3999 127.0.0.1:6381", &to));
    assert_int_equal(to.slot, 3999);
    assert_string_equal(to.host, "127.0.0.1");
    assert_int_equal(to.port, 6381);
    assert_false(to.is_ask);
    assert_ok(redis_redirect_parse("ASK 16383 ::1:1", &to));
    assert_true(to.is_ask);
    assert_string_equal(to.host, "::1");
    static const char *const bad[] = {"",
                                      "ERR no",
                                      "MOVED",
                                      "MOVED ",
                                      "MOVED x 1.2.3.4:1",
                                      "MOVED 16384 1.2.3.4:1",
                                      "MOVED 1 1.2.3.4",
                                      "MOVED 1 :1",
                                      "MOVED 1 h:",
                                      "MOVED 1 h:65536",
                                      "MOVED 1 h:1x",
                                      "MOVED 99999999999999999999 h:1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_status(ST_NOT_FOUND, redis_redirect_parse(bad[i], &to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_keys_of_commands),
        cmocka_unit_test(test_redirects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
