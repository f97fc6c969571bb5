/* Rows in bulk, both ways. */
#include "db/db.h"

#include <endian.h>
#include <string.h>

#include "tests/kit/kit.h"

static const char *conninfo;

static int setup(void **state)
{
    conninfo = kit_database_empty();
    AUTO_DB db = kit_db_open(conninfo);
    kit_sql(db, "CREATE TABLE t (id bigint PRIMARY KEY, v text)");
    return 0;
}

static void put_row(struct db *db, int64_t id)
{
    struct __attribute__((packed)) {
        uint16_t fields;
        uint32_t length;
        uint64_t id;
        uint32_t text_length;
        char text[2];
    } row = {htobe16(2), htobe32(8), htobe64((uint64_t)id), htobe32(2), {'h', 'i'}};
    assert_ok(db_copy_put(db, &row, sizeof(row)));
}

static void test_copy(void **state)
{
    AUTO_DB db = kit_db_open(conninfo);
    assert_ok(db_begin(db));
    assert_ok(db_copy_begin(db, "COPY t (id, v) FROM STDIN (FORMAT binary)"));
    for (int64_t i = 1000; i < 51000; i++)
        put_row(db, i);
    assert_ok(db_copy_end(db));
    assert_ok(db_commit(db));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM t WHERE v = 'hi'"), 50000);

    /* A bad row fails the COPY, and the rollback makes the connection usable. */
    assert_ok(db_begin(db));
    assert_ok(db_copy_begin(db, "COPY t (id, v) FROM STDIN (FORMAT binary)"));
    put_row(db, 1000);
    assert_status(ST_CONFLICT, db_copy_end(db));
    db_rollback(db);
    assert_ok(db_ping(db));

    /* Given up half-way. */
    assert_ok(db_begin(db));
    assert_ok(db_copy_begin(db, "COPY t (id, v) FROM STDIN (FORMAT binary)"));
    put_row(db, 60000);
    db_rollback(db);
    assert_ok(db_ping(db));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM t WHERE id = 60000"), 0);
}

/* Rows of a stream until it waits or ends. */
static size_t count_rows(struct db *db, struct db_row *last)
{
    enum db_stream what = DB_STREAM_ROW;
    size_t n = 0;
    for (;; n++) {
        struct db_row row;
        do
            assert_ok(db_stream_next(db, 100, &row, &what));
        while (what == DB_STREAM_WAITS);
        if (what == DB_STREAM_END)
            return n;
        *last = row;
    }
}

static void test_stream(void **state)
{
    static const struct query types = {
        "types",
        "SELECT '00000000-0000-7000-8000-000000000001'::uuid, -3::smallint, 5000000000,"
        " true, '2000-01-01 00:00:01+00'::timestamptz, 'infinity'::timestamptz, NULL::uuid,"
        " 'text'"};
    static const struct query none = {"none", "SELECT id FROM t WHERE false"},
                              many = {"many", "SELECT g, 'x' FROM generate_series(1, 50000) g"},
                              bad = {"bad",
                                     "SELECT 1 / (g - 1000) FROM generate_series(1, 2000) g"},
                              wide = {"wide", "SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9"};
    AUTO_DB db = kit_db_open(conninfo);
    struct db_row row;
    enum db_stream what = DB_STREAM_END;
    assert_status(ST_INTERNAL, db_stream_begin(db, &none)); /* not in a transaction */
    assert_ok(db_begin_reading(db));
    assert_ok(db_stream_begin(db, &none));
    assert_int_equal(count_rows(db, &row), 0);
    assert_ok(db_stream_begin(db, &types));
    assert_ok(db_stream_next(db, 1000, &row, &what));
    assert_true(what == DB_STREAM_ROW && row.count == 8);
    const struct uuid id = db_field_uuid(&row.field[0]), null = db_field_uuid(&row.field[6]);
    assert_true(id.b[15] == 1 && id.b[6] == 0x70 && uuid_is_nil(&null));
    assert_int_equal(db_field_i64(&row.field[1]), -3);
    assert_true(db_field_i64(&row.field[2]) == 5000000000 && db_field_i64(&row.field[6]) == 0);
    assert_true(db_field_bool(&row.field[3]) && !db_field_bool(&row.field[6]));
    assert_true(db_field_time(&row.field[4]) == 946684801LL * 1000000);
    assert_true(db_field_time(&row.field[5]) == INT64_MAX && db_field_time(&row.field[6]) == 0);
    assert_true(row.field[7].len == 4 && memcmp(row.field[7].data, "text", 4) == 0);
    assert_int_equal(count_rows(db, &row), 0);
    assert_ok(db_stream_begin(db, &many));
    assert_int_equal(count_rows(db, &row), 50000);
    assert_ok(db_commit(db));

    /* Given up half-way, and one that fails there. */
    assert_ok(db_begin_reading(db));
    assert_ok(db_stream_begin(db, &many));
    assert_ok(db_stream_next(db, 1000, &row, &what));
    assert_status(ST_INTERNAL, db_stream_begin(db, &many));
    db_rollback(db);
    assert_ok(db_ping(db));
    assert_ok(db_begin_reading(db));
    assert_ok(db_stream_begin(db, &bad));
    enum status st = ST_OK;
    while (st == ST_OK && what != DB_STREAM_END)
        st = db_stream_next(db, 1000, &row, &what);
    assert_int_equal(st, ST_INVALID);
    db_rollback(db);
    assert_ok(db_begin_reading(db));
    assert_ok(db_stream_begin(db, &wide));
    assert_status(ST_CORRUPT, db_stream_next(db, 1000, &row, &what));
    db_rollback(db);
    assert_ok(db_ping(db));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
