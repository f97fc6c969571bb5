/* The incidents and alerts that a batch of results makes. */
#include "tests/integration/store/recorder_fixture.h"

static void test_one_batch_with_a_whole_incident(void **state)
{
    struct uuid check = rf_make_check("cycle", 1, 1);
    struct uuid channel = rf_make_channel("cycle", true, true);
    struct record r[5];
    struct record_outcome outcomes[5];
    size_t alerts = 0;
    for (int i = 0; i < 5; i++)
        r[i] = rf_result_of(check, i, i % 2 ? RESULT_ERROR : RESULT_SUCCESS);
    assert_ok(recorder_store(rf.db, r, 5, outcomes, &alerts));
    assert_true(alerts == 4);
    assert_true(rf_count_of("incidents", check) == 2);
    assert_true(kit_sql_i64(rf.db,
                            "SELECT count(*) FROM incidents WHERE check_id = '%s' AND status ="
                            " 'resolved' AND resolved_at > started_at AND sequence = 2",
                            kit_id(&check)) == 2);
    assert_true(kit_sql_i64(rf.db,
                            "SELECT count(*) FROM incident_events e JOIN incidents i"
                            " ON i.id = e.incident_id WHERE i.check_id = '%s'",
                            kit_id(&check)) == 4);
    assert_true(kit_sql_i64(rf.db, "SELECT count(*) FROM outbox WHERE channel_id = '%s'",
                            kit_id(&channel)) == 4);
    rf_state_is(check, "up");
    rf_drop_channels();
}

static void test_down_and_up(void **state)
{
    struct uuid check = rf_make_check("down and up", 2, 1);
    struct uuid a = rf_make_channel("a", true, true);
    struct uuid b = rf_make_channel("b", true, true);
    rf_make_channel("off", true, false);
    rf_make_channel("not asked for", false, true);

    assert_true(rf_store_story(check, 0, "seeee") == 2);
    rf_state_is(check, "down");
    assert_true(rf_store_story(check, 5, "sss") == 2);
    assert_true(rf_count_of("incidents", check) == 1);
    assert_true(
        kit_sql_i64(rf.db, "SELECT count(*) FROM outbox WHERE channel_id = '%s'", kit_id(&a)) == 2);
    assert_true(
        kit_sql_i64(rf.db, "SELECT count(*) FROM outbox WHERE channel_id = '%s'", kit_id(&b)) == 2);
    assert_true(rf_count_of("outbox", check) == 4);

    char *got = kit_sql_text(rf.db,
                             "SELECT string_agg(concat_ws(',', event, sequence, payload->>'state',"
                             " payload->>'previous_state', payload->>'check_name',"
                             " payload->>'kind', payload->>'target', payload->>'message',"
                             " payload->>'duration_s'), ' ' ORDER BY sequence)"
                             " FROM outbox WHERE channel_id = '%s'",
                             kit_id(&a));
    assert_string_equal(got, "check.down,1,down,up,down and up,website,http://example.com/,"
                             "connection refused "
                             "check.up,2,up,down,down and up,website,http://example.com/,fine,"
                             "180.000");
    free(got);
    assert_true(kit_sql_i64(rf.db,
                            "SELECT count(*) FROM outbox WHERE check_id = '%s' AND payload->>'at'"
                            " ~ 'T.*Z$' AND payload->>'started_at' ~ 'T.*Z$' AND"
                            " payload ? 'organisation' AND payload ? 'incident_id'",
                            kit_id(&check)) == 4);
    rf_drop_channels();
}

static void test_own_channels_and_webhook(void **state)
{
    struct uuid check = rf_make_check("own", 1, 1);
    rf_make_channel("default", true, true);
    struct uuid own = rf_make_channel("own", false, true);
    struct uuid off = rf_make_channel("own, off", false, false);
    kit_sql(rf.db, "INSERT INTO check_channels VALUES ('%s', '%s'), ('%s', '%s')", kit_id(&check),
            kit_id(&own), kit_id(&check), kit_id(&off));
    kit_sql(rf.db, "UPDATE checks SET webhook_url = 'https://example.com/hook' WHERE id = '%s'",
            kit_id(&check));
    assert_true(rf_store_story(check, 0, "e") == 2);
    char *got = kit_sql_text(rf.db,
                             "SELECT string_agg(concat_ws(',', channel_type, target,"
                             " channel_id = '%s'), ' ' ORDER BY channel_type)"
                             " FROM outbox WHERE check_id = '%s'",
                             kit_id(&own), kit_id(&check));
    assert_string_equal(got, "email,t webhook,https://example.com/hook");
    free(got);
    rf_drop_channels();
}

static void test_channels_that_are_all_off_are_no_default(void **state)
{
    struct uuid check = rf_make_check("all off", 1, 1);
    rf_make_channel("default", true, true);
    struct uuid off = rf_make_channel("off", false, false);
    kit_sql(rf.db, "INSERT INTO check_channels VALUES ('%s', '%s')", kit_id(&check), kit_id(&off));
    assert_true(rf_store_story(check, 0, "es") == 0);
    assert_true(rf_count_of("incidents", check) == 1);
    rf_drop_channels();
}

static void test_incident_resolved_by_hand(void **state)
{
    struct uuid check = rf_make_check("by hand", 1, 1);
    rf_make_channel("hand", true, true);
    assert_true(rf_store_story(check, 0, "e") == 1);
    kit_sql(rf.db,
            "UPDATE incidents SET status = 'resolved', resolved_at = '2020-01-01'"
            " WHERE check_id = '%s'",
            kit_id(&check));
    assert_true(rf_store_story(check, 1, "e") == 0); /* still down: nothing new */
    assert_true(rf_store_story(check, 2, "s") == 1); /* but people hear that it is over */
    rf_state_is(check, "up");
    assert_true(kit_sql_i64(rf.db,
                            "SELECT count(*) FROM incidents WHERE check_id = '%s'"
                            " AND resolved_at = '2020-01-01'",
                            kit_id(&check)) == 1);
    assert_true(rf_store_story(check, 3, "e") == 1);
    assert_true(rf_count_of("incidents", check) == 2);

    /* Resolved and detached from the check: nobody waits for news of it. */
    kit_sql(rf.db, "UPDATE incidents SET status = 'resolved' WHERE check_id = '%s'",
            kit_id(&check));
    kit_sql(rf.db, "UPDATE check_state SET incident_id = NULL WHERE check_id = '%s'",
            kit_id(&check));
    assert_true(rf_store_story(check, 4, "s") == 0);
    rf_state_is(check, "up");
    rf_drop_channels();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_batch_with_a_whole_incident),
        cmocka_unit_test(test_down_and_up),
        cmocka_unit_test(test_own_channels_and_webhook),
        cmocka_unit_test(test_channels_that_are_all_off_are_no_default),
        cmocka_unit_test(test_incident_resolved_by_hand),
    };
    return cmocka_run_group_tests(tests, rf_setup, fx_teardown);
}
