/* The cache of authenticated callers: 5 s, bounded, forgetful on demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "auth/cache.h"
#include "base/clock.h"
#include "base/rand.h"

#define SECOND INT64_C(1000000)

static struct auth_entry entry(void)
{
    struct auth_entry e = {.who = {.user_id = uuid_new(), .role = ROLE_ADMIN}, .expires_us = 3};
    rand_bytes(e.key, sizeof(e.key));
    return e;
}

static void entries_live_five_seconds(void **state)
{
    struct auth_cache *c = auth_cache_new(64);
    const struct auth_entry e = entry();
    struct auth_entry out;
    const int64_t now = clock_mono_us();
    assert_false(auth_cache_get(c, e.key, now, &out));
    auth_cache_put(c, &e, now);
    assert_true(auth_cache_get(c, e.key, now, &out));
    assert_int_equal(out.expires_us, 3);
    assert_true(uuid_eq(&out.who.user_id, &e.who.user_id));
    assert_true(auth_cache_get(c, e.key, now + 5 * SECOND - 1, &out));
    assert_false(auth_cache_get(c, e.key, now + 5 * SECOND, &out));
    auth_cache_free(c);
}

static void only_the_same_key_is_found(void **state)
{
    struct auth_cache *c = auth_cache_new(1); /* everything meets in one slot */
    const struct auth_entry a = entry(), b = entry();
    struct auth_entry out;
    const int64_t now = clock_mono_us();
    auth_cache_put(c, &a, now);
    assert_false(auth_cache_get(c, b.key, now, &out));
    auth_cache_put(c, &b, now);
    assert_true(auth_cache_get(c, b.key, now, &out));
    assert_false(auth_cache_get(c, a.key, now, &out));
    auth_cache_free(c);
}

static void forgetting_takes_late_answers_too(void **state)
{
    struct auth_cache *c = auth_cache_new(64);
    const struct auth_entry a = entry(), b = entry();
    struct auth_entry out;
    const int64_t before = clock_mono_us();
    auth_cache_put(c, &a, before);
    auth_cache_put(c, &b, before);
    auth_cache_forget(c, &a.who.user_id);
    assert_false(auth_cache_get(c, a.key, before, &out));
    assert_true(auth_cache_get(c, b.key, before, &out));
    auth_cache_put(c, &a, before); /* asked before it was forgotten */
    assert_false(auth_cache_get(c, a.key, before, &out));
    auth_cache_forget(c, NULL);
    assert_false(auth_cache_get(c, b.key, before, &out));
    const int64_t after = clock_mono_us() + 1;
    auth_cache_put(c, &a, after);
    assert_true(auth_cache_get(c, a.key, after, &out));
    auth_cache_free(c);
    auth_cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_live_five_seconds),
        cmocka_unit_test(only_the_same_key_is_found),
        cmocka_unit_test(forgetting_takes_late_answers_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
