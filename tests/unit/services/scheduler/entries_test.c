/* The table of items, against a plain list: adding, finding, removing in any order. */
#include "services/scheduler/entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"

static void test_against_a_list(void **state)
{
    enum { IDS = 3000, STEPS = 60000 };
    static struct uuid ids[IDS];
    static struct entry *known[IDS];
    struct entries *t = entries_new();
    size_t count = 0;
    assert_non_null(t);
    memset(known, 0, sizeof(known));
    for (size_t i = 0; i < IDS; i++)
        ids[i] = uuid_new();
    for (int step = 0; step < STEPS; step++) {
        /* It grows, and shrinks to little at the end. */
        const size_t i = rand_below(IDS);
        if (!known[i] && rand_below(STEPS) > (uint64_t)step) {
            assert_null(entries_find(t, &ids[i]));
            assert_int_equal(entries_add(t, &ids[i], &known[i]), ST_OK);
            assert_true(uuid_eq(&known[i]->id, &ids[i]));
            assert_true(known[i]->from_s == 0 && !known[i]->plan && known[i]->node.place == 0);
            known[i]->from_s = (uint32_t)i;
            count++;
        } else if (known[i]) {
            entries_remove(t, known[i]);
            known[i] = NULL;
            count--;
        }
        assert_int_equal(entries_count(t), count);
        const size_t j = rand_below(IDS);
        assert_ptr_equal(entries_find(t, &ids[j]), known[j]);
        assert_true(!known[j] || known[j]->from_s == j);
    }
    for (size_t i = 0; i < IDS; i++)
        assert_ptr_equal(entries_find(t, &ids[i]), known[i]);
    entries_free(t);
    entries_free(NULL);
}

/* Places beyond the end go on at the beginning: all of one home, in and out. */
static void test_one_home(void **state)
{
    enum { WANTED = 40 };
    struct uuid ids[WANTED];
    struct entry *e = NULL;
    struct entries *t = entries_new();
    for (size_t n = 0; n < WANTED;) {
        ids[n] = uuid_new();
        n += (uuid_hash(&ids[n]) & 1023) == 1020; /* of the first table's last places */
    }
    for (size_t n = 0; n < WANTED; n++)
        assert_int_equal(entries_add(t, &ids[n], &e), ST_OK);
    for (size_t n = 0; n < WANTED; n += 2)
        entries_remove(t, entries_find(t, &ids[n]));
    for (size_t n = 0; n < WANTED; n++)
        assert_true((entries_find(t, &ids[n]) != NULL) == (n % 2 == 1));
    entries_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_one_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
