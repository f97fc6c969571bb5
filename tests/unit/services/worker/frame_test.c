/* Frames: what is sent arrives whole, and what is none is refused. */
#include "services/worker/frame.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/kit/kit.h"

static int ends[2];
static char room[FRAME_BYTES + 1];

static int setup(void **state)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int teardown(void **state)
{
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

static void test_jobs_arrive(void **state)
{
    AUTO_ARENA arena = arena_new(1 << 20);
    AUTO_BUF out;
    struct frame f;
    struct job job, got;
    char *args = arena_alloc(arena, LIMIT_JOB_ARGS_BYTES + 1);
    memset(args, 'x', LIMIT_JOB_ARGS_BYTES);
    assert_ok(job_init(&job, "queue.noop", args, 7));
    job.attempt = 3;
    job.tenant = "t";
    job.chain = "the worker's";
    buf_init(&out, FRAME_BYTES);
    frame_put_job(&job, &out);
    assert_ok(frame_send(ends[0], FRAME_JOB, out.data, out.len, 0));
    assert_ok(frame_recv(ends[1], room, 0, &f));
    assert_int_equal(f.type, FRAME_JOB);
    assert_ok(frame_get_job(&f, arena, &got));
    assert_memory_equal(&got.id, &job.id, sizeof(job.id));
    assert_string_equal(got.args, args);
    assert_string_equal(got.tenant, "t");
    assert_int_equal(got.attempt, 3);
    assert_null(got.chain);
    f.len = 3;
    assert_status(ST_INVALID, frame_get_job(&f, arena, &got));
}

static void test_outcomes_arrive(void **state)
{
    static const struct frame_done rows[] = {
        {.status = ST_OK, .has_result = true, .rss_kb = 9000, .result = "{\"a\":1}", .reason = ""},
        {.status = ST_OK, .result = "", .reason = ""},
        {.status = ST_TIMEOUT, .result = "", .reason = "too slow"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF out;
        struct frame f;
        struct frame_done got;
        buf_init(&out, FRAME_BYTES);
        frame_put_done(&rows[i], &out);
        assert_ok(frame_send(ends[0], FRAME_DONE, out.data, out.len, 0));
        assert_ok(frame_recv(ends[1], room, 0, &f));
        assert_ok(frame_get_done(&f, &got));
        assert_int_equal(got.status, rows[i].status);
        assert_int_equal(got.has_result, rows[i].has_result);
        assert_int_equal(got.rss_kb, rows[i].rss_kb);
        assert_string_equal(got.result, rows[i].result);
        assert_string_equal(got.reason, rows[i].reason);
        /* Any part of it is none. */
        for (size_t len = 0; len < out.len; len++) {
            struct frame cut = {.type = FRAME_DONE, .data = room + 1, .len = len};
            assert_status(ST_CORRUPT, frame_get_done(&cut, &got));
        }
    }
}

static void test_a_status_that_is_none_is_refused(void **state)
{
    const struct frame_done done = {.status = STATUS_COUNT_, .result = "", .reason = ""};
    AUTO_BUF out;
    struct frame_done got;
    buf_init(&out, FRAME_BYTES);
    frame_put_done(&done, &out);
    const struct frame f = {.type = FRAME_DONE, .data = out.data, .len = out.len};
    assert_status(ST_CORRUPT, frame_get_done(&f, &got));
}

static void test_waits_are_bounded(void **state)
{
    static char large[FRAME_BYTES];
    struct frame f;
    assert_status(ST_TIMEOUT, frame_recv(ends[1], room, 1, &f));
    assert_status(ST_TOO_LARGE, frame_send(ends[0], FRAME_JOB, large, sizeof(large), 0));
    enum status st = ST_OK;
    for (int i = 0; i < 1000 && st == ST_OK; i++)
        st = frame_send(ends[0], FRAME_JOB, large, sizeof(large) - 1, 1);
    assert_status(ST_TIMEOUT, st); /* nobody reads */
    assert_ok(frame_recv(ends[1], room, 0, &f));
    assert_int_equal(f.len, sizeof(large) - 1);
    /* Larger than any of ours. */
    (void)close(ends[1]);
    assert_status(ST_STOPPED, frame_send(ends[0], FRAME_HELLO, NULL, 0, 1));
    assert_status(ST_STOPPED, frame_recv(ends[0], room, 1, &f));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    static char huge[FRAME_BYTES + 100];
    assert_int_equal(send(ends[0], huge, sizeof(huge), 0), sizeof(huge));
    assert_status(ST_CORRUPT, frame_recv(ends[1], room, 1, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(test_jobs_arrive),
        CASE(test_outcomes_arrive),
        CASE(test_a_status_that_is_none_is_refused),
        CASE(test_waits_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
