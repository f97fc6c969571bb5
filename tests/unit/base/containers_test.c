/* Buffers, arenas, maps, heaps, growable arrays: against plain models, and at their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/rand.h"
#include "base/uuid.h"
#include "base/vec.h"

static void test_buf_limit(void **state)
{
    (void)state;
    AUTO_BUF b;
    buf_init(&b, 8);
    assert_string_equal(buf_cstr(&b), "");
    buf_str(&b, "12345678");
    assert_int_equal(buf_status(&b), ST_OK);
    buf_char(&b, '9');
    assert_int_equal(buf_status(&b), ST_TOO_LARGE);
    buf_str(&b, "");
    assert_string_equal(buf_cstr(&b), "12345678");
    buf_reset(&b);
    buf_i64(&b, -42);
    buf_printf(&b, "/%d", 7);
    assert_string_equal(buf_cstr(&b), "-42/7");
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    buf_i64(&b, INT64_MIN);
    assert_int_equal(buf_status(&b), ST_TOO_LARGE);
}

/* Growing past the small block, and after a reset, as any arena. */
static void test_arena_small(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new_small(20000);
    for (int round = 0; round < 3; round++) {
        char *first = arena_strdup(a, "one");
        for (int i = 0; i < 15; i++) {
            char *p = arena_alloc(a, 1000);
            assert_non_null(p);
            memset(p, 'x', 1000);
        }
        assert_string_equal(first, "one");
        assert_null(arena_alloc(a, 6000));
        arena_reset(a);
    }
}

static void test_arena(void **state)
{
    (void)state;
    AUTO_ARENA a = arena_new(100000);
    assert_non_null(a);
    char *first = arena_strdup(a, "one");
    char *big = arena_alloc(a, 50000);
    assert_non_null(big);
    memset(big, 'x', 50000);
    char *second = arena_printf(a, "%s-%d", first, 2);
    assert_string_equal(first, "one");
    assert_string_equal(second, "one-2");
    assert_null(arena_alloc(a, 60000));
    assert_null(arena_array(a, SIZE_MAX / 2, 4));
    assert_non_null(arena_alloc(a, 0));
    assert_null(arena_strdup(a, NULL));
    arena_reset(a);
    for (int round = 0; round < 3; round++) {
        char *zeroed = arena_alloc(a, 4000);
        for (size_t i = 0; i < 4000; i++)
            assert_int_equal(zeroed[i], 0);
        memset(zeroed, 'y', 4000);
        arena_reset(a);
    }
}

static void test_map_model(void **state)
{
    (void)state;
    enum { KEYS = 400 };
    static int values[KEYS];
    bool in[KEYS] = {false};
    size_t count = 0;
    struct map *m = map_new(KEYS);
    assert_non_null(m);
    for (int step = 0; step < 40000; step++) {
        size_t k = (size_t)rand_below(KEYS);
        char key[16];
        int len = snprintf(key, sizeof(key), "key%zu", k);
        if (rand_below(2) == 0) {
            assert_int_equal(map_set(m, key, (size_t)len, &values[k]), ST_OK);
            count += in[k] ? 0 : 1;
            in[k] = true;
        } else {
            assert_ptr_equal(map_remove(m, key, (size_t)len), in[k] ? &values[k] : NULL);
            count -= in[k] ? 1 : 0;
            in[k] = false;
        }
        assert_int_equal(map_count(m), count);
    }
    size_t seen = 0, at = 0, len = 0;
    const void *key = NULL;
    void *value = NULL;
    while (map_next(m, &at, &key, &len, &value)) {
        assert_true(in[(int *)value - values]);
        assert_ptr_equal(map_get(m, key, len), value);
        seen++;
    }
    assert_int_equal(seen, count);
    map_free(m);
}

static void test_map_full(void **state)
{
    (void)state;
    int v = 0;
    struct map *m = map_new(2);
    assert_int_equal(map_set(m, "a", 1, &v), ST_OK);
    assert_int_equal(map_set(m, "b", 1, &v), ST_OK);
    assert_int_equal(map_set(m, "c", 1, &v), ST_OVERLOADED);
    assert_int_equal(map_set(m, "a", 1, &v), ST_OK);
    assert_int_equal(map_set(m, "", 0, &v), ST_OVERLOADED);
    map_free(m);
}

static void test_heap_model(void **state)
{
    (void)state;
    enum { NODES = 200 };
    struct heap_node nodes[NODES] = {{0}};
    struct heap h;
    heap_init(&h);
    for (int step = 0; step < 20000; step++) {
        struct heap_node *n = &nodes[rand_below(NODES)];
        if (rand_below(3) == 0)
            heap_remove(&h, n);
        else
            assert_int_equal(heap_put(&h, n, (int64_t)rand_below(1000)), ST_OK);
        int64_t least = INT64_MAX;
        size_t count = 0;
        for (size_t i = 0; i < NODES; i++) {
            if (nodes[i].place == 0)
                continue;
            count++;
            least = MIN_OF(least, nodes[i].at);
        }
        assert_int_equal(h.count, count);
        if (count > 0)
            assert_true(heap_top(&h)->at == least);
        else
            assert_null(heap_top(&h));
    }
    assert_true(h.count > 0);
    /* All moved at once. */
    for (size_t i = 1; i <= h.count; i++)
        h.nodes[i]->at = (int64_t)rand_below(1000);
    heap_reorder(&h);
    int64_t before = INT64_MIN;
    for (struct heap_node *n; (n = heap_top(&h)); heap_remove(&h, n)) {
        assert_true(n->at >= before);
        before = n->at;
    }
    assert_int_equal(h.count, 0);
    heap_done(&h);
}

static void test_vec(void **state)
{
    (void)state;
    VEC(int) v = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(vec_push(&v, i), ST_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v.at[i], i);
    vec_done(&v);
    assert_int_equal(v.count, 0);
}

static void test_uuid(void **state)
{
    (void)state;
    struct uuid before = uuid_new();
    for (int i = 0; i < 5000; i++) {
        struct uuid next = uuid_new();
        assert_true(uuid_cmp(&before, &next) < 0);
        assert_int_equal(next.b[6] >> 4, 7);
        assert_int_equal(next.b[8] >> 6, 2);
        before = next;
    }
    struct uuid at = uuid_at(1769815409123);
    assert_true(uuid_time_ms(&at) == 1769815409123);
    char text[UUID_TEXT_BYTES];
    uuid_format(&at, text);
    struct uuid back;
    assert_int_equal(uuid_parse(text, &back), ST_OK);
    assert_true(uuid_eq(&at, &back));
    static const char *const bad[] = {
        "",
        "123e4567-e89b-12d3-a456-42661417400",
        "123e4567-e89b-12d3-a456-4266141740000",
        "123e4567e89b12d3a456426614174000",
        "123e4567-e89b-12d3-a456-42661417400g",
        "123e4567-e89b-12d3-a45-6426614174000",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(uuid_parse(bad[i], &back), ST_INVALID);
}

static void test_backoff(void **state)
{
    (void)state;
    for (int attempt = 0; attempt < 100; attempt++) {
        int64_t ms = rand_backoff_ms(attempt, 100, 5000);
        assert_true(ms >= 0 && ms <= 5000);
        if (attempt == 0)
            assert_true(ms <= 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_limit),   cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_small), cmocka_unit_test(test_map_model),
        cmocka_unit_test(test_map_full),    cmocka_unit_test(test_heap_model),
        cmocka_unit_test(test_vec),         cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
