/* The first start: once, also when two come at the same time. */
#include <pthread.h>
#include <string.h>

#include "base/str.h"
#include "model/schedule.h"
#include "store/bootstrap.h"
#include "tests/kit/kit.h"

static const struct bootstrap input = {.email = "boss@example.test",
                                       .username = "boss",
                                       .password_hash = "hash",
                                       .self_check_url = "http://127.0.0.1:8080/health"};

static struct bootstrap_outcome run(struct db *db, const struct bootstrap *in)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct bootstrap_outcome out;
    assert_ok(bootstrap_run(db, in, arena, &out));
    return out;
}

static void a_second_run_changes_nothing(void **state)
{
    AUTO_DB db = kit_db_open(kit_database());
    const struct bootstrap_outcome first = run(db, &input);
    assert_true(first.made_organisation && first.made_user && first.made_check);
    kit_sql(db, "UPDATE users SET password_hash = 'changed', role = 'admin'");
    const struct bootstrap_outcome second = run(db, &input);
    assert_false(second.made_organisation || second.made_user || second.made_check);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM users WHERE password_hash = 'changed'"
                                     " AND role = 'admin' AND username = 'boss'"),
                     1);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM checks c JOIN check_state s"
                                     " ON s.check_id = c.id JOIN users u ON u.id = c.created_by"
                                     " WHERE c.name = 'Tocsin itself' AND c.kind = 'website'"
                                     " AND c.config->>'url' = 'http://127.0.0.1:8080/health'"),
                     1);
    AUTO_FREE char *schedule = kit_sql_text(db, "SELECT schedule FROM checks");
    struct schedule parsed;
    assert_ok(schedule_parse(schedule, NULL, &parsed, NULL));
    assert_int_equal(parsed.interval_ms, 30000);

    /* the check is the user's now: deleted, it stays away */
    kit_sql(db, "DELETE FROM checks");
    run(db, &input);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM checks"), 0);
}

static void a_taken_name_gives_way(void **state)
{
    AUTO_DB db = kit_db_open(kit_database());
    run(db, &input);
    struct bootstrap other = input;
    other.email = "boss@elsewhere.test";
    const struct bootstrap_outcome out = run(db, &other);
    assert_true(out.made_user && !out.made_organisation && !out.made_check);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM users WHERE email = username"), 1);
    assert_int_equal(kit_sql_i64(db, "SELECT count(DISTINCT org_id) FROM users"), 1);
}

static void *run_apart(void *database)
{
    AUTO_DB db = kit_db_open(database);
    (void)run(db, &input);
    return NULL;
}

static void two_at_once_make_one(void **state)
{
    const char *database = kit_database();
    char copy[512];
    assert_true(str_copy(copy, sizeof(copy), database));
    pthread_t thread[4];
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_apart, copy), 0);
    for (size_t i = 0; i < ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    AUTO_DB db = kit_db_open(copy);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM organisations"), 1);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM users"), 1);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM checks"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_run_changes_nothing),
        cmocka_unit_test(a_taken_name_gives_way),
        cmocka_unit_test(two_at_once_make_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
