/* Secrets at rest: bound to their place, rotated by key id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/seal.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static struct seal_keys *keys(const char *text)
{
    struct seal_keys *k = NULL;
    assert_int_equal(seal_keys_new(text, &k, NULL), ST_OK);
    return k;
}

static struct seal_place place(void)
{
    struct seal_place p = {.table = "channels", .row = uuid_new(), .column = "secret"};
    return p;
}

static void keys_are_validated(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        KEY_A "00",
        KEY_A ",",
        "," KEY_A,
        KEY_A "," KEY_A,
        KEY_A ", " KEY_B,
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct seal_keys *k = NULL;
        assert_int_equal(seal_keys_new(bad[i], &k, NULL), ST_INVALID);
        assert_null(k);
    }
    assert_int_equal(seal_keys_new(NULL, &(struct seal_keys *){NULL}, NULL), ST_INVALID);
    seal_keys_free(NULL);
}

static void text_comes_back(void **state)
{
    static const char *const texts[] = {"", "x", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                        "{\"secret\":\"äöü\"}"};
    AUTO_ARENA arena = arena_new(1 << 20);
    struct seal_keys *k = keys(KEY_A);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct seal_place p = place();
        unsigned char *sealed = NULL, *again = NULL;
        size_t len = 0, again_len = 0;
        const char *text = NULL;
        assert_int_equal(seal_close(k, &p, texts[i], arena, &sealed, &len), ST_OK);
        assert_int_equal(len, 1 + 4 + 24 + strlen(texts[i]) + 16);
        assert_int_equal(seal_open(k, &p, sealed, len, arena, &text), ST_OK);
        assert_string_equal(text, texts[i]);
        assert_int_equal(seal_close(k, &p, texts[i], arena, &again, &again_len), ST_OK);
        assert_memory_not_equal(sealed, again, len);
    }
    seal_keys_free(k);
}

static void moved_or_changed_is_refused(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct seal_keys *k = keys(KEY_A);
    const struct seal_place p = place();
    const struct seal_place others[] = {
        {.table = "users", .row = p.row, .column = "secret"},
        {.table = "channels", .row = uuid_new(), .column = "secret"},
        {.table = "channels", .row = p.row, .column = "config"},
        {.table = "channelss", .row = p.row, .column = "ecret"},
    };
    unsigned char *sealed = NULL;
    size_t len = 0;
    const char *text = NULL;
    assert_int_equal(seal_close(k, &p, "secret text", arena, &sealed, &len), ST_OK);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(seal_open(k, &others[i], sealed, len, arena, &text), ST_CORRUPT);
    for (size_t i = 0; i < len; i++) {
        sealed[i] ^= 1;
        assert_int_equal(seal_open(k, &p, sealed, len, arena, &text), ST_CORRUPT);
        sealed[i] ^= 1;
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(seal_open(k, &p, sealed, cut, arena, &text), ST_CORRUPT);
    assert_null(text);
    assert_int_equal(seal_open(k, &p, NULL, 0, arena, &text), ST_CORRUPT);
    assert_int_equal(seal_open(k, &p, sealed, len, arena, &text), ST_OK);
    seal_keys_free(k);
}

static void keys_rotate(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct seal_keys *old = keys(KEY_A), *both = keys(KEY_B "," KEY_A), *fresh = keys(KEY_B);
    const struct seal_place p = place();
    unsigned char *sealed = NULL;
    size_t len = 0;
    const char *text = NULL;

    assert_int_equal(seal_close(old, &p, "before", arena, &sealed, &len), ST_OK);
    assert_int_equal(seal_open(both, &p, sealed, len, arena, &text), ST_OK);
    assert_string_equal(text, "before");
    assert_int_equal(seal_open(fresh, &p, sealed, len, arena, &text), ST_CORRUPT);

    assert_int_equal(seal_close(both, &p, "after", arena, &sealed, &len), ST_OK);
    assert_int_equal(seal_open(fresh, &p, sealed, len, arena, &text), ST_OK);
    assert_string_equal(text, "after");
    assert_int_equal(seal_open(old, &p, sealed, len, arena, &text), ST_CORRUPT);
    seal_keys_free(old);
    seal_keys_free(both);
    seal_keys_free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_validated),
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(moved_or_changed_is_refused),
        cmocka_unit_test(keys_rotate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
