/* The database connection: values both ways, failures, transactions. */
#include "db/db.h"

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "tests/kit/kit.h"

static const char *conninfo;

static int setup(void **state)
{
    conninfo = kit_database_empty();
    AUTO_DB db = kit_db_open(conninfo);
    kit_sql(db, "CREATE TABLE t (id bigint PRIMARY KEY, v text CHECK (v <> 'bad'));"
                "CREATE TABLE child (id bigint REFERENCES t)");
    return 0;
}

static const struct query insert_t = {"insert_t", "INSERT INTO t (id, v) VALUES ($1, $2)"};
static const struct query select_t = {"select_t", "SELECT id, v FROM t WHERE id = $1"};

static enum status insert(struct db *db, int64_t id, const char *v)
{
    AUTO_ARENA arena = arena_new(4096);
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_i64(&a, id);
    db_arg_str(&a, v);
    return db_query(db, &insert_t, &a, NULL);
}

static void test_values_come_back(void **state)
{
    static const struct query q = {
        "values", "SELECT $1::text s, $2::bigint i, $3::float8 f, $4::boolean b, $5::uuid u,"
                  " $6::timestamptz t, $7::bytea x, $8::text n"};
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_ARENA arena = arena_new(65536);
    struct uuid id = uuid_new();
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_str(&a, "it's \"ü\" \\");
    db_arg_i64(&a, INT64_MIN);
    db_arg_str(&a, "0.1");
    db_arg_bool(&a, true);
    db_arg_uuid(&a, &id);
    db_arg_time(&a, 1769815409123456);
    db_arg_bytes(&a, "a\0b\xff", 4);
    db_arg_null(&a);
    AUTO_RESULT r = NULL;
    assert_ok(db_query_one(db, &q, &a, &r));
    assert_string_equal(row_str(r, 0, "s", arena), "it's \"ü\" \\");
    assert_true(row_i64(r, 0, "i") == INT64_MIN);
    assert_true(row_f64(r, 0, "f") == 0.1);
    assert_true(row_bool(r, 0, "b"));
    struct uuid back = row_uuid(r, 0, "u");
    assert_true(uuid_eq(&back, &id));
    assert_true(row_time(r, 0, "t") == 1769815409123456);
    const unsigned char *bytes = NULL;
    size_t len = 0;
    assert_ok(row_bytes(r, 0, "x", arena, &bytes, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(bytes, "a\0b\xff", 4);
    assert_true(row_is_null(r, 0, "n"));
    assert_null(row_str(r, 0, "n", arena));
}

static void test_nulls(void **state)
{
    static const struct query q = {"nulls",
                                   "SELECT $1::bigint i, $2::float8 f, $3::uuid u, $4::timestamptz "
                                   "t, NULL::boolean b, NULL::bytea x, NULL::text[] l,"
                                   " 'infinity'::timestamptz late, 'infinity'::float8 inf"};
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_ARENA arena = arena_new(65536);
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_null(&a);
    db_arg_null(&a);
    db_arg_uuid(&a, &(struct uuid){{0}});
    db_arg_time(&a, 0);
    AUTO_RESULT r = NULL;
    assert_ok(db_query_one(db, &q, &a, &r));
    assert_true(row_i64(r, 0, "i") == 0);
    assert_true(isnan(row_f64(r, 0, "f")));
    struct uuid u = row_uuid(r, 0, "u");
    assert_true(uuid_is_nil(&u));
    assert_true(row_time(r, 0, "t") == 0);
    assert_false(row_bool(r, 0, "b"));
    const unsigned char *bytes = NULL;
    const char **list = NULL;
    size_t len = 1, count = 1;
    assert_ok(row_bytes(r, 0, "x", arena, &bytes, &len));
    assert_int_equal(len, 0);
    assert_ok(row_strs(r, 0, "l", arena, &list, &count));
    assert_int_equal(count, 0);
    assert_true(row_time(r, 0, "late") == INT64_MAX);
    assert_true(isinf(row_f64(r, 0, "inf")));
}

static void test_arrays(void **state)
{
    static const struct query q = {
        "arrays", "SELECT array_to_string($1::text[], '|', 'null') s, $1::text[] l,"
                  " array_to_string($2::bigint[], '|') i, array_to_string($3::boolean[], '|') b,"
                  " array_to_string($4::uuid[], '|', 'null') u,"
                  " array_to_string($5::timestamptz[], '|', 'null') t, $6::text[] e"};
    static const char *const texts[] = {"plain",       "",   "a,b",  "{x}",        "q\"uote",
                                        "back\\slash", NULL, "NULL", "line\nfeed", " pad "};
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_ARENA arena = arena_new(65536);
    struct uuid ids[2] = {{{0}}, {{1}}};
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_strs(&a, texts, ARRAY_LEN(texts));
    db_arg_i64s(&a, (const int64_t[]){1, -2, INT64_MAX}, 3);
    db_arg_bools_of(&a, (const bool[]){true, false}, sizeof(bool), 2);
    db_arg_uuids(&a, ids, 2);
    db_arg_times(&a, (const int64_t[]){0, 1000000}, 2);
    db_arg_strs(&a, NULL, 0);
    AUTO_RESULT r = NULL;
    assert_ok(db_query_one(db, &q, &a, &r));
    assert_string_equal(row_str(r, 0, "s", arena),
                        "plain||a,b|{x}|q\"uote|back\\slash|null|NULL|line\nfeed| pad ");
    assert_string_equal(row_str(r, 0, "i", arena), "1|-2|9223372036854775807");
    assert_string_equal(row_str(r, 0, "b", arena), "t|f");
    assert_string_equal(row_str(r, 0, "u", arena), "null|01000000-0000-0000-0000-000000000000");
    assert_string_equal(row_str(r, 0, "t", arena), "null|1970-01-01 00:00:01+00");
    const char **list = NULL;
    size_t count = 0;
    assert_ok(row_strs(r, 0, "l", arena, &list, &count));
    assert_int_equal(count, ARRAY_LEN(texts));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(list[i], texts[i] ? texts[i] : "");
    assert_ok(row_strs(r, 0, "e", arena, &list, &count));
    assert_int_equal(count, 0);
}

static void test_arguments_without_room_refuse(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_ARENA arena = arena_new(65536);
    struct db_args a;
    db_args_init(&a, arena);
    for (int i = 0; i <= LIMIT_DB_PARAMS; i++)
        db_arg_null(&a);
    assert_true(a.failed);
    assert_status(ST_NO_MEMORY, db_query(db, &select_t, &a, NULL));
    db_args_init(&a, NULL);
    db_arg_i64(&a, 1);
    assert_status(ST_NO_MEMORY, db_query(db, &select_t, &a, NULL));
}

static void test_failures_are_mapped(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    assert_ok(insert(db, 10, "x"));
    assert_status(ST_CONFLICT, insert(db, 10, "y"));
    assert_non_null(strstr(db_error(db), "t_pkey"));
    assert_status(ST_INVALID, insert(db, 11, "bad"));
    assert_status(ST_INVALID, db_exec(db, "INSERT INTO child VALUES (99)"));
    assert_status(ST_INVALID, db_exec(db, "SELECT 'x'::bigint"));
    assert_status(ST_INTERNAL, db_exec(db, "SELEC"));
    assert_status(ST_UNAVAILABLE, db_exec(db, "SET statement_timeout = 20; SELECT pg_sleep(5)"));
    /* None of these cost the connection. */
    assert_true(db_is_connected(db));
    assert_ok(db_ping(db));
    AUTO_ARENA arena = arena_new(4096);
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_i64(&a, 12345);
    AUTO_RESULT r = NULL;
    assert_status(ST_NOT_FOUND, db_query_one(db, &select_t, &a, &r));
    assert_null(r);
}

static void test_reconnects(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_DB other = kit_db_open(conninfo);
    assert_ok(insert(db, 20, "x"));
    int64_t pid = kit_sql_i64(db, "SELECT pg_backend_pid()");
    /* With a time limit it waits until the server's process is gone, and its socket with it. */
    assert_int_equal(kit_sql_i64(other, "SELECT pg_terminate_backend(%d, 5000)::int", (int)pid), 1);
    /* The next call finds out before it sends anything, connects, and prepares anew. */
    assert_ok(insert(db, 21, "x"));
    assert_true(kit_sql_i64(db, "SELECT pg_backend_pid()") != pid);
}

/* What was sent may have been done: only the caller knows whether to repeat it. */
static void test_lost_while_waiting(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    assert_status(ST_UNAVAILABLE, db_exec(db, "SELECT pg_terminate_backend(pg_backend_pid())"));
    assert_false(db_is_connected(db));
    assert_ok(db_ping(db));
}

/* Notices that came meanwhile are no reason to reconnect. */
static void test_idle_connection_stays(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    int64_t pid = kit_sql_i64(db, "SELECT pg_backend_pid()");
    assert_ok(db_exec(db, "DO $$ BEGIN RAISE NOTICE 'x'; END $$; SET application_name = 'y'"));
    assert_int_equal(kit_sql_i64(db, "SELECT pg_backend_pid()"), pid);
}

static void test_session_settings(void **state)
{
    struct db *made = NULL; /* not the kit's: it has more patience */
    assert_ok(db_new(conninfo, "tocsin-test", &made, NULL));
    AUTO_DB db = made;
    AUTO_FREE char *zone = kit_sql_text(db, "SHOW TimeZone");
    AUTO_FREE char *limit = kit_sql_text(db, "SHOW statement_timeout");
    AUTO_FREE char *name = kit_sql_text(db, "SHOW application_name");
    assert_string_equal(zone, "UTC");
    assert_string_equal(limit, "15s");
    assert_string_equal(name, "tocsin-test");
}

static void test_unreachable_server(void **state)
{
    AUTO_DB db = kit_db_open("host=/nonexistent dbname=x");
    assert_status(ST_UNAVAILABLE, db_ping(db));
    assert_true(strlen(db_error(db)) > 0);
    assert_status(ST_UNAVAILABLE, db_ping(db));
    struct db *bad = NULL;
    struct errbuf err;
    assert_status(ST_INVALID, db_new("postgresql://[", "x", &bad, &err));
    assert_null(bad);
}

static void test_transaction_fails_until_rollback(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    assert_ok(db_begin(db));
    assert_status(ST_INTERNAL, db_begin(db));
    assert_ok(insert(db, 30, "x"));
    assert_status(ST_CONFLICT, insert(db, 30, "x"));
    assert_status(ST_CONFLICT, insert(db, 31, "x"));
    assert_status(ST_CONFLICT, db_commit(db));
    db_rollback(db);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM t WHERE id IN (30, 31)"), 0);
}

static void test_lost_inside_transaction(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_DB other = kit_db_open(conninfo);
    assert_ok(db_begin(db));
    assert_ok(insert(db, 35, "x"));
    int64_t pid = kit_sql_i64(db, "SELECT pg_backend_pid()");
    kit_sql(other, "SELECT pg_terminate_backend(%d)", (int)pid);
    assert_status(ST_UNAVAILABLE, insert(db, 36, "x"));
    /* Not on a new connection outside the transaction. */
    assert_status(ST_UNAVAILABLE, insert(db, 37, "x"));
    assert_status(ST_UNAVAILABLE, db_commit(db));
    assert_ok(db_ping(db));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM t WHERE id IN (35, 36, 37)"), 0);
}

struct attempts {
    int runs;
    int failing_runs;
    enum status result;
};

static enum status fail_serialization(struct db *db, void *arg)
{
    struct attempts *a = arg;
    a->runs++;
    TRY(insert(db, 40, "x"));
    if (a->runs <= a->failing_runs)
        TRY(db_exec(db, "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$"));
    return a->result;
}

static void test_transact_repeats(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    struct attempts a = {.failing_runs = 2, .result = ST_OK};
    assert_ok(db_transact(db, fail_serialization, &a));
    assert_int_equal(a.runs, 3);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM t WHERE id = 40"), 1);

    kit_sql(db, "DELETE FROM t WHERE id = 40");
    a = (struct attempts){.failing_runs = 99, .result = ST_OK};
    assert_status(ST_UNAVAILABLE, db_transact(db, fail_serialization, &a));
    assert_int_equal(a.runs, 4);

    /* What the function refuses is not repeated, and leaves nothing. */
    a = (struct attempts){.result = ST_NOT_FOUND};
    assert_status(ST_NOT_FOUND, db_transact(db, fail_serialization, &a));
    assert_int_equal(a.runs, 1);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM t WHERE id = 40"), 0);
}

static enum status insert_two(struct db *db, void *arg)
{
    const int64_t *ids = arg;
    TRY(insert(db, ids[0], "x"));
    return insert(db, ids[1], "x");
}

/* Transactions inside a held one, and statements that fail in it, end for themselves alone. */
static void test_hold(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_DB other = kit_db_open(conninfo);
    int64_t good[] = {600, 601}, bad[] = {602, 600}, more[] = {603, 604};
    assert_ok(db_hold(db));
    assert_status(ST_INTERNAL, db_hold(db));
    assert_ok(db_transact(db, insert_two, good));
    assert_status(ST_CONFLICT, db_transact(db, insert_two, bad));
    assert_string_not_equal(db_error(db), "");
    assert_status(ST_CONFLICT, insert(db, 600, "x"));
    assert_ok(insert(db, 605, "x"));
    assert_ok(db_transact(db, insert_two, more));
    const char *count = "SELECT count(*) FROM t WHERE id BETWEEN 600 AND 699";
    assert_int_equal(kit_sql_i64(other, "%s", count), 0);
    assert_ok(db_hold_end(db, true));
    assert_int_equal(kit_sql_i64(other, "%s", count), 5);
    assert_status(ST_INTERNAL, db_hold_end(db, true));

    assert_ok(db_hold(db));
    assert_ok(insert(db, 610, "x"));
    assert_ok(db_begin(db)); /* left open */
    assert_ok(insert(db, 611, "x"));
    assert_ok(db_hold_end(db, false));
    assert_ok(db_ping(db));
    assert_int_equal(kit_sql_i64(other, "%s", count), 5);

    /* Nothing goes on outside of it once the connection is lost. */
    assert_ok(db_hold(db));
    assert_ok(insert(db, 620, "x"));
    const int64_t pid = kit_sql_i64(db, "SELECT pg_backend_pid()");
    kit_sql(other, "SELECT pg_terminate_backend(%d)", (int)pid);
    assert_status(ST_UNAVAILABLE, insert(db, 621, "x"));
    assert_status(ST_UNAVAILABLE, insert(db, 622, "x"));
    assert_status(ST_UNAVAILABLE, db_hold_end(db, true));
    assert_ok(db_ping(db));
    assert_int_equal(kit_sql_i64(other, "%s", count), 5);
}

/* What is required of a row is known to the connection that comes after a lost one, too. */
static void test_require(void **state)
{
    static const char setting[] = "SELECT coalesce(current_setting('tocsin.if_match', true), '')";
    AUTO_DB db = kit_db_open(conninfo);
    AUTO_DB other = kit_db_open(conninfo);
    assert_ok(db_require(db, "row 1 2"));
    for (int i = 0; i < 2; i++) {
        AUTO_FREE char *text = kit_sql_text(db, "%s", setting);
        assert_string_equal(text, "row 1 2");
        const int64_t pid = kit_sql_i64(db, "SELECT pg_backend_pid()");
        kit_sql(other, "SELECT pg_terminate_backend(%d)", (int)pid);
        assert_true(
            kit_wait(db_ping(db) == ST_OK && kit_sql_i64(db, "SELECT pg_backend_pid()") != pid,
                     KIT_PATIENCE_MS));
    }
    assert_ok(db_require(db, ""));
    AUTO_FREE char *text = kit_sql_text(db, "%s", setting);
    assert_string_equal(text, "");
    char long_text[600];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_status(ST_TOO_LARGE, db_require(db, long_text));
}

static void test_affected(void **state)
{
    static const struct query q = {"del", "DELETE FROM t WHERE id BETWEEN 50 AND 59"};
    AUTO_DB db = kit_db_open(conninfo);
    for (int64_t i = 50; i < 53; i++)
        assert_ok(insert(db, i, "x"));
    AUTO_RESULT r = NULL;
    assert_ok(db_query(db, &q, NULL, &r));
    assert_int_equal(db_affected(r), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_nulls),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_arguments_without_room_refuse),
        cmocka_unit_test(test_failures_are_mapped),
        cmocka_unit_test(test_reconnects),
        cmocka_unit_test(test_lost_while_waiting),
        cmocka_unit_test(test_idle_connection_stays),
        cmocka_unit_test(test_session_settings),
        cmocka_unit_test(test_unreachable_server),
        cmocka_unit_test(test_transaction_fails_until_rollback),
        cmocka_unit_test(test_lost_inside_transaction),
        cmocka_unit_test(test_transact_repeats),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_require),
        cmocka_unit_test(test_affected),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
