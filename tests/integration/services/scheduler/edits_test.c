/* Checks and schedules that are made, changed and deleted under running schedulers. */
#include <signal.h>
#include <stdio.h>

#include "queue/check_jobs.h"
#include "queue/queue.h"
#include "tests/integration/services/scheduler/fixture.h"

static void make_schedule(const char *name, const char *overlap, struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    *id = uuid_new();
    uuid_format(id, text);
    kit_sql(fx.db,
            "INSERT INTO schedules (id, name, task, args, schedule, queue, overlap, shard)"
            " VALUES ('%s', '%s', 'check.run',"
            " '{\"check_id\": \"00000000-0000-7000-8000-000000000001\", \"slot_us\": null}',"
            " 'every 1 second', '%s', '%s', %d)",
            text, name, name, overlap, (int)(uuid_hash(id) % 16));
}

static size_t jobs_of(const char *name)
{
    char key[64];
    AUTO_REPLY reply = NULL;
    (void)snprintf(key, sizeof(key), "{q:%s:0}:p2", name);
    assert_ok(redis_do(fx.redis, &reply, "XLEN", key));
    return (size_t)reply->integer;
}

static int64_t slots_since(const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    return kit_sql_i64(fx.db,
                       "SELECT coalesce(round(extract(epoch FROM last_slot_at - created_at)), -1)"
                       "::bigint FROM schedules WHERE id = '%s'",
                       text);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The jobs of a schedule whose runs may overlap: one a slot. What a relay that was killed had in
 * hand comes after what the next one finds. */
static void audit_jobs(void)
{
    int64_t slots[256];
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(fx.redis, &reply, "XRANGE", "{q:each:0}:p2", "-", "+"));
    const size_t count = reply->elements;
    assert_in_range(count, 1, ARRAY_LEN(slots));
    for (size_t i = 0; i < count; i++) {
        struct job job;
        struct check_run run;
        AUTO_ARENA arena = arena_new(65536);
        assert_non_null(arena);
        assert_ok(job_decode(reply->element[i]->element[1], arena, &job, NULL));
        assert_string_equal(job.task, "check.run");
        assert_ok(check_run_decode(job.args, &run, NULL));
        slots[i] = run.slot_us;
    }
    qsort(slots, count, sizeof(*slots), by_number);
    for (size_t i = 1; i < count; i++) {
        if (slots[i] == slots[i - 1] || slots[i] % 1000 != 0)
            fail_msg("slots %lld, %lld", (long long)slots[i - 1], (long long)slots[i]);
    }
}

static struct uuid make_check_named(const char *schedule, char text[UUID_TEXT_BYTES])
{
    struct uuid id = fx_make_check(schedule);
    uuid_format(&id, text);
    return id;
}

/* Checks and schedules that are made, changed and deleted under a running scheduler, all at once as
 * each of them takes some seconds of waiting. */
static void test_edits_are_seen(void **state)
{
    char often[UUID_TEXT_BYTES], other[UUID_TEXT_BYTES], rare[UUID_TEXT_BYTES],
        yearly[UUID_TEXT_BYTES], monthly[UUID_TEXT_BYTES], each_text[UUID_TEXT_BYTES];
    struct uuid each, single, later;
    make_schedule("each", "allow", &each);
    uuid_format(&each, each_text);
    pid_t pid = fx_start_scheduler(); /* one is loaded, the others come with the log of changes */
    assert_true(kit_wait(fx_shards_leased() == 16, KIT_PATIENCE_MS));
    make_schedule("single", "skip", &single);
    (void)make_check_named("every 1 second", often);
    (void)make_check_named("CRON_TZ=Europe/Berlin 0 0 29 2 *", rare);
    assert_true(kit_wait(fx_count_of(rare) == 1, KIT_PATIENCE_MS)); /* a new check runs at once */
    assert_true(kit_wait(fx_count_of(often) >= 2, KIT_PATIENCE_MS));
    assert_true(kit_wait(jobs_of("each") >= 2, KIT_PATIENCE_MS));
    assert_true(kit_wait(slots_since(&single) >= 2, KIT_PATIENCE_MS));
    assert_int_equal(jobs_of("single"), 1); /* nobody has run the first one yet */

    kit_sql(fx.db, "UPDATE checks SET enabled = false WHERE id = '%s'", often);
    kit_sql(fx.db, "UPDATE checks SET name = 'another' WHERE id = '%s'", rare);
    kit_sql(fx.db, "UPDATE schedules SET enabled = false WHERE id = '%s'", each_text);
    /* Seen after the changes above. */
    (void)make_check_named("every 1 second", other);
    (void)make_check_named("@yearly", yearly);
    make_schedule("later", "allow", &later);
    assert_true(kit_wait(fx_count_of(other) >= 2 && jobs_of("later") >= 1, KIT_PATIENCE_MS));
    assert_true(kit_wait(fx_count_of(yearly) == 1, KIT_PATIENCE_MS));
    const size_t checks_at = fx_count_of(often), jobs_at = jobs_of("each");
    assert_true(kit_wait(fx_count_of(other) >= 4 && jobs_of("later") >= 3, KIT_PATIENCE_MS));
    assert_int_equal(fx_count_of(often), checks_at);
    assert_int_equal(jobs_of("each"), jobs_at);
    assert_true(fx_count_of(rare) == 1 && fx_count_of(yearly) == 1);

    /* The next owner goes on: nothing that ran runs again. */
    kit_sql(fx.db, "UPDATE checks SET enabled = true WHERE id = '%s'", often);
    kit_sql(fx.db, "UPDATE schedules SET enabled = true WHERE id = '%s'", each_text);
    kit_sql(fx.db, "DELETE FROM checks WHERE id = '%s'", other);
    assert_true(
        kit_wait(fx_count_of(often) > checks_at && jobs_of("each") > jobs_at, KIT_PATIENCE_MS));
    fx_end(pid, SIGKILL);
    const size_t before = jobs_of("each"), deleted_at = fx_count_of(other);
    pid = fx_start_scheduler();
    assert_true(kit_wait(fx_shards_leased() == 16, KIT_PATIENCE_MS));
    (void)make_check_named("@monthly", monthly);
    assert_true(kit_wait(fx_count_of(monthly) == 1, KIT_PATIENCE_MS));
    assert_true(kit_wait(jobs_of("each") >= before + 2, KIT_PATIENCE_MS));
    assert_true(fx_count_of(rare) == 1 && fx_count_of(yearly) == 1);
    assert_int_equal(fx_count_of(other), deleted_at);
    fx_end(pid, SIGTERM);
    audit_jobs();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_edits_are_seen, fx_clean)};
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
