/*
 * /batch: running several checks and waiting for all of them. At most `max_workers` are under way
 * at a time: the next job is enqueued when one has ended. The request is parked meanwhile and holds
 * no thread; what the workers say wakes it (gather.h). As with single runs, the database is asked
 * what came of stored checks: a message can get lost.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "queue/check_jobs.h"
#include "services/api/api.h"
#include "services/api/gather.h"
#include "services/api/routes/batch_reply.h"
#include "services/api/routes/check_runs.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/routes.h"

enum { LOOK_EVERY_MS = 2000, WORKERS_DEFAULT = 5, TIMEOUT_DEFAULT_S = 30 };

/* --- the batch --- */

struct item {
    struct item_out out;
    struct run_out run;
    struct error_out error;
    enum { ITEM_WAITS, ITEM_RUNS, ITEM_OVER } state;
    bool is_done; /* the worker said so: its result, if any, is stored */
    const char *args;
    struct uuid check_id, job_id;
    int64_t slot_us;
    int64_t wait_ms, until_mono_ms;
};
struct batch {
    bool is_stored;
    const char *task;
    const struct schema *schema;
    struct gather *gather;
    struct queue *queue;
    struct item *items;
    size_t count, next, running, max_workers;
    int64_t deadline_mono_ms, timeout_ms;
    bool is_refused; /* the queue took nothing more */
};

static void batch_free(struct batch *b)
{
    gather_free(take(&b->gather));
    queue_free(take(&b->queue));
}

static void end_item(struct batch *b, struct item *item)
{
    b->running -= item->state == ITEM_RUNS;
    item->state = ITEM_OVER;
}

static void fail_item(struct batch *b, struct item *item, const char *code, const char *message)
{
    item->error = (struct error_out){code, message};
    item->run = (struct run_out){
        .status = "error", .message = message, .response_s = NAN, .raw_data = "{}"};
    item->out.error = &item->error;
    end_item(b, item);
}

static void finish_item(struct batch *b, struct item *item, const struct result *result)
{
    item->run = (struct run_out){
        .status = result->status,
        .message = result->message,
        .response_s = result->response_s,
        .raw_data = result->raw_data,
        .id = b->is_stored ? result->id : (struct uuid){{0}},
        .executed_us = result->executed_us,
    };
    end_item(b, item);
}

/* --- hearing --- */

static enum status take_message(struct req *r, struct batch *b, struct item *item,
                                const char *message)
{
    AUTO_JSON done = NULL;
    struct result result;
    if (item->state != ITEM_RUNS || json_parse(message, strlen(message), &done, NULL) != ST_OK)
        return ST_OK; /* the time limit ends it */
    const char *why = json_string_value(json_object_get(done, "error"));
    if (!why && b->is_stored) {
        /* The next one may start; the result is read with the others'. */
        b->running--;
        item->state = ITEM_OVER;
        item->is_done = true;
        return ST_OK;
    }
    enum status st = why ? ST_INVALID : run_adhoc_read(done, r->arena, &result);
    if (st == ST_NO_MEMORY)
        return st;
    if (st == ST_OK) {
        finish_item(b, item, &result);
        return ST_OK;
    }
    const char *text = arena_printf(r->arena, "The check could not be run: %.500s",
                                    why ? why : "the worker's answer is not understood");
    if (!text)
        return ST_NO_MEMORY;
    fail_item(b, item, "CHECK_RUN_FAILED", text);
    return ST_OK;
}

static enum status hear(struct req *r, struct batch *b)
{
    size_t place = 0;
    char *message = NULL;
    while (gather_take(b->gather, &place, &message)) {
        AUTO_FREE char *owned = message;
        TRY(take_message(r, b, &b->items[place], owned));
    }
    return ST_OK;
}

/* Reads what is stored of those that the workers finished, and of those that were never heard of.
 */
static enum status read_stored(struct req *r, struct batch *b)
{
    struct uuid ids[LIMIT_BATCH_CHECKS];
    int64_t slots[LIMIT_BATCH_CHECKS];
    struct item *of[LIMIT_BATCH_CHECKS];
    size_t n = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];
        if (item->state != ITEM_RUNS && !item->is_done)
            continue;
        ids[n] = item->check_id;
        slots[n] = item->slot_us;
        of[n++] = item;
    }
    if (n == 0)
        return ST_OK;
    const struct result **found = NULL;
    TRY(results_get_manuals(req_ctx(r)->db, r->arena, &r->who->org_id, ids, slots, n, &found));
    for (size_t i = 0; i < n; i++) {
        if (found[i]) {
            of[i]->is_done = false;
            finish_item(b, of[i], found[i]);
        } else if (of[i]->is_done) {
            of[i]->is_done = false;
            fail_item(b, of[i], "CHECK_RUN_FAILED", "The check's result was not stored");
        }
    }
    return ST_OK;
}

/* --- starting --- */

static enum status start_item(struct req *r, struct batch *b, size_t place)
{
    struct item *item = &b->items[place];
    int64_t now_mono_ms = clock_mono_ms();
    struct job job;
    TRY(job_init(&job, b->task, item->args, clock_wall_ms()));
    job.id = item->job_id;
    job.priority = QUEUE_WAITED_PRIORITY;
    TRY(run_tenant(r, &job));
    job.reply = CHECK_DONE_CHANNEL;
    int64_t wait_ms = MIN_OF(item->wait_ms, b->deadline_mono_ms - now_mono_ms);
    job.expires_at_ms = job.enqueued_at_ms + wait_ms;
    item->until_mono_ms = now_mono_ms + wait_ms;
    TRY(gather_expect(b->gather, place, &job.id));
    TRY(queue_enqueue(b->queue, req_ctx(r)->redis, &job));
    item->state = ITEM_RUNS;
    b->running++;
    return ST_OK;
}

/* As many as may run. ST_NO_MEMORY and the queue's refusal of the very first end the request. */
static enum status start_some(struct req *r, struct batch *b)
{
    for (; b->next < b->count && b->running < b->max_workers; b->next++) {
        struct item *item = &b->items[b->next];
        if (item->state != ITEM_WAITS)
            continue;
        enum status st = b->is_refused ? ST_UNAVAILABLE : start_item(r, b, b->next);
        if (st == ST_OK)
            continue;
        if (st == ST_NO_MEMORY || b->next == 0)
            return run_queue_failed(r, st);
        b->is_refused = true;
        fail_item(b, item, "QUEUE_UNAVAILABLE", "The job could not be enqueued");
    }
    return ST_OK;
}

/* --- waiting --- */

/* Those whose own time is over make room; that of all ends in finish. */
static void time_out(struct batch *b, int64_t now_mono_ms, const char *message)
{
    for (size_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];
        if (item->state == ITEM_RUNS && item->until_mono_ms <= now_mono_ms &&
            item->until_mono_ms < b->deadline_mono_ms)
            fail_item(b, item, "CHECK_RUN_TIMEOUT", message);
    }
}

static bool is_over(const struct batch *b)
{
    return b->running == 0 && b->next >= b->count;
}

static enum status finish(struct req *r, struct batch *b)
{
    if (b->is_stored)
        TRY(read_stored(r, b));
    const char *text = arena_printf(r->arena, "The check was not finished within %.3g s",
                                    (double)b->timeout_ms / 1000);
    struct item_out *items = arena_array(r->arena, b->count, sizeof(*items));
    if (!text || !items)
        return ST_NO_MEMORY;
    struct batch_out out = {.results = {b->count, items}, .count = (int64_t)b->count};
    for (size_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];
        if (item->state != ITEM_OVER)
            fail_item(b, item, "CHECK_RUN_TIMEOUT", text);
        item->out.result = &item->run;
        items[i] = item->out;
        out.finished += !item->out.error;
    }
    reply_object(r, 200, b->schema, &out);
    return ST_OK;
}

static enum status step(struct req *r, struct batch *b, http_handler *resume, bool *parked)
{
    for (;;) {
        int64_t now_mono_ms = clock_mono_ms();
        TRY(hear(r, b));
        if (r->timed_out && b->is_stored)
            TRY(read_stored(r, b)); /* a message may have got lost */
        time_out(b, now_mono_ms, "No worker finished the check within its time limit");
        if (now_mono_ms < b->deadline_mono_ms)
            TRY(start_some(r, b));
        if (is_over(b) || now_mono_ms >= b->deadline_mono_ms)
            return finish(r, b);
        int64_t wait_ms = MIN_OF(b->deadline_mono_ms - now_mono_ms, (int64_t)LOOK_EVERY_MS);
        TRY(req_park(r, gather_key(b->gather), wait_ms, resume));
        *parked = true;
        if (!gather_has_messages(b->gather))
            return ST_OK;
        req_unpark(r);
        *parked = false;
    }
}

static enum status batch_go_on(struct req *r)
{
    struct batch *b = r->state;
    bool parked = false;
    enum status st = step(r, b, batch_go_on, &parked);
    if (st != ST_OK || !parked)
        batch_free(b);
    return st;
}

/* --- beginning --- */

struct limits_in {
    struct in_i64 max_workers;
    struct in_f64 timeout;
};
#define LIMIT_FIELDS(in_type)                                                                  \
    {.name = "max_workers",                                                                    \
     .type = FT_INT,                                                                           \
     .offset = offsetof(in_type, limits.max_workers),                                          \
     .min = 1,                                                                                 \
     .max = LIMIT_BATCH_WORKERS,                                                               \
     .help = "Checks under way at a time (default: 5)",                                        \
     .example = "5"},                                                                          \
    {                                                                                          \
        .name = "timeout", .type = FT_NUMBER, .offset = offsetof(in_type, limits.timeout),     \
        .min = 0.1, .max = LIMIT_BATCH_TIMEOUT_S,                                              \
        .help = "Seconds for all of them (default: 30); what is not finished by then says so", \
        .example = "30"                                                                        \
    }

static enum status batch_new(struct req *r, const struct limits_in *in, size_t count,
                             struct batch **out)
{
    struct batch *b = arena_alloc(r->arena, sizeof(*b));
    struct item *items = arena_array(r->arena, count, sizeof(*items));
    if (!b || !items)
        return ST_NO_MEMORY;
    b->items = items;
    b->count = count;
    b->max_workers = (size_t)(in->max_workers.set ? in->max_workers.v : WORKERS_DEFAULT);
    b->timeout_ms = (int64_t)((in->timeout.set ? in->timeout.v : TIMEOUT_DEFAULT_S) * 1000);
    b->deadline_mono_ms = clock_mono_ms() + b->timeout_ms;
    for (size_t i = 0; i < count; i++)
        items[i].job_id = uuid_new();
    *out = b;
    return ST_OK;
}

static enum status batch_begin(struct req *r, struct batch *b)
{
    TRY(run_queue(b->task, &b->queue));
    enum status st = gather_new(req_ctx(r)->api->gathers, b->count, &b->gather);
    if (st != ST_OK) {
        batch_free(b);
        return st;
    }
    r->state = b;
    return batch_go_on(r);
}

static enum status keep_args(struct req *r, struct buf *args, struct item *item)
{
    if (buf_status(args) != ST_OK)
        return run_queue_failed(r, ST_TOO_LARGE);
    item->args = arena_strdup(r->arena, buf_cstr(args));
    return item->args ? ST_OK : ST_NO_MEMORY;
}

/* --- stored checks --- */

struct stored_in {
    struct in_list checks;
    struct limits_in limits;
};
static const struct field stored_in_fields[] = {
    {.name = "checks",
     .type = FT_LIST,
     .element = FT_STRING,
     .flags = F_REQUIRED,
     .offset = offsetof(struct stored_in, checks),
     .min = 1,
     .max = LIMIT_BATCH_CHECKS,
     .help = "Ids of checks; one that is not there is reported beside the others"},
    LIMIT_FIELDS(struct stored_in),
};
static const struct schema stored_in_schema = SCHEMA("BatchRun", struct stored_in,
                                                     stored_in_fields);

/* An id of another organisation's check is as good as none. */
static enum status prepare_stored(struct req *r, struct batch *b, const char *const *asked)
{
    struct uuid ids[LIMIT_BATCH_CHECKS];
    int64_t *limits = NULL;
    for (size_t i = 0; i < b->count; i++) {
        ids[i] = (struct uuid){0};
        if (uuid_parse(asked[i], &ids[i]) != ST_OK)
            ids[i] = (struct uuid){0};
    }
    TRY(checks_timeouts(req_ctx(r)->db, r->arena, &r->who->org_id, ids, b->count, &limits));
    int64_t first_us = run_slots_us((int64_t)b->count);
    for (size_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];
        item->out.check_id = asked[i];
        if (limits[i] == 0) {
            const char *text = arena_printf(r->arena, "There is no check %.64s", asked[i]);
            if (!text)
                return ST_NO_MEMORY;
            fail_item(b, item, "CHECK_NOT_FOUND", text);
            continue;
        }
        item->check_id = ids[i];
        item->slot_us = first_us + (int64_t)i; /* a check that is named twice runs twice */
        item->wait_ms = limits[i] + req_ctx(r)->conf->run_grace;
        AUTO_BUF args;
        buf_init(&args, LIMIT_JOB_ARGS_BYTES);
        check_run_encode(&(struct check_run){item->check_id, item->slot_us}, &args);
        TRY(keep_args(r, &args, item));
    }
    return ST_OK;
}

static enum status batch_run(struct req *r)
{
    const struct stored_in *in = r->in;
    struct batch *b = NULL;
    TRY(batch_new(r, &in->limits, in->checks.count, &b));
    b->is_stored = true;
    b->task = "check.run";
    b->schema = &batch_stored_schema;
    TRY(prepare_stored(r, b, in->checks.v));
    return batch_begin(r, b);
}

/* --- ad hoc --- */

struct adhoc_in {
    struct in_list checks;
    struct limits_in limits;
};
static const struct field adhoc_in_fields[] = {
    {.name = "checks",
     .type = FT_LIST,
     .sub = &adhoc_check_schema,
     .flags = F_REQUIRED,
     .offset = offsetof(struct adhoc_in, checks),
     .min = 1,
     .max = LIMIT_BATCH_CHECKS},
    LIMIT_FIELDS(struct adhoc_in),
};
static const struct schema adhoc_in_schema = SCHEMA("BatchRunAdHoc", struct adhoc_in,
                                                    adhoc_in_fields);

/* All of them, so that a request is refused once, with everything that is wrong. */
static enum status adhoc_valid(struct req *r, const struct adhoc_check_in *in, size_t count)
{
    AUTO_FIELD_ERRORS errors = {0};
    for (size_t i = 0; i < count; i++) {
        AUTO_FIELD_ERRORS own = {0};
        const struct check_kind *kind = check_kind_find(in[i].plugin_type.v);
        enum status st = ST_INVALID;
        if (kind)
            st = check_kind_bind(kind, in[i].config.v, r->arena, NULL, &own);
        else
            field_errors_add(&own, "body", "plugin_type", "value_error.enum",
                             "unknown plugin %.64s; GET /api/v1/plugins lists them",
                             in[i].plugin_type.v);
        if (st == ST_INVALID)
            st = field_errors_nest(&errors, "checks", i, &own);
        TRY(st);
    }
    return errors.list ? req_invalid(r, &errors) : ST_OK;
}

static enum status prepare_adhoc(struct req *r, const struct adhoc_check_in *in, struct item *item)
{
    AUTO_BUF args;
    buf_init(&args, LIMIT_JOB_ARGS_BYTES);
    int64_t timeout_ms = 0;
    TRY(run_adhoc_encode(r, in, &item->job_id, &args, &item->out.config, &timeout_ms));
    item->out.plugin_type = in->plugin_type.v;
    item->wait_ms = timeout_ms + req_ctx(r)->conf->run_grace;
    return keep_args(r, &args, item);
}

static enum status batch_run_adhoc(struct req *r)
{
    const struct adhoc_in *in = r->in;
    const struct adhoc_check_in *checks = in->checks.v;
    struct batch *b = NULL;
    TRY(adhoc_valid(r, checks, in->checks.count));
    TRY(batch_new(r, &in->limits, in->checks.count, &b));
    b->task = "check.adhoc";
    b->schema = &batch_adhoc_schema;
    for (size_t i = 0; i < b->count; i++)
        TRY(prepare_adhoc(r, &checks[i], &b->items[i]));
    return batch_begin(r, b);
}

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/batch/run",
     .summary = "Run checks in parallel, store the results and wait for them",
     .scope = SCOPE_CHECKS_RUN,
     .body = &stored_in_schema,
     .reply = &batch_stored_schema,
     .errors = ERRORS("QUEUE_FULL", "QUEUE_UNAVAILABLE"),
     .tag = "Batch",
     .handler = batch_run},
    {.method = M_POST,
     .path = "/api/v1/batch/run-ad-hoc",
     .summary = "Run checks that are not stored in parallel, and wait for the results",
     .scope = SCOPE_CHECKS_RUN,
     .body = &adhoc_in_schema,
     .reply = &batch_adhoc_schema,
     .errors = ERRORS("QUEUE_FULL", "QUEUE_UNAVAILABLE"),
     .tag = "Batch",
     .handler = batch_run_adhoc},
};
const struct route_set batch_routes = {routes, ARRAY_LEN(routes)};
