/* The Redis connection: failures drop it, and nothing answers the wrong question afterwards. */
#include "redis/redis.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tests/kit/kit.h"

static const char *url;

static int setup(void **state)
{
    url = kit_redis();
    return 0;
}

static void must_read(struct redis *r, const char *key, const char *value)
{
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(r, &reply, "GET", key));
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_string_equal(reply->str, value);
}

static void test_commands(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    assert_false(redis_is_connected(r));
    assert_ok(redis_ping(r));
    assert_int_equal(redis_generation(r), 1);
    struct rargs a;
    rargs_init(&a, "SET");
    rargs_str(&a, "bytes");
    rargs_bytes(&a, "a\0b\r\n", 5);
    assert_ok(redis_call(r, &a, NULL));
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(r, &reply, "GET", "bytes"));
    assert_int_equal(reply->len, 5);
    assert_memory_equal(reply->str, "a\0b\r\n", 5);
    /* Text that would be two commands in the inline protocol stays one value. */
    assert_ok(redis_do(r, NULL, "SET", "k", "x\r\nFLUSHALL\r\n"));
    must_read(r, "k", "x\r\nFLUSHALL\r\n");
}

static void test_error_replies(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    assert_ok(redis_do(r, NULL, "SET", "text", "x"));
    assert_status(ST_CORRUPT, redis_do(r, NULL, "LPUSH", "text", "y"));
    assert_non_null(strstr(redis_error(r), "WRONGTYPE"));
    assert_status(ST_CONFLICT,
                  redis_do(r, NULL, "XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"));
    assert_ok(redis_do(r, NULL, "XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"));
    assert_status(ST_CONFLICT, redis_do(r, NULL, "XGROUP", "CREATE", "s", "g", "0"));
    assert_true(redis_is_connected(r));
    assert_int_equal(redis_generation(r), 1);
}

static void test_arguments_are_bounded(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    struct rargs a;
    rargs_init(&a, "DEL");
    for (int i = 0; i < 64; i++)
        rargs_str(&a, "k");
    assert_true(a.failed);
    assert_status(ST_TOO_LARGE, redis_call(r, &a, NULL));
    rargs_init(&a, "DEL");
    for (int i = 0; i < 25; i++)
        rargs_i64(&a, i);
    assert_true(a.failed);
}

static void test_timeout_does_not_desynchronise(void **state)
{
    struct redis *slow = NULL;
    assert_ok(redis_new(url, 1000, &slow, NULL));
    AUTO_REDIS r = slow;
    AUTO_REDIS other = kit_redis_open(url);
    assert_ok(redis_do(r, NULL, "SET", "answer", "right"));
    assert_ok(redis_do(other, NULL, "DEL", "list"));
    /* Waits for longer than the connection does; its reply comes when nobody asks any more. */
    assert_status(ST_UNAVAILABLE, redis_do(r, NULL, "BLPOP", "list", "60"));
    assert_false(redis_is_connected(r));
    assert_ok(redis_do(other, NULL, "RPUSH", "list", "wrong"));
    assert_true(kit_wait(redis_ping(r) == ST_OK, KIT_PATIENCE_MS));
    must_read(r, "answer", "right");
    assert_int_equal(redis_generation(r), 2);
}

static void test_blocking_call_waits_longer(void **state)
{
    struct redis *slow = NULL;
    assert_ok(redis_new(url, 200, &slow, NULL));
    AUTO_REDIS r = slow;
    struct rargs a;
    rargs_init(&a, "BLPOP");
    rargs_str(&a, "nothing");
    rargs_str(&a, "0.5");
    AUTO_REPLY reply = NULL;
    assert_ok(redis_call_blocking(r, &a, 500, &reply));
    assert_int_equal(reply->type, REDIS_REPLY_NIL);
    assert_int_equal(redis_generation(r), 1);
}

static void test_reconnects(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    AUTO_REDIS other = kit_redis_open(url);
    AUTO_REPLY id = NULL;
    assert_ok(redis_do(r, &id, "CLIENT", "ID"));
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", id->integer);
    assert_ok(redis_do(r, NULL, "SET", "kept", "1"));
    assert_ok(redis_do(other, NULL, "CLIENT", "KILL", "ID", text));
    /* Found out before anything is sent; the same database again. */
    must_read(r, "kept", "1");
    assert_int_equal(redis_generation(r), 2);
}

/* A pipeline has been heard in part perhaps: it fails, and the next command connects. */
static void test_lost_in_a_pipeline(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    AUTO_REDIS other = kit_redis_open(url);
    AUTO_REPLY id = NULL;
    char text[24];
    assert_ok(redis_do(r, &id, "CLIENT", "ID"));
    (void)snprintf(text, sizeof(text), "%lld", id->integer);
    struct rargs a;
    rargs_init(&a, "PING");
    assert_ok(redis_append(r, &a));
    assert_ok(redis_do(other, NULL, "CLIENT", "KILL", "ID", text));
    assert_ok(redis_append(r, &a));
    assert_status(ST_UNAVAILABLE, redis_fetch(r, NULL));
    assert_status(ST_UNAVAILABLE, redis_fetch(r, NULL));
    assert_ok(redis_ping(r));
    assert_int_equal(redis_generation(r), 2);
}

/* Messages that wait are no reason to reconnect. */
static void test_second_subscription(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    AUTO_REDIS other = kit_redis_open(url);
    assert_ok(redis_subscribe(r, "kit:first"));
    assert_ok(redis_do(other, NULL, "PUBLISH", "kit:first", "one"));
    assert_ok(redis_subscribe(r, "kit:second"));
    assert_int_equal(redis_generation(r), 1);
}

static void test_unreachable(void **state)
{
    struct redis *none = NULL;
    assert_ok(redis_new("unix:///nonexistent/redis.sock", 100, &none, NULL));
    AUTO_REDIS r = none;
    assert_status(ST_UNAVAILABLE, redis_ping(r));
    assert_true(redis_error(r)[0] != '\0');
    assert_status(ST_UNAVAILABLE, redis_ping(r));
    assert_int_equal(redis_generation(r), 0);
}

static void test_pipeline(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    struct rargs a;
    for (int i = 0; i < 100; i++) {
        rargs_init(&a, i == 50 ? "LPUSH" : "INCR");
        rargs_str(&a, "count");
        if (i == 50)
            rargs_str(&a, "x");
        assert_ok(redis_append(r, &a));
    }
    /* A question in between would get another one's answer. */
    assert_status(ST_INTERNAL, redis_ping(r));
    for (int i = 0; i < 100; i++) {
        AUTO_REPLY reply = NULL;
        assert_ok(redis_fetch(r, &reply));
        if (i == 50)
            assert_int_equal(reply->type, REDIS_REPLY_ERROR);
        else
            assert_int_equal(reply->integer, i < 50 ? i + 1 : i);
    }
    assert_status(ST_UNAVAILABLE, redis_fetch(r, NULL));
    assert_ok(redis_ping(r));
}

static void test_script_is_loaded_again(void **state)
{
    static const struct redis_script script = {"sum", "return {KEYS[1], ARGV[1] + ARGV[2]}"};
    AUTO_REDIS r = kit_redis_open(url);
    const char *const keys[] = {"the key"};
    for (int i = 0; i < 3; i++) {
        struct rargs a;
        rargs_init(&a, NULL);
        rargs_i64(&a, 40);
        rargs_i64(&a, 2);
        AUTO_REPLY reply = NULL;
        assert_ok(redis_script(r, &script, keys, 1, &a, &reply));
        assert_int_equal(reply->elements, 2);
        assert_string_equal(reply->element[0]->str, "the key");
        assert_int_equal(reply->element[1]->integer, 42);
        if (i == 1)
            assert_ok(redis_do(r, NULL, "SCRIPT", "FLUSH"));
    }
    static const struct redis_script bad = {"bad", "return redis.call('LPUSH', KEYS[1])"};
    assert_status(ST_INTERNAL, redis_script(r, &bad, keys, 1, NULL, NULL));
}

static void test_subscription(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    AUTO_REDIS other = kit_redis_open(url);
    assert_ok(redis_subscribe(r, "kit:channel"));
    AUTO_REPLY none = NULL;
    assert_status(ST_TIMEOUT, redis_next(r, 20, &none));
    assert_null(none);
    assert_ok(redis_do(other, NULL, "PUBLISH", "kit:channel", "one"));
    assert_ok(redis_do(other, NULL, "PUBLISH", "kit:channel", "two"));
    for (int i = 0; i < 2; i++) {
        AUTO_REPLY message = NULL;
        assert_ok(redis_next(r, KIT_PATIENCE_MS, &message));
        assert_int_equal(message->elements, 3);
        assert_string_equal(message->element[2]->str, i == 0 ? "one" : "two");
    }
    assert_ok(redis_do(other, NULL, "CLIENT", "KILL", "TYPE", "pubsub"));
    AUTO_REPLY gone = NULL;
    assert_status(ST_UNAVAILABLE, redis_next(r, KIT_PATIENCE_MS, &gone));
    assert_false(redis_is_connected(r));
}

static void test_silence_is_heeded(void **state)
{
    atomic_bool is_silent = false;
    AUTO_REDIS r = kit_redis_open(url);
    redis_heed(r, &is_silent);
    assert_ok(redis_ping(r));
    atomic_store(&is_silent, true);
    assert_status(ST_UNAVAILABLE, redis_ping(r));
    assert_non_null(strstr(redis_error(r), "does not answer"));
    atomic_store(&is_silent, false);
    assert_ok(redis_ping(r));
    assert_int_equal(redis_generation(r), 1);
}

static void test_durability_check(void **state)
{
    AUTO_REDIS r = kit_redis_open(url);
    struct errbuf err = {{0}};
    assert_ok(redis_check_durability(r, &err));
    assert_ok(redis_do(r, NULL, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru"));
    assert_status(ST_INVALID, redis_check_durability(r, &err));
    assert_non_null(strstr(err.text, "CONFIG SET maxmemory-policy noeviction"));
    assert_ok(redis_do(r, NULL, "CONFIG", "SET", "maxmemory-policy", "noeviction"));
    assert_ok(redis_do(r, NULL, "CONFIG", "SET", "appendonly", "no"));
    assert_status(ST_INVALID, redis_check_durability(r, &err));
    assert_non_null(strstr(err.text, "CONFIG SET appendonly yes"));
    assert_ok(redis_do(r, NULL, "CONFIG", "SET", "appendonly", "yes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_error_replies),
        cmocka_unit_test(test_arguments_are_bounded),
        cmocka_unit_test(test_timeout_does_not_desynchronise),
        cmocka_unit_test(test_blocking_call_waits_longer),
        cmocka_unit_test(test_reconnects),
        cmocka_unit_test(test_lost_in_a_pipeline),
        cmocka_unit_test(test_second_subscription),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_script_is_loaded_again),
        cmocka_unit_test(test_subscription),
        cmocka_unit_test(test_silence_is_heeded),
        cmocka_unit_test(test_durability_check),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
