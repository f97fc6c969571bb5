/* Round trips, bombs, and what is no gzip. */
#include "tests/kit/kit.h"

#include <string.h>

#include "net/gzip.h"

static void pack(const void *data, size_t len, struct buf *out)
{
    buf_init(out, 1u << 20);
    assert_ok(gzip_deflate(data, len, out));
}

static void test_round_trip(void **state)
{
    static char text[200000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i * i % 23);
    static const size_t sizes[] = {0, 1, 1000, 32768, 65536, sizeof(text)};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_BUF packed;
        AUTO_BUF plain;
        pack(text, sizes[i], &packed);
        buf_init(&plain, sizes[i]); /* exactly enough */
        assert_ok(gzip_inflate(packed.data, packed.len, &plain));
        assert_int_equal(plain.len, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(plain.data, text, sizes[i]);
    }
}

static void test_bomb(void **state)
{
    static char zeros[1u << 20];
    AUTO_BUF packed;
    AUTO_BUF plain;
    pack(zeros, sizeof(zeros), &packed);
    assert_true(packed.len < 10000);
    buf_init(&plain, sizeof(zeros) - 1);
    assert_status(ST_TOO_LARGE, gzip_inflate(packed.data, packed.len, &plain));
    assert_true(plain.len <= sizeof(zeros) - 1);
}

static void test_members(void **state)
{
    AUTO_BUF packed;
    AUTO_BUF plain;
    pack("one ", 4, &packed);
    assert_ok(gzip_deflate("two", 3, &packed));
    buf_init(&plain, 100);
    assert_ok(gzip_inflate(packed.data, packed.len, &plain));
    assert_string_equal(buf_cstr(&plain), "one two");
}

static void test_damaged(void **state)
{
    AUTO_BUF packed;
    pack("some text that is long enough", 29, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        AUTO_BUF plain;
        buf_init(&plain, 100);
        assert_status(ST_MALFORMED, gzip_inflate(packed.data, len, &plain));
    }
    AUTO_BUF plain;
    buf_init(&plain, 100);
    assert_status(ST_MALFORMED, gzip_inflate("no gzip at all", 14, &plain));
    packed.data[packed.len - 5] ^= 1; /* checksum */
    assert_status(ST_MALFORMED, gzip_inflate(packed.data, packed.len, &plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
