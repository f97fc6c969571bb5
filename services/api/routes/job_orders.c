/* Asking for jobs: POST /jobs, and chains of them. Through the outbox, so that a repeat with an
 * Idempotency-Key is the same job, and what was answered is run. */
#include "services/api/routes/job_orders.h"

#include "base/clock.h"
#include "queue/group.h"
#include "services/api/api.h"
#include "services/api/routes/check_runs.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"
#include "store/job_orders.h"

/* --- shared --- */

enum status order_maker_of(struct req *r, size_t count, struct order_maker *out)
{
    struct jobs_viewer who;
    TRY(jobs_viewer_of(r, &who));
    *out = (struct order_maker){
        .tenant = who.tenant,
        .may_system = who.is_operator,
        .now_ms = clock_wall_ms(),
        .slot_us = run_slots_us((int64_t)count),
    };
    return ST_OK;
}

enum status order_refused(struct req *r, enum status st, const struct field_errors *errors)
{
    return st == ST_INVALID ? req_invalid(r, errors) : st;
}

enum status order_checks(struct req *r, const char *member, bool is_one,
                         const struct task_args *args, size_t count)
{
    AUTO_FIELD_ERRORS own = {0};
    AUTO_FIELD_ERRORS errors = {0};
    bool any = false;
    const enum status st = job_orders_judge(req_ctx(r)->db, r->arena, &r->who->org_id,
                                            is_one ? NULL : member, args, count, &any,
                                            is_one ? &own : &errors);
    if (own.list)
        TRY(field_errors_nest_in(&errors, member, &own));
    if (any && !principal_may(r->who, SCOPE_CHECKS_RUN))
        return req_fail(r, ST_FORBIDDEN, "INSUFFICIENT_SCOPE", "Running checks needs checks:run");
    return order_refused(r, st, &errors);
}

enum status order_room(struct req *r, const struct job *jobs, size_t count)
{
    const enum status st = job_orders_admit(req_ctx(r)->db, req_ctx(r)->redis, jobs, count);
    if (st == ST_OVERLOADED)
        return req_fail(r, st, "QUEUE_FULL", "Too many jobs wait already");
    return st;
}

static enum status locate(struct req *r, const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    const char *path = arena_printf(r->arena, "/api/v1/jobs/%s", text);
    if (!path)
        return ST_NO_MEMORY;
    reply_header(r, "Location", path);
    return ST_OK;
}

/* --- replies --- */

struct made_out {
    struct uuid id;
    const char *task, *queue;
};
#define AT(member) offsetof(struct made_out, member)
static const struct field made_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id), .help = "As in GET /api/v1/jobs/{id}"},
    {.name = "task", .type = FT_STRING, .offset = AT(task), .example = "\"queue.noop\""},
    {.name = "queue",
     .type = FT_STRING,
     .offset = AT(queue),
     .help = "Where it goes",
     .example = "\"default\""},
};
#undef AT
static const struct schema made_schema = SCHEMA("JobMade", struct made_out, made_fields);

struct chain_out {
    struct out_list jobs;
    int64_t count;
};
static const struct field chain_fields[] = {
    {.name = "jobs",
     .type = FT_LIST,
     .sub = &made_schema,
     .offset = offsetof(struct chain_out, jobs),
     .help = "In their order; one that follows is waiting until the one before has succeeded"},
    {.name = "count", .type = FT_INT, .offset = offsetof(struct chain_out, count)},
};
static const struct schema chain_schema = SCHEMA("JobChain", struct chain_out, chain_fields);

static struct made_out made_of(const struct job *job)
{
    return (struct made_out){job->id, job->task, job_home(job)};
}

/* --- handlers --- */

static enum status job_create(struct req *r)
{
    struct order_maker who;
    struct job *job = NULL;
    struct task_args *args = NULL;
    AUTO_FIELD_ERRORS errors = {0};
    TRY(order_maker_of(r, 1, &who));
    const enum status st = job_orders_read(&who, NULL, r->in, 1, r->arena, &job, &args, &errors);
    if (st != ST_OK)
        return order_refused(r, st, &errors);
    TRY(order_checks(r, NULL, false, args, 1));
    TRY(order_room(r, job, 1));
    TRY(job_orders_add(req_ctx(r)->db, r->arena, job, 1));
    TRY(locate(r, &job->id));
    const struct made_out out = made_of(job);
    reply_object(r, 201, &made_schema, &out);
    return ST_OK;
}

static enum status chain_create(struct req *r)
{
    const struct chain_order *in = r->in;
    const size_t count = in->jobs.count;
    struct order_maker who;
    struct job *jobs = NULL;
    struct task_args *args = NULL;
    AUTO_FIELD_ERRORS errors = {0};
    TRY(order_maker_of(r, count, &who));
    const enum status st = chain_order_read(&who, in, r->arena, &jobs, &args, &errors);
    if (st == ST_TOO_LARGE)
        return req_fail(r, st, NULL, "The jobs of the chain are larger than 128 KiB together");
    if (st != ST_OK)
        return order_refused(r, st, &errors);
    TRY(order_checks(r, "jobs", false, args, count));
    TRY(order_room(r, jobs, 1));
    /* Without Redis they are only not seen before they come. */
    (void)!job_chain_note(req_ctx(r)->redis, &jobs[0]);
    TRY(job_orders_add(req_ctx(r)->db, r->arena, jobs, 1));
    TRY(locate(r, &jobs[0].id));
    struct made_out *made = arena_array(r->arena, count, sizeof(*made));
    if (!made)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        made[i] = made_of(&jobs[i]);
    const struct chain_out out = {{count, made}, (int64_t)count};
    reply_object(r, 201, &chain_schema, &out);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/jobs",
     .summary = "Ask for a job",
     .scope = SCOPE_JOBS_WRITE,
     .body = &job_order_schema,
     .reply = &made_schema,
     .ok = 201,
     .description = ORDER_DESCRIPTION,
     .errors = ERRORS("QUEUE_FULL"),
     .flags = ROUTE_ATOMIC,
     .tag = "Jobs",
     .handler = job_create},
    {.method = M_POST,
     .path = "/api/v1/jobs/chains",
     .summary = "Ask for jobs that follow each other",
     .scope = SCOPE_JOBS_WRITE,
     .body = &chain_order_schema,
     .reply = &chain_schema,
     .ok = 201,
     .description = "Where one does not succeed, the chain ends. Cancelling one ends it as well. "
                    "A job with `pass_result` gets the result of the one before as the member "
                    "`previous` of its arguments (null: there is none); a result of more than "
                    "32 KiB is not passed: the job that had it is dead. " ORDER_DESCRIPTION,
     .errors = ERRORS("QUEUE_FULL", "TOO_LARGE"),
     .flags = ROUTE_ATOMIC,
     .tag = "Jobs",
     .handler = chain_create},
};
const struct route_set job_orders_routes = {routes, ARRAY_LEN(routes)};
