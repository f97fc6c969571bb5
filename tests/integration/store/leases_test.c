/* Leases of shards against PostgreSQL. */
#include "tests/integration/store/fixture.h"

#include "store/leases.h"

static int clean(void **state)
{
    kit_sql(fx.db, "DELETE FROM scheduler_members; UPDATE scheduler_shards SET owner = NULL,"
                   " leased_until = '-infinity', epoch = 0");
    return 0;
}

static int count_mine(const struct lease_view *v)
{
    int n = 0;
    for (int i = 0; i < LEASE_SHARDS; i++)
        n += v->is_mine[i];
    return n;
}

static void test_leases(void **state)
{
    static const bool all[LEASE_SHARDS] = {[0 ... LEASE_SHARDS - 1] = true};
    struct lease_view a, b;
    assert_ok(lease_renew(fx.db, "a", 60000, &a));
    assert_true(a.alive == 1 && count_mine(&a) == 0 && a.is_free[0] && a.next_free_ms == -1);
    assert_true(a.now_us > clock_wall_us() - 60000000 && a.now_us < clock_wall_us() + 60000000);
    assert_ok(lease_acquire(fx.db, "a", 60000, all, &a));
    assert_true(count_mine(&a) == 16 && a.epoch[7] == 1);

    assert_ok(lease_renew(fx.db, "b", 60000, &b));
    assert_true(b.alive == 2 && count_mine(&b) == 0 && !b.is_free[0]);
    assert_true(b.next_free_ms > 0 && b.next_free_ms <= 60000);
    assert_ok(lease_acquire(fx.db, "b", 60000, all, &b)); /* nothing is free */
    assert_int_equal(count_mine(&b), 0);

    bool some[LEASE_SHARDS] = {[3] = true, [9] = true};
    assert_ok(lease_release(fx.db, "b", some)); /* not b's to give */
    assert_ok(lease_renew(fx.db, "a", 60000, &a));
    assert_true(count_mine(&a) == 16 && a.epoch[3] == 1);
    assert_ok(lease_release(fx.db, "a", some));
    assert_ok(lease_acquire(fx.db, "b", 60000, all, &b));
    assert_true(count_mine(&b) == 2 && b.epoch[3] == 2 && b.epoch[9] == 2);

    /* A lease that ran out is nobody's, not even its owner's without a new epoch. */
    kit_sql(fx.db, "UPDATE scheduler_shards SET leased_until = now() - interval '1 second'"
                   " WHERE owner = 'a'");
    assert_ok(lease_renew(fx.db, "a", 60000, &a));
    assert_int_equal(count_mine(&a), 0);
    assert_true(a.is_free[0]);
    assert_ok(lease_acquire(fx.db, "a", 60000, all, &a));
    assert_true(count_mine(&a) == 14 && a.epoch[0] == 2);

    assert_ok(lease_leave(fx.db, "a"));
    assert_ok(lease_renew(fx.db, "b", 60000, &b));
    assert_true(b.alive == 1 && b.is_free[0] && count_mine(&b) == 2);
}

/* The clock was set back by an hour: whoever died before it holds nothing up, whoever lives goes
 * on.
 */
static void test_leases_of_a_later_hour(void **state)
{
    static const bool all[LEASE_SHARDS] = {[0 ... LEASE_SHARDS - 1] = true};
    struct lease_view a, b;
    assert_ok(lease_renew(fx.db, "a", 60000, &a));
    assert_ok(lease_acquire(fx.db, "a", 60000, all, &a));
    kit_sql(fx.db, "UPDATE scheduler_shards SET leased_until = leased_until + interval '1 hour';"
                   "UPDATE scheduler_members SET seen_until = seen_until + interval '1 hour'");
    assert_ok(lease_renew(fx.db, "b", 60000, &b));
    assert_true(b.alive == 1 && b.is_free[0] && b.next_free_ms == -1);
    const bool first[LEASE_SHARDS] = {true};
    assert_ok(lease_acquire(fx.db, "b", 60000, first, &b));
    assert_true(count_mine(&b) == 1 && b.epoch[0] == 2);
    assert_ok(lease_renew(fx.db, "a", 60000, &a));
    assert_true(a.alive == 2 && count_mine(&a) == LEASE_SHARDS - 1 && !a.is_free[0]);
    assert_ok(lease_acquire(fx.db, "b", 60000, all, &b));
    assert_int_equal(count_mine(&b), 1); /* renewed, they are not free any more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_leases, clean),
        cmocka_unit_test_setup(test_leases_of_a_later_hour, clean),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
