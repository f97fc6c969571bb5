/* The commands that show queues as they move: tail, top, rates. */
#include "tests/integration/cli/program.h"

#include <string.h>

#include "json/parse.h"
#include "queue/control.h"

static bool is_followed(struct queue_fixture *f)
{
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(f->r, &reply, "EXISTS", "{q:default:0}:tail"));
    return reply->integer == 1;
}

static void test_tail(void **state)
{
    struct queue_fixture *f = *state;
    FILE *tail = program_begin("job tail --count 3 --queue default --json");
    /* It sets the key that asks for events; the ones it may miss are made again. */
    for (int64_t until = kit_real_mono_ms() + 10000; kit_real_mono_ms() < until;) {
        char id[UUID_TEXT_BYTES];
        AUTO_REPLY reply = NULL;
        assert_ok(redis_do(f->r, &reply, "XLEN", "{q:default:0}:events"));
        if (reply->integer >= 20)
            break;
        program_put(f, 3600000, 0, id);
        struct uuid uuid;
        enum job_state state_now;
        assert_ok(uuid_parse(id, &uuid));
        if (is_followed(f))
            assert_ok(queue_cancel(f->q, f->r, &uuid, clock_wall_ms(), &state_now));
        (void)kit_wait(false, 50);
    }
    assert_int_equal(program_finish(tail), 0);
    size_t lines = 0;
    for (const char *s = program.output; (s = strchr(s, '\n')); s++)
        lines++;
    assert_int_equal(lines, 3);
    program_says("\"event\":\"cancelled\"");
}

static void test_tail_ends_on_a_signal(void **state)
{
    struct queue_fixture *f = *state;
    static const char *const signals[] = {"INT", "TERM"};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        char args[512], go[256];
        assert_ok(redis_do(f->r, NULL, "DEL", "{q:default:0}:tail"));
        (void)snprintf(go, sizeof(go), "%s/go-%s", kit_dir(), signals[i]);
        (void)snprintf(args, sizeof(args),
                       "job tail & p=$!; until [ -e '%s' ]; do sleep 0.01; done; kill -%s $p; "
                       "wait $p",
                       go, signals[i]);
        FILE *tail = program_begin(args);
        assert_true(kit_wait(is_followed(f), KIT_PATIENCE_MS));
        FILE *mark = fopen(go, "we");
        assert_non_null(mark);
        (void)fclose(mark);
        assert_int_equal(program_finish(tail), 0);
        assert_string_equal(program.output, "");
    }
}

static void test_top(void **state)
{
    struct queue_fixture *f = *state;
    (void)program_known_jobs(f);
    program_must(0, "top --once");
    program_says("\ndefault        1        1        1     1 ");
    program_says("\nw-é     alive  -        -  default\n");
    program_must(0, "top --json");
    AUTO_JSON frame = program_parsed();
    const json_t *queues = json_object_get(frame, "queues");
    assert_int_equal(json_array_size(queues), 2);
    assert_int_equal(program_number(json_array_get(queues, 1), "delayed"), 1);
    assert_int_equal(json_array_size(json_object_get(frame, "workers")), 1);
    program_must(1, "top </dev/null");
    program_says("wants a terminal");
}

/* A narrow terminal of its own (script), left by the key q: lines are cut, and all is put back. */
static void test_top_on_a_terminal(void **state)
{
    struct queue_fixture *f = *state;
    (void)program_known_jobs(f);
    char args[1024];
    (void)snprintf(
        args, sizeof(args),
        "--version; while printf q; do sleep 0.1; done 2>&- | timeout 100 script -qec \"stty cols 30 rows 12; "
        "TOCSIN_REDIS_URL='%s' '%s/tocsin' top; stty -a\" /dev/null",
        kit_redis(), getenv("TOCSIN_TEST_BIN"));
    assert_int_equal(program_finish(program_begin(args)), 0);
    program_says("\x1b[?1049h\x1b[?25l");
    program_says("QUEUE    WAITING  RUNNING  DE…\x1b[K");
    const char *left = strstr(program.output, "\x1b[?25h\x1b[?1049l");
    assert_non_null(left);
    assert_non_null(strstr(left, " icanon"));
    assert_non_null(strstr(left, " echo "));
}

static void test_rates(void **state)
{
    program_must(0, "rate set default 10/1m --task queue.noop --burst 3");
    program_must(0, "rate set default 5/s --key example.com");
    program_must(0, "rate set default any --task queue.noop --key free");
    program_must(0, "rate set default 2/30s --each-key");
    static const char *const rows[] = {"10/1m00s", "5/1s", "example.com", "any", "2/30s", "(each)"};
    program_must(0, "rate list default");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        program_says(rows[i]);
    program_must(0, "rate remove default --key example.com");
    program_must(0, "rate list default --json");
    AUTO_JSON all = program_parsed();
    assert_int_equal(json_array_size(all), 3);
    static const char *const wrong[] = {
        "rate set default 5/s",
        "rate set default 5 --task t",
        "rate set default 0/s --task t",
        "rate set default -1/s --task t",
        "rate set default 5/0s --task t",
        "rate set default 5/never --task t",
        "rate set default 5/s --key k --each-key",
        "rate set default 5/s --task t --burst 0",
        "rate set default",
        "rate remove default",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        program_must(2, "%s", wrong[i]);
    program_must(1, "rate list nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_tail),  QUEUE_CASE(test_tail_ends_on_a_signal),
        QUEUE_CASE(test_top),   QUEUE_CASE(test_top_on_a_terminal),
        QUEUE_CASE(test_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
