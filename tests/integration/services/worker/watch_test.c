/* The watch over a lane to which no jobs come. */
#include <sys/wait.h>
#include <unistd.h>

#include "queue/control.h"
#include "services/worker/worker.h"
#include "tests/kit/queue.h"

enum { STALL_MS = 150 };

static struct conf conf;
static struct worker worker;
static struct lane lane;
static struct watch watch;

/* A lane with room for jobs that nobody fetches. */
static int begin(void **state)
{
    if (queue_fixture_setup(state) != 0)
        return -1;
    const struct queue_fixture *f = *state;
    conf.worker_stall = STALL_MS;
    worker = (struct worker){.conf = &conf};
    lane = (struct lane){.worker = &worker, .name = "default", .leasing = f->q};
    watch = (struct watch){0};
    atomic_store(&lane.room_mono_ms, 1);
    return 0;
}

static bool is_stalled_after(struct queue_fixture *f, int64_t ms)
{
    static int64_t now_ms;
    now_ms = kit_real_mono_ms();
    assert_ok(watch_lane(&lane, &watch, f->r, now_ms));
    /* The age of what waits is Redis' own: real time has to pass. */
    (void)kit_wait((now_ms = kit_real_mono_ms(), watch_lane(&lane, &watch, f->r, now_ms) != ST_OK ||
                                                     atomic_load(&lane.wants_reconnect)),
                   ms);
    return atomic_load(&lane.wants_reconnect);
}

static void put(struct queue_fixture *f)
{
    const struct job job = queue_fixture_job();
    assert_ok(queue_enqueue(f->q, f->r, &job));
}

static void test_nothing_to_fetch_is_no_stall(void **state)
{
    assert_false(is_stalled_after(*state, 2 * STALL_MS));
}

static void test_jobs_that_wait_are(void **state)
{
    struct queue_fixture *f = *state;
    put(f);
    assert_true(is_stalled_after(f, KIT_PATIENCE_MS));
}

static void test_paused_is_no_stall(void **state)
{
    struct queue_fixture *f = *state;
    put(f);
    assert_ok(queue_pause(f->q, f->r, "test", clock_wall_ms()));
    assert_false(is_stalled_after(f, 2 * STALL_MS));
}

static void test_no_room_is_no_stall(void **state)
{
    struct queue_fixture *f = *state;
    put(f);
    atomic_store(&lane.room_mono_ms, 0);
    assert_false(is_stalled_after(f, 2 * STALL_MS));
}

static void test_jobs_that_came_end_it(void **state)
{
    struct queue_fixture *f = *state;
    put(f);
    assert_true(is_stalled_after(f, KIT_PATIENCE_MS));
    atomic_store(&lane.wants_reconnect, false);
    atomic_store(&lane.fetched_mono_ms, kit_real_mono_ms() + 1000000);
    assert_false(is_stalled_after(f, 2 * STALL_MS));
}

static void test_without_remedy_the_process_ends(void **state)
{
    struct queue_fixture *f = *state;
    int status = 0;
    put(f);
    const pid_t child = fork();
    if (child == 0) {
        /* A connection of its own: one is not shared by two processes. */
        f->r = kit_redis_open(kit_redis());
        for (int64_t until_ms = kit_real_mono_ms() + KIT_PATIENCE_MS; kit_real_mono_ms() < until_ms;
             kit_pause()) {
            if (watch_lane(&lane, &watch, f->r, kit_real_mono_ms()) != ST_OK)
                _exit(99);
        }
        _exit(98);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, queue_fixture_teardown)
        CASE(test_nothing_to_fetch_is_no_stall), CASE(test_jobs_that_wait_are),
        CASE(test_paused_is_no_stall),           CASE(test_no_room_is_no_stall),
        CASE(test_jobs_that_came_end_it),        CASE(test_without_remedy_the_process_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
