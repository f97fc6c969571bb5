/* The migration runner: repeatable, exclusive, and unwilling to guess. */
#include "db/migrate.h"

#include <pthread.h>
#include <string.h>

#include "gen/migrations.h"
#include "tests/kit/kit.h"

static const struct migration list[] = {
    {1, "one", "CREATE TABLE one (id int); INSERT INTO one VALUES (1);"},
    {2, "two", "CREATE TABLE two (id int);"},
    {3, "three", "CREATE TABLE three (id int);"},
};

static void test_applies_once(void **state)
{
    AUTO_DB db = kit_db_open(kit_database_empty());
    int applied = -1;
    struct errbuf err;
    assert_status(ST_UNAVAILABLE, db_migration_check(db, list, 3, &err));
    assert_non_null(strstr(err.text, "migration 1"));
    assert_ok(db_migrate(db, list, 2, &applied, &err));
    assert_int_equal(applied, 2);
    assert_status(ST_UNAVAILABLE, db_migration_check(db, list, 3, &err));
    assert_non_null(strstr(err.text, "migration 3"));
    assert_ok(db_migrate(db, list, 3, &applied, &err));
    assert_int_equal(applied, 1);
    assert_ok(db_migrate(db, list, 3, &applied, &err));
    assert_int_equal(applied, 0);
    assert_ok(db_migration_check(db, list, 3, &err));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM one"), 1);
}

static void test_refuses_what_it_does_not_know(void **state)
{
    AUTO_DB db = kit_db_open(kit_database_empty());
    struct errbuf err;
    int applied = -1;
    assert_ok(db_migrate(db, list, 3, NULL, &err));
    /* An older program meets a newer database. */
    assert_status(ST_CONFLICT, db_migrate(db, list, 2, &applied, &err));
    assert_non_null(strstr(err.text, "migration 3"));
    assert_int_equal(applied, 0);
    assert_status(ST_UNAVAILABLE, db_migration_check(db, list, 2, &err));
    /* One that ran was edited. */
    struct migration edited[3];
    memcpy(edited, list, sizeof(edited));
    edited[1].sql = "CREATE TABLE two (id bigint);";
    assert_status(ST_CONFLICT, db_migrate(db, edited, 3, NULL, &err));
    assert_non_null(strstr(err.text, "another content"));
}

static void test_failure_leaves_nothing(void **state)
{
    static const struct migration bad[] = {
        {1, "good", "CREATE TABLE good (id int);"},
        {2, "bad", "CREATE TABLE half (id int); SELECT nonsense;"},
    };
    AUTO_DB db = kit_db_open(kit_database_empty());
    struct errbuf err;
    int applied = -1;
    assert_status(ST_INTERNAL, db_migrate(db, bad, 2, &applied, &err));
    assert_int_equal(applied, 1);
    assert_non_null(strstr(err.text, "nonsense"));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM schema_migrations"), 1);
    assert_int_equal(kit_sql_i64(db, "SELECT (to_regclass('half') IS NOT NULL)::int"), 0);
}

static void *run_migrations(void *conninfo)
{
    AUTO_DB db = kit_db_open(conninfo);
    struct errbuf err = {{0}};
    int applied = -1;
    enum status st = db_migrate(db, all_migrations, all_migrations_count, &applied, &err);
    if (st != ST_OK)
        print_error("%s\n", err.text);
    return (void *)(intptr_t)(st == ST_OK ? applied : -1);
}

static void test_concurrent_runners(void **state)
{
    const char *conninfo = kit_database_empty();
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_migrations, (void *)(uintptr_t)conninfo), 0);
    intptr_t total = 0;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *applied = NULL;
        assert_int_equal(pthread_join(threads[i], &applied), 0);
        assert_true((intptr_t)applied >= 0);
        total += (intptr_t)applied;
    }
    assert_int_equal(total, all_migrations_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_applies_once),
        cmocka_unit_test(test_refuses_what_it_does_not_know),
        cmocka_unit_test(test_failure_leaves_nothing),
        cmocka_unit_test(test_concurrent_runners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
