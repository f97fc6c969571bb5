/* Jobs written in a transaction: run when it was committed, never when it was not, and once. */
#include "store/job_outbox.h"
#include "store/job_outbox_mark.h"

#include <stdio.h>

#include "tests/kit/queue.h"

#define fetch queue_fixture_fetch

static const char *conninfo;

static struct db *open_empty(void)
{
    if (!conninfo)
        conninfo = kit_database();
    struct db *db = kit_db_open(conninfo);
    kit_sql(db, "DELETE FROM job_outbox; UPDATE redis_marks SET mark = 0, lost_at = '-infinity'");
    return db;
}

static size_t relay(struct db *db, struct queue_fixture *f)
{
    struct job_outbox_pass pass;
    assert_ok(job_outbox_relay(db, f->r, &pass));
    for (size_t i = 0; i < pass.published; i++)
        assert_true(pass.lag_us[i] >= 0 && pass.lag_us[i] < 60 * 1000000);
    return pass.published;
}

static int64_t rows(struct db *db)
{
    return kit_sql_i64(db, "SELECT count(*) FROM job_outbox");
}

/* Deletes what has ended; how many rows are left. */
static int64_t settle(struct db *db, struct queue_fixture *f)
{
    int64_t cursor = 0;
    size_t ended = 0;
    const int64_t before = rows(db);
    assert_ok(job_outbox_settle(db, f->r, &cursor, &ended));
    assert_int_equal(cursor, 0);
    assert_int_equal(rows(db), before - (int64_t)ended);
    return rows(db);
}

static bool recover(struct db *db, struct queue_fixture *f)
{
    bool is_lost = false;
    assert_ok(job_outbox_recover(db, f->r, &is_lost));
    return is_lost;
}

static void forget(struct queue_fixture *f)
{
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(f->r, &reply, "FLUSHDB"));
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
    assert_int_equal(settle(db, f), 1);
    queue_fixture_end(f, "a", 0, JOB_SUCCEEDED, NULL);
    assert_int_equal(settle(db, f), 0);
}

/* What a full queue refuses stays where it is, and lets the others pass. */
static void test_a_full_queue(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    struct job jobs[] = {queue_fixture_job(), queue_fixture_job()};
    struct job_outbox_pass pass;
    const char *lines = "{q:side:0}:lines"; /* how many wait in tenants' lines: full */
    char limit[16];
    (void)snprintf(limit, sizeof(limit), "%d", LIMIT_QUEUE_LENGTH);
    jobs[0].tenant = "somebody";
    assert_ok(redis_do(f->r, NULL, "HSET", lines, "2", limit));
    assert_ok(job_outbox_add(db, f->arena, "side", &jobs[0], 1));
    assert_ok(job_outbox_add(db, f->arena, NULL, &jobs[1], 1));
    assert_status(ST_OVERLOADED, job_outbox_relay(db, f->r, &pass));
    assert_int_equal(pass.published, 1);
    assert_int_equal(fetch(f, "a", 10), 1);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &jobs[1].id));
    assert_status(ST_OVERLOADED, job_outbox_relay(db, f->r, &pass));
    assert_int_equal(pass.published, 0);
    assert_ok(redis_do(f->r, NULL, "HDEL", lines, "2"));
    assert_int_equal(relay(db, f), 1);
    assert_int_equal(relay(db, f), 0);
}

/* However a job ends, its row goes. */
static void test_every_end_is_seen(void **state)
{
    static const enum job_state ends[] = {JOB_SUCCEEDED, JOB_DEAD, JOB_CANCELLED, JOB_EXPIRED};
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        const struct job job = queue_fixture_job();
        assert_ok(job_outbox_add(db, f->arena, NULL, &job, 1));
        assert_int_equal(relay(db, f), 1);
        assert_int_equal(fetch(f, "a", 1), 1);
        assert_int_equal(settle(db, f), 1);
        queue_fixture_end(f, "a", 0, ends[i], "x");
        assert_int_equal(settle(db, f), 0);
    }
}

/* An old row whose job the queue does not know any more goes, one that waits stays. */
static void test_what_is_nowhere_has_ended(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    const struct job jobs[] = {queue_fixture_job(), queue_fixture_job()};
    assert_ok(job_outbox_add(db, f->arena, NULL, jobs, 2));
    assert_int_equal(relay(db, f), 2);
    assert_int_equal(fetch(f, "a", 1), 1);
    assert_ok(queue_ack(f->q, f->r, f->batch.jobs, 1)); /* leaves no result */
    assert_int_equal(settle(db, f), 2);
    kit_sql(db, "UPDATE job_outbox SET published_at = published_at - interval '2 hours'");
    assert_int_equal(settle(db, f), 1);
    /* Not so when Redis knows nothing at all. */
    forget(f);
    assert_int_equal(settle(db, f), 1);
}

static void test_redis_loses_its_memory(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    struct job jobs[3];
    assert_false(recover(db, f));
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = queue_fixture_job();
        assert_ok(job_outbox_add(db, f->arena, NULL, &jobs[i], 1));
        assert_int_equal(relay(db, f), 1);
    }
    assert_int_equal(fetch(f, "a", 1), 1);
    queue_fixture_end(f, "a", 0, JOB_SUCCEEDED, NULL);
    assert_int_equal(settle(db, f), 2);
    assert_false(recover(db, f));

    forget(f);
    AUTO_DB other = kit_db_open(conninfo);
    assert_true(recover(db, f));
    assert_false(recover(other, f)); /* one of them saw to it */
    assert_int_equal(relay(db, f), 2);
    assert_int_equal(relay(db, f), 0);
    assert_int_equal(fetch(f, "b", 10), 2);
    assert_true(uuid_eq(&f->batch.jobs[0].id, &jobs[1].id));

    /* A counter that went back is as good as none; and publishing sees it as well. */
    assert_ok(redis_do(f->r, NULL, "SET", "tocsin:outbox:mark", "1"));
    kit_sql(db, "UPDATE redis_marks SET mark = 7");
    assert_true(recover(db, f));
    assert_int_equal(relay(db, f), 2); /* the queue knows them */
    assert_int_equal(fetch(f, "b", 10), 0);
    forget(f);
    const struct job more = queue_fixture_job();
    assert_ok(job_outbox_add(db, f->arena, NULL, &more, 1));
    /* Whether it was told before or after the loss nobody knows: it is open like the others. */
    assert_int_equal(relay(db, f), 0);
    assert_int_equal(relay(db, f), 3);
    assert_int_equal(fetch(f, "b", 10), 3);
}

/* Another relay finds the loss between a pass's jobs and its mark. */
static void test_a_loss_found_by_another(void **state)
{
    struct queue_fixture *f = *state;
    AUTO_DB db = open_empty();
    int64_t before = 0, after = 0, mark = 0;
    enum outbox_loss loss = OUTBOX_WHOLE;
    const struct job job = queue_fixture_job();
    assert_ok(job_outbox_add(db, f->arena, NULL, &job, 1));
    assert_int_equal(relay(db, f), 1);
    assert_ok(outbox_lost_at(db, &before));
    assert_ok(outbox_mark_step(db, f->r, before, &mark, &loss));
    assert_int_equal(loss, OUTBOX_WHOLE);
    forget(f);
    assert_true(recover(db, f));
    assert_ok(outbox_lost_at(db, &after));
    assert_true(after > before);
    assert_ok(outbox_mark_step(db, f->r, before, &mark, &loss));
    assert_int_equal(loss, OUTBOX_FOUND);
    assert_ok(outbox_mark_step(db, f->r, after, &mark, &loss));
    assert_int_equal(loss, OUTBOX_WHOLE);
    forget(f);
    assert_ok(outbox_mark_step(db, f->r, after, &mark, &loss));
    assert_int_equal(loss, OUTBOX_LOST);
    assert_int_equal(relay(db, f), 1);
    assert_int_equal(fetch(f, "a", 10), 1);
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
    AUTO_REDIS nobody = NULL;
    struct job_outbox_pass pass = {.published = 9};
    bool is_lost = true;
    assert_ok(redis_new("unix:///nonexistent/redis.sock", 200, &nobody, NULL));
    assert_status(ST_UNAVAILABLE, job_outbox_relay(db, nobody, &pass));
    assert_int_equal(pass.published, 0);
    assert_status(ST_UNAVAILABLE, job_outbox_recover(db, nobody, &is_lost));
    assert_int_equal(relay(db, f), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_commit_and_rollback),
        QUEUE_CASE(test_published_twice_runs_once),
        QUEUE_CASE(test_relays_share),
        QUEUE_CASE(test_bad_rows_stop_nobody),
        QUEUE_CASE(test_redis_away),
        QUEUE_CASE(test_every_end_is_seen),
        QUEUE_CASE(test_a_full_queue),
        QUEUE_CASE(test_what_is_nowhere_has_ended),
        QUEUE_CASE(test_redis_loses_its_memory),
        QUEUE_CASE(test_a_loss_found_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
