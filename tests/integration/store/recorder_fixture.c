/* Making checks and results, and looking at what was stored. */
#include "tests/integration/store/recorder_fixture.h"

struct recorder_fixture rf;

int rf_setup(void **state)
{
    (void)fx_setup(state);
    rf.db = fx.db;
    rf.base_us = clock_wall_us() / MINUTE_US * MINUTE_US - 60 * MINUTE_US;
    return 0;
}

struct uuid rf_make_check(const char *name, int retries, int recoveries)
{
    struct uuid id = kit_check(rf.db, &fx.org, name);
    char at[TIME_TEXT_BYTES];
    time_format_us(rf.base_us - MINUTE_US, at);
    kit_sql(rf.db, "UPDATE checks SET retries = %d, recoveries = %d WHERE id = '%s'", retries,
            recoveries, kit_id(&id));
    kit_sql(rf.db, "UPDATE check_state SET settled_to = '%s' WHERE check_id = '%s'", at,
            kit_id(&id));
    return id;
}

struct record rf_result_of(struct uuid check, int slot, enum result_status status)
{
    return (struct record){
        .check_id = check,
        .slot_us = rf.base_us + slot * MINUTE_US,
        .prev_slot_us = rf.base_us + (slot - 1) * MINUTE_US,
        .location = "default",
        .trigger = "schedule",
        .status = status,
        .message = status == RESULT_ERROR ? "connection refused" : "fine",
        .response_us = status == RESULT_ERROR ? -1 : 1500,
        .lag_us = 10,
        .raw_json = "{\"code\": 200}",
        .executed_us = rf.base_us + slot * MINUTE_US + 1000,
    };
}

size_t rf_store_story(struct uuid check, int first, const char *letters)
{
    size_t total = 0;
    for (int i = 0; letters[i]; i++) {
        enum result_status status = letters[i] == 's'   ? RESULT_SUCCESS
                                    : letters[i] == 'w' ? RESULT_WARNING
                                                        : RESULT_ERROR;
        struct record r = rf_result_of(check, first + i, status);
        struct record_outcome outcome;
        size_t alerts = 0;
        assert_ok(recorder_store(rf.db, &r, 1, &outcome, &alerts));
        assert_true(outcome.is_new);
        total += alerts;
    }
    return total;
}

void rf_state_is(struct uuid check, const char *want)
{
    char *got = kit_sql_text(rf.db, "SELECT state FROM check_state WHERE check_id = '%s'",
                             kit_id(&check));
    assert_string_equal(got, want);
    free(got);
}

void rf_order_is_kept(void)
{
    assert_int_equal(kit_sql_i64(rf.db,
                                 "SELECT count(*) FROM check_state s FULL JOIN check_last_runs r"
                                 " ON r.check_id = s.check_id AND r.org_id = s.org_id"
                                 " AND r.last_run_at = coalesce(s.last_run_at, '-infinity')"
                                 " AND r.state = s.state"
                                 " WHERE s.check_id IS NULL OR r.check_id IS NULL"),
                     0);
}

int64_t rf_count_of(const char *table, struct uuid check)
{
    return kit_sql_i64(rf.db, "SELECT count(*) FROM %s WHERE check_id = '%s'", table,
                       kit_id(&check));
}

struct uuid rf_make_channel(const char *name, bool is_default, bool enabled)
{
    struct uuid id = uuid_new();
    kit_sql(rf.db,
            "INSERT INTO channels (id, org_id, name, type, is_default, enabled)"
            " VALUES ('%s', '%s', '%s', 'email', %s, %s)",
            kit_id(&id), kit_id(&fx.org), name, is_default ? "true" : "false",
            enabled ? "true" : "false");
    return id;
}

void rf_drop_channels(void)
{
    kit_sql(rf.db, "DELETE FROM channels");
}
