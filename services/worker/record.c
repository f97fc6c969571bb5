/*
 * The record stage: all results that wait become one transaction. While PostgreSQL is away the
 * batch is kept and tried again; its jobs stay unacknowledged, so that a crash loses nothing
 * either.
 */
#include "services/worker/worker.h"

#include <stdio.h>

#include "base/crash.h"
#include "base/rand.h"
#include "log/log.h"

enum { WAIT_MS = 60 * 1000 }; /* an end of the queue wakes as well */

struct recorder {
    struct stage *stage;
    struct worker *worker;
    struct db *db;
    struct run *runs[LIMIT_RECORD_BATCH];
    struct record records[LIMIT_RECORD_BATCH];
    struct record_outcome outcomes[LIMIT_RECORD_BATCH];
};

static const char *trigger_of(const struct run *run)
{
    switch (run->work->kind) {
    case WORK_RUN:
        return "manual";
    case WORK_RETRY:
        return "retry";
    case WORK_SCHEDULED:
    case WORK_ADHOC:
    case WORK_TASK: /* has no runs */
    default:
        return "schedule";
    }
}

static struct record record_of(const struct recorder *rec, const struct run *run)
{
    const struct probe_result *r = &run->probe.result;
    return (struct record){
        .check_id = run->check_id,
        .slot_us = run->slot_us,
        .prev_slot_us = run->prev_slot_us,
        .location = rec->worker->conf->location,
        .trigger = trigger_of(run),
        .status = r->status,
        .message = r->message,
        .response_us = r->response_us,
        .lag_us = MAX_OF(run->executed_us - run->slot_us, (int64_t)0),
        .raw_json = buf_cstr(&r->raw),
        .executed_us = run->executed_us,
    };
}

static void abandon(struct recorder *rec, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        atomic_store(&rec->runs[i]->work->is_abandoned, true);
        work_run_through(rec->runs[i]->work);
    }
}

static void stored(struct recorder *rec, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        rec->runs[i]->outcome = rec->outcomes[i];
        rec->runs[i]->is_recorded = true;
        work_run_through(rec->runs[i]->work);
    }
}

/* The store will never take this one: it must not keep the others waiting, nor vanish unseen. */
static void refused(struct recorder *rec, size_t index, enum status st)
{
    struct run *run = rec->runs[index];
    struct work *work = run->work;
    log_error("result_refused", kv_uuid("check_id", run->check_id), kv_status(st),
              kv_str("error", db_error(rec->db)));
    worker_metrics_dropped(1);
    /* The job's results are stored by this thread alone, and read when the last is through. */
    (void)snprintf(work->failure, sizeof(work->failure), "result refused: %s", status_name(st));
    work_run_through(work);
}

static bool is_passing(enum status st)
{
    return status_is_retryable(st) || st == ST_IO;
}

/* Until it is stored, refused for good, or the worker gives up. ST_STOPPED: given up. */
static enum status store(struct recorder *rec, size_t from, size_t count)
{
    for (int failures = 0;; failures++) {
        size_t alerts = 0;
        int64_t began_us = clock_mono_us();
        CRASH_AT("worker.before_record");
        enum status st = recorder_store(rec->db, rec->records + from, count, rec->outcomes + from,
                                        &alerts);
        CRASH_AT("worker.after_record");
        worker_health(WORKER_DATABASE, !is_passing(st));
        if (st == ST_OK) {
            worker_metrics_batch(count, clock_mono_us() - began_us);
            atomic_fetch_add(&rec->worker->alerts, alerts);
        }
        if (!is_passing(st))
            return st;
        log_warn("record_failed", kv_status(st), kv_i64("results", (int64_t)count),
                 kv_i64("tries", failures + 1), kv_str("error", db_error(rec->db)));
        if (atomic_load(&rec->worker->is_giving_up))
            return ST_STOPPED;
        (void)stage_sleep(rec->stage,
                          1 + rand_backoff_ms(failures, WORKER_BACKOFF_MS, WORKER_BACKOFF_CAP_MS));
    }
}

static void settle(struct recorder *rec, size_t from, size_t count, enum status st)
{
    if (st == ST_OK)
        stored(rec, from, count);
    else if (st == ST_STOPPED)
        abandon(rec, from, count);
    else
        refused(rec, from, st);
}

static void record(struct recorder *rec, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rec->records[i] = record_of(rec, rec->runs[i]);
    enum status st = store(rec, 0, count);
    if (st == ST_OK || st == ST_STOPPED || count == 1) {
        settle(rec, 0, count, st);
        return;
    }
    /* One of them is at fault: alone, each gets its own answer. */
    for (size_t i = 0; i < count; i++)
        settle(rec, i, 1, store(rec, i, 1));
}

void record_stage(struct stage *stage, void *arg)
{
    struct worker *w = arg;
    struct errbuf err = {0};
    AUTO_FREE struct recorder *rec = calloc(1, sizeof(*rec));
    AUTO_DB db = NULL;
    /* The settings were tried when the fetch stages' connections were made. */
    if (!rec || db_new(w->conf->database_url, "tocsin-worker-record", &db, &err) != ST_OK) {
        log_error("record_stage", kv_str("error", err.text));
        abort();
    }
    rec->stage = stage;
    rec->worker = w;
    rec->db = db;
    for (;;) {
        size_t count = bqueue_take(w->to_record, (void **)rec->runs, LIMIT_RECORD_BATCH, WAIT_MS);
        if (count > 0)
            record(rec, count);
        else if (bqueue_is_closed(w->to_record))
            return;
    }
}
