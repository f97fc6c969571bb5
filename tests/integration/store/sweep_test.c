/* Slots that nobody ran, found against PostgreSQL. */
#include "tests/integration/store/fixture.h"

#include <string.h>

#include "model/schedule.h"
#include "store/leases.h"
#include "store/recorder.h"
#include "store/sweep.h"

#define MINUTE_MS 60000LL

static int clean(void **state)
{
    kit_sql(fx.db, "DELETE FROM checks; DELETE FROM check_changes; DELETE FROM results");
    return 0;
}

static bool all_shards[LEASE_SHARDS] = {[0 ... LEASE_SHARDS - 1] = true};
static int64_t gap_from[LEASE_SHARDS], gap_to[LEASE_SHARDS];

static int64_t slot_of(const struct uuid *id, int64_t at_ms)
{
    const struct schedule s = {.interval_ms = MINUTE_MS};
    return schedule_slot_at(&s, schedule_phase(&s, uuid_hash(id)), at_ms);
}

static void settle_to(const struct uuid *id, int64_t at_ms)
{
    char at[TIME_TEXT_BYTES];
    time_format_ms(at_ms, at);
    kit_sql(fx.db, "UPDATE check_state SET settled_to = '%s' WHERE check_id = '%s'", at,
            kit_id(id));
}

static size_t sweep_at(int64_t now_ms)
{
    struct sweep s = {
        .shards = all_shards, .grace_ms = 30000, .gap_from_ms = gap_from, .gap_to_ms = gap_to};
    size_t total = 0;
    bool done = false;
    while (!done) {
        size_t missed = 0;
        assert_ok(sweep_step(fx.db, &s, now_ms, &missed, &done));
        total += missed;
    }
    return total;
}

static int64_t settled_of(const struct uuid *id)
{
    return kit_sql_i64(fx.db,
                       "SELECT (extract(epoch FROM settled_to) * 1000)::bigint FROM check_state"
                       " WHERE check_id = '%s'",
                       kit_id(id));
}

static void store_result(const struct uuid *id, int64_t slot_ms)
{
    struct record r = {.check_id = *id,
                       .slot_us = slot_ms * 1000,
                       .prev_slot_us = (slot_ms - MINUTE_MS) * 1000,
                       .location = "elsewhere",
                       .trigger = "schedule",
                       .status = RESULT_SUCCESS,
                       .message = "fine",
                       .response_us = 1,
                       .lag_us = 1,
                       .raw_json = "{}",
                       .executed_us = slot_ms * 1000};
    struct record_outcome outcome;
    size_t alerts = 0;
    assert_ok(recorder_store(fx.db, &r, 1, &outcome, &alerts));
}

static void test_sweep(void **state)
{
    int64_t now = clock_wall_ms() - 10 * MINUTE_MS;
    struct uuid id = kit_check(fx.db, &fx.org, "swept");
    struct uuid fine = kit_check(fx.db, &fx.org, "fine");
    struct uuid off = kit_check(fx.db, &fx.org, "off");
    struct uuid paused = kit_check(fx.db, &fx.org, "paused");
    kit_sql(fx.db, "UPDATE checks SET enabled = false WHERE id = '%s'", kit_id(&off));
    kit_sql(fx.db, "UPDATE check_state SET state = 'paused' WHERE check_id = '%s'",
            kit_id(&paused));
    /* Time limit 10 s, grace 30 s, one interval: slots up to 100 s before now are overdue. */
    int64_t horizon = slot_of(&id, now - 100000);
    settle_to(&id, horizon - 3 * MINUTE_MS);
    settle_to(&fine, slot_of(&fine, now - 100000));
    settle_to(&off, now - 60 * MINUTE_MS);
    settle_to(&paused, now - 60 * MINUTE_MS);
    store_result(&id, horizon - MINUTE_MS); /* out of order: the slot before is open */
    store_result(&fine, slot_of(&fine, now - 100000) + 2 * MINUTE_MS);
    store_result(&id, horizon + MINUTE_MS);

    assert_int_equal(sweep_at(now), 2);
    assert_true(settled_of(&id) == horizon + MINUTE_MS); /* the recorder goes on from there */
    assert_true(settled_of(&fine) == slot_of(&fine, now - 100000));
    assert_true(settled_of(&paused) == slot_of(&paused, now - 100000));
    char *got = kit_sql_text(fx.db,
                             "SELECT string_agg(concat_ws('|', status, message, location),"
                             " ' ' ORDER BY slot_at) FROM results WHERE check_id = '%s'"
                             " AND slot_at <= to_timestamp(%lld / 1000.0)",
                             kit_id(&id), (long long)horizon);
    assert_string_equal(got, "missed|no worker ran it within 40 s of its time|default "
                             "success|fine|elsewhere "
                             "missed|no worker ran it within 40 s of its time|default");
    free(got);
    assert_true(kit_sql_i64(fx.db,
                            "SELECT count(*) FROM check_state WHERE check_id = '%s'"
                            " AND state = 'up'",
                            kit_id(&id)) == 1);
    assert_int_equal(sweep_at(now), 0);
    /* Two slots later: what is open of the live ones, and what lies beyond that. */
    assert_int_equal(sweep_at(now + 2 * MINUTE_MS), 2);
    assert_true(settled_of(&fine) == slot_of(&fine, now - 100000) + 2 * MINUTE_MS);
}

static void test_sweep_says_when_nothing_ran(void **state)
{
    int64_t now = clock_wall_ms();
    struct uuid id = kit_check(fx.db, &fx.org, "gap");
    int64_t horizon = slot_of(&id, now - 100000);
    settle_to(&id, horizon - MINUTE_MS);
    for (int i = 0; i < LEASE_SHARDS; i++) {
        gap_from[i] = horizon - 1;
        gap_to[i] = horizon;
    }
    assert_int_equal(sweep_at(now), 1);
    char *got = kit_sql_text(fx.db, "SELECT message FROM results WHERE check_id = '%s'",
                             kit_id(&id));
    assert_string_equal(got, "no scheduler was running at its time");
    free(got);
    memset(gap_from, 0, sizeof(gap_from));
    memset(gap_to, 0, sizeof(gap_to));
}

static void test_sweep_after_a_long_outage(void **state)
{
    int64_t now = clock_wall_ms();
    enum { CHECKS = 12 };
    for (int i = 0; i < CHECKS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "long %d", i);
        struct uuid id = kit_check(fx.db, &fx.org, name);
        settle_to(&id, slot_of(&id, now - 100000) - 1000 * MINUTE_MS);
    }
    /* 100 rows each, the first one speaking for the 900 before it; 500 a step. */
    assert_int_equal(sweep_at(now) + sweep_at(now) + sweep_at(now), CHECKS * 100);
    assert_int_equal(sweep_at(now), 0);
    assert_true(kit_sql_i64(fx.db, "SELECT count(*) FROM results WHERE message LIKE"
                                   " '%%; so 900 slots before it'") == CHECKS);
}

static void test_edited_schedules_expect_from_then(void **state)
{
    struct uuid id = kit_check(fx.db, &fx.org, "edited");
    int64_t now = clock_wall_ms();
    settle_to(&id, now - 60 * MINUTE_MS);
    kit_sql(fx.db, "UPDATE checks SET name = 'renamed' WHERE id = '%s'", kit_id(&id));
    assert_true(settled_of(&id) < now - MINUTE_MS);
    kit_sql(fx.db, "UPDATE checks SET schedule = 'every 1 second' WHERE id = '%s'", kit_id(&id));
    assert_true(settled_of(&id) >= now);
    settle_to(&id, now - 60 * MINUTE_MS);
    kit_sql(fx.db, "UPDATE checks SET enabled = false WHERE id = '%s'", kit_id(&id));
    assert_true(settled_of(&id) < now - MINUTE_MS);
    kit_sql(fx.db, "UPDATE checks SET enabled = true WHERE id = '%s'", kit_id(&id));
    assert_true(settled_of(&id) >= now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sweep, clean),
        cmocka_unit_test_setup(test_sweep_says_when_nothing_ran, clean),
        cmocka_unit_test_setup(test_sweep_after_a_long_outage, clean),
        cmocka_unit_test_setup(test_edited_schedules_expect_from_then, clean),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
