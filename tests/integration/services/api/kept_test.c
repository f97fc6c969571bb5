/* The table of kept replies: what it serves, and its bounds. */
#include "services/api/kept.h"

#include <stdio.h>
#include <string.h>

#include "tests/kit/kit.h"

static struct kept_key key_of(unsigned char org, unsigned target)
{
    struct kept_key key = {.org = {{org}}};
    memcpy(key.target, &target, sizeof(target));
    return key;
}

static const struct generations one = {.of = {1, 2, 3}}, another = {.of = {1, 2, 4}};

static bool has(struct kept *k, const struct kept_key *key, const struct generations *stamp,
                int64_t since_ms, const char *text)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    size_t len = 0;
    const char *found = kept_get(k, key, stamp, since_ms, arena, &len);
    return text ? found && len == strlen(text) && memcmp(found, text, len) == 0 : !found;
}

static void an_entry_is_good_for_its_key_stamp_and_time(void **state)
{
    struct kept *k = kept_new(4096);
    const struct kept_key mine = key_of(1, 7), his = key_of(2, 7), other = key_of(1, 8);
    assert_false(kept_touch(k, &mine));
    assert_true(kept_touch(k, &mine));
    assert_false(kept_touch(k, &his));
    kept_put(k, &mine, &one, 100, "text", 4);
    assert_true(has(k, &mine, &one, 99, "text"));
    assert_true(has(k, &mine, &one, 100, NULL));
    assert_true(has(k, &mine, &another, 0, NULL));
    assert_true(has(k, &his, &one, 0, NULL));
    assert_true(has(k, &other, &one, 0, NULL));
    kept_put(k, &mine, &another, 200, "newer", 5);
    assert_true(has(k, &mine, &one, 0, NULL));
    assert_true(has(k, &mine, &another, 0, "newer"));
    kept_free(k);
    kept_free(NULL);
}

static void what_is_new_makes_room_by_what_is_old(void **state)
{
    enum { MAX = 10000, TEXT = 1000 };
    struct kept *k = kept_new(MAX);
    char text[TEXT + 1];
    memset(text, 'x', TEXT);
    text[TEXT] = '\0';
    for (unsigned i = 0; i < 20000; i++) {
        const struct kept_key key = key_of(1, i);
        kept_put(k, &key, &one, 1 + i, text, TEXT);
        assert_true(has(k, &key, &one, 0, text));
    }
    size_t left = 0;
    for (unsigned i = 0; i < 20000; i++) {
        const struct kept_key key = key_of(1, i);
        left += has(k, &key, &one, 0, text);
    }
    assert_true(left >= 1 && left * TEXT <= MAX);

    const struct kept_key last = key_of(1, 19999), big = key_of(1, 20000);
    AUTO_FREE char *huge = calloc(1, MAX + 1);
    kept_put(k, &big, &one, 1, huge, MAX + 1);
    assert_true(has(k, &big, &one, 0, NULL));
    assert_true(has(k, &last, &one, 0, text));
    kept_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_good_for_its_key_stamp_and_time),
        cmocka_unit_test(what_is_new_makes_room_by_what_is_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
