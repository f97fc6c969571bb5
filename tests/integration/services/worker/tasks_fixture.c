/* The tasks, the worker processes, and what is asked of their jobs. */
#include "tests/integration/services/worker/tasks_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "json/parse.h"
#include "services/worker/executor.h"
#include "services/worker/tasks/task.h"

struct tasks_fixture tf;

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

/* Leaves a process of its own group behind, and tells which. */
static enum status orphan(struct task_run *t)
{
    const pid_t child = fork();
    if (child != 0) {
        jw_i64(task_result(t), child);
        return child > 0 ? ST_OK : ST_IO;
    }
    (void)setsid();
    closefrom(0);
    while (pause() != 0) {
    }
    _exit(0);
}

static enum status polite(struct task_run *t)
{
    task_progress(t, "waiting");
    while (task_should_stop(t) == TASK_GO)
        kit_pause();
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
    {"test.crash", crash},   {"test.hang", hang},   {"test.polite", polite},
    {"test.ledger", ledger}, {"test.big", big},     {"test.orphan", orphan},
    {"test.odd", odd},       {"test.files", files}, {"test.grow", grow},
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
    ROW("test.orphan", 60000, 0), ROW("test.files", 60000, 0),   ROW("test.grow", 60000, 0),
    ROW("test.nobody", 60000, 0),
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

void tf_spawn(const char *const *settings)
{
    char text[16][1024];
    char *env[ARRAY_LEN(text) + 1] = {NULL};
    char program[] = "tocsin-worker", option[] = "--worker";
    char *argv[] = {program, option, NULL};
    const char *const usual[] = {"HEALTH_PORT=0",        "WORKER_LEASE=1m",
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
    assert_int_equal(posix_spawn(&tf.worker, "/proc/self/exe", NULL, NULL, argv, env), 0);
}

int tf_reap(void)
{
    int status = 0;
    const int64_t began = kit_real_mono_ms();
    while (waitpid(tf.worker, &status, WNOHANG) == 0) {
        if (kit_real_mono_ms() - began > WAIT_MS)
            fail_msg("the worker does not end");
        kit_pause();
    }
    tf.worker = 0;
    return status;
}

void tf_stop(int signal_number)
{
    assert_int_equal(kill(tf.worker, signal_number), 0);
    const int status = tf_reap();
    if (signal_number == SIGTERM && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("the worker ended with status %d", status);
}

bool tf_is_dead(pid_t pid)
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

size_t tf_executors(pid_t *pids)
{
    char path[64], text[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)tf.worker);
    DIR *dir = opendir(path);
    size_t count = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)tf.worker,
                       e->d_name);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        const size_t n = fread(text, 1, sizeof(text) - 1, f);
        (void)fclose(f);
        text[n] = '\0';
        char *rest = text;
        for (char *word; (word = strsep(&rest, " ")) != NULL;) {
            int64_t pid = 0;
            if (str_to_i64(word, &pid) == ST_OK && count < 8 && !tf_is_dead((pid_t)pid))
                pids[count++] = (pid_t)pid;
        }
    }
    (void)closedir(dir);
    return count;
}

size_t tf_executor_count(void)
{
    pid_t pids[8];
    return tf_executors(pids);
}

/* --- jobs --- */

struct job tf_make(const char *task, const char *args)
{
    struct job job;
    assert_ok(job_init(&job, task, args, clock_wall_ms()));
    job.max_attempts = 1;
    job.result_ttl_ms = 600000;
    return job;
}

struct uuid tf_put(const char *task, const char *args)
{
    const struct job job = tf_make(task, args);
    assert_ok(queue_enqueue(tf.q, tf.redis, &job));
    return job.id;
}

enum job_state tf_state_of(const struct uuid *id, struct job_view *view)
{
    arena_reset(tf.arena);
    const enum status st = queue_job_get(tf.q, tf.redis, id, tf.arena, view);
    if (st == ST_NOT_FOUND)
        return JOB_STATE_COUNT_;
    assert_ok(st);
    return view->state;
}

bool tf_is_in(const struct uuid *id, enum job_state state)
{
    struct job_view view;
    return tf_state_of(id, &view) == state;
}

void tf_must_end(const char *what, const struct uuid *id, enum job_state state, const char *error,
                 const char *result)
{
    struct job_view view = {.state = JOB_STATE_COUNT_};
    if (!kit_wait(tf_state_of(id, &view) == state, WAIT_MS))
        fail_msg("%s: state %d, not %s: %s", what, (int)view.state, job_state_name(state),
                 view.error ? view.error : "");
    if (error && (!view.error || !strstr(view.error, error)))
        fail_msg("%s: error \"%s\", not \"%s\"", what, view.error ? view.error : "", error);
    if (result && (!view.result || !strstr(view.result, result)))
        fail_msg("%s: result %s, not %s", what, view.result ? view.result : "none", result);
}

int64_t tf_result_of(const struct uuid *id)
{
    struct job_view view;
    int64_t n = 0;
    tf_must_end("result", id, JOB_SUCCEEDED, NULL, NULL);
    assert_int_equal(tf_state_of(id, &view), JOB_SUCCEEDED);
    assert_ok(str_to_i64(view.result, &n));
    return n;
}

void tf_must_work(void)
{
    const struct uuid id = tf_put("queue.echo", "{\"is\":\"alive\"}");
    tf_must_end("queue.echo", &id, JOB_SUCCEEDED, NULL,
                "{\"args\":{\"is\":\"alive\"},\"attempt\":1,");
}

/* --- setting up --- */

static int setup(void **state)
{
    json_setup();
    (void)signal(SIGPIPE, SIG_IGN);
    database = kit_database();
    redis_url = kit_redis();
    tf.db = kit_db_open(database);
    tf.redis = kit_redis_open(redis_url);
    tf.arena = arena_new(ARENA_BYTES);
    kit_sql(tf.db, "CREATE TABLE runs (id uuid); CREATE TABLE effects (id uuid PRIMARY KEY)");
    return queue_new("default", 0, &tf.q) == ST_OK && queue_new("side", 0, &tf.side) == ST_OK ? 0
                                                                                              : -1;
}

static int teardown(void **state)
{
    queue_free(tf.q);
    queue_free(tf.side);
    arena_free(tf.arena);
    redis_free(tf.redis);
    db_free(tf.db);
    return 0;
}

int tf_begin(void **state)
{
    assert_ok(redis_do(tf.redis, NULL, "FLUSHDB"));
    return 0;
}

int tf_end(void **state)
{
    if (tf.worker > 0)
        tf_stop(SIGKILL);
    return 0;
}

int tf_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count)
{
    tasks_add(rows, ARRAY_LEN(rows));
    task_handlers_add(handlers, ARRAY_LEN(handlers));
    if (executor_is_asked(argc, argv))
        return executor_main();
    if (argc > 1 && str_eq(argv[1], "--worker"))
        return daemon_main(argc - 1, argv + 1, &service);
    /* The function behind cmocka_run_group_tests, which counts an array itself. */
    return _cmocka_run_group_tests("tests", tests, count, setup, teardown);
}
