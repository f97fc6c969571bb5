/* Groups and chains from the command line, on a live Redis. */
#include "tests/integration/cli/program.h"

#include <string.h>

#include "json/parse.h"
#include "queue/group.h"

#define ECHO(args) "{\"task\":\"queue.echo\",\"args\":" args "}"

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Runs it with this on its standard input. */
static void must_read(int code, const char *args, const char *input)
{
    char command[2048];
    (void)snprintf(command, sizeof(command), "%s - <<'EOF'\n%s\nEOF\n", args, input);
    FILE *f = program_begin(command);
    if (program_finish(f) != code)
        fail_msg("tocsin %s: not %d: %s", command, code, program.output);
}

static size_t fetch(struct queue_fixture *f)
{
    return queue_fixture_fetch(f, "w", 10);
}

static void test_group(void **state)
{
    struct queue_fixture *f = *state;
    char id[UUID_TEXT_BYTES];
    must_read(0, "job group --tenant t",
              "{\"jobs\":[" ECHO("{\"n\":1}") "," ECHO(
                  "{}") "],\"lenient\":true,"
                        "\"callback\":{\"task\":\"queue.noop\",\"pass_results\":true}}");
    assert_int_equal(strlen(program.output), 37);
    memcpy(id, program.output, sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    program_must(0, "job group show %s --json", id);
    AUTO_JSON waiting = program_parsed();
    assert_string_equal(text(waiting, "status"), "running");
    assert_string_equal(text(waiting, "tenant"), "t");
    assert_int_equal(json_array_size(json_object_get(waiting, "jobs")), 2);
    assert_string_equal(text(json_object_get(waiting, "callback"), "state"), "waiting");
    assert_int_equal(fetch(f), 2);
    assert_string_equal(f->batch.jobs[0].tenant, "t");
    queue_fixture_end(f, "w", 0, JOB_SUCCEEDED, "{\"x\":1}");
    queue_fixture_end(f, "w", 1, JOB_DEAD, "no");
    assert_int_equal(fetch(f), 1);
    assert_non_null(strstr(f->batch.jobs[0].args, "\"results\":[{\"x\":1},null]"));
    program_must(0, "job group show %s", id);
    program_says("status      completed, lenient\n");
    program_says("  queue.noop  running\n");
    program_says("  default  dead\n");
    program_must(1, "job group cancel %s", id);
    program_says("all jobs of the group have ended: completed");
}

static void test_a_group_is_cancelled(void **state)
{
    struct queue_fixture *f = *state;
    must_read(0, "job group --json",
              "{\"jobs\":[" ECHO("{}") ",{\"task\":\"queue.noop\",\"delay\":60}]}");
    AUTO_JSON made = program_parsed();
    assert_null(text(made, "tenant"));
    program_must(0, "job group cancel %s --json", text(made, "id"));
    AUTO_JSON now = program_parsed();
    assert_string_equal(text(now, "status"), "cancelled");
    assert_int_equal(program_number(now, "failed"), 1); /* the delayed one */
    assert_int_equal(fetch(f), 0);
    program_must(0, "job group show %s", text(made, "id"));
    program_says("pending     0\n");
}

static void test_chain(void **state)
{
    struct queue_fixture *f = *state;
    must_read(0, "job chain --json",
              "{\"jobs\":[" ECHO("{}") ",{\"task\":\"queue.echo\",\"pass_result\":true}]}");
    AUTO_JSON made = program_parsed();
    const json_t *second = json_array_get(made, 1);
    assert_string_equal(text(second, "queue"), "default");
    program_must(0, "job show %s", text(json_array_get(made, 0), "id"));
    program_says(text(second, "id")); /* what follows it */
    program_must(0, "job show %s", text(second, "id"));
    program_says("state       waiting\n");
    program_says(text(json_array_get(made, 0), "id")); /* what comes before it */
    program_must(1, "job retry %s", text(second, "id"));
    program_says("the job is waiting; what can be retried is dead");
    assert_int_equal(fetch(f), 1);
    queue_fixture_end(f, "w", 0, JOB_SUCCEEDED, "5");
    assert_int_equal(fetch(f), 1);
    assert_string_equal(f->batch.jobs[0].args, "{\"previous\":5}");
    must_read(0, "job chain", "{\"jobs\":[" ECHO("{}") "]}");
    assert_int_equal(strlen(program.output), 37);
}

static void test_what_is_refused(void **state)
{
    static const struct {
        int code;
        const char *args, *input, *says;
    } rows[] = {
        {1, "job group", "{", "no JSON"},
        {1, "job group", "{\"jobs\":[]}", "jobs: "},
        {1, "job group", "{\"jobs\":[{\"task\":\"x\"}]}", "jobs[0].task: no task"},
        {1, "job group", "{\"jobs\":[" ECHO("{}") "],\"callback\":{\"task\":\"x\"}}",
         "callback.task: "},
        {1, "job chain", "{\"jobs\":[{\"task\":\"queue.sleep\"}]}", "jobs[0].args.seconds: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        must_read(rows[i].code, rows[i].args, rows[i].input);
        program_says(rows[i].says);
    }
    program_must(1, "job group /no/such/file");
    program_must(1, "job group show 01890000-0000-7000-8000-000000000000");
    program_must(2, "job group show nothing");
    program_must(2, "job group drop 01890000-0000-7000-8000-000000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_group),
        QUEUE_CASE(test_a_group_is_cancelled),
        QUEUE_CASE(test_chain),
        QUEUE_CASE(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
