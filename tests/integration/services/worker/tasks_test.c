/* What becomes of jobs whose tasks behave well and badly. */
#include "tests/integration/services/worker/tasks_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "json/parse.h"
#include "queue/control.h"
#include "queue/group.h"
#include "services/worker/executor.h"
#include "services/worker/tasks/task.h"
#include "tests/kit/queue.h"

/* --- bad jobs --- */

/* An entry as it is, `version` in its envelope. */
static void put_raw(const struct job *job, char version)
{
    AUTO_BUF envelope;
    struct rargs args;
    buf_init(&envelope, 1 << 20);
    job_pack(job, &envelope);
    assert_ok(buf_status(&envelope));
    envelope.data[1] = version; /* behind the head of a short array */
    rargs_init(&args, "XADD");
    rargs_str(&args, queue_stream_key(tf.q, 2));
    rargs_str(&args, "*");
    rargs_str(&args, "j");
    rargs_bytes(&args, envelope.data, envelope.len);
    assert_ok(redis_call(tf.redis, &args, NULL));
}

static bool is_dead_letter(const char *reason)
{
    struct job_page page;
    arena_reset(tf.arena);
    assert_ok(kit_jobs_list(tf.q, tf.redis, JOB_DEAD, NULL, 100, tf.arena, &page));
    for (size_t i = 0; i < page.count; i++) {
        if (page.jobs[i].error && strstr(page.jobs[i].error, reason))
            return true;
    }
    return false;
}

static void each_bad_job_ends_in_a_state_that_shows(void **state)
{
    static const struct {
        const char *task, *args;
        enum job_state state;
        const char *error, *result;
    } table[] = {
        {"test.nobody", "{}", JOB_DEAD, "this worker does not know the task", NULL},
        {"queue.noop", "{\"a\":", JOB_DEAD, "arguments: ", NULL},
        {"queue.noop", "", JOB_DEAD, "arguments: ", NULL},
        {"queue.noop", "[1]", JOB_DEAD, "arguments: not a JSON object", NULL},
        {"queue.sleep", "{\"seconds\":\"x\"}", JOB_DEAD, "arguments: seconds: ", NULL},
        {"queue.sleep", "{\"seconds\":-1}", JOB_DEAD, "arguments: seconds: ", NULL},
        {"queue.sleep", "{}", JOB_DEAD, "arguments: seconds: ", NULL},
        {"queue.sleep", "{\"seconds\":0.01,\"x\":1}", JOB_DEAD, "arguments: x: ", NULL},
        {"queue.sleep", "{\"seconds\":0.01}", JOB_SUCCEEDED, NULL, "{\"slept\":0.01}"},
        {"queue.fail", "{\"message\":\"no luck\"}", JOB_DEAD, "no luck", NULL},
        {"test.crash", "{\"how\":\"segv\"}", JOB_DEAD,
         "executor ended by signal 11 (Segmentation fault)", NULL},
        {"test.crash", "{\"how\":\"abort\"}", JOB_DEAD, "executor ended by signal 6 (Aborted)",
         NULL},
        {"test.crash", "{\"how\":\"kill\"}", JOB_DEAD, "executor ended by signal 9 (Killed", NULL},
        {"test.crash", "{}", JOB_DEAD, "executor exited with status 3", NULL},
        {"test.hang", "{}", JOB_DEAD, "ran into its time limit of 0.3 s", NULL},
        {"test.big", "{}", JOB_DEAD, "the result is larger than 65536 bytes", NULL},
        {"test.odd", "{}", JOB_DEAD, "half a letter: ?", NULL},
        {"test.files", "{}", JOB_SUCCEEDED, NULL, NULL},
    };
    struct uuid ids[ARRAY_LEN(table)];
    tf_spawn(NULL);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        ids[i] = tf_put(table[i].task, table[i].args);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        tf_must_end(table[i].args, &ids[i], table[i].state, table[i].error, table[i].result);

    struct job late = tf_make("queue.noop", "{}");
    late.expires_at_ms = clock_wall_ms() - 1;
    assert_ok(queue_enqueue(tf.q, tf.redis, &late));
    tf_must_end("expired", &late.id, JOB_EXPIRED, NULL, NULL);
    tf_stop(SIGTERM);
    /* One that expires while it waits for an executor. */
    static const char *const one[] = {"WORKER_EXECUTORS=1", NULL};
    tf_spawn(one);
    struct job first = tf_make("queue.sleep", "{\"seconds\":0.5}"),
               second = tf_make("queue.noop", "{}");
    first.enqueued_at_ms = second.enqueued_at_ms = clock_wall_ms();
    second.expires_at_ms = clock_wall_ms() + 250;
    assert_ok(queue_enqueue(tf.q, tf.redis, &first));
    assert_ok(queue_enqueue(tf.q, tf.redis, &second));
    tf_must_end("expires in hand", &second.id, JOB_EXPIRED, NULL, NULL);
    tf_stop(SIGTERM);
    tf_spawn(NULL);
    struct job slow = tf_make("test.polite", "{}");
    slow.soft_limit_ms = 50;
    assert_ok(queue_enqueue(tf.q, tf.redis, &slow));
    tf_must_end("soft limit", &slow.id, JOB_DEAD, "ran into its soft time limit of 0.0 s", NULL);

    /* Larger than it may be: refused, and when somebody else wrote it, set aside. */
    char *args = calloc(1, LIMIT_JOB_ARGS_BYTES + 16);
    assert_non_null(args);
    memset(args, ' ', LIMIT_JOB_ARGS_BYTES + 8);
    struct job large = tf_make("queue.noop", args);
    assert_status(ST_TOO_LARGE, queue_enqueue(tf.q, tf.redis, &large));
    put_raw(&large, JOB_VERSION);
    assert_true(kit_wait(is_dead_letter("undecodable: args is too long"), WAIT_MS));
    free(args);
    struct job newer = tf_make("queue.noop", "{}");
    put_raw(&newer, JOB_VERSION + 1);
    assert_true(kit_wait(is_dead_letter("version 2 is newer than this program's 1"), WAIT_MS));
    assert_ok(redis_do(tf.redis, NULL, "XADD", queue_stream_key(tf.q, 2), "*", "nonsense", "1"));
    assert_true(kit_wait(is_dead_letter("undecodable: "), WAIT_MS));

    /* The same job twice has its effect once. */
    struct job twice = tf_make("test.ledger", "{}");
    put_raw(&twice, JOB_VERSION);
    put_raw(&twice, JOB_VERSION);
    tf_must_end("twice", &twice.id, JOB_SUCCEEDED, NULL, NULL);
    assert_true(kit_wait(kit_sql_i64(tf.db, "SELECT count(*) FROM runs") == 2, WAIT_MS));
    assert_int_equal(kit_sql_i64(tf.db, "SELECT count(*) FROM effects"), 1);
    tf_must_work();
    tf_stop(SIGTERM);
}

static void executors_inherit_nothing(void **state)
{
    tf_spawn(NULL);
    const struct uuid id = tf_put("test.files", "{}");
    assert_int_equal(tf_result_of(&id), EXECUTOR_FD);
}

static void failures_are_tried_again(void **state)
{
    tf_spawn(NULL);
    struct job crash_twice = tf_make("test.crash", "{\"how\":\"segv\"}");
    struct job fail_once = tf_make("queue.fail", "{\"times\":1}");
    struct job final = tf_make("queue.fail", "{\"final\":true}");
    crash_twice.max_attempts = 2;
    fail_once.max_attempts = final.max_attempts = 3;
    assert_ok(queue_enqueue(tf.q, tf.redis, &crash_twice));
    assert_ok(queue_enqueue(tf.q, tf.redis, &fail_once));
    assert_ok(queue_enqueue(tf.q, tf.redis, &final));
    tf_must_end("final", &final.id, JOB_DEAD, "failed as asked", NULL);
    tf_must_end("crash", &crash_twice.id, JOB_DEAD, "signal 11", NULL);
    tf_must_end("once", &fail_once.id, JOB_SUCCEEDED, NULL, NULL);
    struct job_view view;
    assert_int_equal(tf_state_of(&crash_twice.id, &view), JOB_DEAD);
    assert_int_equal(view.job.attempt, 2);
    assert_int_equal(tf_state_of(&final.id, &view), JOB_DEAD);
    assert_int_equal(view.job.attempt, 1);
}

static void chains_and_groups_go_on(void **state)
{
    char name[GROUP_NAME_BYTES];
    struct job chain[] = {tf_make("queue.noop", "{}"), tf_make("queue.echo", "{\"end\":1}")};
    struct job all = tf_make("queue.echo", "{\"all\":1}");
    tf_spawn(NULL);
    assert_ok(job_chain_make(chain, 2, tf.arena));
    assert_ok(queue_enqueue(tf.q, tf.redis, &chain[0]));
    tf_must_end("chain", &chain[1].id, JOB_SUCCEEDED, NULL, "\"end\":1");
    const struct group group = {.id = uuid_new(), .queue = "default", .total = 2, .callback = &all};
    assert_ok(queue_group_create(tf.redis, &group, name));
    for (int i = 0; i < 2; i++) {
        struct job member = tf_make("queue.noop", "{}");
        member.group = name;
        assert_ok(queue_enqueue(tf.q, tf.redis, &member));
    }
    tf_must_end("group", &all.id, JOB_SUCCEEDED, NULL, "\"all\":1");

    struct job unknown[] = {tf_make("queue.noop", "{}"), tf_make("queue.noop", "{}")};
    unknown[1].task = "queue.of_tomorrow";
    assert_ok(job_chain_make(unknown, 2, tf.arena));
    assert_ok(queue_enqueue(tf.q, tf.redis, &unknown[0]));
    tf_must_end("unknown", &unknown[1].id, JOB_DEAD, "does not know the task", NULL);
}

/* The end of a job whose successor meets a full queue waits for room; it keeps no other job. */
static void a_full_queue_holds_one_job(void **state)
{
    (void)state;
    struct job chain[] = {tf_make("queue.noop", "{}"), tf_make("check.run", "{}")};
    char priority[] = {(char)('0' + chain[1].priority), '\0'};
    const char *lines = "{q:checks:0}:lines"; /* how many wait in tenants' lines: full */
    AUTO_REPLY added = NULL;
    char limit[16];
    chain[1].tenant = "somebody";
    (void)snprintf(limit, sizeof(limit), "%d", LIMIT_QUEUE_LENGTH);
    assert_ok(redis_do(tf.redis, NULL, "HSET", lines, priority, limit));
    tf_spawn(NULL);
    assert_ok(job_chain_make(chain, 2, tf.arena));
    assert_ok(queue_enqueue(tf.q, tf.redis, &chain[0]));
    for (int i = 0; i < 3; i++) {
        const struct uuid id = tf_put("queue.noop", "{}");
        tf_must_end("beside it", &id, JOB_SUCCEEDED, NULL, NULL);
    }
    assert_true(tf_is_in(&chain[0].id, JOB_RUNNING));
    assert_ok(redis_do(tf.redis, NULL, "HDEL", lines, priority));
    tf_must_end("held", &chain[0].id, JOB_SUCCEEDED, NULL, NULL);
    assert_ok(redis_do(tf.redis, &added, "HGET", "{q:checks:0}:stats", "enqueued"));
    assert_string_equal(added->str, "1");
}

/* What follows a job is somebody's text: when it makes no sense, the job is done all the same. */
static void what_cannot_follow_keeps_nobody(void **state)
{
    static const struct {
        const char *group, *chain;
    } table[] = {
        {"nonsense", NULL},
        {"No Queue/01890000-0000-7000-8000-000000000000", NULL},
        {"default/01890000-0000-7000-8000-000000000000", NULL},
        {NULL, "nonsense"},
        {NULL, "91c403616263"},
    };
    tf_spawn(NULL);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct job job = tf_make("queue.noop", "{}");
        job.group = table[i].group;
        job.chain = table[i].chain;
        assert_ok(queue_enqueue(tf.q, tf.redis, &job));
        tf_must_end("follow", &job.id, JOB_SUCCEEDED, NULL, NULL);
    }
    tf_must_work();
}

/* --- cancel --- */

static void must_cancel(const struct uuid *id)
{
    enum job_state now = JOB_QUEUED;
    assert_true(kit_wait(tf_is_in(id, JOB_RUNNING), WAIT_MS));
    assert_true(kit_wait(tf_executor_count() > 0, WAIT_MS));
    assert_ok(queue_cancel(tf.q, tf.redis, id, clock_wall_ms(), &now));
}

static void a_running_job_is_cancelled(void **state)
{
    char file[256], args[512];
    tf_spawn(NULL);
    const struct uuid soft = tf_put("test.polite", "{}");
    must_cancel(&soft);
    tf_must_end("polite", &soft, JOB_CANCELLED, NULL, NULL);
    /* One that does not listen is killed, with what it started. */
    (void)snprintf(file, sizeof(file), "%s/child", kit_dir());
    (void)snprintf(args, sizeof(args), "{\"file\":\"%s\"}", file);
    struct job deaf = tf_make("test.hang", args);
    deaf.time_limit_ms = 60000;
    assert_ok(queue_enqueue(tf.q, tf.redis, &deaf));
    int child = 0;
    assert_true(kit_wait(({
                             FILE *f = fopen(file, "re");
                             if (f) {
                                 if (fscanf(f, "%d", &child) != 1)
                                     child = 0;
                                 (void)fclose(f);
                             }
                             child > 0;
                         }),
                         WAIT_MS));
    must_cancel(&deaf.id);
    tf_must_end("deaf", &deaf.id, JOB_CANCELLED, NULL, NULL);
    assert_true(kit_wait(tf_is_dead(child), WAIT_MS));
    tf_must_work();
    tf_stop(SIGTERM);
}

/* --- what a worker says of itself --- */

static void workers_say_what_they_do(void **state)
{
    tf_spawn(NULL);
    tf_must_work();
    const struct uuid id = tf_put("test.polite", "{}");
    json_t *info = NULL;
    assert_true(
        kit_wait(({
                     struct worker_view *views = NULL;
                     size_t count = 0;
                     json_decref(info);
                     info = NULL;
                     arena_reset(tf.arena);
                     assert_ok(queue_workers_list(tf.q, tf.redis, tf.arena, &views, &count));
                     if (count == 1 && views[0].info)
                         assert_ok(json_parse(views[0].info, strlen(views[0].info), &info, NULL));
                     const json_t *jobs = json_object_get(info, "jobs");
                     json_string_length(json_object_get(json_array_get(jobs, 0), "progress")) > 0;
                 }),
                 WAIT_MS));
    const json_t *job = json_array_get(json_object_get(info, "jobs"), 0);
    char text[UUID_TEXT_BYTES];
    uuid_format(&id, text);
    assert_string_equal(json_string_value(json_object_get(job, "id")), text);
    assert_string_equal(json_string_value(json_object_get(job, "task")), "test.polite");
    assert_string_equal(json_string_value(json_object_get(job, "queue")), "default");
    assert_string_equal(json_string_value(json_object_get(job, "progress")), "waiting");
    assert_true(json_is_string(json_object_get(job, "since")));
    assert_int_equal(json_integer_value(json_object_get(info, "pid")), tf.worker);
    assert_int_equal(json_integer_value(json_object_get(info, "running")), 1);
    assert_int_equal(json_integer_value(json_object_get(info, "processed")), 1);
    assert_true(json_real_value(json_object_get(info, "processed_rate")) >= 0);
    json_decref(info);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TASK_CASE(each_bad_job_ends_in_a_state_that_shows),
        TASK_CASE(executors_inherit_nothing),
        TASK_CASE(failures_are_tried_again),
        TASK_CASE(chains_and_groups_go_on),
        TASK_CASE(a_full_queue_holds_one_job),
        TASK_CASE(what_cannot_follow_keeps_nobody),
        TASK_CASE(a_running_job_is_cancelled),
        TASK_CASE(workers_say_what_they_do),
    };
    return tf_main(argc, argv, tests, ARRAY_LEN(tests));
}
