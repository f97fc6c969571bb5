/* Tasks' schedules and the outbox as processes see them: overlaps, ends, losses, crashes. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "queue/inspect.h"
#include "store/job_outbox.h"
#include "tests/integration/services/scheduler/fixture.h"

enum { WAIT_MS = KIT_PATIENCE_MS };

static struct queue *queue; /* "default" */

static int setup(void **state)
{
    return queue_new("default", 0, &queue) == ST_OK ? fx_setup(state) : -1;
}

static int teardown(void **state)
{
    queue_free(queue);
    return fx_teardown(state);
}

static void forget(void)
{
    assert_ok(redis_do(fx.redis, NULL, "FLUSHDB"));
}

/* --- jobs and rows --- */

static struct job noop(void)
{
    struct job job;
    assert_ok(job_init(&job, "queue.noop", "{}", clock_wall_ms()));
    return job;
}

static struct uuid write_down(const struct job *job)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    assert_ok(job_outbox_add(fx.db, arena, NULL, job, 1));
    return job->id;
}

static enum job_state end_of(const struct uuid *id)
{
    enum job_state state = JOB_STATE_COUNT_;
    assert_ok(queue_ends_get(queue, fx.redis, id, 1, &state));
    return state;
}

static struct queue_info info(void)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    struct queue_info info;
    assert_ok(queue_info_get(queue, fx.redis, clock_wall_ms(), arena, &info));
    return info;
}

static int64_t rows(void)
{
    return kit_sql_i64(fx.db, "SELECT count(*) FROM job_outbox");
}

static void make_schedule(const char *name, const char *text, const char *overlap)
{
    const struct uuid id = uuid_new();
    char id_text[UUID_TEXT_BYTES], org_text[UUID_TEXT_BYTES];
    uuid_format(&id, id_text);
    uuid_format(&fx.org, org_text);
    kit_sql(fx.db,
            "INSERT INTO schedules (id, org_id, name, task, schedule, queue, overlap, shard)"
            " VALUES ('%s', '%s', '%s', 'queue.noop', '%s', 'default', '%s', %d)",
            id_text, org_text, name, text, overlap, (int)(uuid_hash(&id) % 16));
}

/* A column of a schedule as text; "" for null. The caller frees it. */
static char *column(const char *name, const char *what)
{
    return kit_sql_text(fx.db, "SELECT coalesce((%s)::text, '') FROM schedules WHERE name = '%s'",
                        what, name);
}

static bool is_column(const char *name, const char *what, const char *value)
{
    AUTO_FREE char *text = column(name, what);
    return str_eq(text, value);
}

static int64_t slots_of(const char *name)
{
    return kit_sql_i64(fx.db,
                       "SELECT coalesce(round(extract(epoch FROM last_slot_at - created_at)), -1)"
                       "::bigint FROM schedules WHERE name = '%s'",
                       name);
}

/* --- the outbox --- */

static void what_was_committed_runs_once(void **state)
{
    const pid_t scheduler = fx_start_scheduler(), worker = fx_start("tocsin-worker", NULL);
    const struct job lost = noop(), kept = noop();
    kit_sql(fx.db, "BEGIN");
    (void)write_down(&lost);
    kit_sql(fx.db, "ROLLBACK");
    kit_sql(fx.db, "BEGIN");
    (void)write_down(&kept);
    assert_int_equal(end_of(&kept.id), JOB_STATE_COUNT_);
    kit_sql(fx.db, "COMMIT");
    assert_true(kit_wait(end_of(&kept.id) == JOB_SUCCEEDED, WAIT_MS));
    assert_int_equal(end_of(&lost.id), JOB_STATE_COUNT_);
    assert_true(kit_wait(rows() == 0, WAIT_MS));
    assert_int_equal(info().enqueued, 1);
    fx_end(worker, SIGTERM);
    fx_end(scheduler, SIGTERM);
}

/* Published, and dead before PostgreSQL knew: the next relay publishes again, the queue knows it.
 */
static void a_relay_dies_in_between(void **state)
{
    const struct job job = noop();
    const struct uuid id = write_down(&job);
    int status = 0;
    const pid_t first = fx_start("tocsin-scheduler", "job_outbox.after_publish");
    assert_int_equal(waitpid(first, &status, 0), first);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(info().enqueued, 1);
    assert_int_equal(
        kit_sql_i64(fx.db, "SELECT count(*) FROM job_outbox WHERE published_at IS NULL"), 1);
    const pid_t scheduler = fx_start_scheduler(), worker = fx_start("tocsin-worker", NULL);
    assert_true(kit_wait(end_of(&id) == JOB_SUCCEEDED && rows() == 0, WAIT_MS));
    assert_int_equal(info().enqueued, 1);
    assert_int_equal(info().succeeded, 1);
    fx_end(worker, SIGTERM);
    fx_end(scheduler, SIGTERM);
}

/* --- schedules --- */

static void overlaps_are_as_the_schedule_says(void **state)
{
    static const struct {
        const char *overlap;
        int64_t least, most;
    } rows_[] = {{"skip", 1, 1}, {"queue", 2, 2}, {"allow", 4, 1000}};
    for (size_t i = 0; i < ARRAY_LEN(rows_); i++)
        make_schedule(rows_[i].overlap, "every 1 second", rows_[i].overlap);
    const pid_t scheduler = fx_start_scheduler(); /* and nobody who runs anything */
    for (size_t i = 0; i < ARRAY_LEN(rows_); i++)
        assert_true(kit_wait(slots_of(rows_[i].overlap) >= 5, WAIT_MS));
    fx_end(scheduler, SIGTERM);
    AUTO_ARENA arena = arena_new(16 << 20);
    struct job_batch batch = {.arena = arena};
    int64_t counts[ARRAY_LEN(rows_)] = {0};
    /* Jobs of a key start one at a time: those that wait are delayed. */
    assert_ok(queue_heartbeat(queue, fx.redis, "w", "{}", 60000));
    assert_ok(queue_fetch(queue, fx.redis, "w", 500, 0, &batch));
    for (size_t k = 0; k < batch.count; k++) {
        char org_text[UUID_TEXT_BYTES];
        uuid_format(&fx.org, org_text);
        assert_string_equal(batch.jobs[k].tenant, org_text);
    }
    const struct queue_info all = info();
    for (size_t i = 0; i < ARRAY_LEN(rows_); i++) {
        AUTO_FREE char *id = column(rows_[i].overlap, "id");
        for (size_t k = 0; k < batch.count; k++) {
            const char *key = batch.jobs[k].key;
            counts[i] += i == 2 ? !key : key && str_eq(key + strlen("schedule:"), id);
        }
    }
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 1);
    assert_int_equal(all.delayed, 1); /* of "queue" the one that waits */
    assert_true(counts[2] >= rows_[2].least && counts[2] <= rows_[2].most);
    assert_int_equal(all.enqueued, counts[2] + 3);
}

static void what_became_of_a_run_is_noted(void **state)
{
    make_schedule("seen", "every 1 second", "skip");
    const pid_t scheduler = fx_start_scheduler();
    assert_true(kit_wait(is_column("seen", "last_job_state", "queued"), WAIT_MS));
    assert_true(
        is_column("seen", "open_job_id = last_job_id AND open_slot_at = last_run_at", "true"));
    kit_sql(fx.db, "UPDATE schedules SET enabled = false");
    const pid_t worker = fx_start("tocsin-worker", NULL);
    assert_true(kit_wait(is_column("seen", "last_job_state", "succeeded"), WAIT_MS));
    assert_true(kit_wait(is_column("seen", "open_job_id", ""), WAIT_MS));
    fx_end(worker, SIGTERM);
    fx_end(scheduler, SIGTERM);
}

/* An id whose overslept runs are spread to the next moment, not over a minute. */
static struct uuid prompt_id(void)
{
    struct uuid id;
    do
        id = uuid_new();
    while ((uuid_hash(&id) >> 20) % 60000 > 300);
    return id;
}

/* A yearly schedule whose newest run was enqueued long ago, and has ended or not. */
static void make_yearly(const char *name, bool has_ended)
{
    make_schedule(name, "@yearly", "skip");
    const struct uuid id = prompt_id();
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    kit_sql(
        fx.db,
        "UPDATE schedules SET id = '%s', shard = %d, expected_from = now() - interval '3 years',"
        " last_slot_at = date_trunc('year', now()) WHERE name = '%s'",
        text, (int)(uuid_hash(&id) % 16), name);
    if (!has_ended)
        kit_sql(fx.db,
                "UPDATE schedules SET open_slot_at = last_slot_at, open_job_id = id,"
                " open_job_at = last_slot_at, open_job_queue = 'default' WHERE name = '%s'",
                name);
}

/* Redis knows nothing: of two schedules that ran in its former life one had not ended. Then it
 * forgets again, under a scheduler that runs. */
static void redis_loses_its_memory(void **state)
{
    make_yearly("ended", true);
    make_yearly("lost", false);
    const struct job job = noop();
    const struct uuid id = write_down(&job);
    struct job_outbox_pass pass;
    assert_ok(job_outbox_relay(fx.db, fx.redis, &pass));
    forget();
    const pid_t scheduler = fx_start_scheduler();
    assert_true(kit_wait(is_column("lost", "last_job_state", "queued"), WAIT_MS));
    assert_true(kit_wait(info().depth == 2, WAIT_MS));
    assert_true(is_column("ended", "last_job_id", ""));
    AUTO_FREE char *run = column("lost", "last_job_id");
    forget();
    assert_true(kit_wait(info().depth == 2, WAIT_MS));
    const pid_t worker = fx_start("tocsin-worker", NULL);
    assert_true(kit_wait(end_of(&id) == JOB_SUCCEEDED && rows() == 0, WAIT_MS));
    assert_true(kit_wait(is_column("lost", "last_job_state", "succeeded"), WAIT_MS));
    assert_true(kit_wait(is_column("lost", "open_job_id", ""), WAIT_MS));
    assert_true(is_column("lost", "last_job_id", run)); /* it has the same id every time */
    assert_int_equal(info().enqueued, 2);
    assert_true(is_column("ended", "last_job_id", ""));
    fx_end(worker, SIGTERM);
    fx_end(scheduler, SIGTERM);
}

/* Housekeeping is a job like any other; without workers the scheduler sees to what is overdue. */
static void housekeeping_is_a_task(void **state)
{
    kit_sql(fx.db, "INSERT INTO schedules (id, name, task, schedule, shard)"
                   " VALUES (uuid7(), 'system.cleanup', 'system.cleanup', 'every 1 second', 0)");
    const pid_t scheduler = fx_start_scheduler();
    assert_true(kit_wait(is_column("system.cleanup", "last_job_state", "queued"), WAIT_MS));
    kit_sql(fx.db, "UPDATE schedules SET enabled = false;"
                   "UPDATE housekeeping SET ran_at = '-infinity'");
    const pid_t worker = fx_start("tocsin-worker", NULL);
    assert_true(kit_wait(is_column("system.cleanup", "last_job_state", "succeeded"), WAIT_MS));
    assert_true(kit_sql_i64(fx.db, "SELECT count(*) FROM housekeeping WHERE task LIKE 'delete:%%'"
                                   " AND ran_at > now() - interval '1 minute'") >= 4);
    assert_int_equal(kit_sql_i64(fx.db,
                                 "SELECT count(*) FROM housekeeping WHERE task LIKE 'ahead:%%'"
                                 " AND ran_at > now() - interval '1 minute'"),
                     0);
    fx_end(worker, SIGTERM);
    fx_end(scheduler, SIGTERM);
}

#define CASE(name) cmocka_unit_test_setup(name, fx_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_committed_runs_once),
        CASE(a_relay_dies_in_between),
        CASE(overlaps_are_as_the_schedule_says),
        CASE(what_became_of_a_run_is_noted),
        CASE(redis_loses_its_memory),
        CASE(housekeeping_is_a_task),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
