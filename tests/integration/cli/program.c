/* Running the program, its output, and the jobs that it is to show. */
#include "tests/integration/cli/program.h"

#include <string.h>
#include <sys/wait.h>

#include "json/parse.h"

struct program program;

FILE *program_begin(const char *args)
{
    char command[1024];
    (void)snprintf(command, sizeof(command), "exec 2>&1; TOCSIN_REDIS_URL='%s' '%s/tocsin' %s",
                   kit_redis(), getenv("TOCSIN_TEST_BIN"), args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    return f;
}

int program_finish(FILE *f)
{
    const size_t n = fread(program.output, 1, sizeof(program.output) - 1, f);
    program.output[n] = '\0';
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void program_must(int code, const char *fmt, ...)
{
    char args[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(args, sizeof(args), fmt, ap);
    va_end(ap);
    const int got = program_finish(program_begin(args));
    if (got != code)
        fail_msg("tocsin %s: %d, not %d: %s", args, got, code, program.output);
}

void program_says(const char *part)
{
    if (!strstr(program.output, part))
        fail_msg("\"%s\" is not in: %s", part, program.output);
}

json_t *program_parsed(void)
{
    json_t *value = NULL;
    struct errbuf err = {""};
    if (json_parse(program.output, strlen(program.output), &value, &err) != ST_OK)
        fail_msg("%s: %s", err.text, program.output);
    return value;
}

int64_t program_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

void program_put(struct queue_fixture *f, int64_t delay_ms, int64_t result_ms,
                 char id[UUID_TEXT_BYTES])
{
    struct job job = queue_fixture_job();
    job.not_before_ms = delay_ms ? job.enqueued_at_ms + delay_ms : 0;
    job.result_ttl_ms = result_ms;
    uuid_format(&job.id, id);
    assert_ok(queue_enqueue(f->q, f->r, &job));
}

struct known program_known_jobs(struct queue_fixture *f)
{
    struct known k;
    program_put(f, 0, 0, k.dead);
    program_put(f, 0, 60000, k.gone);
    assert_int_equal(queue_fixture_fetch(f, "w-é", 2), 2);
    queue_fixture_end(f, "w-é", 0, JOB_DEAD, "no \x1b[31mroute → host");
    queue_fixture_end(f, "w-é", 1, JOB_SUCCEEDED, "{\"n\":7}");
    program_put(f, 0, 0, k.running);
    assert_int_equal(queue_fixture_fetch(f, "w-é", 1), 1);
    program_put(f, 0, 0, k.queued);
    program_put(f, 3600000, 0, k.delayed);
    return k;
}
