/* Schedulers while the database's clock is set. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/services/scheduler/fixture.h"

enum { HOUR_S = 3600 };

/* now() and clock_timestamp() of everybody who is not told otherwise: the database's own clock, as
 * far as a name without a schema goes, is set without any help of the programs under test. */
static void fake_clock(void)
{
    kit_sql(fx.db,
            "CREATE SCHEMA fake; CREATE TABLE fake.clock AS SELECT interval '0' AS by;"
            "CREATE FUNCTION fake.now() RETURNS timestamptz STABLE LANGUAGE sql AS"
            " 'SELECT pg_catalog.now() + by FROM fake.clock';"
            "CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql"
            " AS 'SELECT pg_catalog.clock_timestamp() + by FROM fake.clock';"
            "DO $$BEGIN EXECUTE format('ALTER DATABASE %%I SET search_path ="
            " fake, pg_catalog, public', current_database()); END$$");
}

static void set_clock(int64_t seconds)
{
    kit_sql(fx.db, "UPDATE fake.clock SET by = interval '%lld seconds'", (long long)seconds);
}

static int64_t leased_of(const char *owner_like)
{
    return kit_sql_i64(fx.db,
                       "SELECT count(*) FROM scheduler_shards WHERE owner LIKE '%%:%s:%%'"
                       " AND leased_until BETWEEN pg_catalog.now() + (SELECT by FROM fake.clock)"
                       " AND pg_catalog.now() + (SELECT by FROM fake.clock) + interval '1 minute'",
                       owner_like);
}

/* Slots of a check, of which none comes twice; how many times one was left out. */
static size_t count_holes(const fx_ledger_t *l, size_t *checks)
{
    size_t holes = 0;
    *checks = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (i == 0 || strcmp(l->at[i - 1].id, l->at[i].id) != 0) {
            (*checks)++;
            continue;
        }
        assert_true(l->at[i].slot_ms > l->at[i - 1].slot_ms);
        holes += l->at[i - 1].prev_ms != 0 && l->at[i].prev_ms != l->at[i - 1].slot_ms;
    }
    return holes;
}

/* The database's clock steps by an hour, back and forth: all live on it, and nobody stands still,
 * runs anything twice, or makes up for an hour that there was not. */
static void test_clock_of_the_database(void **state)
{
    enum { CHECKS = 24 };
    static const struct {
        int64_t at_s;
        bool is_ahead; /* of all that was: slots in between are left out, once */
        bool dies;     /* one of the two, just before */
    } steps[] = {{HOUR_S, true, false},
                 {0, false, true},
                 {-HOUR_S, false, false},
                 {2 * HOUR_S, true, false}};
    fx_ledger_t ledger = {0};
    size_t checks = 0, holes_max = 0;
    fake_clock();
    for (int i = 0; i < CHECKS; i++)
        (void)fx_make_check("every 1 second");
    pid_t pids[] = {fx_start_scheduler(), fx_start_scheduler()};
    char one[16];
    assert_true(kit_wait(fx_owners() == 2 && fx_smallest_share() == 8, KIT_PATIENCE_MS));
    assert_true(kit_wait(fx_count_of(NULL) > CHECKS, KIT_PATIENCE_MS));
    const int64_t began_ms = kit_real_mono_ms();
    const size_t first = fx_count_of(NULL);
    size_t extra = 0;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i].dies)
            fx_end(pids[1], SIGKILL);
        set_clock(steps[i].at_s);
        const size_t before = fx_count_of(NULL);
        /* Every shard goes on. */
        (void)snprintf(one, sizeof(one), "%d", (int)pids[0]);
        if (steps[i].dies)
            assert_true(kit_wait(leased_of(one) == 16, KIT_PATIENCE_MS));
        assert_true(kit_wait(fx_count_of(NULL) >= before + (size_t)2 * CHECKS, KIT_PATIENCE_MS));
        /* … at its pace: what was on its way comes on top, and what is up to ten seconds late,
         * perhaps only after the next step. */
        const size_t ran = fx_count_of(NULL) - first;
        const int64_t took_ms = kit_real_mono_ms() - began_ms;
        extra += (size_t)CHECKS * (steps[i].is_ahead ? 13 : 3);
        const size_t most = (size_t)(CHECKS * took_ms / 1000) + extra;
        if (ran > most)
            fail_msg("step %zu: %zu runs by now, not %zu", i, ran, most);
        holes_max += steps[i].is_ahead ? CHECKS : 0;
        fx_read_ledger(&ledger);
        const size_t holes = count_holes(&ledger, &checks);
        assert_int_equal(checks, CHECKS);
        if (holes > holes_max)
            fail_msg("step %zu: %zu holes, not %zu", i, holes, holes_max);
    }
    fx_end(pids[0], SIGTERM);
    vec_done(&ledger);
    kit_sql(fx.db, "DROP SCHEMA fake CASCADE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_clock_of_the_database, fx_clean)};
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
