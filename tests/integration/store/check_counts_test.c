/* The kept counts of checks say what the rows say, whoever wrote them, also beside others. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "store/checks.h"
#include "store/checks_bulk.h"
#include "store/housekeeping.h"
#include "tests/kit/kit.h"

static struct db *db, *other;
static struct arena *arena;
static struct uuid org, foreign;

static int setup(void **state)
{
    const char *database = kit_database();
    db = kit_db_open(database);
    other = kit_db_open(database);
    return 0;
}

static int teardown(void **state)
{
    db_free(other);
    db_free(db);
    return 0;
}

static int before(void **state)
{
    arena = arena_new(1 << 20);
    kit_sql(db, "DELETE FROM checks");
    org = kit_organisation(db);
    foreign = kit_organisation(db);
    return 0;
}

static int after(void **state)
{
    arena_free(arena);
    return 0;
}

/* Kept and counted, as one text each. */
#define KEPT                                                                           \
    "SELECT coalesce(string_agg(concat_ws(' ', org_id, what, value, n), ',' ORDER BY " \
    "org_id, what, value), '') FROM (SELECT org_id, what, value, sum(n) AS n FROM "    \
    "check_counts GROUP BY 1, 2, 3 HAVING sum(n) <> 0) k"
#define COUNTED                                                                                  \
    "SELECT coalesce(string_agg(concat_ws(' ', org_id, what, value, n), ',' ORDER BY "           \
    "org_id, what, value), '') FROM ("                                                           \
    "SELECT org_id, 'all' AS what, '' AS value, count(*) AS n FROM checks GROUP BY 1 "           \
    "UNION ALL SELECT org_id, 'enabled', enabled::text, count(*) FROM checks GROUP BY 1, 3 "     \
    "UNION ALL SELECT org_id, 'kind', kind, count(*) FROM checks GROUP BY 1, 3 "                 \
    "UNION ALL SELECT org_id, 'group', group_name, count(*) FROM checks "                        \
    "WHERE group_name IS NOT NULL GROUP BY 1, 3 "                                                \
    "UNION ALL SELECT c.org_id, 'tag', t, count(DISTINCT c.id) FROM checks c, unnest(c.tags) t " \
    "GROUP BY 1, 3 "                                                                             \
    "UNION ALL SELECT c.org_id, 'state', s.state, count(*) FROM checks c "                       \
    "JOIN check_state s ON s.check_id = c.id GROUP BY 1, 3 "                                     \
    "UNION ALL SELECT c.org_id, 'website', s.state, count(*) FROM checks c "                     \
    "JOIN check_state s ON s.check_id = c.id WHERE c.kind = 'website' GROUP BY 1, 3 "            \
    "UNION ALL SELECT t.org_id, 'change', uptime_status(t.to_state), count(*) "                  \
    "FROM transitions t JOIN checks c ON c.id = t.check_id WHERE c.kind = 'website' "            \
    "AND uptime_status(t.from_state) <> uptime_status(t.to_state) GROUP BY 1, 3) k"

static void assert_counts(const char *what)
{
    AUTO_FREE char *kept = kit_sql_text(db, KEPT);
    AUTO_FREE char *counted = kit_sql_text(db, COUNTED);
    if (!str_eq(kept, counted))
        fail_msg("%s: kept %s, counted %s", what, kept, counted);
}

static void every_statement_counts(void **state)
{
    static const char *const statements[] = {
        "UPDATE checks SET enabled = false WHERE name LIKE '%1'",
        "INSERT INTO transitions (check_id, sequence, org_id, at, from_state, to_state, reason) "
        "SELECT id, s, org_id, now() + s * interval '1 second', "
        "(ARRAY['up', 'down', 'paused'])[1 + s % 3], "
        "(ARRAY['up', 'degraded', 'down', 'unknown'])[1 + s % 4], 'a reason' "
        "FROM checks, generate_series(1, 12) s",
        "UPDATE checks SET kind = 'tcp', group_name = 'g' || legacy_id % 3",
        "INSERT INTO transitions (check_id, sequence, org_id, at, from_state, to_state, reason) "
        "SELECT id, 13, org_id, now(), 'up', 'down', 'a reason' FROM checks",
        "UPDATE checks SET kind = CASE WHEN name LIKE '%2' THEN 'website' ELSE 'dns' END",
        "UPDATE checks SET kind = 'website' WHERE name LIKE '%3'",
        "UPDATE checks SET tags = ARRAY['a', 'b', 'a'] WHERE name LIKE '%2'",
        "UPDATE checks SET tags = ARRAY['b', 'c'], group_name = NULL WHERE name LIKE '%2'",
        "UPDATE checks SET updated_at = now()",
        "UPDATE check_state SET last_run_at = now(), state = state",
        "UPDATE check_state SET state = 'down' WHERE check_id IN (SELECT id FROM checks WHERE name "
        "LIKE '%3')",
        "UPDATE check_state SET state = 'up'",
        "DELETE FROM checks WHERE name LIKE '%2'",
        "UPDATE checks SET kind = 'website'",
        "SELECT check_counts_rebuild()",
        "DELETE FROM organisations WHERE id IN (SELECT org_id FROM checks)",
    };
    char name[24];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        (void)kit_check(db, i == 4 ? &foreign : &org, name);
    }
    assert_counts("made");
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        assert_ok(db_exec(db, statements[i]));
        assert_counts(statements[i]);
    }
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM checks"), 0);
}

/* Nobody waits for a writer that has not committed, and one that gives up has counted nothing. */
static void writers_do_not_wait(void **state)
{
    (void)kit_check(db, &org, "one");
    assert_ok(db_exec(other, "BEGIN; SET LOCAL lock_timeout = '10ms'"));
    (void)kit_check(other, &org, "two");
    kit_sql(db, "SET lock_timeout = '10ms'");
    (void)kit_check(db, &org, "three");
    kit_sql(db, "UPDATE check_state SET state = 'up' WHERE org_id = '%s'", kit_id(&org));
    kit_sql(db, "RESET lock_timeout");
    assert_counts("beside a writer");
    assert_ok(db_exec(other, "COMMIT"));
    assert_counts("after it");
    assert_ok(db_exec(other, "BEGIN"));
    (void)kit_check(other, &org, "four");
    assert_ok(db_exec(other, "ROLLBACK"));
    assert_counts("given up");
}

static void housekeeping_sums_up(void **state)
{
    const struct housekeeping h = {.results_ms = 90LL * 86400000, .metrics_ms = 30LL * 86400000};
    for (int i = 0; i < 20; i++)
        (void)kit_check(db, &org, "many");
    const int64_t rows = kit_sql_i64(db, "SELECT count(*) FROM check_counts WHERE org_id = '%s'",
                                     kit_id(&org));
    assert_true(rows >= 80);
    int ran = 0;
    kit_sql(db, "DELETE FROM housekeeping");
    assert_ok(housekeeping_run(db, &h, &ran));
    assert_int_equal(
        kit_sql_i64(db, "SELECT count(*) FROM check_counts WHERE org_id = '%s'", kit_id(&org)),
        5); /* all, enabled, kind, state, and that of websites */
    assert_counts("summed up");
}

static int64_t total(struct check_filter filter)
{
    struct page page = {.limit = 3};
    struct check *rows = NULL;
    size_t count = 0;
    assert_ok(checks_list(db, arena, &org, &filter, &page, &rows, &count));
    assert_int_equal(count, page.total < 3 ? page.total : 3);
    return page.total;
}

static void totals_are_those_of_the_filter(void **state)
{
    static const struct {
        struct check_filter filter;
        int64_t total;
    } rows[] = {
        {{0}, 12},
        {{.has_enabled = true, .enabled = true}, 9},
        {{.has_enabled = true}, 3},
        {{.kind = "website"}, 12},
        {{.kind = "nonsense"}, 0},
        {{.tag = "odd"}, 6},
        {{.group = "g1"}, 4},
        {{.state = "pending"}, 12},
        {{.state = "down"}, 0},
        {{.tag = "odd", .kind = "website"}, 6}, /* all are websites: the tag decides */
        {{.tag = "odd", .group = "g1"}, 2},
        {{.tag = "odd", .has_enabled = true, .enabled = true}, 3},
        {{.tag = "odd", .state = "down"}, 0},
        {{.q = "Check"}, 12},
        {{.q = "e"}, 12},
        {{.q = "CK"}, 12},
        {{.q = "k 1"}, 4},
        {{.q = "1"}, 4}, /* 1, 10, 11, 12 */
        {{.q = "11"}, 1},
        {{.q = "%%"}, 0},
        {{.q = "__"}, 0},
        {{.q = "e", .tag = "odd"}, 6},
        {{.q = "ec", .tag = "odd"}, 6},
        {{.q = "ec", .tag = "odd", .sort = "-name"}, 6},
        {{.q = "zz"}, 0},
    };
    for (int i = 1; i <= 12; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "check %d", i);
        const struct uuid id = kit_check(db, &org, name);
        kit_sql(db,
                "UPDATE checks SET group_name = 'g%d', enabled = %s, tags = ARRAY['%s'] "
                "WHERE id = '%s'",
                i % 3, i % 4 != 1 ? "true" : "false", i % 2 ? "odd" : "even", kit_id(&id));
    }
    (void)kit_check(db, &foreign, "check of others");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (total(rows[i].filter) != rows[i].total)
            fail_msg("row %zu: %lld", i, (long long)total(rows[i].filter));
    }
}

/* A list with more than a search counts: its total stops, its pages do not. */
static void searches_count_so_far(void **state)
{
    static const char *const parts[] = {"many", "ma", "m"};
    kit_sql(db,
            "WITH made AS (INSERT INTO checks (id, org_id, name, kind, plugin_type, config, "
            "schedule, shard) SELECT gen_random_uuid(), '%s', 'many ' || i, 'website', 'website', "
            "'{}', 'every 5 minutes', 0 FROM generate_series(0, %d) i RETURNING id, org_id) "
            "INSERT INTO check_state (check_id, org_id) SELECT id, org_id FROM made",
            kit_id(&org), LIMIT_SEARCH_COUNT);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const struct check_filter filter = {.q = parts[i]};
        struct page pages[] = {{.limit = 3}, {.limit = 3, .offset = LIMIT_SEARCH_COUNT}};
        const size_t counts[] = {3, 1};
        for (size_t n = 0; n < ARRAY_LEN(pages); n++) {
            struct check *rows = NULL;
            size_t count = 0;
            assert_ok(checks_list(db, arena, &org, &filter, &pages[n], &rows, &count));
            assert_int_equal(pages[n].total, LIMIT_SEARCH_COUNT);
            assert_true(pages[n].is_total_capped);
            assert_int_equal(count, counts[n]);
        }
    }
    struct page page = {.limit = 3};
    struct check *rows = NULL;
    size_t count = 0;
    assert_ok(checks_list(db, arena, &org, &(struct check_filter){0}, &page, &rows, &count));
    assert_int_equal(page.total, LIMIT_SEARCH_COUNT + 1);
    assert_false(page.is_total_capped);
    page = (struct page){.limit = 3, .offset = 3000}; /* of many, but not of most */
    assert_ok(checks_list(db, arena, &org, &(struct check_filter){.q = "1"}, &page, &rows, &count));
    assert_int_equal(page.total, 3440);
    assert_false(page.is_total_capped);
    assert_int_equal(count, 3);

    kit_sql(db, "UPDATE check_state SET last_run_at = now() - random() * interval '1 hour'");
    kit_sql(db, "SELECT check_last_runs_rebuild()");
    page = (struct page){.limit = 1, .offset = 4000};
    assert_ok(checks_list(db, arena, &org, &(struct check_filter){.sort = "last_run"}, &page, &rows,
                          &count));
    assert_int_equal(count, 1);
    assert_int_equal(page.total, LIMIT_SEARCH_COUNT + 1);
    assert_int_equal(
        kit_sql_i64(db,
                    "SELECT count(*) FROM check_state WHERE org_id = '%s' AND "
                    "last_run_at < (SELECT last_run_at FROM check_state s JOIN checks c "
                    "ON c.id = s.check_id WHERE c.org_id = '%s' AND c.name = '%s')",
                    kit_id(&org), kit_id(&org), rows[0].name),
        4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_statement_counts, before, after),
        cmocka_unit_test_setup_teardown(writers_do_not_wait, before, after),
        cmocka_unit_test_setup_teardown(housekeeping_sums_up, before, after),
        cmocka_unit_test_setup_teardown(totals_are_those_of_the_filter, before, after),
        cmocka_unit_test_setup_teardown(searches_count_so_far, before, after),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
