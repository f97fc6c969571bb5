/* /queues: how they stand; pausing, resuming and emptying them. Who may: jobs.h. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/str.h"
#include "net/page.h"
#include "queue/control.h"
#include "services/api/api.h"
#include "services/api/routes/job_fields.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"

struct queue_out {
    const char *name;
    struct queue_info info;
    struct out_list waiting;
    double oldest_age_s, late_s;
    int64_t paused_us;
};
#define AT(member) offsetof(struct queue_out, member)
static const struct field queue_fields[] = {
    {.name = "name", .type = FT_STRING, .offset = AT(name), .example = "\"checks\""},
    {.name = "depth", .type = FT_INT, .offset = AT(info.depth), .help = "Jobs that wait"},
    {.name = "waiting",
     .type = FT_LIST,
     .element = FT_INT,
     .offset = AT(waiting),
     .help = "The same by priority, 0 first"},
    {.name = "lag",
     .type = FT_INT,
     .offset = AT(info.lag),
     .help = "Those of them that are in the streams already, and not in their tenants' lines"},
    {.name = "in_flight", .type = FT_INT, .offset = AT(info.in_flight)},
    {.name = "delayed", .type = FT_INT, .offset = AT(info.delayed)},
    {.name = "dead", .type = FT_INT, .offset = AT(info.dead)},
    {.name = "oldest_age",
     .type = FT_NUMBER,
     .offset = AT(oldest_age_s),
     .help = "Seconds that the first of those that wait has waited"},
    {.name = "late",
     .type = FT_NUMBER,
     .offset = AT(late_s),
     .help = "Seconds that the most overdue delayed job is overdue"},
    {.name = "workers", .type = FT_INT, .offset = AT(info.workers)},
    {.name = "paused", .type = FT_BOOL, .offset = AT(info.is_paused)},
    {.name = "paused_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(paused_us)},
    {.name = "paused_by", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(info.paused_by)},
    {.name = "broken",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(info.broken),
     .help = "Keys in Redis that hold what is not the queue's; null: none"},
    {.name = "enqueued",
     .type = FT_INT,
     .offset = AT(info.enqueued),
     .help = "This and what follows: since Redis was last emptied"},
    {.name = "succeeded", .type = FT_INT, .offset = AT(info.succeeded)},
    {.name = "retried", .type = FT_INT, .offset = AT(info.retried)},
    {.name = "died", .type = FT_INT, .offset = AT(info.died)},
    {.name = "cancelled", .type = FT_INT, .offset = AT(info.cancelled)},
    {.name = "expired", .type = FT_INT, .offset = AT(info.expired)},
    {.name = "redelivered", .type = FT_INT, .offset = AT(info.redelivered)},
};
#undef AT
static const struct schema queue_schema = SCHEMA("Queue", struct queue_out, queue_fields);

/* out->waiting points into *out, which must stay where it is. */
static enum status load(struct req *r, struct queue *q, const char *name, struct queue_out *out)
{
    *out = (struct queue_out){.name = name};
    TRY(queue_said(r, queue_info_get(q, req_ctx(r)->redis, clock_wall_ms(), r->arena, &out->info)));
    out->waiting = (struct out_list){.count = QUEUE_PRIORITIES, .v = out->info.waiting};
    out->oldest_age_s = (double)out->info.oldest_age_ms / 1e3;
    out->late_s = (double)out->info.late_ms / 1e3;
    out->paused_us = out->info.paused_at_ms * 1000;
    return ST_OK;
}

static enum status reply_queue(struct req *r, struct queue *q)
{
    struct queue_out out;
    TRY(load(r, q, r->param[0], &out));
    reply_object(r, 200, &queue_schema, &out);
    return ST_OK;
}

static enum status queue_list(struct req *r)
{
    const char **names = NULL;
    size_t count = 0;
    TRY(queue_said(r, queue_names(req_ctx(r)->redis, r->arena, &names, &count)));
    struct queue_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        AUTO_QUEUE q = NULL;
        TRY(queue_new(names[i], 0, &q));
        TRY(load(r, q, names[i], &out[i]));
    }
    reply_items(r, "queues", &queue_schema, out, count);
    return ST_OK;
}

static enum status queue_get(struct req *r)
{
    AUTO_QUEUE q = NULL;
    TRY(queue_open(r, r->param[0], &q));
    return reply_queue(r, q);
}

struct dead_in {
    struct jobs_in jobs;
};
static const struct field dead_fields[] = {JOBS_FIELDS(struct dead_in, jobs)};
static const struct schema dead_schema = SCHEMA("DeadQuery", struct dead_in, dead_fields);

static enum status queue_dead(struct req *r)
{
    const struct dead_in *in = r->query_in;
    AUTO_QUEUE q = NULL;
    TRY(queue_open(r, r->param[0], &q));
    struct jobs_wanted wanted = jobs_wanted_of(&in->jobs);
    wanted.queue = r->param[0];
    wanted.state = "dead";
    return reply_jobs(r, &wanted);
}

/* Pausing twice keeps the first time. */
static enum status queue_stop(struct req *r)
{
    AUTO_QUEUE q = NULL;
    char by[UUID_TEXT_BYTES];
    TRY(jobs_need_operator(r));
    TRY(queue_open(r, r->param[0], &q));
    const bool is_user = !uuid_is_nil(&r->who->user_id);
    uuid_format(is_user ? &r->who->user_id : &r->who->api_key_id, by);
    TRY(queue_said(r, queue_pause(q, req_ctx(r)->redis, by, clock_wall_ms())));
    TRY(jobs_record(r, "queue.pause", r->param[0], NULL));
    return reply_queue(r, q);
}

static enum status queue_go_on(struct req *r)
{
    AUTO_QUEUE q = NULL;
    TRY(jobs_need_operator(r));
    TRY(queue_open(r, r->param[0], &q));
    TRY(queue_said(r, queue_resume(q, req_ctx(r)->redis)));
    TRY(jobs_record(r, "queue.resume", r->param[0], NULL));
    return reply_queue(r, q);
}

struct purge_in {
    struct in_str state;
};
static const char *const purge_states[] = {"queued", "delayed", "dead", NULL};
static const enum job_state purge_state_of[] = {JOB_QUEUED, JOB_DELAYED, JOB_DEAD};
static const struct field purge_fields[] = {
    {.name = "state",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = offsetof(struct purge_in, state),
     .choices = purge_states,
     .help = "Which jobs to remove; what runs stays"},
};
static const struct schema purge_schema = SCHEMA("QueuePurge", struct purge_in, purge_fields);

struct purged_out {
    const char *queue, *state;
    int64_t removed;
};
#define AT(member) offsetof(struct purged_out, member)
static const struct field purged_fields[] = {
    {.name = "queue", .type = FT_STRING, .offset = AT(queue)},
    {.name = "state", .type = FT_STRING, .offset = AT(state)},
    {.name = "removed", .type = FT_INT, .offset = AT(removed), .help = "How many jobs"},
};
#undef AT
static const struct schema purged_schema = SCHEMA("QueuePurged", struct purged_out, purged_fields);

static enum status queue_empty(struct req *r)
{
    const struct purge_in *in = r->in;
    AUTO_QUEUE q = NULL;
    TRY(jobs_need_operator(r));
    TRY(queue_open(r, r->param[0], &q));
    size_t i = 0;
    while (!str_eq(purge_states[i], in->state.v))
        i++;
    struct purged_out out = {.queue = r->param[0], .state = in->state.v};
    TRY(queue_said(r, queue_purge(q, req_ctx(r)->redis, purge_state_of[i], &out.removed)));
    TRY(jobs_record(r, "queue.purge", r->param[0],
                    arena_printf(r->arena, "{\"state\":\"%s\",\"removed\":%" PRId64 "}", out.state,
                                 out.removed)));
    reply_object(r, 200, &purged_schema, &out);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/queues",
     .summary = "List the queues and how they stand",
     .scope = SCOPE_JOBS_READ,
     .reply = &queue_schema,
     .list = "queues",
     .shape = REPLY_ITEMS,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .handler = queue_list},
    {.method = M_GET,
     .path = "/api/v1/queues/{name}",
     .summary = "Get a queue",
     .scope = SCOPE_JOBS_READ,
     .reply = &queue_schema,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .params = QUEUE_OF_PATH,
     .handler = queue_get},
    {.method = M_GET,
     .path = "/api/v1/queues/{name}/dead",
     .summary = "List the dead letters of a queue, newest first",
     .scope = SCOPE_JOBS_READ,
     .query = &dead_schema,
     .reply = &job_item_schema,
     .list = "jobs",
     .extra = &jobs_more_schema,
     .description = JOBS_DESCRIPTION,
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .tag = "Jobs",
     .params = QUEUE_OF_PATH,
     .handler = queue_dead},
    {.method = M_POST,
     .path = "/api/v1/queues/{name}/pause",
     .summary = "Pause a queue: it takes jobs and gives none",
     .scope = SCOPE_JOBS_WRITE,
     .reply = &queue_schema,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_CONTROL_DENIED", "QUEUE_UNAVAILABLE",
                      "QUEUE_BROKEN"),
     .params = QUEUE_OF_PATH,
     .flags = ROUTE_REPEATABLE,
     .handler = queue_stop},
    {.method = M_POST,
     .path = "/api/v1/queues/{name}/resume",
     .summary = "Resume a paused queue",
     .scope = SCOPE_JOBS_WRITE,
     .reply = &queue_schema,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_CONTROL_DENIED", "QUEUE_UNAVAILABLE",
                      "QUEUE_BROKEN"),
     .params = QUEUE_OF_PATH,
     .flags = ROUTE_REPEATABLE,
     .handler = queue_go_on},
    {.method = M_POST,
     .path = "/api/v1/queues/{name}/purge",
     .summary = "Remove all jobs of one state",
     .scope = SCOPE_JOBS_WRITE,
     .body = &purge_schema,
     .reply = &purged_schema,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_CONTROL_DENIED", "QUEUE_UNAVAILABLE",
                      "QUEUE_BROKEN"),
     .params = QUEUE_OF_PATH,
     .handler = queue_empty},
};
const struct route_set queues_routes = {routes, ARRAY_LEN(routes)};
