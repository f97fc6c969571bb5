/* What a scheduler reads of checks: all of them as one moment saw them, and their changes. */
#include "tests/integration/store/fixture.h"

#include "store/schedules.h"

static int clean(void **state)
{
    kit_sql(fx.db, "DELETE FROM checks; DELETE FROM check_changes");
    return 0;
}

/* All enabled checks, and the states of all, as one moment saw both. */
static void test_streams(void **state)
{
    enum { MANY = 1000, OFF = 10 };
    kit_sql(fx.db,
            "INSERT INTO checks (id, org_id, name, kind, plugin_type, schedule, shard, enabled)"
            " SELECT uuid7(), '%s', 'n' || n, 'website', 'website', '5', 6, n > %d"
            " FROM generate_series(1, %d) n;"
            "INSERT INTO check_state (check_id, settled_to, last_slot_at)"
            " SELECT id, '2026-01-30 23:23:29.5+00', CASE WHEN enabled THEN now() END FROM checks",
            kit_id(&fx.org), OFF, MANY);
    AUTO_DB reader = kit_db_open(fx.database);
    struct schedule_check check;
    struct schedule_state s;
    enum db_stream what = DB_STREAM_ROW;
    size_t checks = 0, states = 0, fresh = 0;
    assert_ok(db_begin_reading(reader));
    assert_ok(schedules_checks(reader));
    for (;;) {
        assert_ok(schedules_next_check(reader, 1000, &check, &what));
        if (what == DB_STREAM_END)
            break;
        if (what == DB_STREAM_WAITS)
            continue;
        checks++;
        assert_int_equal(check.shard, 6);
        assert_string_equal(check.schedule, "5");
    }
    kit_sql(fx.db, "DELETE FROM check_state"); /* not seen by who reads */
    assert_ok(schedules_states(reader));
    for (;;) {
        assert_ok(schedules_next_state(reader, 1000, &s, &what));
        if (what == DB_STREAM_END)
            break;
        if (what == DB_STREAM_WAITS)
            continue;
        states++;
        fresh += s.is_fresh;
        assert_true(s.settled_ms == 1769815409500);
    }
    assert_int_equal(checks, MANY - OFF);
    assert_int_equal(states, MANY);
    assert_int_equal(fresh, OFF);
}

/* What the cursor yields until it has no more. */
static size_t drain(struct schedule_cursor *c, struct schedule_row *first)
{
    AUTO_ARENA arena = arena_new(64 << 20);
    size_t total = 0;
    bool more = true;
    while (more) {
        struct schedule_row *rows = NULL;
        size_t count = 0;
        assert_ok(schedules_changed(fx.db, arena, c, &rows, &count, &more));
        if (count > 0 && first) {
            *first = rows[0];
            first->schedule = NULL;
        }
        total += count;
    }
    return total;
}

static void test_changes(void **state)
{
    struct schedule_cursor c = {0};
    struct schedule_row row = {0};
    struct uuid old = kit_check(fx.db, &fx.org, "before the cursor");
    assert_ok(schedules_cursor_init(&c, fx.db));
    assert_int_equal(drain(&c, NULL), 0);
    struct uuid id = kit_check(fx.db, &fx.org, "after it");
    assert_int_equal(drain(&c, &row), 1);
    assert_true(uuid_eq(&row.id, &id) && row.is_enabled);
    assert_int_equal(drain(&c, NULL), 0);
    kit_sql(fx.db, "UPDATE checks SET enabled = false WHERE id = '%s'", kit_id(&old));
    assert_int_equal(drain(&c, &row), 1);
    assert_true(uuid_eq(&row.id, &old) && !row.is_enabled);
    kit_sql(fx.db, "DELETE FROM checks WHERE id = '%s'", kit_id(&old));
    assert_int_equal(drain(&c, &row), 1);
    assert_true(uuid_eq(&row.id, &old) && !row.is_enabled);
    schedules_cursor_done(&c);
}

/* A transaction that is open for long neither hides later changes nor is it missed in the end. */
static void test_changes_of_long_transactions(void **state)
{
    struct schedule_cursor c = {0};
    struct schedule_row row = {0};
    struct db *slow = kit_db_open(fx.database);
    struct uuid a = kit_check(fx.db, &fx.org, "slow");
    struct uuid b = kit_check(fx.db, &fx.org, "quick");
    assert_ok(schedules_cursor_init(&c, fx.db));
    assert_ok(db_begin(slow));
    kit_sql(slow, "UPDATE checks SET name = 'slower' WHERE id = '%s'", kit_id(&a));
    for (int i = 0; i < 5; i++) {
        kit_sql(fx.db, "UPDATE checks SET name = 'quicker' WHERE id = '%s'", kit_id(&b));
        assert_int_equal(drain(&c, &row), 1);
        assert_true(uuid_eq(&row.id, &b));
        assert_int_equal(drain(&c, NULL), 0);
    }
    assert_ok(db_commit(slow));
    assert_int_equal(drain(&c, &row), 1);
    assert_true(uuid_eq(&row.id, &a));
    assert_int_equal(drain(&c, NULL), 0);
    db_free(slow);
    schedules_cursor_done(&c);
}

static void test_changes_in_bulk(void **state)
{
    enum { MANY = 2 * SCHEDULES_PAGE + 7 };
    struct schedule_cursor c = {0};
    assert_ok(schedules_cursor_init(&c, fx.db));
    kit_sql(fx.db,
            "INSERT INTO checks (id, org_id, name, kind, plugin_type, schedule, shard)"
            " SELECT uuid7(), '%s', 'n' || n, 'website', 'website', '5', 6"
            " FROM generate_series(1, %d) n",
            kit_id(&fx.org), MANY);
    assert_int_equal(drain(&c, NULL), MANY);
    assert_int_equal(drain(&c, NULL), 0);
    schedules_cursor_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_streams, clean),
        cmocka_unit_test_setup(test_changes, clean),
        cmocka_unit_test_setup(test_changes_of_long_transactions, clean),
        cmocka_unit_test_setup(test_changes_in_bulk, clean),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
