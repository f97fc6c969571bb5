/* What a batch of results does to the database: once, in order, whole or not at all. */
#include "tests/integration/store/recorder_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

static void test_first_result(void **state)
{
    struct uuid check = rf_make_check("first", 2, 1);
    struct record r = rf_result_of(check, 0, RESULT_SUCCESS);
    struct record_outcome outcome;
    size_t alerts = 9;
    assert_ok(recorder_store(rf.db, &r, 1, &outcome, &alerts));
    assert_true(outcome.is_new);
    assert_false(outcome.is_soft);
    assert_true(alerts == 0);
    assert_true(uuid_time_ms(&outcome.id) == r.slot_us / 1000);
    rf_state_is(check, "up");
    assert_true(rf_count_of("transitions", check) == 1);
    char *row = kit_sql_text(rf.db,
                             "SELECT concat_ws('|', last_status, last_message, last_response_us,"
                             " last_slot_at = settled_to, sequence, incident_id)"
                             " FROM check_state WHERE check_id = '%s'",
                             kit_id(&check));
    assert_string_equal(row, "success|fine|1500|t|1");
    free(row);
    row = kit_sql_text(rf.db,
                       "SELECT concat_ws('|', status, message, response_us, lag_us, raw_data)"
                       " FROM results WHERE id = '%s'",
                       kit_id(&outcome.id));
    assert_string_equal(row, "success|fine|1500|10|{\"code\": 200}");
    free(row);
}

static void test_again_changes_nothing(void **state)
{
    struct uuid check = rf_make_check("again", 1, 1);
    struct record r[2] = {rf_result_of(check, 0, RESULT_ERROR),
                          rf_result_of(check, 0, RESULT_ERROR)};
    struct record_outcome first[2], second[2];
    size_t alerts = 0;
    assert_ok(recorder_store(rf.db, r, 2, first, &alerts));
    assert_true(first[0].is_new != first[1].is_new); /* the same slot twice in one batch */
    assert_true(uuid_eq(&first[0].id, &first[1].id));
    assert_ok(recorder_store(rf.db, r, 2, second, &alerts));
    assert_false(second[0].is_new || second[1].is_new);
    assert_true(uuid_eq(&second[0].id, &first[0].id));
    assert_true(rf_count_of("results", check) == 1);
    assert_true(rf_count_of("transitions", check) == 1);
    assert_true(rf_count_of("incidents", check) == 1);
    assert_true(kit_sql_i64(rf.db, "SELECT failures FROM check_state WHERE check_id = '%s'",
                            kit_id(&check)) == 1);
}

static void test_retries_confirm(void **state)
{
    struct uuid check = rf_make_check("retries", 3, 2);
    struct record r = rf_result_of(check, 0, RESULT_ERROR);
    struct record_outcome outcome;
    size_t alerts = 0;
    static const struct {
        enum result_status status;
        const char *state;
        bool is_soft;
    } steps[] = {
        {RESULT_ERROR, "pending", true},     {RESULT_ERROR, "pending", true},
        {RESULT_ERROR, "down", false},       {RESULT_SUCCESS, "down", true},
        {RESULT_ERROR, "down", false},       {RESULT_SUCCESS, "down", true},
        {RESULT_SUCCESS, "up", false},       {RESULT_ERROR, "up", true},
        {RESULT_WARNING, "degraded", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        r = rf_result_of(check, (int)i, steps[i].status);
        assert_ok(recorder_store(rf.db, &r, 1, &outcome, &alerts));
        rf_state_is(check, steps[i].state);
        assert_int_equal(outcome.is_soft, steps[i].is_soft);
    }
    assert_true(rf_count_of("transitions", check) == 3);
}

static void test_out_of_order(void **state)
{
    struct uuid check = rf_make_check("order", 1, 1);
    /* One batch in any order folds by slot … */
    struct record r[3] = {rf_result_of(check, 3, RESULT_SUCCESS),
                          rf_result_of(check, 1, RESULT_SUCCESS),
                          rf_result_of(check, 2, RESULT_ERROR)};
    struct record_outcome outcomes[3];
    size_t alerts = 0;
    assert_ok(recorder_store(rf.db, r, 3, outcomes, &alerts));
    rf_state_is(check, "up");
    assert_true(rf_count_of("transitions", check) == 3); /* up, down, up */
    /* … what comes later and is older is kept and has no say … */
    r[0] = rf_result_of(check, 0, RESULT_ERROR);
    assert_ok(recorder_store(rf.db, r, 1, outcomes, &alerts));
    assert_true(outcomes[0].is_new);
    assert_false(outcomes[0].is_soft);
    rf_state_is(check, "up");
    assert_true(rf_count_of("results", check) == 4);
    /* … and settles its slot alone: those after it wait for the sweep. */
    assert_true(kit_sql_i64(rf.db,
                            "SELECT (extract(epoch FROM settled_to) * 1000000)::bigint"
                            " FROM check_state WHERE check_id = '%s'",
                            kit_id(&check)) == rf.base_us);
}

static void test_check_that_is_gone(void **state)
{
    struct uuid check = rf_make_check("stays", 1, 1);
    struct record r[2] = {rf_result_of(uuid_new(), 0, RESULT_SUCCESS),
                          rf_result_of(check, 0, RESULT_SUCCESS)};
    struct record_outcome outcomes[2];
    size_t alerts = 0;
    assert_ok(recorder_store(rf.db, r, 2, outcomes, &alerts));
    assert_false(outcomes[0].is_new);
    assert_true(uuid_is_nil(&outcomes[0].id));
    assert_true(outcomes[1].is_new);
    assert_ok(recorder_store(rf.db, r, 1, outcomes, &alerts));
    assert_ok(recorder_store(rf.db, r, 0, outcomes, &alerts));
}

static void test_days_without_a_partition(void **state)
{
    struct uuid check = rf_make_check("old", 1, 1);
    struct record r[3] = {rf_result_of(check, 0, RESULT_SUCCESS),
                          rf_result_of(check, 0, RESULT_SUCCESS),
                          rf_result_of(check, 0, RESULT_SUCCESS)};
    struct record_outcome outcomes[3];
    size_t alerts = 0;
    r[0].slot_us -= 100 * 24 * 60 * MINUTE_US;
    r[1].slot_us -= 367LL * 24 * 60 * MINUTE_US; /* too old */
    r[2].slot_us += 30 * 24 * 60 * MINUTE_US;    /* from a broken clock */
    assert_ok(recorder_store(rf.db, r, 3, outcomes, &alerts));
    assert_true(outcomes[0].is_new);
    assert_false(outcomes[1].is_new);
    assert_false(outcomes[2].is_new);
    assert_true(rf_count_of("results", check) == 1);
}

static void test_bad_details_do_not_hold_up_others(void **state)
{
    struct uuid check = rf_make_check("bad", 5, 1);
    struct record r[5];
    struct record_outcome outcomes[5];
    size_t alerts = 0;
    for (int i = 0; i < 5; i++)
        r[i] = rf_result_of(check, i, RESULT_SUCCESS);
    char message[LIMIT_RESULT_MESSAGE * 2];
    memset(message, 'x', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    memcpy(message + LIMIT_RESULT_MESSAGE - 1, "\xc3\xa4", 2); /* cut in the middle of a letter */
    r[0].raw_json = "{\"a\": \"\\u0000\"}";
    r[1].raw_json = "not JSON";
    r[2].message = "latin \xe4";
    r[3].message = message;
    r[4].trigger = "witchcraft";
    assert_ok(recorder_store(rf.db, r, 5, outcomes, &alerts));
    for (int i = 0; i < 4; i++)
        assert_true(outcomes[i].is_new);
    assert_false(outcomes[4].is_new);
    assert_true(rf_count_of("results", check) == 4);
    assert_true(kit_sql_i64(rf.db, "SELECT max(length(message)) FROM results WHERE check_id = '%s'",
                            kit_id(&check)) == LIMIT_RESULT_MESSAGE - 1);
}

static void test_manual_runs_and_retries_have_their_own_slots(void **state)
{
    struct uuid check = rf_make_check("manual", 2, 1);
    struct record r[3] = {rf_result_of(check, 0, RESULT_ERROR),
                          rf_result_of(check, 0, RESULT_ERROR),
                          rf_result_of(check, 0, RESULT_ERROR)};
    struct record_outcome outcomes[3];
    size_t alerts = 0;
    r[1].trigger = "retry";
    r[1].slot_us += 1000;
    r[1].prev_slot_us = 0;
    r[2].trigger = "manual";
    r[2].prev_slot_us = 0;
    assert_ok(recorder_store(rf.db, r, 3, outcomes, &alerts));
    assert_true(outcomes[0].is_new && outcomes[1].is_new && outcomes[2].is_new);
    rf_state_is(check, "down");
    assert_true(kit_sql_i64(rf.db,
                            "SELECT (extract(epoch FROM settled_to) * 1000000)::bigint"
                            " FROM check_state WHERE check_id = '%s'",
                            kit_id(&check)) == rf.base_us);
}

static void test_paused_checks_keep_their_results(void **state)
{
    struct uuid check = rf_make_check("paused", 1, 1);
    kit_sql(rf.db, "UPDATE check_state SET state = 'paused' WHERE check_id = '%s'", kit_id(&check));
    assert_true(rf_store_story(check, 0, "eee") == 0);
    rf_state_is(check, "paused");
    assert_true(rf_count_of("results", check) == 3);
    assert_true(rf_count_of("transitions", check) == 0);
}

static void test_full_batch(void **state)
{
    enum { CHECKS = 50 };
    struct uuid checks[CHECKS];
    static struct record r[LIMIT_RECORD_BATCH + 1];
    static struct record_outcome outcomes[LIMIT_RECORD_BATCH + 1];
    size_t alerts = 0;
    char name[32];
    for (int i = 0; i < CHECKS; i++) {
        (void)snprintf(name, sizeof(name), "batch %d", i);
        checks[i] = rf_make_check(name, 1, 1);
    }
    for (int i = 0; i < LIMIT_RECORD_BATCH; i++)
        r[i] = rf_result_of(checks[i % CHECKS], i / CHECKS, i % 3 ? RESULT_SUCCESS : RESULT_ERROR);
    int64_t before = kit_sql_i64(rf.db, "SELECT count(*) FROM results");
    assert_status(ST_TOO_LARGE,
                  recorder_store(rf.db, r, LIMIT_RECORD_BATCH + 1, outcomes, &alerts));
    assert_ok(recorder_store(rf.db, r, LIMIT_RECORD_BATCH, outcomes, &alerts));
    for (int i = 0; i < LIMIT_RECORD_BATCH; i++)
        assert_true(outcomes[i].is_new);
    assert_true(kit_sql_i64(rf.db, "SELECT count(*) FROM results") == before + LIMIT_RECORD_BATCH);
    assert_ok(recorder_store(rf.db, r, LIMIT_RECORD_BATCH, outcomes, &alerts));
    assert_true(kit_sql_i64(rf.db, "SELECT count(*) FROM results") == before + LIMIT_RECORD_BATCH);
}

/* --- several recorders at once --- */

enum { THREADS = 4, SHARED = 20, ROUNDS = 12 };
struct recorder_thread {
    pthread_t thread;
    const struct uuid *checks;
    unsigned seed;
    size_t fresh, alerts;
    enum status status;
};

/* Every thread stores the same results, in an order and in batches of its own. */
static void *record_all(void *arg)
{
    struct recorder_thread *t = arg;
    struct db *own = kit_db_open(fx.database);
    struct record r[SHARED];
    struct record_outcome outcomes[SHARED];
    for (int round = 0; round < ROUNDS && t->status == ST_OK; round++) {
        for (int i = 0; i < SHARED; i++)
            r[i] = rf_result_of(t->checks[i], round, round % 2 ? RESULT_ERROR : RESULT_SUCCESS);
        for (int i = SHARED - 1; i > 0; i--) {
            int j = (int)((unsigned)rand_r(&t->seed) % (unsigned)(i + 1));
            struct record swap = r[i];
            r[i] = r[j];
            r[j] = swap;
        }
        size_t alerts = 0;
        t->status = recorder_store(own, r, SHARED, outcomes, &alerts);
        t->alerts += alerts;
        for (int i = 0; i < SHARED; i++)
            t->fresh += outcomes[i].is_new;
    }
    db_free(own);
    return NULL;
}

static void test_recorders_in_parallel(void **state)
{
    struct uuid checks[SHARED];
    struct recorder_thread threads[THREADS];
    char name[32];
    rf_make_channel("parallel", true, true);
    for (int i = 0; i < SHARED; i++) {
        (void)snprintf(name, sizeof(name), "parallel %d", i);
        checks[i] = rf_make_check(name, 1, 1);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct recorder_thread){.checks = checks, .seed = i + 1, .status = ST_OK};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, record_all, &threads[i]), 0);
    }
    size_t fresh = 0;
    size_t alerts = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        assert_ok(threads[i].status);
        fresh += threads[i].fresh;
        alerts += threads[i].alerts;
    }
    assert_true(fresh == SHARED * ROUNDS);
    for (int i = 0; i < SHARED; i++) {
        assert_true(rf_count_of("results", checks[i]) == ROUNDS);
        rf_state_is(checks[i], "down");
        assert_true(rf_count_of("incidents", checks[i]) * 2 ==
                    rf_count_of("transitions", checks[i]));
    }
    assert_true(alerts == (size_t)kit_sql_i64(rf.db, "SELECT count(*) FROM outbox o JOIN checks c"
                                                     " ON c.id = o.check_id WHERE c.name"
                                                     " LIKE 'parallel %%'"));
    assert_true(kit_sql_i64(rf.db, "SELECT count(*) FROM incidents WHERE status <> 'resolved' AND"
                                   " check_name LIKE 'parallel %%'") == SHARED);
    rf_order_is_kept();
    rf_drop_channels();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_result),
        cmocka_unit_test(test_again_changes_nothing),
        cmocka_unit_test(test_retries_confirm),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_check_that_is_gone),
        cmocka_unit_test(test_days_without_a_partition),
        cmocka_unit_test(test_bad_details_do_not_hold_up_others),
        cmocka_unit_test(test_manual_runs_and_retries_have_their_own_slots),
        cmocka_unit_test(test_paused_checks_keep_their_results),
        cmocka_unit_test(test_full_batch),
        cmocka_unit_test(test_recorders_in_parallel),
    };
    return cmocka_run_group_tests(tests, rf_setup, fx_teardown);
}
