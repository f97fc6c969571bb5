/* Every named query is understood by a freshly migrated database. */
#include "gen/queries.h"

#include <stdio.h>
#include <string.h>

#include "tests/kit/kit.h"

static void test_all_queries_prepare(void **state)
{
    AUTO_DB db = kit_db_open(kit_database());
    assert_ok(db_ping(db));
    assert_true(all_queries_count > 0);
    int bad = 0;
    for (size_t i = 0; i < all_queries_count; i++) {
        /* PREPARE, not a run: what it needs as arguments is its store's business. */
        const struct query *q = all_queries[i];
        size_t len = strlen(q->sql) + strlen(q->name) + 32;
        AUTO_FREE char *sql = malloc(len);
        assert_non_null(sql);
        (void)snprintf(sql, len, "PREPARE %s AS %s", q->name, q->sql);
        if (db_exec(db, sql) != ST_OK) {
            print_error("%s: %s\n", q->name, db_error(db));
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_queries_prepare)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
