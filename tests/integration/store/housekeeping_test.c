/* Housekeeping, and the schedules that ask for it. */
#include "tests/integration/store/fixture.h"

#include "queue/queue.h"
#include "store/housekeeping.h"
#include "store/leases.h"
#include "store/schedules.h"

static int clean(void **state)
{
    kit_sql(fx.db, "DELETE FROM checks; DELETE FROM check_changes; DELETE FROM housekeeping");
    return 0;
}

static void test_housekeeping(void **state)
{
    const struct housekeeping h = {.results_ms = 90LL * 86400000, .metrics_ms = 30LL * 86400000};
    int ran = 0;
    struct uuid id = kit_check(fx.db, &fx.org, "house");
    kit_sql(fx.db, "DROP TABLE IF EXISTS results_p20200101;"
                   " SELECT partition_ensure('results', 'day', '2020-01-01');"
                   " SELECT partition_ensure('results', 'day', now() - interval '80 days');"
                   " SELECT partition_ensure('scrapes', 'hour', '2020-01-01 05:00Z')");
    kit_sql(fx.db, "UPDATE check_changes SET at = now() - interval '2 hours' WHERE check_id = '%s'",
            kit_id(&id));
    kit_sql(fx.db,
            "INSERT INTO outbox (id, org_id, event, sequence, channel_type, payload, status,"
            " finished_at) VALUES (uuid7(), '%s', 'check.up', 1, 'email', '{}', 'delivered',"
            " now() - interval '31 days'), (uuid7(), '%s', 'check.up', 1, 'email', '{}',"
            " 'delivered', now() - interval '29 days'), (uuid7(), '%s', 'check.up', 1, 'email',"
            " '{}', 'pending', NULL)",
            kit_id(&fx.org), kit_id(&fx.org), kit_id(&fx.org));
    assert_ok(housekeeping_run(fx.db, &h, &ran));
    assert_true(ran >= 12);
    assert_true(kit_sql_i64(fx.db, "SELECT count(*) FROM pg_class WHERE relname IN"
                                   " ('results_p20200101', 'scrapes_p2020010105')") == 0);
    assert_true(kit_sql_i64(fx.db,
                            "SELECT (to_regclass('results_p' || to_char(now() AT TIME ZONE"
                            " 'UTC' - interval '80 days', 'YYYYMMDD')) IS NOT NULL)::int") == 1);
    assert_true(kit_sql_i64(fx.db, "SELECT count(*) FROM check_changes WHERE at < now() - interval"
                                   " '1 hour'") == 0);
    assert_true(kit_sql_i64(fx.db, "SELECT count(*) FROM outbox") == 2);
    assert_true(kit_sql_i64(fx.db,
                            "SELECT (to_regclass('scrapes_p' || to_char(now() AT TIME ZONE"
                            " 'UTC' + interval '48 hours', 'YYYYMMDDHH24')) IS NOT NULL)::int") ==
                1);
    assert_ok(housekeeping_run(fx.db, &h, &ran));
    assert_int_equal(ran, 0);
}

static int ran_by_a_scheduler(void)
{
    const struct housekeeping h = {.results_ms = 90LL * 86400000, .metrics_ms = 30LL * 86400000};
    int ran = -1;
    assert_ok(housekeeping_run(fx.db, &h, &ran));
    return ran;
}

/* Workers do it; a scheduler only what they left undone, and nothing that is paused. */
static void test_housekeeping_is_shared(void **state)
{
    static const struct {
        const char *task, *ago;
        int ran;
    } rows[] = {
        {"ahead:results", "2 hours", 0},
        {"ahead:results", "4 hours", 1},
        {"delete:check_changes", "20 minutes", 0},
        {"delete:check_changes", "40 minutes", 1},
        {"rollups", "2 minutes", 1},
    };
    const struct housekeeping h = {.results_ms = 90LL * 86400000, .metrics_ms = 30LL * 86400000};
    static const enum house houses[] = {HOUSE_PARTITIONS, HOUSE_RETENTION, HOUSE_CLEANUP};
    assert_true(ran_by_a_scheduler() >= 12);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        kit_sql(fx.db, "UPDATE housekeeping SET ran_at = now() - interval '%s' WHERE task = '%s'",
                rows[i].ago, rows[i].task);
        if (ran_by_a_scheduler() != rows[i].ran)
            fail_msg("%s, %s", rows[i].task, rows[i].ago);
    }
    kit_sql(fx.db, "UPDATE housekeeping SET ran_at = now() - interval '1 day'");
    kit_sql(fx.db, "UPDATE schedules SET enabled = false WHERE task LIKE 'system.%%'");
    assert_int_equal(ran_by_a_scheduler(), 2); /* its own */
    kit_sql(fx.db, "UPDATE schedules SET enabled = true WHERE task LIKE 'system.%%'");
    int all = 0;
    for (size_t i = 0; i < ARRAY_LEN(houses); i++) {
        int ran = 0;
        const char *failed = NULL;
        assert_ok(housekeeping_do(fx.db, &h, houses[i], &ran, &failed));
        assert_true(ran > 0);
        all += ran;
    }
    assert_int_equal(all + 2, kit_sql_i64(fx.db, "SELECT count(*) FROM housekeeping"));
    assert_int_equal(ran_by_a_scheduler(), 0);
}

/* The rows of the migration are whole: their tasks exist, and their shards follow from the ids. */
static void test_system_schedules(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct schedule_row *rows = NULL;
    size_t count = 0, system = 0;
    assert_ok(schedules_tasks_page(fx.db, arena, &(struct uuid){0}, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        if (rows[i].tenant)
            continue;
        system++;
        assert_int_equal(task_find(rows[i].task)->audience, TASK_SYSTEM);
        assert_int_equal(rows[i].shard, (int)(uuid_hash(&rows[i].id) % LEASE_SHARDS));
    }
    assert_true(system >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_housekeeping, clean),
        cmocka_unit_test_setup(test_housekeeping_is_shared, clean),
        cmocka_unit_test_setup(test_system_schedules, clean),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
