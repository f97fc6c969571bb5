/* What else than results keeps states, policies and the order by last runs together. */
#include <pthread.h>

#include "store/checks.h"
#include "tests/integration/store/recorder_fixture.h"

static void the_order_follows_states(void **state)
{
    struct uuid checks[3];
    for (int i = 0; i < 3; i++)
        checks[i] = rf_make_check("ordered", 1, 1);
    rf_order_is_kept();
    (void)rf_store_story(checks[0], 0, "seess");
    (void)rf_store_story(checks[1], 0, "se");
    rf_order_is_kept();
    /* A batch where one check runs twice and one has only what is late or was missed. */
    struct record r[4] = {
        rf_result_of(checks[0], 7, RESULT_ERROR), rf_result_of(checks[0], 6, RESULT_SUCCESS),
        rf_result_of(checks[1], 0, RESULT_SUCCESS), rf_result_of(checks[2], 4, RESULT_MISSED)};
    struct record_outcome outcomes[4];
    size_t alerts = 0;
    assert_ok(recorder_store(rf.db, r, 4, outcomes, &alerts));
    rf_order_is_kept();
    kit_sql(rf.db, "UPDATE check_state SET state = 'paused' WHERE check_id = '%s'",
            kit_id(&checks[1]));
    rf_order_is_kept();
    kit_sql(rf.db, "DELETE FROM checks WHERE id IN ('%s', '%s')", kit_id(&checks[0]),
            kit_id(&checks[2]));
    rf_order_is_kept();
    assert_int_equal(rf_count_of("check_last_runs", checks[0]), 0);
    assert_int_equal(rf_count_of("check_last_runs", checks[1]), 1);
}

/* As after a restored backup, or beside recorders of before the order was kept. */
static void the_order_is_mended(void **state)
{
    static const char *const damages[] = {
        "UPDATE check_state SET last_run_at = last_run_at - interval '1 hour'",
        "UPDATE check_state SET last_run_at = NULL",
        "DELETE FROM check_last_runs",
        "UPDATE check_last_runs SET last_run_at = last_run_at + interval '1 hour'",
    };
    const struct uuid check = rf_make_check("mended", 1, 1);
    int slot = 0;
    (void)rf_store_story(check, slot++, "s");
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        kit_sql(rf.db, "%s WHERE check_id = '%s'", damages[i], kit_id(&check));
        (void)rf_store_story(check, slot++, "s");
        assert_int_equal(rf_count_of("check_last_runs", check), 1);
        rf_order_is_kept();
    }
}

static void policies_are_those_of_checks(void **state)
{
    static const char policies[] = "SELECT retries * 1000 + recoveries FROM check_state "
                                   "WHERE check_id = '%s'";
    const struct uuid check = rf_make_check("policy", 3, 2);
    assert_int_equal(kit_sql_i64(rf.db, policies, kit_id(&check)), 3002);
    kit_sql(rf.db, "UPDATE checks SET recoveries = 5 WHERE id = '%s'", kit_id(&check));
    assert_int_equal(kit_sql_i64(rf.db, policies, kit_id(&check)), 3005);

    struct arena *arena = arena_new(1u << 20);
    struct check made = {.id = uuid_new(),
                         .name = "made",
                         .kind = "website",
                         .plugin_type = "website",
                         .config = "{}",
                         .schedule = "every minute",
                         .enabled = true,
                         .timeout_ms = 1000,
                         .retries = 7,
                         .recoveries = 4};
    assert_ok(checks_insert(rf.db, arena, &fx.org, NULL, &made));
    assert_int_equal(kit_sql_i64(rf.db, policies, kit_id(&made.id)), 7004);
    rf_order_is_kept();
    arena_free(arena);
}

struct deletion {
    struct uuid check;
    enum status status;
};

static void *delete_check(void *arg)
{
    struct deletion *d = arg;
    struct db *own = kit_db_open(fx.database);
    struct arena *arena = arena_new(1u << 20);
    d->status = checks_delete(own, arena, &fx.org, NULL, &d->check);
    arena_free(arena);
    db_free(own);
    return NULL;
}

/* Who deletes a check waits for a recorder that has its state, and is not in the way of what that
 * one has still to say about the check. */
static void deleting_waits_for_recorders(void **state)
{
    struct deletion d = {.check = rf_make_check("deleted", 1, 1)};
    const char *id = kit_id(&d.check);
    struct db *watcher = kit_db_open(fx.database);
    assert_ok(db_exec(rf.db, "BEGIN"));
    kit_sql(rf.db, "SELECT FROM check_state WHERE check_id = '%s' FOR UPDATE", id);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, delete_check, &d), 0);
    assert_true(kit_wait(kit_sql_i64(watcher, "SELECT count(*) FROM pg_stat_activity "
                                              "WHERE datname = current_database() "
                                              "AND wait_event_type = 'Lock'") == 1,
                         KIT_PATIENCE_MS));
    kit_sql(rf.db, "SET LOCAL lock_timeout = '100ms'");
    kit_sql(rf.db,
            "INSERT INTO transitions (check_id, sequence, org_id, at, from_state, to_state, reason)"
            " VALUES ('%s', 1, '%s', now(), 'pending', 'up', 'fine')",
            id, kit_id(&fx.org));
    assert_ok(db_exec(rf.db, "COMMIT"));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(d.status);
    assert_int_equal(rf_count_of("transitions", d.check), 0);
    rf_order_is_kept();
    db_free(watcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_follows_states),
        cmocka_unit_test(the_order_is_mended),
        cmocka_unit_test(policies_are_those_of_checks),
        cmocka_unit_test(deleting_waits_for_recorders),
    };
    return cmocka_run_group_tests(tests, rf_setup, fx_teardown);
}
