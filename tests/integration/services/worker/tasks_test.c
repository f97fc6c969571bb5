/*
 * Tasks in executors: real worker processes with tasks that behave badly. This program is the test,
 * and with --worker a worker that knows these tasks, and with --executor one of its executors.
 */
#include "services/worker/tasks/task.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "daemon/daemon.h"
#include "json/parse.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "services/worker/executor.h"
#include "services/worker/worker.h"
#include "tests/kit/kit.h"

extern char **environ;

enum { WAIT_MS = 20000, LIMIT_MS = 300, ARENA_BYTES = 64 << 20 };

/* --- tasks that are not for the product --- */

static const char *text_arg(struct task_run *t, const char *name)
{
    const char *text = json_string_value(json_object_get(t->args_json, name));
    return text ? text : "";
}

static enum status crash(struct task_run *t)
{
    const char *how = text_arg(t, "how");
    (void)signal(SIGSEGV, SIG_DFL); /* also where a sanitizer would write a report */
    (void)signal(SIGABRT, SIG_DFL);
    if (str_eq(how, "segv"))
        (void)raise(SIGSEGV);
    if (str_eq(how, "abort"))
        (void)raise(SIGABRT);
    if (str_eq(how, "kill"))
        (void)raise(SIGKILL);
    _exit(3);
}

/* With a child of its own, which says who it is in a file. */
static enum status hang(struct task_run *t)
{
    const char *file = text_arg(t, "file");
    const pid_t child = file[0] ? fork() : 0;
    if (child > 0) {
        FILE *f = fopen(file, "we");
        if (f) {
            (void)fprintf(f, "%d\n", (int)child);
            (void)fclose(f);
        }
    }
    while (pause() != 0) {
    }
    return ST_OK;
}

static enum status polite(struct task_run *t)
{
    task_progress(t, "waiting");
    while (task_sleep(t, 60000)) {
    }
    return ST_STOPPED;
}

/* Counts how often it ran, and has its effect once. */
static enum status ledger(struct task_run *t)
{
    struct db *d = task_db(t);
    char id[UUID_TEXT_BYTES], sql[256];
    if (!d)
        return ST_NO_MEMORY;
    uuid_format(&t->job->id, id);
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO runs VALUES ('%s');"
                   "INSERT INTO effects VALUES ('%s') ON CONFLICT DO NOTHING",
                   id, id);
    TRY(db_exec(d, sql));
    (void)task_sleep(t, json_integer_value(json_object_get(t->args_json, "linger_ms")));
    return ST_OK;
}

static enum status big(struct task_run *t)
{
    struct jw *w = task_result(t);
    jw_array(w);
    for (int i = 0; i < 20000; i++)
        jw_i64(w, i);
    jw_end(w);
    return ST_OK;
}

static enum status odd(struct task_run *t)
{
    /* A transaction and half a letter are left behind. */
    struct db *d = task_db(t);
    if (!d || db_begin(d) != ST_OK)
        return ST_NO_MEMORY;
    return task_fail(t, ST_INVALID, "half a letter: \xc3");
}

/* What it inherited. */
static enum status files(struct task_run *t)
{
    DIR *dir = opendir("/proc/self/fd");
    int highest = 0;
    if (!dir)
        return ST_IO;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        int64_t fd = 0;
        char path[64], to[256];
        if (str_to_i64(e->d_name, &fd) != ST_OK || fd == dirfd(dir))
            continue;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", (int)fd);
        const ssize_t n = readlink(path, to, sizeof(to) - 1);
        to[n > 0 ? n : 0] = '\0';
        if (str_starts(to, "socket:"))
            highest = MAX_OF(highest, (int)fd);
    }
    (void)closedir(dir);
    jw_i64(task_result(t), highest);
    return ST_OK;
}

static enum status grow(struct task_run *t)
{
    const size_t bytes = 64 << 20, page = 4096;
    volatile char *p = malloc(bytes); /* kept */
    if (!p)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < bytes; i += page)
        p[i] = 1;
    jw_i64(task_result(t), getpid());
    return ST_OK;
}

static const struct task_handler handlers[] = {
    {"test.crash", crash}, {"test.hang", hang}, {"test.polite", polite}, {"test.ledger", ledger},
    {"test.big", big},     {"test.odd", odd},   {"test.files", files},   {"test.grow", grow},
};
#define ROW(name_, limit, soft)                                                                    \
    {                                                                                              \
        .name = (name_), .queue = "default", .priority = 2, .max_attempts = 1, .retry_base_ms = 1, \
        .retry_cap_ms = 2, .time_limit_ms = (limit), .soft_limit_ms = (soft),                      \
        .result_ttl_ms = 600000                                                                    \
    }
static const struct task rows[] = {
    ROW("test.crash", 60000, 0),  ROW("test.hang", LIMIT_MS, 0), ROW("test.polite", 60000, 0),
    ROW("test.ledger", 60000, 0), ROW("test.big", 60000, 0),     ROW("test.odd", 60000, 0),
    ROW("test.files", 60000, 0),  ROW("test.grow", 60000, 0),    ROW("test.nobody", 60000, 0),
};

/* --- worker processes --- */

static enum status start_worker(struct daemon *d, void **state, struct errbuf *err)
{
    struct worker *w = NULL;
    TRY(worker_start(&d->conf, &w, err));
    *state = w;
    return ST_OK;
}

static void stop_worker(void *state, int64_t grace_ms)
{
    worker_stop(state, grace_ms);
}

static const struct service service = {
    .name = "worker", .bit = SVC_WORKER, .start = start_worker, .stop = stop_worker};

static const char *database, *redis_url;
static struct db *db;
static struct redis *redis;
static struct queue *q, *side;
static struct arena *arena;
static pid_t worker; /* 0: none */

/* With settings beside the usual: "NAME=value", ends with NULL. */
static void spawn(const char *const *settings)
{
    char text[16][1024];
    char *env[ARRAY_LEN(text) + 1] = {NULL};
    char program[] = "tocsin-worker", option[] = "--worker";
    char *argv[] = {program, option, NULL};
    const char *const usual[] = {"HEALTH_PORT=0",        "WORKER_LEASE=600ms",
                                 "WORKER_EXECUTORS=0,4", "WORKER_QUEUES=default,side",
                                 "EXECUTOR_GRACE=100ms", "DRAIN_GRACE=100ms",
                                 "LOG_LEVEL=error"};
    size_t n = 0;
    (void)snprintf(text[n++], sizeof(text[0]), "TOCSIN_DATABASE_URL=%s", database);
    (void)snprintf(text[n++], sizeof(text[0]), "TOCSIN_REDIS_URL=%s", redis_url);
    for (size_t i = 0; settings && settings[i]; i++)
        (void)snprintf(text[n++], sizeof(text[0]), "TOCSIN_%s", settings[i]);
    /* getenv finds the first. */
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        (void)snprintf(text[n++], sizeof(text[0]), "TOCSIN_%s", usual[i]);
    for (size_t i = 0; i < n; i++)
        env[i] = text[i];
    assert_int_equal(posix_spawn(&worker, "/proc/self/exe", NULL, NULL, argv, env), 0);
}

static int reap(void)
{
    int status = 0;
    const int64_t began = kit_real_mono_ms();
    while (waitpid(worker, &status, WNOHANG) == 0) {
        if (kit_real_mono_ms() - began > WAIT_MS)
            fail_msg("the worker does not end");
        kit_pause();
    }
    worker = 0;
    return status;
}

static void stop(int signal_number)
{
    assert_int_equal(kill(worker, signal_number), 0);
    const int status = reap();
    if (signal_number == SIGTERM && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("the worker ended with status %d", status);
}

/* Gone, or only waiting for somebody to ask how it ended. */
static bool is_dead(pid_t pid)
{
    char path[64], text[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return true;
    const size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    const char *state = n > 0 ? strrchr(text, ')') : NULL;
    return !state || str_starts(state, ") Z") || str_starts(state, ") X");
}

/* Children of the worker, into pids[8]. */
static size_t executors(pid_t *pids)
{
    char path[64], text[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)worker);
    DIR *dir = opendir(path);
    size_t count = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)worker, e->d_name);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        const size_t n = fread(text, 1, sizeof(text) - 1, f);
        (void)fclose(f);
        text[n] = '\0';
        char *rest = text;
        for (char *word; (word = strsep(&rest, " ")) != NULL;) {
            int64_t pid = 0;
            if (str_to_i64(word, &pid) == ST_OK && count < 8 && !is_dead((pid_t)pid))
                pids[count++] = (pid_t)pid;
        }
    }
    (void)closedir(dir);
    return count;
}

static size_t executor_count(void)
{
    pid_t pids[8];
    return executors(pids);
}

/* --- jobs --- */

static struct job make(const char *task, const char *args)
{
    struct job job;
    assert_ok(job_init(&job, task, args, clock_wall_ms()));
    job.max_attempts = 1;
    job.result_ttl_ms = 600000;
    return job;
}

static struct uuid put(const char *task, const char *args)
{
    const struct job job = make(task, args);
    assert_ok(queue_enqueue(q, redis, &job));
    return job.id;
}

static enum job_state state_of(const struct uuid *id, struct job_view *view)
{
    arena_reset(arena);
    const enum status st = queue_job_get(q, redis, id, arena, view);
    if (st == ST_NOT_FOUND)
        return JOB_STATE_COUNT_;
    assert_ok(st);
    return view->state;
}

static bool is_in(const struct uuid *id, enum job_state state)
{
    struct job_view view;
    return state_of(id, &view) == state;
}

/* Waits for its end; texts are valid till the next look at a job. */
static void must_end(const char *what, const struct uuid *id, enum job_state state,
                     const char *error, const char *result)
{
    struct job_view view = {.state = JOB_STATE_COUNT_};
    if (!kit_wait(state_of(id, &view) == state, WAIT_MS))
        fail_msg("%s: state %d, not %s: %s", what, (int)view.state, job_state_name(state),
                 view.error ? view.error : "");
    if (error && (!view.error || !strstr(view.error, error)))
        fail_msg("%s: error \"%s\", not \"%s\"", what, view.error ? view.error : "", error);
    if (result && (!view.result || !strstr(view.result, result)))
        fail_msg("%s: result %s, not %s", what, view.result ? view.result : "none", result);
}

/* The number that a job's result is. */
static int64_t result_of(const struct uuid *id)
{
    struct job_view view;
    int64_t n = 0;
    must_end("result", id, JOB_SUCCEEDED, NULL, NULL);
    assert_int_equal(state_of(id, &view), JOB_SUCCEEDED);
    assert_ok(str_to_i64(view.result, &n));
    return n;
}

static void must_work(void)
{
    const struct uuid id = put("queue.echo", "{\"is\":\"alive\"}");
    must_end("queue.echo", &id, JOB_SUCCEEDED, NULL, "{\"args\":{\"is\":\"alive\"},\"attempt\":1,");
}

/* --- setting up --- */

static int setup(void **state)
{
    json_setup();
    (void)signal(SIGPIPE, SIG_IGN);
    database = kit_database();
    redis_url = kit_redis();
    db = kit_db_open(database);
    redis = kit_redis_open(redis_url);
    arena = arena_new(ARENA_BYTES);
    kit_sql(db, "CREATE TABLE runs (id uuid); CREATE TABLE effects (id uuid PRIMARY KEY)");
    return queue_new("default", 0, &q) == ST_OK && queue_new("side", 0, &side) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    queue_free(q);
    queue_free(side);
    arena_free(arena);
    redis_free(redis);
    db_free(db);
    return 0;
}

static int begin(void **state)
{
    assert_ok(redis_do(redis, NULL, "FLUSHDB"));
    return 0;
}

static int end(void **state)
{
    if (worker > 0)
        stop(SIGKILL);
    return 0;
}

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
    rargs_str(&args, queue_stream_key(q, 2));
    rargs_str(&args, "*");
    rargs_str(&args, "j");
    rargs_bytes(&args, envelope.data, envelope.len);
    assert_ok(redis_call(redis, &args, NULL));
}

static bool is_dead_letter(const char *reason)
{
    struct job_page page;
    arena_reset(arena);
    assert_ok(queue_jobs_list(q, redis, JOB_DEAD, NULL, 100, arena, &page));
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
    spawn(NULL);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        ids[i] = put(table[i].task, table[i].args);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        must_end(table[i].args, &ids[i], table[i].state, table[i].error, table[i].result);

    struct job late = make("queue.noop", "{}");
    late.expires_at_ms = clock_wall_ms() - 1;
    assert_ok(queue_enqueue(q, redis, &late));
    must_end("expired", &late.id, JOB_EXPIRED, NULL, NULL);
    stop(SIGTERM);
    /* One that expires while it waits for an executor. */
    static const char *const one[] = {"WORKER_EXECUTORS=1", NULL};
    spawn(one);
    struct job first = make("queue.sleep", "{\"seconds\":0.5}"), second = make("queue.noop", "{}");
    first.enqueued_at_ms = second.enqueued_at_ms = clock_wall_ms();
    second.expires_at_ms = clock_wall_ms() + 250;
    assert_ok(queue_enqueue(q, redis, &first));
    assert_ok(queue_enqueue(q, redis, &second));
    must_end("expires in hand", &second.id, JOB_EXPIRED, NULL, NULL);
    stop(SIGTERM);
    spawn(NULL);
    struct job slow = make("test.polite", "{}");
    slow.soft_limit_ms = 50;
    assert_ok(queue_enqueue(q, redis, &slow));
    must_end("soft limit", &slow.id, JOB_DEAD, "ran into its soft time limit of 0.0 s", NULL);

    /* Larger than it may be: refused, and when somebody else wrote it, set aside. */
    char *args = calloc(1, LIMIT_JOB_ARGS_BYTES + 16);
    assert_non_null(args);
    memset(args, ' ', LIMIT_JOB_ARGS_BYTES + 8);
    struct job large = make("queue.noop", args);
    assert_status(ST_TOO_LARGE, queue_enqueue(q, redis, &large));
    put_raw(&large, JOB_VERSION);
    assert_true(kit_wait(is_dead_letter("undecodable: args is too long"), WAIT_MS));
    free(args);
    struct job newer = make("queue.noop", "{}");
    put_raw(&newer, JOB_VERSION + 1);
    assert_true(kit_wait(is_dead_letter("version 2 is newer than this program's 1"), WAIT_MS));
    assert_ok(redis_do(redis, NULL, "XADD", queue_stream_key(q, 2), "*", "nonsense", "1"));
    assert_true(kit_wait(is_dead_letter("undecodable: "), WAIT_MS));

    /* The same job twice has its effect once. */
    struct job twice = make("test.ledger", "{}");
    put_raw(&twice, JOB_VERSION);
    put_raw(&twice, JOB_VERSION);
    must_end("twice", &twice.id, JOB_SUCCEEDED, NULL, NULL);
    assert_true(kit_wait(kit_sql_i64(db, "SELECT count(*) FROM runs") == 2, WAIT_MS));
    assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM effects"), 1);
    must_work();
    stop(SIGTERM);
}

static void executors_inherit_nothing(void **state)
{
    spawn(NULL);
    const struct uuid id = put("test.files", "{}");
    assert_int_equal(result_of(&id), EXECUTOR_FD);
}

static void failures_are_tried_again(void **state)
{
    spawn(NULL);
    struct job crash_twice = make("test.crash", "{\"how\":\"segv\"}");
    struct job fail_once = make("queue.fail", "{\"times\":1}");
    struct job final = make("queue.fail", "{\"final\":true}");
    crash_twice.max_attempts = 2;
    fail_once.max_attempts = final.max_attempts = 3;
    assert_ok(queue_enqueue(q, redis, &crash_twice));
    assert_ok(queue_enqueue(q, redis, &fail_once));
    assert_ok(queue_enqueue(q, redis, &final));
    must_end("final", &final.id, JOB_DEAD, "failed as asked", NULL);
    must_end("crash", &crash_twice.id, JOB_DEAD, "signal 11", NULL);
    must_end("once", &fail_once.id, JOB_SUCCEEDED, NULL, NULL);
    struct job_view view;
    assert_int_equal(state_of(&crash_twice.id, &view), JOB_DEAD);
    assert_int_equal(view.job.attempt, 2);
    assert_int_equal(state_of(&final.id, &view), JOB_DEAD);
    assert_int_equal(view.job.attempt, 1);
}

static void chains_and_groups_go_on(void **state)
{
    char name[GROUP_NAME_BYTES];
    struct job chain[] = {make("queue.noop", "{}"), make("queue.echo", "{\"end\":1}")};
    struct job all = make("queue.echo", "{\"all\":1}");
    spawn(NULL);
    assert_ok(job_chain_make(chain, 2, arena));
    assert_ok(queue_enqueue(q, redis, &chain[0]));
    must_end("chain", &chain[1].id, JOB_SUCCEEDED, NULL, "\"end\":1");
    const struct group group = {.id = uuid_new(), .queue = "default", .total = 2, .callback = &all};
    assert_ok(queue_group_create(redis, &group, name));
    for (int i = 0; i < 2; i++) {
        struct job member = make("queue.noop", "{}");
        member.group = name;
        assert_ok(queue_enqueue(q, redis, &member));
    }
    must_end("group", &all.id, JOB_SUCCEEDED, NULL, "\"all\":1");

    struct job unknown[] = {make("queue.noop", "{}"), make("queue.noop", "{}")};
    unknown[1].task = "queue.of_tomorrow";
    assert_ok(job_chain_make(unknown, 2, arena));
    assert_ok(queue_enqueue(q, redis, &unknown[0]));
    must_end("unknown", &unknown[1].id, JOB_DEAD, "does not know the task", NULL);
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
    spawn(NULL);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct job job = make("queue.noop", "{}");
        job.group = table[i].group;
        job.chain = table[i].chain;
        assert_ok(queue_enqueue(q, redis, &job));
        must_end("follow", &job.id, JOB_SUCCEEDED, NULL, NULL);
    }
    must_work();
}

/* --- cancel --- */

static void must_cancel(const struct uuid *id)
{
    enum job_state now = JOB_QUEUED;
    assert_true(kit_wait(is_in(id, JOB_RUNNING), WAIT_MS));
    assert_true(kit_wait(executor_count() > 0, WAIT_MS));
    assert_ok(queue_cancel(q, redis, id, clock_wall_ms(), &now));
}

static void a_running_job_is_cancelled(void **state)
{
    char file[256], args[512];
    spawn(NULL);
    const struct uuid soft = put("test.polite", "{}");
    must_cancel(&soft);
    must_end("polite", &soft, JOB_CANCELLED, NULL, NULL);
    /* One that does not listen is killed, with what it started. */
    (void)snprintf(file, sizeof(file), "%s/child", kit_dir());
    (void)snprintf(args, sizeof(args), "{\"file\":\"%s\"}", file);
    struct job deaf = make("test.hang", args);
    deaf.time_limit_ms = 60000;
    assert_ok(queue_enqueue(q, redis, &deaf));
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
    must_end("deaf", &deaf.id, JOB_CANCELLED, NULL, NULL);
    assert_true(kit_wait(is_dead(child), WAIT_MS));
    must_work();
    stop(SIGTERM);
}

/* --- how many at a time --- */

static void executors_come_and_go(void **state)
{
    static const char *const settings[] = {"WORKER_EXECUTORS=1,3", "EXECUTOR_IDLE=200ms", NULL};
    struct uuid ids[6];
    spawn(settings);
    assert_true(kit_wait(executor_count() == 1, WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = put("queue.sleep", "{\"seconds\":0.4}");
    assert_true(kit_wait(executor_count() == 3, WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        must_end("sleep", &ids[i], JOB_SUCCEEDED, NULL, NULL);
    assert_true(kit_wait(executor_count() == 1, WAIT_MS));
    must_work();
    stop(SIGTERM);
}

static void executors_are_replaced(void **state)
{
    static const char *const by_jobs[] = {"WORKER_EXECUTORS=1", "EXECUTOR_JOBS=1", NULL};
    static const char *const by_memory[] = {"WORKER_EXECUTORS=1", "EXECUTOR_MEMORY=64", NULL};
    const char *const *const settings[] = {by_jobs, by_memory};
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        spawn(settings[i]);
        const struct uuid first = put("test.grow", "{}");
        const int64_t first_pid = result_of(&first);
        const struct uuid second = put("test.grow", "{}");
        assert_int_not_equal(result_of(&second), first_pid);
        assert_true(kit_wait(is_dead((pid_t)first_pid), WAIT_MS));
        stop(SIGTERM);
    }
}

/* Long jobs of one queue leave room for another. */
static void queues_do_not_shut_each_other_out(void **state)
{
    spawn(NULL);
    for (int i = 0; i < 8; i++) {
        const struct job job = make("test.polite", "{}");
        assert_ok(queue_enqueue(side, redis, &job));
    }
    assert_true(kit_wait(executor_count() >= 3, WAIT_MS));
    must_work();
    /* What waits for an executor is not kept from other workers. */
    struct queue_stats stats;
    assert_true(kit_wait(
        (queue_stats_get(side, redis, &stats) == ST_OK && stats.pending == 3 && stats.waiting == 5),
        WAIT_MS));
}

/* --- ends of workers --- */

static int64_t waiting(void)
{
    struct queue_stats stats;
    assert_ok(queue_stats_get(q, redis, &stats));
    return stats.waiting;
}

static void a_stop_gives_back_what_runs(void **state)
{
    pid_t pids[8];
    spawn(NULL);
    const struct uuid soft = put("test.polite", "{}");
    struct job deaf = make("test.hang", "{}");
    deaf.time_limit_ms = 60000;
    assert_ok(queue_enqueue(q, redis, &deaf));
    assert_true(kit_wait(is_in(&soft, JOB_RUNNING) && is_in(&deaf.id, JOB_RUNNING), WAIT_MS));
    assert_true(kit_wait(executor_count() == 2, WAIT_MS));
    const size_t count = executors(pids);
    const int64_t began = kit_real_mono_ms();
    stop(SIGTERM);
    assert_true(kit_real_mono_ms() - began < 5000);
    for (size_t i = 0; i < count; i++)
        assert_true(is_dead(pids[i]));
    assert_int_equal(waiting(), 2);
    struct job_view view;
    assert_int_equal(state_of(&soft, &view), JOB_QUEUED);
    assert_int_equal(view.job.attempt, 1);
}

static void a_killed_worker_takes_its_executors_along(void **state)
{
    static const int signals[] = {SIGKILL, SIGSEGV};
    pid_t pids[8];
    kit_sql(db, "DELETE FROM runs; DELETE FROM effects");
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        spawn(NULL);
        const struct uuid id = put("test.ledger", i == 0 ? "{\"linger_ms\":60000}" : "{}");
        if (i == 0)
            assert_true(kit_wait(kit_sql_i64(db, "SELECT count(*) FROM runs") == 1, WAIT_MS));
        else
            must_end("ledger", &id, JOB_SUCCEEDED, NULL, NULL);
        const size_t count = executors(pids);
        assert_true(count > 0);
        stop(signals[i]);
        for (size_t k = 0; k < count; k++)
            assert_true(kit_wait(is_dead(pids[k]), WAIT_MS));
        if (i == 0)
            assert_ok(queue_cancel(q, redis, &id, clock_wall_ms(), NULL));
    }
}

/* A second TERM waits for nobody. */
static void a_second_term_ends_all_at_once(void **state)
{
    static const char *const settings[] = {"DRAIN_GRACE=1m", NULL};
    pid_t pids[8];
    spawn(settings);
    struct job deaf = make("test.hang", "{}");
    deaf.time_limit_ms = 60000;
    assert_ok(queue_enqueue(q, redis, &deaf));
    assert_true(kit_wait(is_in(&deaf.id, JOB_RUNNING) && executors(pids) == 1, WAIT_MS));
    const pid_t pid = worker;
    const int64_t began = kit_real_mono_ms();
    /* Until the first one is taken note of, a second is the same one. */
    assert_true(kit_wait((kill(pid, SIGTERM), is_dead(pid)), WAIT_MS));
    const int status = reap();
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
    assert_true(kit_real_mono_ms() - began < 5000);
    assert_true(kit_wait(is_dead(pids[0]), WAIT_MS));
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Executors that cannot start cost no job an attempt: jobs wait, and go on when they can. */
static void executors_that_do_not_start_cost_no_attempt(void **state)
{
    char path[256], setting[320];
    const char *const settings[] = {setting, NULL};
    (void)snprintf(path, sizeof(path), "%s/location", kit_dir());
    (void)snprintf(setting, sizeof(setting), "LOCATION_FILE=%s", path);
    write_text(path, "here");
    spawn(settings);
    /* With a lease it has read its settings. */
    assert_true(kit_wait(({
                             struct worker_view *views = NULL;
                             size_t count = 0;
                             arena_reset(arena);
                             assert_ok(queue_workers_list(q, redis, arena, &views, &count));
                             count == 1 && views[0].info;
                         }),
                         WAIT_MS));
    assert_int_equal(unlink(path), 0);
    const struct uuid id = put("queue.echo", "{}");
    (void)kit_wait(false, 700);
    assert_true(is_in(&id, JOB_QUEUED) || is_in(&id, JOB_RUNNING));
    write_text(path, "here");
    must_end("late start", &id, JOB_SUCCEEDED, NULL, "\"attempt\":1,");
    stop(SIGTERM);
}

/* What ran when its worker was killed runs again, on another one. */
static void orphaned_jobs_run_again(void **state)
{
    static const char *const points[] = {"worker.before_task", "worker.after_task",
                                         "executor.before_done"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        char crash_at[64];
        const char *const settings[] = {crash_at, NULL};
        (void)snprintf(crash_at, sizeof(crash_at), "CRASH_AT=%s", points[i]);
        kit_sql(db, "DELETE FROM runs; DELETE FROM effects");
        spawn(settings);
        struct job job = make("test.ledger", "{}");
        job.max_attempts = 2;
        assert_ok(queue_enqueue(q, redis, &job));
        if (str_starts(points[i], "worker.")) {
            assert_true(WIFSIGNALED(reap()));
            spawn(NULL);
        } else {
            assert_true(kit_wait(is_in(&job.id, JOB_DEAD), WAIT_MS));
            stop(SIGTERM);
            spawn(NULL);
            assert_ok(queue_dead_requeue(q, redis, &job.id));
        }
        must_end(points[i], &job.id, JOB_SUCCEEDED, NULL, NULL);
        assert_int_equal(kit_sql_i64(db, "SELECT count(*) FROM effects"), 1);
        stop(SIGTERM);
    }
}

/* --- what a worker says of itself --- */

static void workers_say_what_they_do(void **state)
{
    spawn(NULL);
    must_work();
    const struct uuid id = put("test.polite", "{}");
    json_t *info = NULL;
    assert_true(
        kit_wait(({
                     struct worker_view *views = NULL;
                     size_t count = 0;
                     json_decref(info);
                     info = NULL;
                     arena_reset(arena);
                     assert_ok(queue_workers_list(q, redis, arena, &views, &count));
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
    assert_int_equal(json_integer_value(json_object_get(info, "pid")), worker);
    assert_int_equal(json_integer_value(json_object_get(info, "running")), 1);
    assert_int_equal(json_integer_value(json_object_get(info, "processed")), 1);
    assert_true(json_real_value(json_object_get(info, "processed_rate")) >= 0);
    json_decref(info);
}

int main(int argc, char **argv)
{
    tasks_add(rows, ARRAY_LEN(rows));
    task_handlers_add(handlers, ARRAY_LEN(handlers));
    if (executor_is_asked(argc, argv))
        return executor_main();
    if (argc > 1 && str_eq(argv[1], "--worker"))
        return daemon_main(argc - 1, argv + 1, &service);
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
        CASE(each_bad_job_ends_in_a_state_that_shows),
        CASE(executors_inherit_nothing),
        CASE(failures_are_tried_again),
        CASE(chains_and_groups_go_on),
        CASE(what_cannot_follow_keeps_nobody),
        CASE(a_running_job_is_cancelled),
        CASE(executors_come_and_go),
        CASE(executors_are_replaced),
        CASE(queues_do_not_shut_each_other_out),
        CASE(a_stop_gives_back_what_runs),
        CASE(a_killed_worker_takes_its_executors_along),
        CASE(a_second_term_ends_all_at_once),
        CASE(executors_that_do_not_start_cost_no_attempt),
        CASE(orphaned_jobs_run_again),
        CASE(workers_say_what_they_do),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
