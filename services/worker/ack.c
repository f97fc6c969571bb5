/*
 * The acknowledge stage: tells who waits, schedules the next try of soft states, wakes the
 * notifier, and ends jobs as they came out: those to which nothing hangs in batches, the others one
 * by one (queue_finish). All of it may happen twice (a crash, a lost reply): the results are stored
 * by then, and each of these is harmless when repeated.
 *
 * A job whose end cannot be written now (what comes after it meets a full queue) is held aside and
 * tried again: it keeps no other job from its end.
 */
#include "services/worker/worker.h"

#include <stdio.h>

#include "base/crash.h"
#include "base/rand.h"
#include "json/write.h"
#include "log/log.h"
#include "queue/metrics.h"

enum {
    WAIT_MS = 60 * 1000, /* an end of the queue wakes as well */
    HELD_MS = 1000,
    REPLY_BYTES = LIMIT_RESULT_RAW_BYTES + 8 * LIMIT_RESULT_MESSAGE
};

struct acker {
    struct stage *stage;
    struct worker *worker;
    struct redis *redis;
    struct work *works[WORKER_ACK_BATCH];
    struct job jobs[WORKER_ACK_BATCH];
    size_t count;
    struct work *held;
    int64_t held_at_ms; /* monotonic: when they were last tried */
};

/* --- the next try of a soft state --- */

static enum status schedule_retry(struct acker *a, const struct work *work, const struct run *run)
{
    int64_t now_ms = clock_wall_ms();
    int64_t due_ms = run->slot_us / 1000 + run->retry_ms;
    if (due_ms <= now_ms)
        due_ms = now_ms + run->retry_ms;
    struct check_scheduled again = {
        .is_retry = true, .due = {{.check_id = run->check_id, .slot_ms = due_ms}}, .count = 1};
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_scheduled_encode(&again, &args);
    TRY(buf_status(&args));
    struct job job;
    TRY(job_init(&job, "check.scheduled", buf_cstr(&args), now_ms));
    job.not_before_ms = due_ms;
    return queue_enqueue(work->lane->acking, a->redis, &job);
}

static enum status schedule_retries(struct acker *a, const struct work *work)
{
    for (size_t i = 0; i < work->run_count; i++) {
        const struct run *run = &work->runs[i];
        if (!run->is_recorded || !run->outcome.is_new || !run->outcome.is_soft ||
            run->retry_ms == 0)
            continue;
        enum status st = schedule_retry(a, work, run);
        if (st == ST_UNAVAILABLE)
            return st;
        /* The schedule's own next run comes in any case. */
        if (st != ST_OK)
            log_warn("retry_not_scheduled", kv_uuid("check_id", run->check_id), kv_status(st));
    }
    return ST_OK;
}

/* --- who waits --- */

static void write_adhoc(struct jw *w, const struct run *run)
{
    const struct probe_result *r = &run->probe.result;
    jw_kv_str(w, "status", result_status_name(r->status));
    jw_kv_str(w, "message", r->message);
    jw_key(w, "response_time");
    if (r->response_us < 0)
        jw_null(w);
    else
        jw_f64(w, (double)r->response_us / 1e6);
    jw_kv_raw(w, "raw_data", buf_cstr(&r->raw));
    jw_kv_time_us(w, "executed_at", run->executed_us);
}

static void write_check(const struct work *work, struct jw *w)
{
    const struct run *run = work->run_count > 0 ? &work->runs[0] : NULL;
    if (work->kind == WORK_ADHOC && run)
        write_adhoc(w, run);
    else if (run && !uuid_is_nil(&run->outcome.id))
        jw_kv_uuid(w, "result_id", &run->outcome.id);
    else
        jw_kv_str(w, "error", "The check does not exist any more");
}

/* What who waits is told, and the result of a check's job. */
static void write_reply(const struct work *work, struct buf *out)
{
    struct jw w;
    const char *error = work->failure[0] ? work->failure : work->reply_error;
    jw_init(&w, out);
    jw_object(&w);
    if (atomic_load(&work->is_cancelled))
        jw_kv_str(&w, "error", "The job was cancelled");
    else if (error[0])
        jw_kv_str(&w, "error", error);
    else if (work->task)
        jw_kv_raw(&w, "result", work->task->result);
    else if (work->kind == WORK_SCHEDULED || work->kind == WORK_RETRY)
        jw_kv_i64(&w, "checks", (int64_t)work->run_count);
    else
        write_check(work, &w);
    jw_end(&w);
}

static enum status publish_done(struct acker *a, const struct work *work)
{
    if (!work->job.reply)
        return ST_OK;
    AUTO_BUF payload;
    buf_init(&payload, REPLY_BYTES);
    write_reply(work, &payload);
    TRY(buf_status(&payload));
    CRASH_AT("worker.before_publish");
    return queue_publish_done(a->redis, work->job.reply, &work->job.id, payload.data, payload.len);
}

/* --- one job --- */

/* How the delivery ends: for good in one of the outcome's states, or to come again. */
enum ending { END_FOR_GOOD, END_RETRY, END_HAND_BACK };

static enum ending ending_of(const struct work *work, struct job_outcome *out)
{
    const struct task_end *task = work->task;
    *out = (struct job_outcome){
        .state = JOB_SUCCEEDED,
        .started_at_ms = work->started_at_ms,
        .finished_at_ms = clock_wall_ms(),
    };
    if (task && task->how == TASK_HANDED_BACK)
        return END_HAND_BACK;
    if (task ? task->how == TASK_CANCELLED : atomic_load(&work->is_cancelled)) {
        out->state = JOB_CANCELLED;
        return END_FOR_GOOD;
    }
    if (task && task->how == TASK_EXPIRED) {
        out->state = JOB_EXPIRED;
        return END_FOR_GOOD;
    }
    if (task && task->how == TASK_RETRY && work->job.attempt < work->job.max_attempts)
        return END_RETRY;
    if (work->failure[0] || (task && task->how != TASK_SUCCEEDED)) {
        out->state = JOB_DEAD;
        out->error = work->failure[0] ? work->failure : task->reason;
    } else if (task) {
        out->result = task->result;
    }
    return END_FOR_GOOD;
}

/* A check's result is what who waits is told. */
static enum status finish(struct acker *a, const struct work *work, struct job_outcome *o)
{
    const struct lane *lane = work->lane;
    AUTO_BUF result;
    buf_init(&result, LIMIT_JOB_RESULT_BYTES);
    if (!work->task && work->job.result_ttl_ms > 0 && o->state == JOB_SUCCEEDED) {
        write_reply(work, &result);
        o->result = buf_status(&result) == ST_OK ? buf_cstr(&result) : NULL;
    }
    return queue_finish(lane->acking, a->redis, a->worker->consumer, &work->job, o, 1);
}

/* What comes after the job can never be: that is its failure, and it does not stay for ever. */
static enum status finish_alone(struct acker *a, struct work *work, enum status why)
{
    char text[128];
    struct job_outcome o = {.state = JOB_DEAD,
                            .error = text,
                            .started_at_ms = work->started_at_ms,
                            .finished_at_ms = clock_wall_ms()};
    (void)snprintf(text, sizeof(text), "done, but what follows it could not be: %s",
                   status_title(why));
    work->job.chain = NULL;
    work->job.group = NULL;
    return queue_finish(work->lane->acking, a->redis, a->worker->consumer, &work->job, &o, 1);
}

static enum status end_work(struct acker *a, struct work *work, struct job_outcome *o,
                            enum ending ending)
{
    struct queue *q = work->lane->acking;
    enum status st = ST_OK;
    if (ending == END_HAND_BACK)
        st = queue_hand_back(q, a->redis, a->worker->consumer, &work->job);
    else if (ending == END_RETRY)
        st = queue_retry(q, a->redis, a->worker->consumer, &work->job, work->task->reason,
                         o->finished_at_ms);
    else
        st = finish(a, work, o);
    if (st == ST_OK || st == ST_CONFLICT) /* not ours any more: somebody else's to end */
        return ST_OK;
    return status_is_retryable(st) ? st : finish_alone(a, work, st);
}

static void count_end(struct worker *w, const struct job_outcome *o, enum ending ending)
{
    if (ending == END_HAND_BACK)
        return;
    if (ending == END_RETRY || o->state == JOB_DEAD)
        atomic_fetch_add(&w->failed, 1);
    if (ending == END_FOR_GOOD)
        atomic_fetch_add(&w->processed, 1);
}

/* --- the batch --- */

static bool is_lost(enum status st)
{
    return st == ST_UNAVAILABLE || st == ST_IO;
}

/* All but the acknowledgement of plain jobs, which go together. ST_OK, or what keeps it. */
static enum status settle_one(struct acker *a, struct work *work, bool *is_plain)
{
    struct job_outcome o;
    const enum ending ending = ending_of(work, &o);
    *is_plain = false;
    if (ending == END_FOR_GOOD && o.state != JOB_CANCELLED)
        TRY(schedule_retries(a, work));
    if (ending == END_FOR_GOOD)
        TRY(publish_done(a, work));
    if (!work->task && work->started_at_ms > 0)
        queue_metrics_ran(work->job.task, (o.finished_at_ms - work->started_at_ms) * 1000);
    *is_plain = ending == END_FOR_GOOD && o.state == JOB_SUCCEEDED && job_is_plain(&work->job);
    if (*is_plain)
        return ST_OK;
    TRY(end_work(a, work, &o, ending));
    if (ending == END_RETRY)
        log_warn("job_retry", kv_uuid("job", work->job.id), kv_str("task", work->job.task),
                 kv_i64("attempt", work->job.attempt), kv_str("error", work->task->reason));
    count_end(a->worker, &o, ending);
    work->is_settled = true;
    return ST_OK;
}

static enum status ack_lane(struct acker *a, const struct lane *lane, const bool *is_plain)
{
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (is_plain[i] && a->works[i]->lane == lane && !a->works[i]->is_settled)
            a->jobs[count++] = a->works[i]->job;
    }
    if (count == 0)
        return ST_OK;
    TRY(queue_ack(lane->acking, a->redis, a->jobs, count));
    for (size_t i = 0; i < a->count; i++)
        a->works[i]->is_settled |= is_plain[i] && a->works[i]->lane == lane;
    atomic_fetch_add(&a->worker->processed, (int64_t)count);
    return ST_OK;
}

/* ST_OK: each is settled, or will never be by now. */
static enum status settle(struct acker *a)
{
    bool is_plain[WORKER_ACK_BATCH] = {false};
    for (size_t i = 0; i < a->count; i++) {
        struct work *work = a->works[i];
        if (atomic_load(&work->is_abandoned) || work->is_settled)
            continue;
        const enum status st = settle_one(a, work, &is_plain[i]);
        if (is_lost(st))
            return st;
        if (st != ST_OK) {
            is_plain[i] = false;
            log_warn("end_held", kv_uuid("job", work->job.id), kv_str("task", work->job.task),
                     kv_status(st));
        }
    }
    if (atomic_load(&a->worker->alerts) > 0) {
        TRY(redis_do(a->redis, NULL, "PUBLISH", OUTBOX_WAKE_CHANNEL, "1"));
        atomic_store(&a->worker->alerts, 0);
    }
    for (size_t i = 0; i < a->worker->lane_count; i++)
        TRY(ack_lane(a, &a->worker->lanes[i], is_plain));
    return ST_OK;
}

static void part(struct acker *a, struct work *work)
{
    const bool is_over = work->is_settled || atomic_load(&work->is_abandoned) ||
                         atomic_load(&a->worker->is_giving_up);
    if (is_over) {
        work_free(work);
        return;
    }
    work->next = a->held;
    a->held = work;
}

static void acknowledge(struct acker *a)
{
    enum status st = ST_OK;
    for (int failures = 0; (st = settle(a)) != ST_OK; failures++) {
        worker_health(WORKER_REDIS, false);
        log_warn("ack_failed", kv_status(st), kv_i64("jobs", (int64_t)a->count),
                 kv_i64("tries", failures + 1), kv_str("error", redis_error(a->redis)));
        /* Not acknowledged is done again: the results are known by their keys. */
        if (atomic_load(&a->worker->is_giving_up))
            break;
        (void)stage_sleep(a->stage,
                          1 + rand_backoff_ms(failures, WORKER_BACKOFF_MS, WORKER_BACKOFF_CAP_MS));
    }
    for (size_t i = 0; i < a->count; i++)
        part(a, a->works[i]);
    a->count = 0;
}

/* Those that were held, a batch a second. */
static void try_held(struct acker *a)
{
    const int64_t now_ms = clock_mono_ms();
    if (!a->held || (now_ms - a->held_at_ms < HELD_MS && !atomic_load(&a->worker->is_giving_up)))
        return;
    a->held_at_ms = now_ms;
    while (a->held && a->count < WORKER_ACK_BATCH) {
        a->works[a->count++] = a->held;
        a->held = a->held->next;
    }
    acknowledge(a);
}

static void let_held_go(struct acker *a)
{
    while (a->held) {
        struct work *work = a->held;
        a->held = work->next;
        work_free(work); /* not acknowledged: another worker does it again */
    }
}

void ack_stage(struct stage *stage, void *arg)
{
    struct worker *w = arg;
    struct errbuf err = {0};
    AUTO_FREE struct acker *a = calloc(1, sizeof(*a));
    AUTO_REDIS redis = NULL;
    if (!a || redis_new(w->conf->redis_url, LIMIT_REDIS_COMMAND_MS, &redis, &err) != ST_OK) {
        log_error("ack_stage", kv_str("error", err.text));
        abort();
    }
    a->stage = stage;
    a->worker = w;
    a->redis = redis;
    for (;;) {
        a->count = bqueue_take(w->to_ack, (void **)a->works, WORKER_ACK_BATCH,
                               a->held ? HELD_MS / 2 : WAIT_MS);
        if (a->count > 0)
            acknowledge(a);
        else if (bqueue_is_closed(w->to_ack))
            break;
        try_held(a);
    }
    let_held_go(a);
}
