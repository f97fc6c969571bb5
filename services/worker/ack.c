/*
 * The acknowledge stage: tells who waits, schedules the next try of soft states, wakes the
 * notifier, and acknowledges, in batches. All of it may happen twice (a crash, a lost reply): the
 * results are stored by then, and each of these is harmless when repeated.
 */
#include "services/worker/worker.h"

#include <stdio.h>

#include "base/crash.h"
#include "base/rand.h"
#include "json/write.h"
#include "log/log.h"

enum { WAIT_MS = 500 };

struct acker {
    struct stage *stage;
    struct worker *worker;
    struct redis *redis;
    struct work *works[WORKER_ACK_BATCH];
    struct job jobs[WORKER_ACK_BATCH];
    struct job_outcome outcomes[WORKER_ACK_BATCH];
    size_t count;
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

static void write_reply(const struct work *work, struct buf *out)
{
    struct jw w;
    const struct run *run = work->run_count > 0 ? &work->runs[0] : NULL;
    const char *error = work->failure[0] ? work->failure : work->reply_error;
    jw_init(&w, out);
    jw_object(&w);
    if (error[0])
        jw_kv_str(&w, "error", error);
    else if (work->kind == WORK_ADHOC && run)
        write_adhoc(&w, run);
    else if (run && !uuid_is_nil(&run->outcome.id))
        jw_kv_uuid(&w, "result_id", &run->outcome.id);
    else
        jw_kv_str(&w, "error", "The check does not exist any more");
    jw_end(&w);
}

static enum status publish_done(struct acker *a, const struct work *work)
{
    if (!work->job.reply)
        return ST_OK;
    AUTO_BUF payload;
    buf_init(&payload, LIMIT_RESULT_RAW_BYTES + 8 * LIMIT_RESULT_MESSAGE);
    write_reply(work, &payload);
    TRY(buf_status(&payload));
    CRASH_AT("worker.before_publish");
    return queue_publish_done(a->redis, work->job.reply, &work->job.id, payload.data, payload.len);
}

/* --- the batch --- */

/* A job that can never be done goes to the dead letters, where a person finds it. */
static enum status bury(struct acker *a, struct work *work)
{
    struct job job = work->job;
    job.max_attempts = job.attempt;
    log_error("job_failed", kv_uuid("job", job.id), kv_str("task", job.task),
              kv_str("error", work->failure));
    enum status st = queue_retry(work->lane->acking, a->redis, a->worker->consumer, &job,
                                 work->failure, clock_wall_ms());
    return st == ST_CONFLICT ? ST_OK : st;
}

/* Plain jobs are acknowledged in one batch; those that hold keys give them back. */
static enum status ack_lane(struct acker *a, const struct lane *lane)
{
    size_t count = 0;
    const int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < a->count; i++) {
        const struct work *work = a->works[i];
        if (work->lane != lane || work->failure[0] || atomic_load(&work->is_abandoned))
            continue;
        a->outcomes[count] = (struct job_outcome){.state = JOB_SUCCEEDED, .finished_at_ms = now_ms};
        a->jobs[count++] = work->job;
    }
    return queue_finish(lane->acking, a->redis, a->worker->consumer, a->jobs, a->outcomes, count);
}

static enum status settle(struct acker *a)
{
    for (size_t i = 0; i < a->count; i++) {
        struct work *work = a->works[i];
        if (atomic_load(&work->is_abandoned))
            continue;
        TRY(schedule_retries(a, work));
        TRY(publish_done(a, work));
        if (work->failure[0])
            TRY(bury(a, work));
    }
    if (atomic_load(&a->worker->alerts) > 0) {
        TRY(redis_do(a->redis, NULL, "PUBLISH", OUTBOX_WAKE_CHANNEL, "1"));
        atomic_store(&a->worker->alerts, 0);
    }
    for (size_t i = 0; i < a->worker->lane_count; i++)
        TRY(ack_lane(a, &a->worker->lanes[i]));
    return ST_OK;
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
        work_free(a->works[i]);
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
        a->count = bqueue_take(w->to_ack, (void **)a->works, WORKER_ACK_BATCH, WAIT_MS);
        if (a->count > 0)
            acknowledge(a);
        else if (bqueue_is_closed(w->to_ack))
            return;
    }
}
