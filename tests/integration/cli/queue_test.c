/* The commands about queues, jobs, dead letters and workers: the program itself, on a live Redis.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "json/parse.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "tests/kit/queue.h"

static char output[1 << 20];

/* Runs `tocsin ARGS` in a shell; what it says is in `output`. */
static FILE *begin(const char *args)
{
    char command[1024];
    (void)snprintf(command, sizeof(command), "exec 2>&1; TOCSIN_REDIS_URL='%s' '%s/tocsin' %s",
                   kit_redis(), getenv("TOCSIN_TEST_BIN"), args);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    return f;
}

static int finish(FILE *f)
{
    const size_t n = fread(output, 1, sizeof(output) - 1, f);
    output[n] = '\0';
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void must(int code, const char *fmt, ...)
{
    char args[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(args, sizeof(args), fmt, ap);
    va_end(ap);
    const int got = finish(begin(args));
    if (got != code)
        fail_msg("tocsin %s: %d, not %d: %s", args, got, code, output);
}

static void says(const char *part)
{
    if (!strstr(output, part))
        fail_msg("\"%s\" is not in: %s", part, output);
}

static json_t *parsed(void)
{
    json_t *value = NULL;
    struct errbuf err = {""};
    if (json_parse(output, strlen(output), &value, &err) != ST_OK)
        fail_msg("%s: %s", err.text, output);
    return value;
}

static int64_t number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

struct known {
    char running[UUID_TEXT_BYTES], queued[UUID_TEXT_BYTES], delayed[UUID_TEXT_BYTES],
        dead[UUID_TEXT_BYTES], gone[UUID_TEXT_BYTES];
};

static void put(struct queue_fixture *f, int64_t delay_ms, int64_t result_ms,
                char id[UUID_TEXT_BYTES])
{
    struct job job = queue_fixture_job();
    job.not_before_ms = delay_ms ? job.enqueued_at_ms + delay_ms : 0;
    job.result_ttl_ms = result_ms;
    uuid_format(&job.id, id);
    assert_ok(queue_enqueue(f->q, f->r, &job));
}

/* One job in each state: dead with a reason that would colour the terminal. */
static struct known known_jobs(struct queue_fixture *f)
{
    struct known k;
    put(f, 0, 0, k.dead);
    put(f, 0, 60000, k.gone);
    assert_int_equal(queue_fixture_fetch(f, "w-é", 2), 2);
    queue_fixture_end(f, "w-é", 0, JOB_DEAD, "no \x1b[31mroute → host");
    queue_fixture_end(f, "w-é", 1, JOB_SUCCEEDED, "{\"n\":7}");
    put(f, 0, 0, k.running);
    assert_int_equal(queue_fixture_fetch(f, "w-é", 1), 1);
    put(f, 0, 0, k.queued);
    put(f, 3600000, 0, k.delayed);
    return k;
}

static void test_queue(void **state)
{
    struct queue_fixture *f = *state;
    (void)known_jobs(f);
    must(0, "queue list");
    says("QUEUE    WAITING  RUNNING  DELAYED  DEAD  OLDEST  WORKERS  STATE\n");
    says("\ndefault        1        1        1     1 ");
    must(0, "queue list --json");
    AUTO_JSON list = parsed();
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text(json_array_get(list, 0), "name"), "checks");
    must(0, "queue show default --json");
    AUTO_JSON one = parsed();
    static const struct {
        const char *key;
        int64_t value;
    } rows[] = {{"depth", 1}, {"in_flight", 1}, {"delayed", 1},
                {"dead", 1},  {"workers", 1},   {"succeeded_total", 1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(number(one, rows[i].key), rows[i].value);
    must(0, "queue show default");
    says("state      active\n");
    says("running    1 on 1 workers\n");
    must(0, "queue stats default");
    says("default ");

    must(0, "queue pause default --by 'ann: \x1b[5m'");
    says("by ann: ?[5m\n");
    bool is_paused = false;
    assert_ok(queue_is_paused(f->q, f->r, &is_paused));
    assert_true(is_paused);
    must(0, "queue resume default --json");
    AUTO_JSON resumed = parsed();
    assert_true(json_is_false(json_object_get(resumed, "is_paused")));
}

static void test_purge(void **state)
{
    struct queue_fixture *f = *state;
    (void)known_jobs(f);
    must(1, "queue purge default --state queued </dev/null");
    FILE *refused = begin("queue purge default --state queued <<EOF\nno\nEOF\n");
    assert_int_equal(finish(refused), 1);
    says("nothing was removed");
    struct queue_stats stats;
    assert_ok(queue_stats_get(f->q, f->r, &stats));
    assert_int_equal(stats.delayed, 1);
    must(0, "queue purge default --state delayed --yes");
    says("1 removed\n");
    FILE *asked = begin("queue purge default --state dead --json <<EOF\nyes\nEOF\n");
    assert_int_equal(finish(asked), 0);
    must(0, "queue show default --json");
    AUTO_JSON one = parsed();
    assert_int_equal(number(one, "delayed"), 0);
    assert_int_equal(number(one, "dead"), 0);
    assert_int_equal(number(one, "depth"), 1);
}

static void test_jobs(void **state)
{
    struct queue_fixture *f = *state;
    const struct known k = known_jobs(f);
    must(0, "job list --json");
    AUTO_JSON all = parsed();
    assert_int_equal(json_array_size(all), 4);
    must(0, "job list --limit 3 --json");
    AUTO_JSON three = parsed();
    assert_int_equal(json_array_size(three), 3);
    must(0, "job list --queue default --state delayed --task queue.noop");
    says(k.delayed);
    says("due in 59m");
    assert_null(strstr(output, k.queued));
    must(0, "job list --task check.run --json");
    assert_string_equal(output, "[]\n");
    must(0, "job list --state dead");
    says("no ?[31mroute → host");

    const struct {
        const char *id, *state;
    } rows[] = {{k.running, "running"},
                {k.queued, "queued"},
                {k.delayed, "delayed"},
                {k.dead, "dead"},
                {k.gone, "succeeded"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        must(0, "job show %s --json", rows[i].id);
        AUTO_JSON one = parsed();
        assert_string_equal(text(one, "id"), rows[i].id);
        assert_string_equal(text(one, "state"), rows[i].state);
        assert_string_equal(text(one, "queue"), "default");
        must(0, "job show %s", rows[i].id);
        says(rows[i].state);
    }
    says("{\"n\":7}");
    assert_null(strstr(output, "priority"));
}

static void test_cancel_and_retry(void **state)
{
    struct queue_fixture *f = *state;
    const struct known k = known_jobs(f);
    must(0, "job cancel %s", k.delayed);
    says("cancelled\n");
    must(0, "job cancel %s", k.queued);
    says("dropped when its turn comes");
    must(0, "job cancel %s --json", k.running);
    says("{\"state\":\"running\"}\n");
    must(0, "job show %s", k.running);
    says("running, to be cancelled");
    must(1, "job cancel %s", k.gone);
    says("the job has ended: succeeded");
    must(1, "job cancel %s", k.dead);
    must(1, "job retry %s", k.queued);
    says("the job is queued");
    must(0, "job retry %s", k.dead);
    must(0, "job show %s --json", k.dead);
    AUTO_JSON one = parsed();
    assert_string_equal(text(one, "state"), "queued");
}

static void test_dead(void **state)
{
    struct queue_fixture *f = *state;
    const struct known k = known_jobs(f);
    must(0, "dead list --json");
    AUTO_JSON list = parsed();
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text(json_array_get(list, 0), "id"), k.dead);
    must(0, "dead show %s", k.dead);
    says("error       no ?[31mroute → host\n");
    must(1, "dead show %s", k.queued);
    must(1, "dead requeue %s", k.running);
    must(0, "dead requeue --all --task check.run --json");
    says("{\"requeued\":0}\n");
    must(0, "dead requeue --all --queue default");
    says("1 requeued\n");
    must(0, "dead list --json");
    assert_string_equal(output, "[]\n");
    assert_int_equal(queue_fixture_fetch(f, "w-é", 9), 2);
    queue_fixture_end(f, "w-é", 0, JOB_DEAD, "no");
    queue_fixture_end(f, "w-é", 1, JOB_DEAD, "no");
    must(0, "dead requeue %s", k.dead);
    must(0, "dead list --json");
    AUTO_JSON left = parsed();
    assert_int_equal(json_array_size(left), 1);
}

static void test_workers(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(queue_heartbeat(
        f->q, f->r, "w-é-1", "{\"host\":\"h\",\"pid\":71,\"concurrency\":8,\"running\":3}", 60000));
    assert_ok(queue_heartbeat(f->q, f->r, "odd", "not JSON", 60000));
    must(0, "worker list");
    says("WORKER  STATE  HOST  PID  RUNNING  CONCURRENCY  UP  VERSION  QUEUES\n");
    says("w-é-1   alive  h      71        3            8   -  -        default\n");
    must(0, "worker list --json --queue default");
    AUTO_JSON list = parsed();
    assert_int_equal(json_array_size(list), 2);
    must(0, "worker list --json --queue checks");
    assert_string_equal(output, "[]\n");
    assert_ok(queue_heartbeat(
        f->q, f->r, "h:9:boot",
        "{\"host\":\"h\",\"pid\":9,\"executors\":2,\"executor_bounds\":[0,8],\"processed\":12,"
        "\"processed_rate\":1.5,\"jobs\":[{\"id\":\"x\",\"task\":\"queue.sleep\",\"queue\":\"default\","
        "\"attempt\":2,\"since\":\"2026-01-01T00:00:00Z\",\"progress\":\"40 %\"}]}",
        60000));
    must(0, "worker show h:9");
    says("executors   2 of 0 to 8\n");
    says("processed   12, 1.50/s\n");
    says("x   default  queue.sleep        2 ");
    says("  40 %\n");
    must(0, "worker show h:9:boot --json");
    says("\"executors\":2");
    must(0, "worker show odd");
    says("state       gone\n");
    must(1, "worker show nobody");
}

static bool is_followed(struct queue_fixture *f)
{
    AUTO_REPLY reply = NULL;
    assert_ok(redis_do(f->r, &reply, "EXISTS", "{q:default:0}:tail"));
    return reply->integer == 1;
}

static void test_tail(void **state)
{
    struct queue_fixture *f = *state;
    FILE *tail = begin("job tail --count 3 --queue default --json");
    /* It sets the key that asks for events; the ones it may miss are made again. */
    for (int64_t until = kit_real_mono_ms() + 10000; kit_real_mono_ms() < until;) {
        char id[UUID_TEXT_BYTES];
        AUTO_REPLY reply = NULL;
        assert_ok(redis_do(f->r, &reply, "XLEN", "{q:default:0}:events"));
        if (reply->integer >= 20)
            break;
        put(f, 3600000, 0, id);
        struct uuid uuid;
        enum job_state state_now;
        assert_ok(uuid_parse(id, &uuid));
        if (is_followed(f))
            assert_ok(queue_cancel(f->q, f->r, &uuid, clock_wall_ms(), &state_now));
        (void)kit_wait(false, 50);
    }
    assert_int_equal(finish(tail), 0);
    size_t lines = 0;
    for (const char *s = output; (s = strchr(s, '\n')); s++)
        lines++;
    assert_int_equal(lines, 3);
    says("\"event\":\"cancelled\"");
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
        FILE *tail = begin(args);
        assert_true(kit_wait(is_followed(f), 10000));
        FILE *mark = fopen(go, "we");
        assert_non_null(mark);
        (void)fclose(mark);
        assert_int_equal(finish(tail), 0);
        assert_string_equal(output, "");
    }
}

static void test_top(void **state)
{
    struct queue_fixture *f = *state;
    (void)known_jobs(f);
    must(0, "top --once");
    says("\ndefault        1        1        1     1 ");
    says("\nw-é     alive  -        -  default\n");
    must(0, "top --json");
    AUTO_JSON frame = parsed();
    const json_t *queues = json_object_get(frame, "queues");
    assert_int_equal(json_array_size(queues), 2);
    assert_int_equal(number(json_array_get(queues, 1), "delayed"), 1);
    assert_int_equal(json_array_size(json_object_get(frame, "workers")), 1);
    must(1, "top </dev/null");
    says("wants a terminal");
}

/* A narrow terminal of its own (script), left by the key q: lines are cut, and all is put back. */
static void test_top_on_a_terminal(void **state)
{
    struct queue_fixture *f = *state;
    (void)known_jobs(f);
    char args[1024];
    (void)snprintf(
        args, sizeof(args),
        "--version; while printf q; do sleep 0.1; done 2>&- | timeout 20 script -qec \"stty cols 30 rows 12; "
        "TOCSIN_REDIS_URL='%s' '%s/tocsin' top; stty -a\" /dev/null",
        kit_redis(), getenv("TOCSIN_TEST_BIN"));
    assert_int_equal(finish(begin(args)), 0);
    says("\x1b[?1049h\x1b[?25l");
    says("QUEUE    WAITING  RUNNING  DE…\x1b[K");
    const char *left = strstr(output, "\x1b[?25h\x1b[?1049l");
    assert_non_null(left);
    assert_non_null(strstr(left, " icanon"));
    assert_non_null(strstr(left, " echo "));
}

static void test_enqueue(void **state)
{
    struct queue_fixture *f = *state;
    must(0, "job enqueue queue.noop '{\"n\":1}' --priority 0 --key k --key-limit 2 --expires 1h "
            "--attempts 2 --tenant t --keep 1m --json");
    AUTO_JSON first = parsed();
    assert_string_equal(text(first, "queue"), "default");
    assert_true(json_is_true(json_object_get(first, "is_new")));
    must(0, "job enqueue queue.noop --delay 1h --dedup d --queue elsewhere");
    says("-7");
    must(0, "job enqueue queue.noop --delay 1h --dedup d --queue elsewhere");
    says("  (was there already)\n");
    must(0, "job list --queue elsewhere --state delayed --json");
    AUTO_JSON delayed = parsed();
    assert_int_equal(json_array_size(delayed), 1);
    assert_int_equal(queue_fixture_fetch(f, "w", 9), 1);
    const struct job *job = &f->batch.jobs[0];
    assert_string_equal(job->args, "{\"n\":1}");
    assert_string_equal(job->key, "k");
    assert_string_equal(job->tenant, "t");
    assert_int_equal(job->priority, 0);
    assert_int_equal(job->key_limit, 2);
    assert_int_equal(job->max_attempts, 2);
    assert_int_equal(job->result_ttl_ms, 60000);
    assert_true(job->expires_at_ms > clock_wall_ms() + 3500000);
    must(1, "job enqueue queue.noop --wait --timeout 100ms");
    says("has not ended; see tocsin job show ");
    must(1, "job enqueue no.such");
    says("there is no task no.such; there are check.scheduled, ");
    /* Routes say where a task goes. */
    must(0,
         "--version; TOCSIN_REDIS_URL='%s' "
         "TOCSIN_TASK_ROUTES='queue.*=side' '%s/tocsin' job enqueue queue.noop --json",
         kit_redis(), getenv("TOCSIN_TEST_BIN"));
    says("\"queue\":\"side\"");
}

static void test_bad_arguments(void **state)
{
    static const struct {
        const char *args;
        int code;
    } rows[] = {
        {"queue", 2},
        {"queue list extra", 2},
        {"queue nothing", 2},
        {"queue show", 2},
        {"queue show nowhere", 1},
        {"queue show 'No Name'", 1},
        {"queue pause nowhere", 1},
        {"queue purge default", 2},
        {"queue purge default --state running", 2},
        {"job list --state odd", 2},
        {"job list --limit 0", 2},
        {"job list --limit x", 2},
        {"job list --queue nowhere", 1},
        {"job show", 2},
        {"job show 12", 2},
        {"job show 0199aaaa-0000-7000-8000-000000000000", 1},
        {"job cancel x", 2},
        {"job retry", 2},
        {"job tail --count -1", 2},
        {"job enqueue", 2},
        {"job enqueue queue.noop x", 1},
        {"job enqueue queue.noop '[1]'", 1},
        {"job enqueue queue.noop --priority 4", 2},
        {"job enqueue queue.noop --delay soon", 2},
        {"job enqueue queue.noop --key-limit 2", 2},
        {"job enqueue queue.noop --queue 'No Name'", 2},
        {"job enqueue queue.noop --wait --timeout 0", 2},
        {"job tail --queue nowhere", 1},
        {"dead requeue", 2},
        {"dead requeue x --all", 2},
        {"dead requeue x", 2},
        {"dead list --limit 99999999", 2},
        {"worker", 2},
        {"worker list all", 2},
        {"worker show", 2},
        {"top now", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        must(rows[i].code, "%s", rows[i].args);
    static const char *const commands[] = {"queue", "job", "dead", "worker", "top"};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        must(0, "%s --help", commands[i]);
        says("--json\n");
    }
    (void)state;
}

static void test_broken(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(redis_do(f->r, NULL, "SADD", "{q:default:0}:p1", "x"));
    must(0, "queue list");
    says("p1 is a set");
    must(0, "queue show default");
    says("broken     p1 is a set");
    must(0, "top --once");
    says("p1 is a set");
    must(0, "job list");
    must(0, "worker list");
    must(0, "dead list");
}

static void test_rates(void **state)
{
    must(0, "rate set default 10/1m --task queue.noop --burst 3");
    must(0, "rate set default 5/s --key example.com");
    must(0, "rate set default any --task queue.noop --key free");
    must(0, "rate set default 2/30s --each-key");
    static const char *const rows[] = {"10/1m00s", "5/1s", "example.com", "any", "2/30s", "(each)"};
    must(0, "rate list default");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        says(rows[i]);
    must(0, "rate remove default --key example.com");
    must(0, "rate list default --json");
    AUTO_JSON all = parsed();
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
        must(2, "%s", wrong[i]);
    must(1, "rate list nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_queue),   QUEUE_CASE(test_purge),
        QUEUE_CASE(test_jobs),    QUEUE_CASE(test_cancel_and_retry),
        QUEUE_CASE(test_dead),    QUEUE_CASE(test_workers),
        QUEUE_CASE(test_tail),    QUEUE_CASE(test_tail_ends_on_a_signal),
        QUEUE_CASE(test_top),     QUEUE_CASE(test_top_on_a_terminal),
        QUEUE_CASE(test_enqueue), QUEUE_CASE(test_bad_arguments),
        QUEUE_CASE(test_rates),   QUEUE_CASE(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
