/*
 * The pure scheduler: slots, edits, lateness, calendars, policies, with a clock that is a number.
 */
#include "services/scheduler/core.h"

#include "base/vec.h"
#include "tests/unit/services/scheduler/core_fixture.h"

static void test_one_check(void **state)
{
    struct uuid id = uuid_new();
    int64_t slot = core_slot_before(&id, 60000, T0) + 60000;
    struct sched *s = core_make_one();
    assert_int_equal(core_load(s, &id, 60000, T0), ST_OK);
    assert_true(sched_deadline(s) == SCHED_FOREVER);
    sched_run(s, 3, T0, T0);
    assert_true(sched_deadline(s) == slot);
    assert_null(core_tick_at(s, slot - 1));
    const struct sched_batch *b = core_tick_at(s, slot + 5);
    assert_non_null(b);
    assert_true(b->count == 1 && b->tick_ms == slot + 5);
    assert_true(uuid_eq(&b->due[0].id, &id));
    assert_true(b->due[0].slot_ms == slot && b->due[0].prev_ms == slot - 60000);
    /* Not done: the same again, however late it is. */
    assert_ptr_equal(core_tick_at(s, slot + 500000), b);
    assert_true(b->count == 1 && b->tick_ms == slot + 5);
    sched_done(s, 3);
    assert_true(sched_deadline(s) == slot + 60000);
    assert_null(core_tick_at(s, slot + 5));
    sched_remove(s, &id);
    assert_true(sched_count(s) == 0 && sched_deadline(s) == SCHED_FOREVER);
    sched_free(s);
}

static void test_what_is_owed_at_load(void **state)
{
    static const struct {
        const char *name;
        int64_t mark, settled; /* relative to the newest slot; NEVER: none */
        bool is_owed;
    } rows[] = {
        {"nothing known", SCHED_NEVER, -60000, true},
        {"has its result", SCHED_NEVER, 0, false},
        {"made after the slot", SCHED_NEVER, 10, false},
        {"dispatched", 0, -60000, false},
        {"dispatched, a later tick", 3, -60000, false},
        {"not dispatched", -1, -60000, true},
        {"not dispatched, but has its result", -1, 0, false},
    };
    struct uuid id = uuid_new();
    int64_t slot = core_slot_before(&id, 60000, T0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sched *s = core_make_one();
        assert_int_equal(core_load(s, &id, 60000, slot + rows[i].settled), ST_OK);
        sched_run(s, 3, rows[i].mark == SCHED_NEVER ? SCHED_NEVER : slot + rows[i].mark, slot + 20);
        const struct sched_batch *b = core_tick_at(s, slot + 20);
        if ((b != NULL) != rows[i].is_owed)
            fail_msg("%s", rows[i].name);
        if (b)
            assert_true(b->due[0].slot_ms == slot);
        sched_free(s);
    }
}

/* What is read anew after a loss counts, but not for a shard that runs, or for nobody. */
static void test_settling(void **state)
{
    struct uuid id = uuid_new(), nobody = uuid_new();
    int64_t slot = core_slot_before(&id, 60000, T0);
    struct sched *s = core_make_one();
    assert_int_equal(core_load(s, &id, 60000, 0), ST_OK);
    sched_settle(s, &id, slot, false);
    sched_settle(s, &nobody, slot, false);
    assert_true(sched_count(s) == 1);
    sched_run(s, 3, SCHED_NEVER, slot + 20);
    assert_null(core_tick_at(s, slot + 20));
    sched_rest(s, 3);
    sched_settle(s, &id, slot - 60000, false);
    sched_run(s, 3, SCHED_NEVER, slot + 20);
    assert_non_null(core_tick_at(s, slot + 20));
    sched_done(s, 3);
    sched_settle(s, &id, slot - 60000, true);
    assert_true(sched_deadline(s) == slot + 60000);
    /* Made just now: it runs under the name of that second. */
    sched_rest(s, 3);
    sched_settle(s, &id, slot + 10000, true);
    sched_run(s, 3, SCHED_NEVER, slot + 11000);
    const struct sched_batch *b = core_tick_at(s, slot + 11000);
    assert_true(b && b->due[0].slot_ms == (slot + 10000) / 1000 * 1000 && b->due[0].prev_ms == 0);
    sched_free(s);
}

static void test_edits(void **state)
{
    struct uuid id = uuid_new();
    struct sched *s = core_make_one();
    sched_run(s, 3, T0, T0);
    assert_int_equal(core_put(s, &id, 60000, T0), ST_OK);
    int64_t first = sched_deadline(s);
    assert_true(first == core_slot_before(&id, 60000, T0) + 60000);
    assert_int_equal(core_put(s, &id, 60000, T0 + 1), ST_OK); /* a new name */
    assert_true(sched_deadline(s) == first);
    assert_int_equal(core_put(s, &id, 5000, T0 + 2), ST_OK);
    assert_true(sched_deadline(s) == core_slot_before(&id, 5000, T0 + 2) + 5000);
    assert_true(sched_count(s) == 1);
    assert_true(sched_count_running(s) == 1);
    sched_rest(s, 3);
    assert_true(sched_count(s) == 1 && sched_count_running(s) == 0);
    /* An edit of what rests counts from its moment on. */
    assert_int_equal(core_put(s, &id, 7000, T0 + 20000), ST_OK);
    sched_run(s, 3, T0 + 2, T0 + 20000);
    assert_true(sched_deadline(s) == core_slot_before(&id, 7000, T0 + 20000) + 7000);
    sched_free(s);
}

static void test_resting_shards_are_silent(void **state)
{
    struct uuid id = uuid_new();
    const struct sched_batch *b = NULL;
    struct sched *s = core_make_one();
    assert_int_equal(core_load(s, &id, 60000, T0), ST_OK);
    assert_int_equal(sched_tick(s, 3, T0 + 60000, &b), ST_OK);
    assert_null(b);
    assert_true(sched_deadline(s) == SCHED_FOREVER);
    sched_run(s, 3, T0, T0 + 1);
    assert_true(sched_is_running(s, 3));
    int64_t slot = sched_deadline(s);
    assert_non_null(core_tick_at(s, slot));
    /* Given up before it was done: whoever runs it next begins where it began. */
    sched_rest(s, 3);
    assert_null(core_tick_at(s, slot));
    assert_true(sched_deadline(s) == SCHED_FOREVER);
    sched_run(s, 3, T0, slot + 1);
    b = core_tick_at(s, slot + 1);
    assert_true(b && b->count == 1 && b->due[0].slot_ms == slot);
    sched_done(s, 3);
    /* … or where another one came to meanwhile. */
    sched_rest(s, 3);
    sched_run(s, 3, slot + 60000, slot + 60001);
    assert_true(sched_deadline(s) == slot + 120000);
    sched_free(s);
}

/* Late by less than SCHED_LATE_MS every slot runs, in its order; of what is older only the newest,
 * if there is none that is late at most. */
static void test_late_slots(void **state)
{
    static const struct {
        int64_t interval_ms, gap_ms; /* since the mark */
        size_t dispatched;           /* of slots up to now */
    } rows[] = {
        {1000, 4000, 4}, {1000, 9000, 9},    {1000, 3600000, 10}, {3000, 9000, 3},
        {8000, 8000, 1}, {60000, 600000, 1}, {2000, 60000, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int asleep = 0; asleep < 2; asleep++) {
            struct uuid id = uuid_new();
            struct sched *s = core_make_one();
            int64_t mark = core_slot_before(&id, rows[i].interval_ms, T0);
            int64_t now = mark + rows[i].gap_ms, last = 0;
            assert_int_equal(core_load(s, &id, rows[i].interval_ms, mark), ST_OK);
            sched_run(s, 3, mark, asleep ? mark + 1 : now);
            size_t count = 0;
            for (int64_t at = now; at <= now + SCHED_SPREAD_MS / 2; at += 50) {
                const struct sched_batch *b = core_tick_at(s, at);
                for (size_t k = 0; b && k < b->count; k++) {
                    int64_t slot = b->due[k].slot_ms;
                    assert_true(last == 0 || slot == last + rows[i].interval_ms);
                    count += slot <= now;
                    last = slot;
                }
                sched_done(s, 3);
            }
            if (count != rows[i].dispatched && count != rows[i].dispatched + 1)
                fail_msg("every %lld ms after %lld ms: %zu", (long long)rows[i].interval_ms,
                         (long long)rows[i].gap_ms, count);
            sched_free(s);
        }
    }
}

/* --- calendars, jitter, policies, new checks --- */

static void test_calendar(void **state)
{
    enum { DAY = 86400000 };
    struct sched *s = core_make_one();
    struct sched_item item = core_item_of("0 9 * * 1-5", T0); /* T0 is a Tuesday, 22:13:20 */
    assert_int_equal(sched_load(s, &item), ST_OK);
    sched_run(s, 3, T0, T0);
    int64_t wednesday = T0 - T0 % DAY + DAY + 9 * 3600000LL;
    static const int days[] = {0, 1, 2, 5, 6}; /* a weekend in between */
    for (size_t i = 0; i < ARRAY_LEN(days); i++) {
        int64_t slot = wednesday + (int64_t)days[i] * DAY;
        assert_true(sched_deadline(s) == slot);
        const struct sched_batch *b = core_tick_at(s, slot + 3);
        assert_true(b && b->count == 1 && b->due[0].slot_ms == slot);
        if (i > 0)
            assert_true(b->due[0].prev_ms == wednesday + (int64_t)days[i - 1] * DAY);
        if (i + 1 < ARRAY_LEN(days))
            assert_true(b->due[0].gap_ms == (int64_t)(days[i + 1] - days[i]) * DAY);
        sched_done(s, 3);
    }
    sched_free(s);
}

/* Each slot once, at its time or up to the jitter later, and never past the next one. */
static void test_jitter(void **state)
{
    struct sched *s = core_make_one();
    struct sched_item item = core_item_of("* * * * *", T0);
    int64_t last_slot = T0 - T0 % 60000, distinct = 0, last_delay = -1, mark_ms = T0;
    item.plan.jitter_ms = 20000;
    assert_int_equal(sched_load(s, &item), ST_OK);
    sched_run(s, 3, T0, T0);
    for (int64_t now = T0; now < T0 + 100 * 60000; now += 20) {
        if (now % 7 == 0) /* a new owner */
            sched_run(s, 3, mark_ms, now);
        const struct sched_batch *b = core_tick_at(s, now);
        if (!b)
            continue;
        int64_t delay = now - b->due[0].slot_ms;
        assert_true(b->count == 1 && b->due[0].slot_ms == last_slot + 60000);
        assert_true(delay >= 0 && delay <= 20000 + 20);
        distinct += delay != last_delay;
        last_delay = delay;
        last_slot += 60000;
        mark_ms = b->tick_ms;
        sched_done(s, 3);
    }
    assert_true(last_slot >= T0 + 98 * 60000 && distinct > 50);
    sched_free(s);
}

static void test_catch_up(void **state)
{
    static const struct {
        const char *name;
        enum sched_catch_up policy;
        int64_t late_ms;
        bool runs;
    } rows[] = {
        {"run once, an hour late", SCHED_RUN_ONCE, 3600000, true},
        {"run once, a second late", SCHED_RUN_ONCE, 1000, true},
        {"skip, an hour late", SCHED_SKIP, 3600000, false},
        {"skip, a second late", SCHED_SKIP, 1000, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sched_item item = core_item_of("@daily", 0);
        int64_t slot = T0 - T0 % 86400000;
        int64_t now = slot + rows[i].late_ms;
        item.plan.catch_up = rows[i].policy;
        /* Loaded late, and asleep while loaded. */
        for (int asleep = 0; asleep < 2; asleep++) {
            struct sched *s = core_make_one();
            assert_int_equal(sched_load(s, &item), ST_OK);
            sched_run(s, 3, slot - 5000, asleep ? slot - 4000 : now);
            size_t count = 0;
            for (int64_t at = now; at < now + SCHED_SPREAD_MS; at += 500) {
                const struct sched_batch *b = core_tick_at(s, at);
                if (!b)
                    continue;
                assert_true(b->count == 1 && b->due[0].slot_ms == slot);
                count++;
                sched_done(s, 3);
            }
            if (count != rows[i].runs)
                fail_msg("%s: %zu runs", rows[i].name, count);
            sched_free(s);
        }
    }
}

static void test_new_check_runs_at_once(void **state)
{
    struct sched *s = core_make_one();
    struct sched_item item = core_item_of("every 1 hour", T0 + 1234);
    item.is_fresh = true;
    sched_run(s, 3, T0, T0);
    assert_int_equal(sched_put(s, &item, T0 + 1500), ST_OK);
    const struct sched_batch *b = core_tick_at(s, T0 + 1500);
    assert_true(b && b->count == 1);
    assert_true(b->due[0].slot_ms == (T0 + 1234) / 1000 * 1000 && b->due[0].prev_ms == 0);
    sched_done(s, 3);
    assert_int_equal(sched_put(s, &item, T0 + 1600), ST_OK); /* a new name: not again */
    assert_null(core_tick_at(s, T0 + 2000));
    int64_t first = core_slot_before(&item.id, 3600000, T0 + 2000) + 3600000;
    assert_true(sched_deadline(s) == first);
    b = core_tick_at(s, first);
    assert_true(b && b->due[0].slot_ms == first && b->due[0].prev_ms == first - 3600000);
    sched_free(s);
    /* Loaded: only when the last owner cannot have known of it. */
    static const struct {
        int64_t mark;
        bool runs;
    } rows[] = {{SCHED_NEVER, true}, {T0, true}, {T0 + 1234, false}, {T0 + 60000, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        item = core_item_of("@yearly", T0 + 1234);
        item.is_fresh = true;
        s = core_make_one();
        assert_int_equal(sched_load(s, &item), ST_OK);
        sched_run(s, 3, rows[i].mark, T0 + 70000);
        assert_true((core_tick_at(s, T0 + 70000) != NULL) == rows[i].runs);
        sched_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_check),
        cmocka_unit_test(test_what_is_owed_at_load),
        cmocka_unit_test(test_settling),
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_resting_shards_are_silent),
        cmocka_unit_test(test_late_slots),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_catch_up),
        cmocka_unit_test(test_new_check_runs_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
