/*
 * Lists and counts of transitions say what the transitions themselves say: any page of any filter
 * and order is held against one that PostgreSQL makes of all rows, while checks are paused and
 * deleted and become other kinds.
 */
#include "store/history.h"

#include <stdio.h>

#include "base/str.h"
#include "store/uptime.h"
#include "tests/kit/kit.h"

enum { CHECKS = 6, STEPS = 60, ASKED = 60 };
#define MINUTE_US 60000000LL

static struct db *db;
static struct uuid org, checks[CHECKS];
static int64_t numbers[CHECKS];
static int64_t begin_us;
static uint32_t seed = 20261122;

static uint32_t roll(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % sides;
}

/* Random walks through all states; several transitions of a minute, and checks with one URL. */
static int setup(void **state)
{
    db = kit_db_open(kit_database());
    org = kit_organisation(db);
    begin_us = clock_wall_us() / MINUTE_US * MINUTE_US - (int64_t)STEPS * MINUTE_US;
    const struct uuid foreign = kit_organisation(db);
    const struct uuid theirs = kit_check(db, &foreign, "not ours");
    for (int i = 0; i < CHECKS; i++) {
        checks[i] = kit_check(db, &org, "a check");
        numbers[i] = kit_sql_i64(db, "SELECT legacy_id FROM checks WHERE id = '%s'",
                                 kit_id(&checks[i]));
        kit_sql(
            db,
            "UPDATE checks SET config = '{\"url\": \"http://%c.example.com/\"}' WHERE id = '%s'",
            'a' + (i * 2) % 5, kit_id(&checks[i]));
    }
    static const char *const names[] = {"up",      "degraded",    "down",   "unknown",
                                        "pending", "maintenance", "paused", "up"};
    const char *at[CHECKS + 1] = {"pending", "pending", "pending", "pending",
                                  "pending", "pending", "pending"};
    for (int s = 1; s <= STEPS; s++) {
        for (int i = 0; i <= CHECKS; i++) {
            const char *to = names[roll(ARRAY_LEN(names))];
            kit_sql(db,
                    "INSERT INTO transitions (check_id, sequence, org_id, at, from_state, to_state,"
                    " reason) VALUES ('%s', %d, '%s', '%s', '%s', '%s', 'a reason')",
                    kit_id(i < CHECKS ? &checks[i] : &theirs), s,
                    kit_id(i < CHECKS ? &org : &foreign),
                    kit_time(begin_us + (int64_t)(s / 2) * MINUTE_US), at[i], to);
            at[i] = to;
        }
    }
    return 0;
}

static int teardown(void **state)
{
    db_free(db);
    return 0;
}

static int64_t some_time(void)
{
    return roll(2) ? 0 : begin_us + (int64_t)roll(STEPS / 2) * MINUTE_US;
}

static struct page some_page(const char *sort)
{
    return (struct page){
        .limit = 1 + roll(30), .offset = roll(3) ? roll(roll(4) ? 80 : 300) : 0, .sort = sort};
}

/* "AND <column> <op> '<time>'", or nothing. */
static const char *bound(const char *op, int64_t at_us)
{
    static char out[2][64];
    static int next;
    next = (next + 1) % 2;
    out[next][0] = '\0';
    if (at_us)
        (void)snprintf(out[next], sizeof(out[next]), "AND t.at %s '%s'", op, kit_time(at_us));
    return out[next];
}

#define FROM_CHANGES                                                                         \
    "FROM transitions t JOIN checks c ON c.id = t.check_id WHERE t.org_id = '%s' AND c.kind" \
    " = 'website' AND uptime_status(t.from_state) <> uptime_status(t.to_state) "

/* Every order's last members make it a total one. */
static const char *order_of(const char *sort)
{
    static const struct {
        const char *sort, *by;
    } orders[] = {
        {"checked_at", "t.at, t.legacy_id"},
        {"url", "c.config ->> 'url', t.at DESC, t.legacy_id DESC"},
        {"-url", "c.config ->> 'url' DESC, t.at, t.legacy_id"},
        {"status", "uptime_status(t.to_state), t.at DESC, t.legacy_id DESC"},
        {"-status", "uptime_status(t.to_state) DESC, t.at, t.legacy_id"},
        {"id", "t.legacy_id"},
        {"-id", "t.legacy_id DESC"},
    };
    for (size_t i = 0; sort && i < ARRAY_LEN(orders); i++) {
        if (str_eq(sort, orders[i].sort))
            return orders[i].by;
    }
    return "t.at DESC, t.legacy_id DESC";
}

static void changes_are_true(void)
{
    AUTO_ARENA arena = arena_new(4 << 20);
    static const char *const statuses[] = {"UP", "DOWN", "UNKNOWN"};
    const struct uptime_filter f = {
        .has_url_id = roll(3) == 0,
        .url_id = roll(9) ? numbers[roll(CHECKS)] : 999999,
        .status = roll(2) ? statuses[roll(3)] : NULL,
        .from_us = some_time(),
        .to_us = some_time(),
    };
    struct page page = some_page(roll(8) ? uptime_sorts[roll(8)] : NULL);
    char where[256], of[48] = "", to[64] = "";
    if (f.has_url_id)
        (void)snprintf(of, sizeof(of), "AND c.legacy_id = %lld", (long long)f.url_id);
    if (f.status)
        (void)snprintf(to, sizeof(to), "AND uptime_status(t.to_state) = '%s'", f.status);
    (void)snprintf(where, sizeof(where), "%s %s %s %s", of, to, bound(">=", f.from_us),
                   bound("<=", f.to_us));
    struct uptime_change *rows = NULL;
    size_t count = 0;
    assert_ok(uptime_history(db, arena, &org, &f, &page, &rows, &count));
    int64_t total = kit_sql_i64(db, "SELECT count(*) " FROM_CHANGES "%s", kit_id(&org), where);
    assert_int_equal(page.total, total);

    char got[8192] = "";
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%lld %lld %s %s,",
                                (long long)rows[i].id, (long long)rows[i].url_id, rows[i].status,
                                rows[i].url);
    AUTO_FREE char *want = kit_sql_text(
        db,
        "SELECT coalesce(string_agg(concat_ws(' ', id, url_id, status, url) || ',', '' ORDER BY n),"
        " '') FROM (SELECT t.legacy_id AS id, c.legacy_id AS url_id, uptime_status(t.to_state) AS"
        " status, c.config ->> 'url' AS url, row_number() OVER (ORDER BY %s) AS n " FROM_CHANGES
        "%s ORDER BY n LIMIT %lld OFFSET %lld) p",
        order_of(page.sort), kit_id(&org), where, (long long)page.limit, (long long)page.offset);
    if (!str_eq(got, want))
        fail_msg("by %s %s: %s, not %s", page.sort ? page.sort : "nothing", where, got, want);
}

static void counts_are_true(void)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    const int64_t from_us = some_time();
    const int64_t to_us = some_time();
    struct uptime_stats s;
    assert_ok(uptime_stats(db, arena, &org, from_us, to_us, &s));
    const struct {
        const char *status;
        int64_t entered, present;
    } facts[] = {
        {"UP", s.entered.up, s.present.up},
        {"DOWN", s.entered.down, s.present.down},
        {"UNKNOWN", s.entered.unknown, s.present.unknown},
    };
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        assert_int_equal(facts[i].entered, kit_sql_i64(db,
                                                       "SELECT count(*) " FROM_CHANGES
                                                       "AND uptime_status(t.to_state) = '%s' %s %s",
                                                       kit_id(&org), facts[i].status,
                                                       bound(">=", from_us), bound("<=", to_us)));
        assert_int_equal(
            facts[i].present,
            kit_sql_i64(db,
                        "SELECT count(*) FROM checks c JOIN check_state s ON s.check_id"
                        " = c.id WHERE c.org_id = '%s' AND c.kind = 'website' AND"
                        " uptime_status(s.state) = '%s'",
                        kit_id(&org), facts[i].status));
    }
}

static void transitions_are_true(void)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    static const char *const names[] = {"up", "down", "paused", "maintenance"};
    const struct uuid *check = &checks[roll(CHECKS)];
    const struct transition_filter f = {
        .from_us = some_time(),
        .to_us = some_time(),
        .state = roll(2) ? names[roll(ARRAY_LEN(names))] : NULL,
    };
    struct page page = some_page(history_sorts[roll(2)]);
    char where[256], to[48] = "";
    if (f.state)
        (void)snprintf(to, sizeof(to), "AND t.to_state = '%s'", f.state);
    (void)snprintf(where, sizeof(where), "t.check_id = '%s' %s %s %s", kit_id(check), to,
                   bound(">=", f.from_us), bound("<=", f.to_us));
    struct transition *rows = NULL;
    size_t count = 0;
    assert_ok(history_list(db, arena, check, &f, &page, &rows, &count));
    assert_int_equal(page.total,
                     kit_sql_i64(db, "SELECT count(*) FROM transitions t WHERE %s", where));
    char got[4096] = "";
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%lld %s %s %.0f,",
                                (long long)rows[i].sequence, rows[i].from, rows[i].to,
                                rows[i].sequence == STEPS ? -1 : rows[i].lasted_s);
    AUTO_FREE char *want = kit_sql_text(
        db,
        "SELECT coalesce(string_agg(concat_ws(' ', sequence, from_state, to_state, lasted) || ',', ''"
        " ORDER BY n), '') FROM (SELECT t.*, coalesce(extract(epoch FROM (SELECT min(n.at) FROM"
        " transitions n WHERE n.check_id = t.check_id AND n.sequence > t.sequence) - t.at)::bigint,"
        " -1) AS lasted, row_number() OVER (ORDER BY t.sequence %s) AS n FROM transitions t WHERE %s"
        " ORDER BY n LIMIT %lld OFFSET %lld) p",
        str_eq(page.sort, "at") ? "" : "DESC", where, (long long)page.limit,
        (long long)page.offset);
    if (!str_eq(got, want))
        fail_msg("%s: %s, not %s", where, got, want);
}

static void all_are_true(void)
{
    for (int i = 0; i < ASKED; i++) {
        changes_are_true();
        transitions_are_true();
        if (i % 5 == 0)
            counts_are_true();
    }
}

static void lists_are_those_of_all_rows(void **state)
{
    all_are_true();
}

/* A check that is no website any more has no place among them, and comes back with all it had. */
static void kinds_and_states_change(void **state)
{
    kit_sql(db, "UPDATE check_state SET state = 'down' WHERE check_id = '%s'", kit_id(&checks[0]));
    kit_sql(db, "UPDATE check_state SET state = 'paused' WHERE check_id = '%s'",
            kit_id(&checks[1]));
    kit_sql(db, "UPDATE checks SET kind = 'tcp' WHERE id IN ('%s', '%s')", kit_id(&checks[0]),
            kit_id(&checks[2]));
    all_are_true();
    kit_sql(db, "UPDATE check_state SET state = 'degraded' WHERE check_id = '%s'",
            kit_id(&checks[0]));
    kit_sql(db, "UPDATE checks SET kind = 'website' WHERE id = '%s'", kit_id(&checks[0]));
    kit_sql(db, "DELETE FROM checks WHERE id IN ('%s', '%s')", kit_id(&checks[2]),
            kit_id(&checks[3]));
    all_are_true();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_those_of_all_rows),
        cmocka_unit_test(kinds_and_states_change),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
