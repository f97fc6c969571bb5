/* Jobs written in a transaction: run when it was committed, never when it was not, and once. */
#include "store/job_outbox.h"

#include <stdio.h>

#include "tests/kit/queue.h"

#define fetch queue_fixture_fetch

static const char *conninfo;

static struct db *open_empty(void)
{
    if (!conninfo)
        conninfo = kit_database();
    struct db *db = kit_db_open(conninfo);
    kit_sql(db, "DELETE FROM job_outbox");
    return db;
}

static size_t relay(struct db *db, struct queue_fixture *f)
{
    size_t n = 0;
    assert_ok(job_outbox_relay(db, f->r, &n));
    return n;
}

static void test_commit_and_rollback(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    struct job kept = queue_fixture_job(), lost = queue_fixture_job();
    kept.args = "{\"kept\":true}";
    assert_ok(db_begin(db));
    assert_ok(job_outbox_add(db, f->arena, NULL, &lost, 1));
    db_rollback(db);
    assert_ok(db_begin(db));
    assert_ok(job_outbox_add(db, f->arena, NULL, &kept, 1));
    AUTO_DB other = kit_db_open(conninfo);
    assert_int_equal(relay(other, f), 0);
    assert_ok(db_commit(db));
    assert_int_equal(relay(db, f), 1);
    assert_int_equal(relay(db, f), 0);
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &kept.id));
    assert_string_equal(f->batch.jobs[0].args, kept.args);
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM job_outbox"), 0);
}

static void test_published_twice_runs_once(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    struct job job = queue_fixture_job();
    /* The relay died between publishing and deleting: the row is there again. */
    for (int i = 0; i < 2; i++) {
        assert_ok(job_outbox_add(db, f->arena, NULL, &job, 1));
        assert_int_equal(relay(db, f), 1);
    }
    assert_int_equal(fetch(f, "a", 10), 1);
}

static void test_relays_share(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    AUTO_DB other = kit_db_open(conninfo);
    struct job jobs[4];
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        jobs[i] = queue_fixture_job();
    assert_ok(job_outbox_add(db, f->arena, NULL, jobs, ARRAY_LEN(jobs)));
    /* Another relay holds the first row: nobody waits for it, and nobody does its work. */
    kit_sql(other, "BEGIN");
    assert_int_equal(
        kit_sql_i64(other, "SELECT count(*) FROM (SELECT 1 FROM job_outbox ORDER BY id LIMIT 1 "
                           "FOR UPDATE) row"),
        1);
    assert_int_equal(relay(db, f), 3);
    kit_sql(other, "ROLLBACK");
    assert_int_equal(relay(db, f), 1);
    assert_int_equal(fetch(f, "a", 10), 4);
}

static void test_bad_rows_stop_nobody(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    struct job job = queue_fixture_job();
    kit_sql(db, "INSERT INTO job_outbox (queue, job) VALUES ('default', '\\x01')");
    kit_sql(db, "INSERT INTO job_outbox (queue, job) VALUES ('default', '\\x9202')");
    assert_ok(job_outbox_add(db, f->arena, "No Such Name", &job, 1));
    assert_ok(job_outbox_add(db, f->arena, NULL, &job, 1));
    assert_int_equal(relay(db, f), 1);
    assert_int_equal(relay(db, f), 0);
    struct job_outbox_counts n;
    assert_ok(job_outbox_count(db, &n));
    assert_int_equal(n.waiting, 0);
    assert_int_equal(n.failed, 3);
    job.task = "no.such";
    assert_status(ST_INVALID, job_outbox_add(db, f->arena, NULL, &job, 1));
}

static void test_redis_away(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    struct job job = queue_fixture_job();
    assert_ok(job_outbox_add(db, f->arena, NULL, &job, 1));
    struct redis *nobody = NULL;
    size_t n = 9;
    assert_ok(redis_new("unix:///nonexistent/redis.sock", 200, &nobody, NULL));
    assert_status(ST_UNAVAILABLE, job_outbox_relay(db, nobody, &n));
    redis_free(nobody);
    assert_int_equal(n, 0);
    assert_int_equal(relay(db, f), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_commit_and_rollback), QUEUE_CASE(test_published_twice_runs_once),
        QUEUE_CASE(test_relays_share),        QUEUE_CASE(test_bad_rows_stop_nobody),
        QUEUE_CASE(test_redis_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
