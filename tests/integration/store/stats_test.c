/*
 * Statistics: what is put together from days, hours and single results is what all single results
 * say, for any window, however late and in whatever order the results came.
 */
#include "store/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store/recorder.h"
#include "store/results.h"
#include "store/rollups.h"
#include "tests/kit/kit.h"

#define MINUTE_US 60000000LL
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)
#define RESULTS_MS (90 * DAY_US / 1000)

enum { CHECKS = 3, HISTORY_DAYS = 5 };

static const char *database;
static struct db *db;
static struct uuid org, checks[CHECKS];
static int64_t now_us;

static int setup(void **state)
{
    database = kit_database();
    db = kit_db_open(database);
    org = kit_organisation(db);
    now_us = clock_wall_us();
    for (int i = 0; i < CHECKS; i++)
        checks[i] = kit_check(db, &org, "a check");
    /* As if the installation were that old. */
    kit_sql(db,
            "UPDATE rollup_progress SET hours_to = hour_of('%s'), closed_to = hour_of('%s'),"
            " days_to = date_bin('1 day', '%s', '2000-01-01Z')",
            kit_time(now_us - HISTORY_DAYS * DAY_US), kit_time(now_us - HISTORY_DAYS * DAY_US),
            kit_time(now_us - HISTORY_DAYS * DAY_US));
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

/* --- stories --- */

static uint32_t seed = 20261122;

/* A generator of the test's own: the same story in each run. */
static uint32_t roll(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % sides;
}

static struct record result_at(struct uuid check, int64_t slot_us)
{
    uint32_t dice = roll(20);
    enum result_status status = dice < 14   ? RESULT_SUCCESS
                                : dice < 16 ? RESULT_WARNING
                                : dice < 19 ? RESULT_ERROR
                                            : RESULT_MISSED;
    bool is_measured = status != RESULT_MISSED && roll(10) != 0;
    return (struct record){
        .check_id = check,
        .slot_us = slot_us,
        .location = "default",
        .trigger = "schedule",
        .status = status,
        .message = "",
        .response_us = is_measured ? (int64_t)roll(1u << (roll(20) + 2)) : -1,
        .lag_us = -1,
        .raw_json = "{}",
        .executed_us = slot_us + 1000,
    };
}

static void store(const struct record *records, size_t count)
{
    static struct record_outcome outcomes[LIMIT_RECORD_BATCH];
    size_t alerts = 0;
    assert_ok(recorder_store(db, records, count, outcomes, &alerts));
}

/* Results of all checks, a tenth of the slots each, at random. */
static void store_story(int64_t from_us, int64_t to_us, int64_t every_us)
{
    static struct record batch[LIMIT_RECORD_BATCH];
    size_t n = 0;
    for (int64_t at_us = from_us; at_us < to_us; at_us += every_us) {
        for (int i = 0; i < CHECKS; i++) {
            if (roll(10) != 0)
                batch[n++] = result_at(checks[i], at_us + (int64_t)roll(1000));
        }
        if (n + CHECKS > LIMIT_RECORD_BATCH) {
            store(batch, n);
            n = 0;
        }
    }
    store(batch, n);
}

static int64_t hours_to_us(void)
{
    return kit_sql_i64(db, "SELECT (extract(epoch FROM hours_to) * 1000000)::bigint"
                           " FROM rollup_progress");
}

static void roll_up(int64_t until_us)
{
    /* Ten minutes behind: an hour is closed that long after its end. */
    int64_t want_us = (until_us - 10 * MINUTE_US) / HOUR_US * HOUR_US;
    /* Other programs of the same server may have older transactions. */
    assert_true(kit_wait(rollups_run(db, until_us, RESULTS_MS) == ST_OK && hours_to_us() >= want_us,
                         KIT_PATIENCE_MS));
    assert_true(hours_to_us() == want_us);
}

/* --- what the single results say --- */

static int64_t raw_i64(const struct uuid *check, const struct stats_window *w, const char *what)
{
    return kit_sql_i64(db,
                       "SELECT coalesce((%s)::bigint, 0) FROM results"
                       " WHERE check_id = '%s' AND slot_at >= '%s' AND slot_at < '%s'",
                       what, kit_id(check), kit_time(w->from_us), kit_time(w->to_us));
}

static void check_quantiles(const struct uuid *check, const struct stats_window *w,
                            const struct check_totals *sum)
{
    static const char *const texts[] = {"0.5", "0.9", "0.95", "0.99"};
    static const double values[] = {0.5, 0.9, 0.95, 0.99};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char what[128];
        (void)snprintf(what, sizeof(what),
                       "percentile_disc(%s) WITHIN GROUP (ORDER BY response_us)", texts[i]);
        double want = (double)raw_i64(check, w, what);
        double got = latency_quantile_us(&sum->latency, values[i], sum->min_us, sum->max_us);
        /* Below a few microseconds a bucket is narrower than the unit. */
        if (sum->measured > 0 && fabs(got - want) > want * 0.0222 + 1)
            fail_msg("p%s: %f, not %f", texts[i], got, want);
    }
}

static void window_is_true(const struct uuid *check, const struct stats_window *w)
{
    AUTO_ARENA arena = arena_new(64 << 20);
    assert_non_null(arena);
    struct check_totals sum;
    struct stats_point *points = NULL;
    size_t count = 0;
    assert_ok(stats_read(db, arena, check, w, &sum, &points, &count));
    const struct {
        int64_t got;
        const char *what;
    } facts[] = {
        {sum.success, "count(*) FILTER (WHERE status = 'success')"},
        {sum.warning, "count(*) FILTER (WHERE status = 'warning')"},
        {sum.error, "count(*) FILTER (WHERE status = 'error')"},
        {sum.missed, "count(*) FILTER (WHERE status = 'missed')"},
        {sum.measured, "count(response_us)"},
        {sum.sum_us, "sum(response_us)"},
        {sum.min_us, "min(response_us)"},
        {sum.max_us, "max(response_us)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        int64_t want = raw_i64(check, w, facts[i].what);
        if (facts[i].got != want)
            fail_msg("%s to %s, %s: %lld, not %lld", kit_time(w->from_us), kit_time(w->to_us),
                     facts[i].what, (long long)facts[i].got, (long long)want);
    }
    assert_true(sum.latency.total == sum.measured);
    check_quantiles(check, w, &sum);

    int64_t in_points = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || points[i].at_us > points[i - 1].at_us);
        in_points += points[i].totals.success + points[i].totals.error;
    }
    assert_true(in_points == sum.success + sum.error);
}

/* --- lists of results --- */

static const char *ids_of(const struct result *rows, size_t count)
{
    static char out[64 * UUID_TEXT_BYTES];
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s,", kit_id(&rows[i].id));
    return out;
}

/* A page, where it lies and how many there are, is what all results in their order say; and so is
 * the one behind its cursor. */
static void page_is_true(const struct result_filter *f, struct page page)
{
    AUTO_ARENA arena = arena_new(4 << 20);
    char where[512], of[64] = "", from[64] = "", to[64] = "", status[32] = "<> ''";
    if (f->check_id)
        (void)snprintf(of, sizeof(of), "AND check_id = '%s'", kit_id(f->check_id));
    if (f->from_us)
        (void)snprintf(from, sizeof(from), "AND executed_at >= '%s'", kit_time(f->from_us));
    if (f->to_us)
        (void)snprintf(to, sizeof(to), "AND executed_at <= '%s'", kit_time(f->to_us));
    if (f->status)
        (void)snprintf(status, sizeof(status), "= '%s'", f->status);
    else if (!f->include_missed)
        (void)snprintf(status, sizeof(status), "<> 'missed'");
    (void)snprintf(where, sizeof(where), "org_id = '%s' AND status %s %s %s %s", kit_id(&org),
                   status, of, from, to);
    const char *order = page.sort ? "slot_at, id DESC" : "slot_at DESC, id";
    int64_t begin = page.offset;
    for (int i = 0; i < 2; i++) {
        struct result *rows = NULL;
        size_t count = 0;
        assert_ok(results_list(db, arena, &org, f, &page, &rows, &count));
        const int64_t total = kit_sql_i64(db, "SELECT count(*) FROM results WHERE %s", where);
        AUTO_FREE char *want = kit_sql_text(
            db,
            "SELECT coalesce(string_agg(id || ',', '' ORDER BY n), '') FROM (SELECT id,"
            " row_number() OVER (ORDER BY %s) AS n FROM results WHERE %s ORDER BY n LIMIT %lld"
            " OFFSET %lld) p",
            order, where, (long long)page.limit, (long long)begin);
        if (page.total != total || strcmp(ids_of(rows, count), want) != 0)
            fail_msg("%s, %lld from %lld by %s: %lld results, not %lld; %s, not %s", where,
                     (long long)page.limit, (long long)begin, order, (long long)page.total,
                     (long long)total, ids_of(rows, count), want);
        if (page.next_us == 0)
            return;
        page.after_us = page.next_us;
        page.after_id = page.next_id;
        page.next_us = 0;
        page.offset = 0; /* goes without a cursor */
        begin += page.limit;
    }
}

static void pages_are_true(int how_many)
{
    static const char *const statuses[] = {NULL, NULL, "success", "warning", "error", "missed"};
    for (int i = 0; i < how_many; i++) {
        const int64_t span_us = HISTORY_DAYS * DAY_US;
        const struct result_filter f = {
            .check_id = roll(2) ? &checks[roll(CHECKS)] : NULL,
            .status = statuses[roll(ARRAY_LEN(statuses))],
            .include_missed = roll(2) != 0,
            .from_us = roll(4) ? 0 : now_us - (int64_t)roll(1000) * (span_us / 1000),
            .to_us = roll(4) ? 0 : now_us - (int64_t)roll(1000) * (span_us / 1000),
        };
        page_is_true(&f, (struct page){.limit = 1 + roll(40),
                                       .offset = roll(3) ? roll(f.check_id ? 500 : 1500) : 0,
                                       .sort = roll(3) ? NULL : "executed_at"});
    }
}

/* Several windows at once, one of which begins anywhere. */
static void shares_are_true(const struct uuid *check)
{
    enum { WINDOWS = 5 };
    AUTO_ARENA arena = arena_new(1 << 20);
    struct stats_window windows[WINDOWS];
    struct stats_share shares[WINDOWS];
    const int64_t span_us = HISTORY_DAYS * DAY_US;
    const int64_t to_us = now_us - (roll(2) ? 0 : (int64_t)roll(1000) * (span_us / 2000));
    for (int i = 0; i < WINDOWS; i++) {
        int64_t from_us = to_us - 1 - (int64_t)roll(1000) * (span_us / 2000);
        if (i > 0)
            from_us = from_us / HOUR_US * HOUR_US;
        windows[i] = (struct stats_window){from_us, to_us, STATS_DAYS};
    }
    assert_ok(stats_shares_read(db, arena, check, windows, WINDOWS, shares));
    for (int i = 0; i < WINDOWS; i++) {
        const int64_t count = raw_i64(check, &windows[i],
                                      "count(*) FILTER (WHERE status <> 'missed')");
        const int64_t failures = raw_i64(check, &windows[i],
                                         "count(*) FILTER (WHERE status = 'error')");
        if (shares[i].count != count || shares[i].failures != failures)
            fail_msg("%s to %s: %lld of %lld, not %lld of %lld", kit_time(windows[i].from_us),
                     kit_time(to_us), (long long)shares[i].failures, (long long)shares[i].count,
                     (long long)failures, (long long)count);
    }
}

static void windows_are_true(int how_many)
{
    pages_are_true(how_many);
    for (int i = 0; i < how_many; i++)
        shares_are_true(&checks[roll(CHECKS)]);
    for (int i = 0; i < how_many; i++) {
        int64_t span_us = HISTORY_DAYS * DAY_US;
        int64_t a = now_us - span_us + (int64_t)roll(1000000) * (span_us / 1000000);
        int64_t b = now_us - span_us + (int64_t)roll(1000000) * (span_us / 1000000);
        const struct stats_window w = {MIN_OF(a, b), MAX_OF(a, b),
                                       roll(2) ? STATS_HOURS : STATS_DAYS};
        window_is_true(&checks[roll(CHECKS)], &w);
    }
}

static void test_totals_are_those_of_the_results(void **state)
{
    store_story(now_us - HISTORY_DAYS * DAY_US, now_us, 17 * MINUTE_US);
    windows_are_true(5); /* nothing is summed up yet */
    roll_up(now_us - 2 * DAY_US);
    windows_are_true(10);
    roll_up(now_us);
    windows_are_true(20);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM check_days") >= CHECKS * (HISTORY_DAYS - 1));
}

static void test_late_results_count(void **state)
{
    store_story(now_us - 4 * DAY_US, now_us - DAY_US, 31 * MINUTE_US);
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM rollup_late") > 0);
    assert_ok(rollups_run(db, now_us, RESULTS_MS));
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM rollup_late WHERE at <"
                                " (SELECT hours_to FROM rollup_progress)") == 0);
    windows_are_true(20);
}

static void test_again_changes_nothing(void **state)
{
    char *before = kit_sql_text(db, "SELECT md5(string_agg(h::text, '' ORDER BY h.check_id, h.at))"
                                    " FROM check_hours h");
    kit_sql(db, "UPDATE rollup_progress SET hours_to = hours_to - interval '30 hours'");
    roll_up(now_us);
    char *after = kit_sql_text(db, "SELECT md5(string_agg(h::text, '' ORDER BY h.check_id, h.at))"
                                   " FROM check_hours h");
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* A transaction that began before the hour was closed is waited for. */
static void test_older_transactions_are_waited_for(void **state)
{
    int64_t later_us = now_us + 2 * HOUR_US;
    AUTO_DB slow = kit_db_open(database);
    assert_ok(db_begin(slow));
    kit_sql(slow, "SELECT pg_current_xact_id()");
    int64_t before_us = hours_to_us();
    assert_ok(rollups_run(db, later_us, RESULTS_MS));
    assert_true(hours_to_us() == before_us);

    const struct uuid id = uuid_at(before_us / 1000);
    kit_sql(slow,
            "INSERT INTO results (check_id, slot_at, location, trigger, id, org_id, status,"
            " message, response_us, executed_at) VALUES ('%s', '%s', 'default', 'manual', '%s',"
            " '%s', 'error', '', 4711, now())",
            kit_id(&checks[0]), kit_time(before_us + 5), kit_id(&id), kit_id(&org));
    assert_ok(db_commit(slow));
    roll_up(later_us);
    const struct stats_window w = {before_us, before_us + HOUR_US, STATS_HOURS};
    window_is_true(&checks[0], &w);
    assert_true(kit_sql_i64(db, "SELECT error FROM check_hours WHERE check_id = '%s' AND at = '%s'",
                            kit_id(&checks[0]), kit_time(before_us)) >= 1);
}

/* Results whose neighbours may be gone already are not summed up again. */
static void test_what_is_too_old_stays(void **state)
{
    int64_t old_us = now_us - 3 * DAY_US;
    struct record r = result_at(checks[1], old_us);
    store(&r, 1);
    int64_t before = kit_sql_i64(db,
                                 "SELECT sum(success + warning + error + missed)"
                                 " FROM check_hours WHERE check_id = '%s'",
                                 kit_id(&checks[1]));
    assert_ok(rollups_run(db, now_us + 2 * HOUR_US, 2 * DAY_US / 1000));
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM rollup_late WHERE at < '%s'",
                            kit_time(now_us - 2 * DAY_US)) == 0);
    assert_true(kit_sql_i64(db,
                            "SELECT sum(success + warning + error + missed)"
                            " FROM check_hours WHERE check_id = '%s'",
                            kit_id(&checks[1])) == before);
}

static void test_tallies(void **state)
{
    static const char *const statuses[] = {"success", "warning", "error", "missed"};
    AUTO_ARENA arena = arena_new(1 << 20);
    struct result_summary s;
    /* The tallies of what the last test's retention has dropped are gone. */
    kit_sql(db, "DELETE FROM result_tallies");
    kit_sql(db, "DELETE FROM results");
    store_story(now_us - 3 * DAY_US, now_us, 11 * MINUTE_US);
    for (int pass = 0; pass < 2; pass++) {
        assert_ok(results_summary(db, arena, &org, now_us - 4 * DAY_US, now_us + DAY_US, &s));
        for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
            assert_true(
                s.count[i] ==
                kit_sql_i64(db, "SELECT count(*) FROM results WHERE status = '%s'", statuses[i]));
        assert_ok(rollups_run(db, now_us, RESULTS_MS));
    }
    assert_true(kit_sql_i64(db, "SELECT count(*) FROM result_tallies WHERE grain = 'hour'") > 10);
    struct uuid other = kit_organisation(db);
    assert_ok(results_summary(db, arena, &other, now_us - 4 * DAY_US, now_us, &s));
    assert_true(s.count[RESULT_SUCCESS] == 0);
}

static void test_windows_that_fit(void **state)
{
    int64_t now = 20000 * DAY_US + 5 * HOUR_US + 1234567;
    static const struct {
        int64_t from_ago, to_ago; /* µs */
        int64_t from_step, to_step;
    } cases[] = {
        {HOUR_US, 0, 1, 1},
        {DAY_US, 0, 1, 1},
        {DAY_US + 1, HOUR_US, HOUR_US, 1},
        {7 * DAY_US, 2 * DAY_US, HOUR_US, HOUR_US},
        {90 * DAY_US, 61 * DAY_US, DAY_US, DAY_US},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct stats_window w = {now - cases[i].from_ago, now - cases[i].to_ago, STATS_DAYS};
        const struct stats_window fit = stats_window_fit(&w, now);
        assert_true(fit.from_us <= w.from_us && w.from_us - fit.from_us < cases[i].from_step);
        assert_true(fit.to_us >= w.to_us && fit.to_us - w.to_us < cases[i].to_step);
        assert_true(fit.from_us % cases[i].from_step == 0 && fit.to_us % cases[i].to_step == 0);
    }
}

/* An hour with more results than are skipped one by one; then some go that were counted. */
static void test_pages_within_an_hour(void **state)
{
    kit_sql(
        db,
        "INSERT INTO results (check_id, slot_at, location, trigger, id, org_id, status, message,"
        " executed_at) SELECT '%s', at, 'default', 'schedule', (lpad(to_hex((extract(epoch FROM"
        " at) * 1000)::bigint), 12, '0') || substr(md5(at::text), 13))::uuid, '%s',"
        " CASE WHEN n %% 7 = 0 THEN 'missed' ELSE 'success' END, '', at FROM"
        " (SELECT n, hour_of('%s') - n * interval '900 milliseconds' AS at FROM"
        " generate_series(1, 5000) n) t",
        kit_id(&checks[0]), kit_id(&org), kit_time(now_us));
    for (int64_t offset = 1000; offset < 5500; offset += 550) {
        const struct result_filter f = {.include_missed = roll(2) != 0};
        page_is_true(&f, (struct page){.limit = 30, .offset = offset});
        page_is_true(&f, (struct page){.limit = 30, .offset = offset, .sort = "executed_at"});
    }
    kit_sql(db, "DELETE FROM results WHERE slot_at >= hour_of('%s') - interval '70 minutes'",
            kit_time(now_us));
    AUTO_ARENA arena = arena_new(1 << 20);
    struct page page = {.limit = 20};
    struct result *rows = NULL;
    size_t count = 0;
    assert_ok(results_list(db, arena, &org, &(struct result_filter){0}, &page, &rows, &count));
    assert_int_equal(count, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_are_those_of_the_results),
        cmocka_unit_test(test_late_results_count),
        cmocka_unit_test(test_again_changes_nothing),
        cmocka_unit_test(test_older_transactions_are_waited_for),
        cmocka_unit_test(test_what_is_too_old_stays),
        cmocka_unit_test(test_tallies),
        cmocka_unit_test(test_windows_that_fit),
        cmocka_unit_test(test_pages_within_an_hour),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
