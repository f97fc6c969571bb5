/* Whole schedulers as processes: what they put into the queue is the ledger. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "tests/integration/services/scheduler/fixture.h"

static void test_share_and_takeover(void **state)
{
    enum { CHECKS = 64 };
    for (int i = 0; i < CHECKS; i++)
        (void)fx_make_check(i % 2 ? "every 1 second" : "every 2 seconds");
    pid_t a = fx_start_scheduler();
    assert_true(kit_wait(fx_shards_leased() == 16, KIT_PATIENCE_MS));
    pid_t b = fx_start_scheduler();
    assert_true(kit_wait(fx_owners() == 2 && fx_smallest_share() == 8, KIT_PATIENCE_MS));
    assert_true(kit_wait(fx_count_of(NULL) > CHECKS, KIT_PATIENCE_MS));
    fx_end(a, SIGKILL);
    size_t before = fx_count_of(NULL);
    assert_true(kit_wait(fx_owners() == 1 && fx_shards_leased() == 16, KIT_PATIENCE_MS));
    assert_true(kit_wait(fx_count_of(NULL) > before + CHECKS / 2, KIT_PATIENCE_MS));
    fx_end(b, SIGTERM);
    assert_int_equal(fx_shards_leased(), 0); /* at once, not when the lease runs out */
    assert_int_equal(fx_audit(), CHECKS);

    /* A restart goes on where it was. */
    before = fx_count_of(NULL);
    a = fx_start_scheduler();
    assert_true(kit_wait(fx_count_of(NULL) > before + CHECKS / 2, KIT_PATIENCE_MS));
    fx_end(a, SIGTERM);
    assert_int_equal(fx_audit(), CHECKS);
}

static void test_death_around_a_dispatch(void **state)
{
    static const char *const points[] = {"scheduler.before_dispatch:9",
                                         "scheduler.after_dispatch:9"};
    enum { CHECKS = 40 };
    for (int i = 0; i < CHECKS; i++)
        (void)fx_make_check("every 1 second");
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        int status = 0;
        pid_t pid = fx_start("tocsin-scheduler", points[i]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    size_t before = fx_count_of(NULL);
    pid_t pid = fx_start_scheduler();
    assert_true(kit_wait(fx_count_of(NULL) > before + CHECKS, KIT_PATIENCE_MS));
    fx_end(pid, SIGTERM);
    assert_int_equal(fx_audit(), CHECKS);
}

static void test_redis_loses_its_memory(void **state)
{
    enum { CHECKS = 20 };
    for (int i = 0; i < CHECKS; i++)
        (void)fx_make_check("every 1 second");
    pid_t pid = fx_start_scheduler();
    assert_true(kit_wait(fx_count_of(NULL) > CHECKS, KIT_PATIENCE_MS));
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(fx.redis, &reply, "FLUSHDB"));
    /* What was lost without a result comes again, and then it goes on. */
    assert_true(kit_wait(fx_count_of(NULL) > (size_t)2 * CHECKS, KIT_PATIENCE_MS));
    fx_end(pid, SIGTERM);
    assert_int_equal(fx_audit(), CHECKS);
}

/* Whether a check of every second has missed one. */
static bool is_at_rest(const char *id)
{
    const size_t before = fx_count_of(id);
    return !kit_wait(fx_count_of(id) > before, 1300);
}

static void test_lost_lease_stops_dispatch(void **state)
{
    struct uuid id = fx_make_check("every 1 second");
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    pid_t pid = fx_start_scheduler();
    assert_true(kit_wait(fx_count_of(text) >= 1, KIT_PATIENCE_MS));
    kit_sql(fx.db, "UPDATE scheduler_shards SET owner = 'someone', epoch = epoch + 1,"
                   " leased_until = now() + interval '1 minute'");
    /* From its next renewal on it knows; what was on its way may come after that. */
    assert_true(kit_wait(is_at_rest(text), KIT_PATIENCE_MS));
    const size_t before = fx_count_of(text);

    /* Free again: taken over within the wait for a lease, and what was due meanwhile runs once. */
    kit_sql(fx.db, "UPDATE scheduler_shards SET owner = NULL");
    assert_true(kit_wait(fx_count_of(text) > before, KIT_PATIENCE_MS));
    fx_end(pid, SIGTERM);
}

static void test_old_epoch_is_fenced(void **state)
{
    struct uuid id = fx_make_check("every 1 second");
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    pid_t pid = fx_start_scheduler();
    assert_true(kit_wait(fx_count_of(text) >= 1, KIT_PATIENCE_MS));
    /* Somebody with a newer epoch has claimed all shards in Redis, while the database still says
     * that they are this one's: it gives them back, and gets a newer epoch yet. */
    for (int i = 0; i < 16; i++) {
        AUTO_REPLY reply = NULL;
        char key[64];
        (void)snprintf(key, sizeof(key), "{q:checks:0}:fence:%d", i);
        assert_ok(redis_do(fx.redis, &reply, "HINCRBY", key, "epoch", "1"));
    }
    size_t before = fx_count_of(text);
    assert_true(kit_wait(fx_count_of(text) >= before + 3, KIT_PATIENCE_MS));
    fx_end(pid, SIGTERM);
    assert_int_equal(fx_audit(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_share_and_takeover, fx_clean),
        cmocka_unit_test_setup(test_death_around_a_dispatch, fx_clean),
        cmocka_unit_test_setup(test_redis_loses_its_memory, fx_clean),
        cmocka_unit_test_setup(test_lost_lease_stops_dispatch, fx_clean),
        cmocka_unit_test_setup(test_old_epoch_is_fenced, fx_clean),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
