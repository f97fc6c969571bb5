/*
 * Running a check now. The request is parked under the id of the job and woken by the waiter, so
 * that a thousand callers who wait hold no thread. Whether a check was run is asked of the
 * database, not of the message: a message can get lost.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "queue/check_jobs.h"
#include "services/api/api.h"
#include "services/api/config_secrets.h"
#include "services/api/routes/check_runs.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/results.h"
#include "services/api/routes/routes.h"

/* How often a request that waits for a stored result looks for itself: a lost message costs this.
 */
enum { LOOK_EVERY_MS = 2000 };

struct run {
    struct uuid check_id; /* nil: ad hoc */
    struct uuid job_id;
    int64_t slot_us;
    int64_t wait_ms; /* the check's time limit and the grace for queueing and recording */
    int64_t deadline_mono_ms;
};

static enum status timed_out(struct req *r, const struct run *run)
{
    return req_fail(r, ST_TIMEOUT, "CHECK_RUN_TIMEOUT", "No worker finished the check within %d ms",
                    (int)run->wait_ms);
}

static enum status failed(struct req *r, const json_t *done)
{
    const char *why = json_string_value(json_object_get(done, "error"));
    return req_fail(r, ST_IO, "CHECK_RUN_FAILED", "The check could not be run: %.500s",
                    why ? why : "the worker's answer is not understood");
}

/* What the worker said; NULL when it said nothing. */
static json_t *message_of(const struct req *r)
{
    json_t *done = NULL;
    if (r->timed_out || r->wake_len == 0 ||
        json_parse(r->wake_data, r->wake_len, &done, NULL) != ST_OK)
        return NULL;
    return done;
}

/* --- starting --- */

enum status run_queue_failed(struct req *r, enum status st)
{
    if (st == ST_OVERLOADED)
        return req_fail(r, st, "QUEUE_FULL", "Too many jobs wait already");
    if (st == ST_TOO_LARGE)
        return req_fail(r, st, NULL, "The configuration is larger than a job may be");
    if (st == ST_NO_MEMORY)
        return st;
    return req_fail(r, ST_UNAVAILABLE, "QUEUE_UNAVAILABLE",
                    "The job queue cannot be reached; stored data can still be read");
}

enum status run_tenant(struct req *r, struct job *job)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(&r->who->org_id, text);
    job->tenant = arena_strdup(r->arena, text);
    return job->tenant ? ST_OK : ST_NO_MEMORY;
}

enum status run_queue(const char *task, struct queue **out)
{
    return queue_new(task_queue(task_find(task)), 0, out);
}

static enum status enqueue(struct req *r, const struct job *job)
{
    struct queue *q = NULL;
    TRY(run_queue(job->task, &q));
    enum status st = queue_enqueue(q, req_ctx(r)->redis, job);
    queue_free(q);
    return st;
}

static int64_t wait_ms_of(const struct req *r, int64_t timeout_ms)
{
    return timeout_ms + req_ctx(r)->conf->run_grace;
}

/* Parks first, then enqueues, so that a quick answer finds somebody waiting. */
static enum status start(struct req *r, const struct run *run, const char *task,
                         const struct buf *args, int64_t park_ms, http_handler *resume)
{
    if (buf_status(args) != ST_OK)
        return run_queue_failed(r, ST_TOO_LARGE);
    struct job job;
    TRY(job_init(&job, task, buf_cstr(args), clock_wall_ms()));
    job.id = run->job_id;
    job.priority = QUEUE_WAITED_PRIORITY;
    TRY(run_tenant(r, &job));
    job.reply = CHECK_DONE_CHANNEL;
    /* Nobody waits after that. */
    job.expires_at_ms = job.enqueued_at_ms + run->wait_ms;
    struct run *state = arena_alloc(r->arena, sizeof(*state));
    if (!state)
        return ST_NO_MEMORY;
    *state = *run;
    state->deadline_mono_ms = clock_mono_ms() + run->wait_ms;
    r->state = state;
    TRY(req_park(r, &job.id, park_ms, resume));
    enum status st = enqueue(r, &job);
    if (st == ST_OK)
        return ST_OK;
    req_unpark(r);
    return run_queue_failed(r, st);
}

/* --- a stored check --- */

static int64_t next_look_ms(const struct run *run)
{
    return MIN_OF(run->deadline_mono_ms - clock_mono_ms(), (int64_t)LOOK_EVERY_MS);
}

static enum status run_done(struct req *r)
{
    const struct run *run = r->state;
    AUTO_JSON done = message_of(r);
    struct result result;
    enum status st = results_get_manual(req_ctx(r)->db, r->arena, &r->who->org_id, &run->check_id,
                                        run->slot_us, &result);
    if (st == ST_NOT_FOUND && done)
        return failed(r, done);
    if (st == ST_NOT_FOUND && next_look_ms(run) > 0)
        return req_park(r, &run->job_id, next_look_ms(run), run_done);
    if (st == ST_NOT_FOUND)
        return timed_out(r, run);
    TRY(st);
    reply_object(r, 200, &result_schema, &result);
    return ST_OK;
}

int64_t run_slots_us(int64_t count)
{
    /* Of the process: its requests are served by several threads. */
    static _Atomic int64_t next_us;
    int64_t next = atomic_load(&next_us), first = 0;
    do {
        first = MAX_OF(next, clock_wall_us());
    } while (!atomic_compare_exchange_weak(&next_us, &next, first + count));
    return first;
}

static enum status check_run(struct req *r)
{
    struct check c;
    TRY(check_of_path(r, &c));
    const struct run run = {
        .check_id = c.id,
        .job_id = uuid_new(),
        .slot_us = run_slots_us(1),
        .wait_ms = wait_ms_of(r, c.timeout_ms),
    };
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    check_run_encode(&(struct check_run){.check_id = run.check_id, .slot_us = run.slot_us}, &args);
    return start(r, &run, "check.run", &args, MIN_OF(run.wait_ms, (int64_t)LOOK_EVERY_MS),
                 run_done);
}

/* --- ad hoc --- */

#define AT(member) offsetof(struct adhoc_check_in, member)
static const struct field adhoc_fields[] = {
    {.name = "plugin_type",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(plugin_type),
     .max = 64,
     .example = "\"website\""},
    {.name = "config",
     .type = FT_MAP,
     .flags = F_REQUIRED,
     .offset = AT(config),
     .example = "{\"url\":\"https://example.com\",\"expected_status\":200}"},
    {.name = "timeout",
     .type = FT_NUMBER,
     .offset = AT(timeout),
     .min = 0.1,
     .max = LIMIT_PROBE_TIMEOUT_MS / 1000.0,
     .help = "Time limit of this check in seconds (default: 10)"},
};
#undef AT
const struct schema adhoc_check_schema = {
    .name = "CheckRunAdHoc",
    .fields = adhoc_fields,
    .count = ARRAY_LEN(adhoc_fields),
    .size = sizeof(struct adhoc_check_in),
    .variants = &check_kind_variants,
};

enum status run_adhoc_encode(struct req *r, const struct adhoc_check_in *in,
                             const struct uuid *job_id, struct buf *args, const char **shown,
                             int64_t *timeout_ms)
{
    const struct check_kind *kind = check_kind_find(in->plugin_type.v);
    const struct seal_place place = check_adhoc_seal_place(job_id);
    struct kept_config kept;
    TRY(config_keep(r, kind->config, &place, in->config.v, &kept));
    const struct check_adhoc adhoc = {
        .kind = kind->name,
        .config_json = kept.open,
        .sealed = kept.sealed,
        .sealed_len = kept.sealed_len,
        .timeout_ms = check_timeout_ms(&in->timeout, in->config.v, CHECK_TIMEOUT_DEFAULT_MS),
    };
    check_adhoc_encode(&adhoc, args);
    *shown = kept.open;
    *timeout_ms = adhoc.timeout_ms;
    return ST_OK;
}

enum status run_adhoc_read(const json_t *done, struct arena *arena, struct result *out)
{
    const json_t *response = json_object_get(done, "response_time");
    const json_t *raw = json_object_get(done, "raw_data");
    const char *executed = json_string_value(json_object_get(done, "executed_at"));
    const char *status = json_string_value(json_object_get(done, "status"));
    const char *message = json_string_value(json_object_get(done, "message"));
    if (!status || !message || !raw || !executed)
        return ST_INVALID;
    AUTO_FREE char *raw_text = json_dumps(raw, JSON_COMPACT);
    struct result result = {
        .id = uuid_new(),
        .location = arena_strdup(arena, json_string_value(json_object_get(done, "location"))),
        .trigger = "adhoc",
        .status = arena_strdup(arena, status),
        .message = arena_strdup(arena, message),
        .response_s = json_is_number(response) ? json_number_value(response) : __builtin_nan(""),
        .lag_s = __builtin_nan(""),
        .raw_data = arena_strdup(arena, raw_text),
    };
    if (!result.status || !result.message || !result.raw_data)
        return ST_NO_MEMORY;
    TRY(time_parse_us(executed, &result.executed_us));
    *out = result;
    return ST_OK;
}

static enum status adhoc_done(struct req *r)
{
    const struct run *run = r->state;
    AUTO_JSON done = message_of(r);
    if (!done)
        return timed_out(r, run);
    struct result result;
    enum status st = run_adhoc_read(done, r->arena, &result);
    if (st == ST_NO_MEMORY)
        return st;
    if (st != ST_OK)
        return failed(r, done);
    reply_object(r, 200, &result_schema, &result);
    return ST_OK;
}

static enum status check_run_adhoc(struct req *r)
{
    const struct adhoc_check_in *in = r->in;
    const struct check_kind *kind = check_kind_find(in->plugin_type.v);
    if (!kind)
        return check_unknown_kind(r, in->plugin_type.v);
    TRY(check_config_valid(r, kind, in->config.v));
    struct run run = {.job_id = uuid_new()};
    const char *shown = NULL;
    int64_t timeout_ms = 0;
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    TRY(run_adhoc_encode(r, in, &run.job_id, &args, &shown, &timeout_ms));
    run.wait_ms = wait_ms_of(r, timeout_ms);
    return start(r, &run, "check.adhoc", &args, run.wait_ms, adhoc_done);
}

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/checks/{id}/run",
     .summary = "Run a check now, store the result and wait for it",
     .scope = SCOPE_CHECKS_RUN,
     .reply = &result_schema,
     .tag = "Checks",
     .errors = ERRORS("CHECK_NOT_FOUND", "CHECK_RUN_FAILED", "CHECK_RUN_TIMEOUT", "QUEUE_FULL",
                      "QUEUE_UNAVAILABLE", "TOO_LARGE"),
     .handler = check_run},
    {.method = M_POST,
     .path = "/api/v1/checks/run",
     .summary = "Run a check that is not stored, and wait for the result",
     .scope = SCOPE_CHECKS_RUN,
     .body = &adhoc_check_schema,
     .reply = &result_schema,
     .tag = "Checks",
     .errors = ERRORS("CHECK_RUN_FAILED", "CHECK_RUN_TIMEOUT", "QUEUE_FULL", "QUEUE_UNAVAILABLE"),
     .handler = check_run_adhoc},
};
const struct route_set check_runs_routes = {routes, ARRAY_LEN(routes)};
