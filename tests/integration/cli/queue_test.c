/* The commands about queues, jobs, dead letters and workers, on a live Redis. */
#include "tests/integration/cli/program.h"

#include <string.h>

#include "json/parse.h"
#include "queue/control.h"

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void test_queue(void **state)
{
    struct queue_fixture *f = *state;
    (void)program_known_jobs(f);
    program_must(0, "queue list");
    program_says("QUEUE    WAITING  RUNNING  DELAYED  DEAD  OLDEST  WORKERS  STATE\n");
    program_says("\ndefault        1        1        1     1 ");
    program_must(0, "queue list --json");
    AUTO_JSON list = program_parsed();
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(text(json_array_get(list, 0), "name"), "checks");
    program_must(0, "queue show default --json");
    AUTO_JSON one = program_parsed();
    static const struct {
        const char *key;
        int64_t value;
    } rows[] = {{"depth", 1}, {"in_flight", 1}, {"delayed", 1},
                {"dead", 1},  {"workers", 1},   {"succeeded_total", 1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(program_number(one, rows[i].key), rows[i].value);
    program_must(0, "queue show default");
    program_says("state      active\n");
    program_says("running    1 on 1 workers\n");
    program_must(0, "queue stats default");
    program_says("default ");

    program_must(0, "queue pause default --by 'ann: \x1b[5m'");
    program_says("by ann: ?[5m\n");
    assert_true(kit_queue_is_paused(f->q, f->r));
    program_must(0, "queue resume default --json");
    AUTO_JSON resumed = program_parsed();
    assert_true(json_is_false(json_object_get(resumed, "is_paused")));
}

static void test_purge(void **state)
{
    struct queue_fixture *f = *state;
    (void)program_known_jobs(f);
    program_must(1, "queue purge default --state queued </dev/null");
    FILE *refused = program_begin("queue purge default --state queued <<EOF\nno\nEOF\n");
    assert_int_equal(program_finish(refused), 1);
    program_says("nothing was removed");
    struct queue_stats stats;
    assert_ok(queue_stats_get(f->q, f->r, &stats));
    assert_int_equal(stats.delayed, 1);
    program_must(0, "queue purge default --state delayed --yes");
    program_says("1 removed\n");
    FILE *asked = program_begin("queue purge default --state dead --json <<EOF\nyes\nEOF\n");
    assert_int_equal(program_finish(asked), 0);
    program_must(0, "queue show default --json");
    AUTO_JSON one = program_parsed();
    assert_int_equal(program_number(one, "delayed"), 0);
    assert_int_equal(program_number(one, "dead"), 0);
    assert_int_equal(program_number(one, "depth"), 1);
}

static void test_jobs(void **state)
{
    struct queue_fixture *f = *state;
    const struct known k = program_known_jobs(f);
    program_must(0, "job list --json");
    AUTO_JSON all = program_parsed();
    assert_int_equal(json_array_size(all), 4);
    program_must(0, "job list --limit 3 --json");
    AUTO_JSON three = program_parsed();
    assert_int_equal(json_array_size(three), 3);
    program_must(0, "job list --queue default --state delayed --task queue.noop");
    program_says(k.delayed);
    program_says("due in 59m");
    assert_null(strstr(program.output, k.queued));
    program_must(0, "job list --task check.run --json");
    assert_string_equal(program.output, "[]\n");
    program_must(0, "job list --state dead");
    program_says("no ?[31mroute → host");

    const struct {
        const char *id, *state;
    } rows[] = {{k.running, "running"},
                {k.queued, "queued"},
                {k.delayed, "delayed"},
                {k.dead, "dead"},
                {k.gone, "succeeded"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        program_must(0, "job show %s --json", rows[i].id);
        AUTO_JSON one = program_parsed();
        assert_string_equal(text(one, "id"), rows[i].id);
        assert_string_equal(text(one, "state"), rows[i].state);
        assert_string_equal(text(one, "queue"), "default");
        program_must(0, "job show %s", rows[i].id);
        program_says(rows[i].state);
    }
    program_says("{\"n\":7}");
    assert_null(strstr(program.output, "priority"));
}

static void test_cancel_and_retry(void **state)
{
    struct queue_fixture *f = *state;
    const struct known k = program_known_jobs(f);
    program_must(0, "job cancel %s", k.delayed);
    program_says("cancelled\n");
    program_must(0, "job cancel %s", k.queued);
    program_says("dropped when its turn comes");
    program_must(0, "job cancel %s --json", k.running);
    program_says("{\"state\":\"running\"}\n");
    program_must(0, "job show %s", k.running);
    program_says("running, to be cancelled");
    program_must(1, "job cancel %s", k.gone);
    program_says("the job has ended: succeeded");
    program_must(1, "job cancel %s", k.dead);
    program_must(1, "job retry %s", k.queued);
    program_says("the job is queued");
    program_must(0, "job retry %s", k.dead);
    program_must(0, "job show %s --json", k.dead);
    AUTO_JSON one = program_parsed();
    assert_string_equal(text(one, "state"), "queued");
}

static void test_dead(void **state)
{
    struct queue_fixture *f = *state;
    const struct known k = program_known_jobs(f);
    program_must(0, "dead list --json");
    AUTO_JSON list = program_parsed();
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text(json_array_get(list, 0), "id"), k.dead);
    program_must(0, "dead show %s", k.dead);
    program_says("error       no ?[31mroute → host\n");
    program_must(1, "dead show %s", k.queued);
    program_must(1, "dead requeue %s", k.running);
    program_must(0, "dead requeue --all --task check.run --json");
    program_says("{\"requeued\":0}\n");
    program_must(0, "dead requeue --all --queue default");
    program_says("1 requeued\n");
    program_must(0, "dead list --json");
    assert_string_equal(program.output, "[]\n");
    assert_int_equal(queue_fixture_fetch(f, "w-é", 9), 2);
    queue_fixture_end(f, "w-é", 0, JOB_DEAD, "no");
    queue_fixture_end(f, "w-é", 1, JOB_DEAD, "no");
    program_must(0, "dead requeue %s", k.dead);
    program_must(0, "dead list --json");
    AUTO_JSON left = program_parsed();
    assert_int_equal(json_array_size(left), 1);
}

static void test_workers(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(queue_heartbeat(
        f->q, f->r, "w-é-1", "{\"host\":\"h\",\"pid\":71,\"concurrency\":8,\"running\":3}", 60000));
    assert_ok(queue_heartbeat(f->q, f->r, "odd", "not JSON", 60000));
    program_must(0, "worker list");
    program_says("WORKER  STATE  HOST  PID  RUNNING  CONCURRENCY  UP  VERSION  QUEUES\n");
    program_says("w-é-1   alive  h      71        3            8   -  -        default\n");
    program_must(0, "worker list --json --queue default");
    AUTO_JSON list = program_parsed();
    assert_int_equal(json_array_size(list), 2);
    program_must(0, "worker list --json --queue checks");
    assert_string_equal(program.output, "[]\n");
    assert_ok(queue_heartbeat(
        f->q, f->r, "h:9:boot",
        "{\"host\":\"h\",\"pid\":9,\"executors\":2,\"executor_bounds\":[0,8],\"processed\":12,"
        "\"processed_rate\":1.5,\"jobs\":[{\"id\":\"x\",\"task\":\"queue.sleep\",\"queue\":\"default\","
        "\"attempt\":2,\"since\":\"2026-01-01T00:00:00Z\",\"progress\":\"40 %\"}]}",
        60000));
    program_must(0, "worker show h:9");
    program_says("executors   2 of 0 to 8\n");
    program_says("processed   12, 1.50/s\n");
    program_says("x   default  queue.sleep        2 ");
    program_says("  40 %\n");
    program_must(0, "worker show h:9:boot --json");
    program_says("\"executors\":2");
    program_must(0, "worker show odd");
    program_says("state       gone\n");
    program_must(1, "worker show nobody");
}

static void test_enqueue(void **state)
{
    struct queue_fixture *f = *state;
    program_must(
        0, "job enqueue queue.noop '{\"n\":1}' --priority 0 --key k --key-limit 2 --expires 1h "
           "--attempts 2 --tenant t --keep 1m --json");
    AUTO_JSON first = program_parsed();
    assert_string_equal(text(first, "queue"), "default");
    assert_true(json_is_true(json_object_get(first, "is_new")));
    program_must(0, "job enqueue queue.noop --delay 1h --dedup d --queue elsewhere");
    program_says("-7");
    program_must(0, "job enqueue queue.noop --delay 1h --dedup d --queue elsewhere");
    program_says("  (was there already)\n");
    program_must(0, "job list --queue elsewhere --state delayed --json");
    AUTO_JSON delayed = program_parsed();
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
    program_must(1, "job enqueue queue.noop --wait --timeout 100ms");
    program_says("has not ended; see tocsin job show ");
    program_must(1, "job enqueue no.such");
    program_says("there is no task no.such; there are check.scheduled, ");
    /* Routes say where a task goes. */
    program_must(0,
                 "--version; TOCSIN_REDIS_URL='%s' "
                 "TOCSIN_TASK_ROUTES='queue.*=side' '%s/tocsin' job enqueue queue.noop --json",
                 kit_redis(), getenv("TOCSIN_TEST_BIN"));
    program_says("\"queue\":\"side\"");
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
        program_must(rows[i].code, "%s", rows[i].args);
    static const char *const commands[] = {"queue", "job", "dead", "worker", "top"};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        program_must(0, "%s --help", commands[i]);
        program_says("--json\n");
    }
    (void)state;
}

static void test_broken(void **state)
{
    struct queue_fixture *f = *state;
    assert_ok(redis_do(f->r, NULL, "SADD", "{q:default:0}:p1", "x"));
    program_must(0, "queue list");
    program_says("p1 is a set");
    program_must(0, "queue show default");
    program_says("broken     p1 is a set");
    program_must(0, "top --once");
    program_says("p1 is a set");
    program_must(0, "job list");
    program_must(0, "worker list");
    program_must(0, "dead list");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUEUE_CASE(test_queue),   QUEUE_CASE(test_purge),
        QUEUE_CASE(test_jobs),    QUEUE_CASE(test_cancel_and_retry),
        QUEUE_CASE(test_dead),    QUEUE_CASE(test_workers),
        QUEUE_CASE(test_enqueue), QUEUE_CASE(test_bad_arguments),
        QUEUE_CASE(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
