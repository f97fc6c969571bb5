/* Leases, pages and changes of schedules, the sweep and housekeeping against PostgreSQL. */
#include <stdio.h>
#include <string.h>

#include "model/schedule.h"
#include "queue/queue.h"
#include "store/housekeeping.h"
#include "base/clock.h"
#include "store/leases.h"
#include "store/recorder.h"
#include "store/schedules.h"
#include "store/sweep.h"
#include "tests/kit/kit.h"

#define MINUTE_MS 60000LL

static const char *database;
static struct db *db;
static struct uuid org;

static int setup(void **state)
{
    database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

static int clean(void **state)
{
    kit_sql(db, "DELETE FROM checks; DELETE FROM check_changes; DELETE FROM results;"
                " DELETE FROM scheduler_members; UPDATE scheduler_shards SET owner = NULL,"
                " leased_until = '-infinity', epoch = 0; DELETE FROM housekeeping");
    return 0;
}

static const char *text_of(const struct uuid *id)
{
    static char out[4][UUID_TEXT_BYTES];
    static int next;
    next = (next + 1) % 4;
    uuid_format(id, out[next]);
    return out[next];
}

/* --- leases --- */

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
    assert_ok(lease_renew(db, "a", 60000, &a));
    assert_true(a.alive == 1 && count_mine(&a) == 0 && a.is_free[0] && a.next_free_ms == -1);
    assert_true(a.now_us > clock_wall_us() - 5000000 && a.now_us < clock_wall_us() + 5000000);
    assert_ok(lease_acquire(db, "a", 60000, all, &a));
    assert_true(count_mine(&a) == 16 && a.epoch[7] == 1);

    assert_ok(lease_renew(db, "b", 60000, &b));
    assert_true(b.alive == 2 && count_mine(&b) == 0 && !b.is_free[0]);
    assert_true(b.next_free_ms > 50000 && b.next_free_ms <= 60000);
    assert_ok(lease_acquire(db, "b", 60000, all, &b)); /* nothing is free */
    assert_int_equal(count_mine(&b), 0);

    bool some[LEASE_SHARDS] = {[3] = true, [9] = true};
    assert_ok(lease_release(db, "b", some)); /* not b's to give */
    assert_ok(lease_renew(db, "a", 60000, &a));
    assert_true(count_mine(&a) == 16 && a.epoch[3] == 1);
    assert_ok(lease_release(db, "a", some));
    assert_ok(lease_acquire(db, "b", 60000, all, &b));
    assert_true(count_mine(&b) == 2 && b.epoch[3] == 2 && b.epoch[9] == 2);

    /* A lease that ran out is nobody's, not even its owner's without a new epoch. */
    kit_sql(db, "UPDATE scheduler_shards SET leased_until = now() - interval '1 second'"
                " WHERE owner = 'a'");
    assert_ok(lease_renew(db, "a", 60000, &a));
    assert_int_equal(count_mine(&a), 0);
    assert_true(a.is_free[0]);
    assert_ok(lease_acquire(db, "a", 60000, all, &a));
    assert_true(count_mine(&a) == 14 && a.epoch[0] == 2);

    assert_ok(lease_leave(db, "a"));
    assert_ok(lease_renew(db, "b", 60000, &b));
    assert_true(b.alive == 1 && b.is_free[0] && count_mine(&b) == 2);
}

/* The clock was set back by an hour: whoever died before it holds nothing up, whoever lives goes
 * on.
 */
static void test_leases_of_a_later_hour(void **state)
{
    static const bool all[LEASE_SHARDS] = {[0 ... LEASE_SHARDS - 1] = true};
    struct lease_view a, b;
    assert_ok(lease_renew(db, "a", 60000, &a));
    assert_ok(lease_acquire(db, "a", 60000, all, &a));
    kit_sql(db, "UPDATE scheduler_shards SET leased_until = leased_until + interval '1 hour';"
                "UPDATE scheduler_members SET seen_until = seen_until + interval '1 hour'");
    assert_ok(lease_renew(db, "b", 60000, &b));
    assert_true(b.alive == 1 && b.is_free[0] && b.next_free_ms == -1);
    const bool first[LEASE_SHARDS] = {true};
    assert_ok(lease_acquire(db, "b", 60000, first, &b));
    assert_true(count_mine(&b) == 1 && b.epoch[0] == 2);
    assert_ok(lease_renew(db, "a", 60000, &a));
    assert_true(a.alive == 2 && count_mine(&a) == LEASE_SHARDS - 1 && !a.is_free[0]);
    assert_ok(lease_acquire(db, "b", 60000, all, &b));
    assert_int_equal(count_mine(&b), 1); /* renewed, they are not free any more */
}

/* --- schedules --- */

/* All enabled checks, and the states of all, as one moment saw both. */
static void test_streams(void **state)
{
    enum { MANY = 1000, OFF = 10 };
    kit_sql(db,
            "INSERT INTO checks (id, org_id, name, kind, plugin_type, schedule, shard, enabled)"
            " SELECT uuid7(), '%s', 'n' || n, 'website', 'website', '5', 6, n > %d"
            " FROM generate_series(1, %d) n;"
            "INSERT INTO check_state (check_id, settled_to, last_slot_at)"
            " SELECT id, '2026-01-30 23:23:29.5+00', CASE WHEN enabled THEN now() END FROM checks",
            text_of(&org), OFF, MANY);
    AUTO_DB reader = kit_db_open(database);
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
    kit_sql(db, "DELETE FROM check_state"); /* not seen by who reads */
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
        assert_ok(schedules_changed(db, arena, c, &rows, &count, &more));
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
    struct uuid old = kit_check(db, &org, "before the cursor");
    assert_ok(schedules_cursor_init(&c, db));
    assert_int_equal(drain(&c, NULL), 0);
    struct uuid id = kit_check(db, &org, "after it");
    assert_int_equal(drain(&c, &row), 1);
    assert_true(uuid_eq(&row.id, &id) && row.is_enabled);
    assert_int_equal(drain(&c, NULL), 0);
    kit_sql(db, "UPDATE checks SET enabled = false WHERE id = '%s'", text_of(&old));
    assert_int_equal(drain(&c, &row), 1);
    assert_true(uuid_eq(&row.id, &old) && !row.is_enabled);
    kit_sql(db, "DELETE FROM checks WHERE id = '%s'", text_of(&old));
    assert_int_equal(drain(&c, &row), 1);
    assert_true(uuid_eq(&row.id, &old) && !row.is_enabled);
    schedules_cursor_done(&c);
}

/* A transaction that is open for long neither hides later changes nor is it missed in the end. */
static void test_changes_of_long_transactions(void **state)
{
    struct schedule_cursor c = {0};
    struct schedule_row row = {0};
    struct db *slow = kit_db_open(database);
    struct uuid a = kit_check(db, &org, "slow");
    struct uuid b = kit_check(db, &org, "quick");
    assert_ok(schedules_cursor_init(&c, db));
    assert_ok(db_begin(slow));
    kit_sql(slow, "UPDATE checks SET name = 'slower' WHERE id = '%s'", text_of(&a));
    for (int i = 0; i < 5; i++) {
        kit_sql(db, "UPDATE checks SET name = 'quicker' WHERE id = '%s'", text_of(&b));
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
    assert_ok(schedules_cursor_init(&c, db));
    kit_sql(db,
            "INSERT INTO checks (id, org_id, name, kind, plugin_type, schedule, shard)"
            " SELECT uuid7(), '%s', 'n' || n, 'website', 'website', '5', 6"
            " FROM generate_series(1, %d) n",
            text_of(&org), MANY);
    assert_int_equal(drain(&c, NULL), MANY);
    assert_int_equal(drain(&c, NULL), 0);
    schedules_cursor_done(&c);
}

/* --- the sweep --- */

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
    kit_sql(db, "UPDATE check_state SET settled_to = '%s' WHERE check_id = '%s'", at, text_of(id));
}

static size_t sweep_at(int64_t now_ms)
{
    struct sweep s = {
        .shards = all_shards, .grace_ms = 30000, .gap_from_ms = gap_from, .gap_to_ms = gap_to};
    size_t total = 0;
    bool done = false;
    while (!done) {
        size_t missed = 0;
        assert_ok(sweep_step(db, &s, now_ms, &missed, &done));
        total += missed;
    }
    return total;
}

static int64_t settled_of(const struct uuid *id)
{
    return kit_sql_i64(db,
                       "SELECT (extract(epoch FROM settled_to) * 1000)::bigint FROM check_state"
                       " WHERE check_id = '%s'",
                       text_of(id));
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
    assert_ok(recorder_store(db, &r, 1, &outcome, &alerts));
}

static void test_sweep(void **state)
{
    int64_t now = clock_wall_ms() - 10 * MINUTE_MS;
    struct uuid id = kit_check(db, &org, "swept");
    struct uuid fine = kit_check(db, &org, "fine");
    struct uuid off = kit_check(db, &org, "off");
    struct uuid paused = kit_check(db, &org, "paused");
    kit_sql(db, "UPDATE checks SET enabled = false WHERE id = '%s'", text_of(&off));
    kit_sql(db, "UPDATE check_state SET state = 'paused' WHERE check_id = '%s'", text_of(&paused));
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
    char *got = kit_sql_text(db,
                             "SELECT string_agg(concat_ws('|', status, message, location),"
                             " ' ' ORDER BY slot_at) FROM results WHERE check_id = '%s'"
                             " AND slot_at <= to_timestamp(%lld / 1000.0)",
                             text_of(&id), (long long)horizon);
    assert_string_equal(got, "missed|no worker ran it within 40 s of its time|default "
                             "success|fine|elsewhere "
                             "missed|no worker ran it within 40 s of its time|default");
    free(got);
    assert_true(kit_sql_i64(db,
                            "SELECT count(*) FROM check_state WHERE check_id = '%s'"
                            " AND state = 'up'",
                            text_of(&id)) == 1);
    assert_int_equal(sweep_at(now), 0);
    /* Two slots later: what is open of the live ones, and what lies beyond that. */
    assert_int_equal(sweep_at(now + 2 * MINUTE_MS), 2);
    assert_true(settled_of(&fine) == slot_of(&fine, now - 100000) + 2 * MINUTE_MS);
}

static void test_sweep_says_when_nothing_ran(void **state)
{
    int64_t now = clock_wall_ms();
    struct uuid id = kit_check(db, &org, "gap");
    int64_t horizon = slot_of(&id, now - 100000);
    settle_to(&id, horizon - MINUTE_MS);
    for (int i = 0; i < LEASE_SHARDS; i++) {
        gap_from[i] = horizon - 1;
        gap_to[i] = horizon;
    }
    assert_int_equal(sweep_at(now), 1);
    char *got = kit_sql_text(db, "SELECT message FROM results WHERE check_id = '%s'", text_of(&id));
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
        struct uuid id = kit_check(db, &org, name);
        settle_to(&id, slot_of(&id, now - 100000) - 1000 * MINUTE_MS);
    }
    /* 100 rows each, the first one speaking for the 900 before it; 500 a step. */
    assert_int_equal(sweep_at(now) + sweep_at(now) + sweep_at(now), CHECKS * 100);
    assert_int_equal(sweep_at(now), 0);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM results WHERE message LIKE"
                                " '%%; so 900 slots before it'") == CHECKS);
}

static void test_edited_schedules_expect_from_then(void **state)
{
    struct uuid id = kit_check(db, &org, "edited");
    int64_t now = clock_wall_ms();
    settle_to(&id, now - 60 * MINUTE_MS);
    kit_sql(db, "UPDATE checks SET name = 'renamed' WHERE id = '%s'", text_of(&id));
    assert_true(settled_of(&id) < now - MINUTE_MS);
    kit_sql(db, "UPDATE checks SET schedule = 'every 1 second' WHERE id = '%s'", text_of(&id));
    assert_true(settled_of(&id) >= now);
    settle_to(&id, now - 60 * MINUTE_MS);
    kit_sql(db, "UPDATE checks SET enabled = false WHERE id = '%s'", text_of(&id));
    assert_true(settled_of(&id) < now - MINUTE_MS);
    kit_sql(db, "UPDATE checks SET enabled = true WHERE id = '%s'", text_of(&id));
    assert_true(settled_of(&id) >= now);
}

/* --- housekeeping --- */

static void test_housekeeping(void **state)
{
    const struct housekeeping h = {.results_ms = 90LL * 86400000, .metrics_ms = 30LL * 86400000};
    int ran = 0;
    struct uuid id = kit_check(db, &org, "house");
    kit_sql(db, "DROP TABLE IF EXISTS results_p20200101;"
                " SELECT partition_ensure('results', 'day', '2020-01-01');"
                " SELECT partition_ensure('results', 'day', now() - interval '80 days');"
                " SELECT partition_ensure('scrapes', 'hour', '2020-01-01 05:00Z')");
    kit_sql(db, "UPDATE check_changes SET at = now() - interval '2 hours' WHERE check_id = '%s'",
            text_of(&id));
    kit_sql(db,
            "INSERT INTO outbox (id, org_id, event, sequence, channel_type, payload, status,"
            " finished_at) VALUES (uuid7(), '%s', 'check.up', 1, 'email', '{}', 'delivered',"
            " now() - interval '31 days'), (uuid7(), '%s', 'check.up', 1, 'email', '{}',"
            " 'delivered', now() - interval '29 days'), (uuid7(), '%s', 'check.up', 1, 'email',"
            " '{}', 'pending', NULL)",
            text_of(&org), text_of(&org), text_of(&org));
    assert_ok(housekeeping_run(db, &h, &ran));
    assert_true(ran >= 12);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM pg_class WHERE relname IN"
                                " ('results_p20200101', 'scrapes_p2020010105')") == 0);
    assert_true(kit_sql_i64(db,
                            "SELECT (to_regclass('results_p' || to_char(now() AT TIME ZONE"
                            " 'UTC' - interval '80 days', 'YYYYMMDD')) IS NOT NULL)::int") == 1);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM check_changes WHERE at < now() - interval"
                                " '1 hour'") == 0);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM outbox") == 2);
    assert_true(
        kit_sql_i64(db, "SELECT (to_regclass('scrapes_p' || to_char(now() AT TIME ZONE"
                        " 'UTC' + interval '48 hours', 'YYYYMMDDHH24')) IS NOT NULL)::int") == 1);
    assert_ok(housekeeping_run(db, &h, &ran));
    assert_int_equal(ran, 0);
}

static int ran_by_a_scheduler(void)
{
    const struct housekeeping h = {.results_ms = 90LL * 86400000, .metrics_ms = 30LL * 86400000};
    int ran = -1;
    assert_ok(housekeeping_run(db, &h, &ran));
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
        kit_sql(db, "UPDATE housekeeping SET ran_at = now() - interval '%s' WHERE task = '%s'",
                rows[i].ago, rows[i].task);
        if (ran_by_a_scheduler() != rows[i].ran)
            fail_msg("%s, %s", rows[i].task, rows[i].ago);
    }
    kit_sql(db, "UPDATE housekeeping SET ran_at = now() - interval '1 day'");
    kit_sql(db, "UPDATE schedules SET enabled = false WHERE task LIKE 'system.%%'");
    assert_int_equal(ran_by_a_scheduler(), 2); /* its own */
    kit_sql(db, "UPDATE schedules SET enabled = true WHERE task LIKE 'system.%%'");
    int all = 0;
    for (size_t i = 0; i < ARRAY_LEN(houses); i++) {
        int ran = 0;
        const char *failed = NULL;
        assert_ok(housekeeping_do(db, &h, houses[i], &ran, &failed));
        assert_true(ran > 0);
        all += ran;
    }
    assert_int_equal(all + 2, kit_sql_i64(db, "SELECT count(*) FROM housekeeping"));
    assert_int_equal(ran_by_a_scheduler(), 0);
}

/* The rows of the migration are whole: their tasks exist, and their shards follow from the ids. */
static void test_system_schedules(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct schedule_row *rows = NULL;
    size_t count = 0, system = 0;
    assert_ok(schedules_tasks_page(db, arena, &(struct uuid){0}, &rows, &count));
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
        cmocka_unit_test_setup(test_leases, clean),
        cmocka_unit_test_setup(test_leases_of_a_later_hour, clean),
        cmocka_unit_test_setup(test_streams, clean),
        cmocka_unit_test_setup(test_changes, clean),
        cmocka_unit_test_setup(test_changes_of_long_transactions, clean),
        cmocka_unit_test_setup(test_changes_in_bulk, clean),
        cmocka_unit_test_setup(test_sweep, clean),
        cmocka_unit_test_setup(test_sweep_says_when_nothing_ran, clean),
        cmocka_unit_test_setup(test_sweep_after_a_long_outage, clean),
        cmocka_unit_test_setup(test_edited_schedules_expect_from_then, clean),
        cmocka_unit_test_setup(test_housekeeping, clean),
        cmocka_unit_test_setup(test_housekeeping_is_shared, clean),
        cmocka_unit_test_setup(test_system_schedules, clean),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
