/* Objects of secrets at rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "auth/seal_json.h"
#include "json/parse.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct seal_keys *keys;

static int setup(void **state)
{
    return seal_keys_new(KEY, &keys, NULL) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    seal_keys_free(keys);
    return 0;
}

static void what_was_sealed_opens_in_its_place_alone(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    AUTO_JSON secret = json_pack("{s:s}", "auth_password", "hush");
    const struct seal_place place = {.table = "checks", .row = uuid_new(), .column = "secret"};
    const struct seal_place other = {.table = "checks", .row = uuid_new(), .column = "secret"};
    const unsigned char *sealed = NULL;
    size_t len = 0;
    assert_int_equal(seal_json_close(keys, &place, secret, arena, &sealed, &len), ST_OK);
    assert_null(memmem(sealed, len, "hush", 4));
    AUTO_JSON back = NULL;
    assert_int_equal(seal_json_open(keys, &place, sealed, len, arena, &back), ST_OK);
    assert_true(json_equal(back, secret));
    AUTO_JSON none = NULL;
    assert_int_equal(seal_json_open(keys, &other, sealed, len, arena, &none), ST_CORRUPT);
    assert_int_equal(seal_json_open(keys, &place, sealed, len - 1, arena, &none), ST_CORRUPT);
    assert_int_equal(seal_json_open(NULL, &place, sealed, len, arena, &none), ST_UNAVAILABLE);
    assert_null(none);
}

static void nothing_needs_no_key(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    AUTO_JSON secret = json_object();
    AUTO_JSON some = json_pack("{s:s}", "token", "t");
    const struct seal_place place = {.table = "checks", .row = uuid_new(), .column = "secret"};
    const unsigned char *sealed = (const unsigned char *)"x";
    size_t len = 1;
    assert_int_equal(seal_json_close(NULL, &place, secret, arena, &sealed, &len), ST_OK);
    assert_null(sealed);
    AUTO_JSON back = NULL;
    assert_int_equal(seal_json_open(NULL, &place, NULL, 0, arena, &back), ST_OK);
    assert_true(json_equal(back, secret));
    assert_int_equal(seal_json_close(NULL, &place, some, arena, &sealed, &len), ST_UNAVAILABLE);
}

static void only_objects_open(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    const struct seal_place place = {.table = "checks", .row = uuid_new(), .column = "secret"};
    static const char *const texts[] = {"", "[]", "{", "\"x\""};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        unsigned char *sealed = NULL;
        size_t len = 0;
        AUTO_JSON back = NULL;
        assert_int_equal(seal_close(keys, &place, texts[i], arena, &sealed, &len), ST_OK);
        assert_int_equal(seal_json_open(keys, &place, sealed, len, arena, &back), ST_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_opens_in_its_place_alone),
        cmocka_unit_test(nothing_needs_no_key),
        cmocka_unit_test(only_objects_open),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
