/*
 * The probe engine: starts runs as there is room for them and takes their results on. The kinds do
 * the probing on the HTTP client's loop; this file is what happens before and after.
 */
#include "services/worker/worker.h"

#include "base/crash.h"
#include "base/str.h"
#include "log/log.h"

enum { OVERTIME_MS = 5000 };

static void on_done(struct probe *probe);

/* --- the lists --- */

static void list_push(struct run **head, struct run *run)
{
    run->next = *head;
    if (run->next)
        run->next->self = &run->next;
    run->self = head;
    *head = run;
}

static void list_remove(struct run *run)
{
    *run->self = run->next;
    if (run->next)
        run->next->self = run->self;
    run->next = NULL;
    run->self = NULL;
}

static void ready_add(struct worker *w, struct run *run)
{
    run->next = NULL;
    run->self = w->ready_end;
    *w->ready_end = run;
    w->ready_end = &run->next;
}

static void ready_remove(struct worker *w, struct run *run)
{
    if (w->ready_end == &run->next)
        w->ready_end = run->self;
    list_remove(run);
}

/* --- results on their way --- */

/* A text column takes only UTF-8; what was cut in the middle of a letter is not. */
static void clean_message(struct probe_result *r)
{
    if (str_is_utf8(r->message, strlen(r->message)))
        return;
    for (char *p = r->message; *p; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
}

static void abandon(struct run *run)
{
    atomic_store(&run->work->is_abandoned, true);
    work_run_through(run->work);
}

/* The run is the recorder's afterwards. */
static void deliver(struct run *run)
{
    struct probe_result *r = &run->probe.result;
    struct worker *w = run->work->worker;
    clean_message(r);
    if (buf_status(&r->raw) != ST_OK || r->raw.len == 0)
        probe_result_error(r, "too_large", "The details of the result are too large");
    if (run->work->kind == WORK_ADHOC)
        work_run_through(run->work);
    else if (bqueue_try_put(w->to_record, run) != ST_OK)
        abandon(run); /* only while stopping: there is room for all that may be open */
}

/* --- running --- */

static void start_run(struct run *run)
{
    run->executed_us = clock_wall_us();
    run->probe.done = on_done;
    if (run->work->kind != WORK_ADHOC)
        worker_metrics_lag(run->executed_us - run->slot_us);
    /* After a successful start the run may be gone already. */
    enum status st = run->kind->start(&run->probe);
    if (st == ST_OK)
        return;
    if (st == ST_INVALID)
        probe_result_error(&run->probe.result, "config",
                           "The request cannot be built from the "
                           "check's configuration");
    else
        probe_result_error(&run->probe.result, "internal", "The probe could not be started: %s",
                           status_title(st));
    on_done(&run->probe);
}

/* The next run that may start, moved to those that run; NULL: none, and nobody pumps any more. */
static struct run *next_run(struct worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
    struct run *run = NULL;
    if (w->running_count < atomic_load(&w->probe_limit) && !atomic_load(&w->is_giving_up))
        run = w->ready;
    if (run) {
        ready_remove(w, run);
        list_push(&w->running, run);
        w->running_count++;
        run->work->is_started = true;
        if (run->work->started_at_ms == 0)
            run->work->started_at_ms = clock_wall_ms();
        run->deadline_mono_ms = clock_mono_ms() + run->probe.timeout_ms + OVERTIME_MS;
        worker_metrics_running(w->running_count);
    } else {
        w->is_pumping = false;
    }
    (void)pthread_mutex_unlock(&w->lock);
    return run;
}

/* One thread at a time, so that probes that end at once cannot pile up on the stack. */
static void pump(struct worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
    bool is_mine = !w->is_pumping;
    w->is_pumping = true;
    (void)pthread_mutex_unlock(&w->lock);
    if (!is_mine)
        return;
    for (struct run *run; (run = next_run(w)) != NULL;)
        start_run(run);
}

void engine_pump(struct worker *w)
{
    pump(w);
}

static void on_done(struct probe *probe)
{
    struct run *run = container_of(probe, struct run, probe);
    struct worker *w = run->work->worker;
    CRASH_AT("worker.after_probe");
    (void)pthread_mutex_lock(&w->lock);
    list_remove(run);
    w->running_count--;
    worker_metrics_running(w->running_count);
    (void)pthread_mutex_unlock(&w->lock);
    atomic_fetch_sub(&w->unprobed, 1);
    if (atomic_load(&run->work->is_cancelled)) {
        work_run_through(run->work);
    } else if (probe->is_cancelled) {
        abandon(run);
    } else {
        worker_metrics_probe(probe->result.status, probe->result.response_us);
        deliver(run);
    }
    pump(w);
}

void engine_add(struct work *work)
{
    struct worker *w = work->worker;
    (void)pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < work->run_count; i++) {
        if (atomic_load(&work->is_cancelled))
            work->runs[i].plan = RUN_SKIPPED;
        else if (work->runs[i].plan == RUN_READY)
            ready_add(w, &work->runs[i]);
        else if (work->runs[i].plan == RUN_BROKEN)
            work->is_started = true;
    }
    (void)pthread_mutex_unlock(&w->lock);
    /* Skipped and broken ones are not the engine's: the planner's share of `left` keeps the work
     * alive meanwhile. */
    for (size_t i = 0; i < work->run_count; i++) {
        struct run *run = &work->runs[i];
        if (run->plan == RUN_READY)
            continue;
        atomic_fetch_sub(&w->unprobed, 1);
        run->executed_us = clock_wall_us();
        if (run->plan == RUN_BROKEN)
            deliver(run);
        else
            work_run_through(work);
    }
    pump(w);
}

/* --- the end --- */

/* Moves waiting runs to a list of their own; all, or those whose work has not begun. */
static struct run *take_ready(struct worker *w, bool all)
{
    struct run *taken = NULL;
    (void)pthread_mutex_lock(&w->lock);
    for (struct run *run = w->ready, *next; run; run = next) {
        next = run->next;
        if (!all && run->work->is_started)
            continue;
        ready_remove(w, run);
        list_push(&taken, run);
    }
    if (taken)
        taken->self = NULL; /* the head is this function's own */
    (void)pthread_mutex_unlock(&w->lock);
    return taken;
}

static void abandon_list(struct worker *w, struct run *list, void (*each)(struct work *work))
{
    while (list) {
        struct run *run = list;
        list = run->next;
        atomic_fetch_sub(&w->unprobed, 1);
        if (!atomic_exchange(&run->work->is_abandoned, true) && each)
            each(run->work);
        work_run_through(run->work);
    }
}

struct run *engine_cancel(struct work *work, struct run *taken)
{
    struct worker *w = work->worker;
    for (struct run *run = w->ready, *next; run; run = next) {
        next = run->next;
        if (run->work != work)
            continue;
        ready_remove(w, run);
        run->next = taken;
        taken = run;
    }
    for (struct run *run = w->running; run; run = run->next) {
        if (run->work == work)
            run->kind->cancel(&run->probe);
    }
    return taken;
}

void engine_drop(struct run *taken)
{
    while (taken) {
        struct run *run = taken;
        taken = run->next;
        atomic_fetch_sub(&run->work->worker->unprobed, 1);
        work_run_through(run->work);
    }
}

void engine_withdraw(struct worker *w, void (*each)(struct work *work))
{
    abandon_list(w, take_ready(w, false), each);
}

void engine_cancel_all(struct worker *w)
{
    abandon_list(w, take_ready(w, true), NULL);
    /* A cancel only asks: the ends come over the probe's own thread, which waits for this lock. */
    (void)pthread_mutex_lock(&w->lock);
    for (struct run *run = w->running; run; run = run->next)
        run->kind->cancel(&run->probe);
    (void)pthread_mutex_unlock(&w->lock);
}

void engine_watch(struct worker *w)
{
    int64_t now = clock_mono_ms();
    (void)pthread_mutex_lock(&w->lock);
    for (struct run *run = w->running; run; run = run->next) {
        if (run->deadline_mono_ms > now)
            continue;
        log_error("probe_overtime", kv_uuid("check_id", run->check_id),
                  kv_str("kind", run->kind->name), kv_i64("timeout_ms", run->probe.timeout_ms));
        run->deadline_mono_ms = now + OVERTIME_MS;
        run->kind->cancel(&run->probe);
    }
    (void)pthread_mutex_unlock(&w->lock);
}
