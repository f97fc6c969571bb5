/* From jobs to runs: what is to be probed, with which configuration. */
#include "services/worker/worker.h"

#include <stdio.h>
#include <string.h>

#include "auth/seal_json.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "json/parse.h"
#include "json/secrets.h"
#include "log/log.h"
#include "services/worker/tasks/task.h"
#include "store/checks.h"
#include "zone/zone.h"

enum { WORK_ARENA_LIMIT = 32 << 20, DEFINE_ARENA_LIMIT = 256 << 20, RETRY_DEFAULT_MS = 30000 };

/* --- one job --- */

static enum status add_runs(struct work *work, size_t count)
{
    work->runs = calloc(MAX_OF(count, (size_t)1), sizeof(*work->runs));
    if (!work->runs)
        return ST_NO_MEMORY;
    work->run_count = count;
    for (size_t i = 0; i < count; i++) {
        struct run *run = &work->runs[i];
        run->work = work;
        run->probe.http = work->worker->http;
        run->probe.result.response_us = -1;
        buf_init(&run->probe.result.raw, LIMIT_RESULT_RAW_BYTES);
    }
    return ST_OK;
}

static enum status read_scheduled(struct work *work, struct errbuf *err)
{
    struct check_scheduled in;
    TRY(check_scheduled_decode(work->job.args, &in, err));
    TRY(add_runs(work, in.count));
    work->kind = in.is_retry ? WORK_RETRY : WORK_SCHEDULED;
    for (size_t i = 0; i < in.count; i++) {
        work->runs[i].check_id = in.due[i].check_id;
        work->runs[i].slot_us = in.due[i].slot_ms * 1000;
        work->runs[i].prev_slot_us = in.due[i].prev_ms * 1000;
    }
    return ST_OK;
}

static enum status read_run(struct work *work, struct errbuf *err)
{
    struct check_run in;
    TRY(check_run_decode(work->job.args, &in, err));
    TRY(add_runs(work, 1));
    work->kind = WORK_RUN;
    work->runs[0].check_id = in.check_id;
    work->runs[0].slot_us = in.slot_us;
    return ST_OK;
}

static enum status read_adhoc(struct work *work, struct errbuf *err)
{
    TRY(check_adhoc_decode(work->job.args, work->arena, &work->adhoc, err));
    TRY(add_runs(work, 1));
    work->kind = WORK_ADHOC;
    return ST_OK;
}

static const struct {
    const char *task;
    enum status (*read)(struct work *work, struct errbuf *err);
} readers[] = {
    {"check.scheduled", read_scheduled},
    {"check.run", read_run},
    {"check.adhoc", read_adhoc},
};

bool plan_is_probe(const char *task)
{
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        if (str_eq(readers[i].task, task))
            return true;
    }
    return false;
}

static enum status read_task(struct work *work)
{
    work->kind = WORK_TASK;
    work->task = arena_alloc(work->arena, sizeof(*work->task));
    return work->task ? ST_OK : ST_NO_MEMORY;
}

static enum status read_job(struct work *work)
{
    struct errbuf err = {0};
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        if (!str_eq(readers[i].task, work->job.task))
            continue;
        enum status st = readers[i].read(work, &err);
        if (st == ST_OK || st == ST_NO_MEMORY)
            return st;
        (void)snprintf(work->failure, sizeof(work->failure), "arguments: %.100s", err.text);
        return ST_OK;
    }
    if (task_handler_find(work->job.task))
        return read_task(work);
    (void)snprintf(work->failure, sizeof(work->failure), "this worker does not know the task");
    return ST_OK;
}

enum status work_new(struct lane *lane, const struct job *job, struct work **out)
{
    struct work *work = calloc(1, sizeof(*work));
    if (!work)
        return ST_NO_MEMORY;
    work->worker = lane->worker;
    work->lane = lane;
    work->arena = arena_new(WORK_ARENA_LIMIT);
    enum status st = work->arena ? job_copy(job, work->arena, &work->job) : ST_NO_MEMORY;
    if (st == ST_OK)
        st = read_job(work);
    /* Counted from here on: work_free takes the same off again. */
    atomic_fetch_add(&lane->worker->open, MAX_OF(work->run_count, (size_t)1));
    atomic_fetch_add(&lane->worker->unprobed, work->run_count);
    atomic_store(&work->left, work->run_count + (work->task ? 2 : 1));
    works_add(work);
    if (st != ST_OK) {
        atomic_fetch_sub(&lane->worker->unprobed, work->run_count);
        work_free(work);
        return st;
    }
    *out = work;
    return ST_OK;
}

/* --- definitions --- */

/* From one run to the next; 0: not known. */
static int64_t interval_of(const char *schedule)
{
    struct schedule s;
    return schedule && schedule_read(schedule, &s, NULL) == ST_OK
               ? schedule_gap_ms(&s, 0, clock_wall_ms())
               : 0;
}

/* A try that would not come before the schedule's own next run is none. */
static int64_t retry_of(const struct due_check *due)
{
    int64_t interval = interval_of(due->schedule);
    int64_t retry = interval_of(due->retry_interval);
    if (retry == 0)
        retry = MIN_OF(interval, (int64_t)RETRY_DEFAULT_MS);
    return retry < interval ? retry : 0;
}

static void break_run(struct run *run, const char *word, const char *text)
{
    run->plan = RUN_BROKEN;
    probe_result_error(&run->probe.result, word, "%s", text);
}

/* What a person needs to know of a configuration that no longer fits its kind. */
static void break_config(struct run *run, const struct field_errors *errors)
{
    const json_t *first = json_array_get(errors->list, 0);
    const json_t *loc = json_object_get(first, "loc");
    const char *field = json_string_value(json_array_get(loc, json_array_size(loc) - 1));
    const char *msg = json_string_value(json_object_get(first, "msg"));
    char text[256];
    (void)snprintf(text, sizeof(text), "The check's configuration is not valid: %.60s: %.120s",
                   field ? field : "config", msg ? msg : "invalid");
    break_run(run, "config", text);
}

/* What a run needs, stored or from the job itself. */
struct definition {
    const char *kind, *config_json;
    const unsigned char *sealed;
    size_t sealed_len;
    struct seal_place place;
    int64_t timeout_ms;
};

/* The configuration as one object, secrets included. */
static enum status open_config(const struct run *run, const struct definition *d, json_t **out)
{
    AUTO_JSON open = NULL;
    AUTO_JSON secret = NULL;
    TRY(json_parse(d->config_json, strlen(d->config_json), &open, NULL));
    TRY(seal_json_open(run->work->worker->seal, &d->place, d->sealed, d->sealed_len,
                       run->work->arena, &secret));
    return secrets_join(open, secret, out);
}

static enum status define(struct run *run, const struct definition *d)
{
    const struct check_kind *kind = check_kind_find(d->kind);
    run->kind = kind ? probe_kind_find(kind->name) : NULL;
    run->probe.timeout_ms = MIN_OF(MAX_OF(d->timeout_ms, (int64_t)1),
                                   (int64_t)LIMIT_PROBE_TIMEOUT_MS);
    run->plan = RUN_READY;
    if (!run->kind) {
        break_run(run, "kind", "This worker does not know this kind of check");
        return ST_OK;
    }
    AUTO_FIELD_ERRORS errors = {0};
    void *bound = NULL;
    enum status st = open_config(run, d, &run->config_json);
    if (st == ST_UNAVAILABLE || st == ST_CORRUPT) {
        break_run(run, "secret",
                  st == ST_CORRUPT ? "The check's secret does not open with TOCSIN_SECRET_KEY"
                                   : "No key to open the check's secret with (TOCSIN_SECRET_KEY)");
        return ST_OK;
    }
    if (st == ST_OK)
        st = check_kind_bind(kind, run->config_json, run->work->arena, &bound, &errors);
    if (st == ST_NO_MEMORY)
        return st;
    if (st != ST_OK)
        break_config(run, &errors);
    run->probe.config = bound;
    return ST_OK;
}

static enum status define_adhoc(struct work *work)
{
    struct run *run = &work->runs[0];
    const struct definition d = {
        .kind = work->adhoc.kind,
        .config_json = work->adhoc.config_json,
        .sealed = work->adhoc.sealed,
        .sealed_len = work->adhoc.sealed_len,
        .place = check_adhoc_seal_place(&work->job.id),
        .timeout_ms = work->adhoc.timeout_ms,
    };
    TRY(define(run, &d));
    run->slot_us = clock_wall_us();
    if (run->plan == RUN_BROKEN) {
        (void)str_copy(work->reply_error, sizeof(work->reply_error), run->probe.result.message);
        run->plan = RUN_SKIPPED;
    }
    return ST_OK;
}

static enum status define_stored(struct work *work, const struct map *by_id)
{
    for (size_t i = 0; i < work->run_count; i++) {
        struct run *run = &work->runs[i];
        const struct due_check *due = map_get(by_id, &run->check_id, sizeof(run->check_id));
        run->plan = RUN_SKIPPED;
        if (!due) {
            (void)str_copy(work->reply_error, sizeof(work->reply_error),
                           "The check does not exist any more");
            continue;
        }
        /* Who asks for a run by hand gets one of a disabled check, too. */
        if (!due->is_enabled && work->kind != WORK_RUN)
            continue;
        run->retry_ms = retry_of(due);
        const struct definition d = {
            .kind = due->kind,
            .config_json = due->config_json,
            .sealed = due->sealed,
            .sealed_len = due->sealed_len,
            .place = check_seal_place(&due->id),
            .timeout_ms = due->timeout_ms,
        };
        TRY(define(run, &d));
    }
    return ST_OK;
}

static enum status load(struct db *db, struct work *list, struct arena *arena, struct map **out)
{
    VEC(struct uuid) ids = {0};
    enum status st = ST_OK;
    for (struct work *work = list; work; work = work->next) {
        for (size_t i = 0; i < work->run_count && work->kind != WORK_ADHOC && st == ST_OK; i++)
            st = vec_push(&ids, work->runs[i].check_id);
    }
    struct due_check *due = NULL;
    size_t count = 0;
    if (st == ST_OK && ids.count > 0)
        st = due_load(db, arena, ids.at, ids.count, &due, &count);
    vec_done(&ids);
    TRY(st);
    struct map *by_id = map_new(count + 1);
    if (!by_id)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = map_set(by_id, &due[i].id, sizeof(due[i].id), &due[i]);
    if (st != ST_OK) {
        map_free(by_id);
        return st;
    }
    *out = by_id;
    return ST_OK;
}

/* A second try after a failed one begins anew. */
static void forget(struct work *work)
{
    for (size_t i = 0; i < work->run_count; i++) {
        struct run *run = &work->runs[i];
        json_decref(run->config_json);
        run->config_json = NULL;
        run->probe.config = NULL;
    }
}

enum status works_define(struct db *db, struct work *list)
{
    AUTO_ARENA arena = arena_new(DEFINE_ARENA_LIMIT);
    struct map *by_id = NULL;
    if (!arena)
        return ST_NO_MEMORY;
    TRY(load(db, list, arena, &by_id));
    enum status st = ST_OK;
    for (struct work *work = list; work && st == ST_OK; work = work->next) {
        if (work->run_count == 0)
            continue;
        forget(work);
        st = work->kind == WORK_ADHOC ? define_adhoc(work) : define_stored(work, by_id);
    }
    map_free(by_id);
    return st;
}
