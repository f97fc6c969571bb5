/* The executor's side: jobs come in, outcomes go out. One thread; it looks for a word from the
 * worker whenever the task asks whether it should stop. */
#include "services/worker/executor.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/str.h"
#include "daemon/daemon.h"
#include "json/parse.h"
#include "log/log.h"
#include "net/egress_conf.h"
#include "services/worker/frame.h"
#include "services/worker/tasks/task.h"

enum {
    RUN_ARENA_BYTES = 256 << 20,
    SEND_MS = 10000,
    PROGRESS_EVERY_MS = 200,
    SLEEP_STEP_MS = 60000
};

struct executor {
    struct conf conf;
    struct db *db;
    struct egress *egress;
    struct arena *arena;
    char *frame; /* what came last: FRAME_BYTES + 1 */
    /* of the job that runs */
    enum task_stop stop;
    bool has_result;
    struct buf result;
    struct jw jw;
    char reason[LIMIT_TASK_REASON];
    int statm_fd;
    int64_t progress_mono_ms; /* when it was last told */
};

bool executor_is_asked(int argc, char **argv)
{
    return argc > 1 && str_eq(argv[1], EXECUTOR_OPTION);
}

/* --- what tasks ask for --- */

/* A word of the worker's, waiting for it up to `ms`. */
static void listen_to_worker(struct executor *e, int64_t ms)
{
    struct frame f;
    const enum status st = frame_recv(EXECUTOR_FD, e->frame, ms, &f);
    if (st == ST_TIMEOUT)
        return;
    if (st != ST_OK)
        e->stop = TASK_STOP_ORPHAN;
    else if (f.type == FRAME_STOP && f.len == 1)
        e->stop = (enum task_stop)f.data[0];
}

enum task_stop task_should_stop(struct task_run *t)
{
    listen_to_worker(t->executor, 0);
    return t->executor->stop;
}

bool task_sleep(struct task_run *t, int64_t ms)
{
    struct executor *e = t->executor;
    const int64_t until_ms = clock_mono_ms() + ms;
    int64_t left_ms = ms;
    while (e->stop == TASK_GO && left_ms > 0) {
        listen_to_worker(e, MIN_OF(left_ms, (int64_t)SLEEP_STEP_MS));
        left_ms = until_ms - clock_mono_ms();
    }
    return e->stop == TASK_GO;
}

enum status task_fail(struct task_run *t, enum status st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(t->executor->reason, sizeof(t->executor->reason), fmt, ap);
    va_end(ap);
    return st;
}

struct jw *task_result(struct task_run *t)
{
    struct executor *e = t->executor;
    buf_reset(&e->result);
    jw_init(&e->jw, &e->result);
    e->has_result = true;
    return &e->jw;
}

void task_progress(struct task_run *t, const char *fmt, ...)
{
    struct executor *e = t->executor;
    char text[LIMIT_TASK_PROGRESS];
    const int64_t now_ms = clock_mono_ms();
    if (now_ms - e->progress_mono_ms < PROGRESS_EVERY_MS)
        return;
    e->progress_mono_ms = now_ms;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    /* A worker that has no time for it misses it. */
    if (frame_send(EXECUTOR_FD, FRAME_PROGRESS, text, strlen(text), 0) == ST_STOPPED)
        e->stop = TASK_STOP_ORPHAN;
}

struct db *task_db(struct task_run *t)
{
    struct executor *e = t->executor;
    struct errbuf err = {""};
    if (!e->db && db_new(e->conf.database_url, "tocsin-task", &e->db, &err) != ST_OK)
        log_error("task_db", kv_str("error", err.text));
    return e->db;
}

const struct egress *task_egress(struct task_run *t)
{
    struct executor *e = t->executor;
    struct errbuf err = {""};
    if (!e->egress && egress_from_conf(&e->conf, &e->egress, &err) != ST_OK)
        log_error("task_egress", kv_str("error", err.text));
    return e->egress;
}

/* --- one job --- */

static void refuse_field(struct task_run *t, const struct field_errors *errors)
{
    const json_t *first = json_array_get(errors->list, 0);
    const json_t *loc = json_object_get(first, "loc");
    const char *field = json_string_value(json_array_get(loc, json_array_size(loc) - 1));
    const char *message = json_string_value(json_object_get(first, "msg"));
    (void)task_fail(t, ST_INVALID, "arguments: %.60s: %.160s", field ? field : "?",
                    message ? message : "invalid");
}

/* As the row says. */
static enum status bind_args(struct task_run *t, const struct task *row)
{
    if (row && row->takes_slot) {
        t->slot_us = json_integer_value(json_object_get(t->args_json, "slot_us"));
        (void)json_object_del(t->args_json, "slot_us");
    }
    if (!row || !row->args)
        return ST_OK;
    AUTO_FIELD_ERRORS errors = {0};
    void *bound = arena_alloc(t->arena, MAX_OF(row->args->size, (size_t)1));
    if (!bound)
        return ST_NO_MEMORY;
    const enum status st = schema_bind(row->args, t->args_json, t->arena, bound, &errors);
    if (st == ST_INVALID)
        refuse_field(t, &errors);
    t->args = bound;
    return st;
}

static enum status run_handler(struct executor *e, const struct job *job)
{
    AUTO_JSON args = NULL;
    AUTO_JSON previous = NULL;
    struct errbuf err = {""};
    struct task_run run = {.job = job, .arena = e->arena, .conf = &e->conf, .executor = e};
    const struct task_handler *handler = task_handler_find(job->task);
    if (!handler)
        return task_fail(&run, ST_NOT_FOUND, "this worker does not know the task");
    const enum status st = json_parse(job->args, strlen(job->args), &args, &err);
    if (st != ST_OK)
        return task_fail(&run, st, "arguments: %s", err.text);
    if (!json_is_object(args))
        return task_fail(&run, ST_INVALID, "arguments: not a JSON object");
    run.args_json = args;
    /* Beside the arguments: the row says nothing of it. */
    if (job->takes_previous) {
        previous = json_incref(json_object_get(args, "previous"));
        run.previous = previous;
        (void)json_object_del(args, "previous");
    }
    TRY(bind_args(&run, task_find(job->task)));
    return handler->run(&run);
}

/* A reason goes into logs, Redis and JSON: UTF-8, whatever the task wrote. */
static void clean_reason(struct executor *e)
{
    if (str_is_utf8(e->reason, strlen(e->reason)))
        return;
    for (char *p = e->reason; *p; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
}

/* What it has now. Not getrusage: that counts what the worker had when it started this process. */
static int64_t memory_kb(const struct executor *e)
{
    char text[64] = "";
    int64_t pages = 0;
    if (e->statm_fd < 0 || pread(e->statm_fd, text, sizeof(text) - 1, 0) <= 0)
        return 0;
    /* "size resident …" */
    char *rest = text;
    (void)strsep(&rest, " ");
    const char *resident = strsep(&rest, " ");
    if (!resident || str_to_i64(resident, &pages) != ST_OK)
        return 0;
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static enum status answer(struct executor *e, enum status st)
{
    if (st == ST_OK && e->has_result && buf_status(&e->result) != ST_OK) {
        st = ST_TOO_LARGE;
        (void)snprintf(e->reason, sizeof(e->reason), "the result is larger than %u bytes",
                       LIMIT_JOB_RESULT_BYTES);
    }
    if (st != ST_OK && !e->reason[0])
        (void)snprintf(e->reason, sizeof(e->reason), "%s", status_title(st));
    clean_reason(e);
    const struct frame_done done = {
        .status = st,
        .has_result = st == ST_OK && e->has_result && e->result.len > 0,
        .rss_kb = memory_kb(e),
        .result = buf_cstr(&e->result),
        .reason = st == ST_OK ? "" : e->reason,
    };
    AUTO_BUF out;
    buf_init(&out, FRAME_BYTES);
    frame_put_done(&done, &out);
    TRY(buf_status(&out));
    CRASH_AT("executor.before_done");
    return frame_send(EXECUTOR_FD, FRAME_DONE, out.data, out.len, SEND_MS);
}

static enum status run_job(struct executor *e, const struct frame *f)
{
    struct job job;
    arena_reset(e->arena);
    buf_reset(&e->result);
    e->stop = TASK_GO;
    e->has_result = false;
    e->reason[0] = '\0';
    e->progress_mono_ms = 0;
    TRY(frame_get_job(f, e->arena, &job));
    CRASH_AT("executor.after_job");
    const enum status st = run_handler(e, &job);
    if (e->db)
        db_rollback(e->db); /* no effect outside a transaction */
    return e->stop == TASK_STOP_ORPHAN ? ST_STOPPED : answer(e, st);
}

/* --- the process --- */

static enum status setup(struct executor *e, struct errbuf *err)
{
    /* With the worker this goes, too: by this signal, and by the end of the socket. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "tocsin-executor");
    /* Who stops the worker may signal everybody; when this ends is the worker's decision. */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    /* Without memory the kernel is to choose this one, not the worker. */
    const int adjust = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (adjust >= 0) {
        (void)!write(adjust, "500", 3);
        (void)close(adjust);
    }
    (void)fcntl(EXECUTOR_FD, F_SETFD, FD_CLOEXEC);
    TRY(daemon_child_setup("worker", &e->conf, err));
    e->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    buf_init(&e->result, LIMIT_JOB_RESULT_BYTES);
    e->arena = arena_new(RUN_ARENA_BYTES);
    e->frame = malloc(FRAME_BYTES + 1);
    return e->arena && e->frame ? ST_OK : ST_NO_MEMORY;
}

static void teardown(struct executor *e)
{
    db_free(e->db);
    egress_free(e->egress);
    arena_free(e->arena);
    buf_done(&e->result);
    free(e->frame);
    if (e->statm_fd >= 0)
        (void)close(e->statm_fd);
    conf_done(&e->conf);
}

static enum status serve(struct executor *e)
{
    TRY(frame_send(EXECUTOR_FD, FRAME_HELLO, NULL, 0, SEND_MS));
    for (;;) {
        struct frame f;
        /* For ever: the worker's end ends it. */
        TRY(frame_recv(EXECUTOR_FD, e->frame, -1, &f));
        if (f.type == FRAME_JOB)
            TRY(run_job(e, &f));
        /* A STOP that came late was for a job that had ended. */
    }
}

int executor_main(void)
{
    struct executor e = {.statm_fd = -1};
    struct errbuf err = {""};
    enum status st = setup(&e, &err);
    if (st == ST_OK)
        st = serve(&e);
    if (st != ST_STOPPED)
        log_error("executor_failed", kv_status(st), kv_str("error", err.text));
    teardown(&e);
    return st == ST_STOPPED ? EXIT_SUCCESS : EXIT_FAILURE;
}
