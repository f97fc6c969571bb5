/* /jobs/groups: jobs that run side by side, and one that comes when all of them are done. The state
 * lies in Redis (queue/group.h) and is written first: when the jobs' rows are not committed after
 * that, a state is left of which nobody knows the id. */
#include "base/clock.h"
#include "base/str.h"
#include "net/page.h"
#include "queue/group.h"
#include "services/api/api.h"
#include "services/api/hooks.h"
#include "services/api/routes/job_fields.h"
#include "services/api/routes/job_orders.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"
#include "store/job_orders.h"

/* --- what goes out --- */

static const char *const statuses[] = {"running", "succeeded", "completed",
                                       "failed",  "cancelled", NULL};

struct callback_out {
    struct uuid id;
    const char *task, *queue, *state;
};
#define AT(member) offsetof(struct callback_out, member)
static const struct field callback_fields[] = {
    JOB_PLACE_FIELDS(struct callback_out),
    {.name = "task", .type = FT_STRING, .offset = AT(task), .example = "\"queue.noop\""},
    JOB_STATE_FIELD(struct callback_out, "waiting, dropped (it will not come), ", "\"waiting\""),
};
#undef AT
static const struct schema callback_schema = SCHEMA("JobGroupCallback", struct callback_out,
                                                    callback_fields);

struct group_out {
    struct uuid id;
    const char *status;
    bool is_lenient;
    int64_t total, succeeded, failed, pending;
    const struct callback_out *callback;
    const char *jobs;
    int64_t created_us, cancelled_us, expires_us;
};
#define AT(member) offsetof(struct group_out, member)
static const struct field group_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .choices = statuses,
     .help = "running until all jobs have ended; succeeded: all of them did; completed: not all, "
             "and the group is lenient; failed: not all; cancelled"},
    {.name = "lenient",
     .type = FT_BOOL,
     .offset = AT(is_lenient),
     .help = "The callback comes even when some did not succeed"},
    {.name = "total", .type = FT_INT, .offset = AT(total)},
    {.name = "succeeded", .type = FT_INT, .offset = AT(succeeded)},
    {.name = "failed",
     .type = FT_INT,
     .offset = AT(failed),
     .help = "Dead letters, cancelled and expired jobs"},
    {.name = "pending", .type = FT_INT, .offset = AT(pending), .help = "Have not ended"},
    {.name = "callback",
     .type = FT_OBJECT,
     .sub = &callback_schema,
     .flags = F_NULLABLE,
     .offset = AT(callback),
     .help = "null: there is none"},
    {.name = "jobs",
     .type = FT_STRING,
     .offset = AT(jobs),
     .format = "uri-reference",
     .help = "Where they are listed",
     .example = "\"/api/v1/jobs/groups/01a20263-60d3-7a14-a4b1-1a63f4fd89c3/jobs\""},
    {.name = "created_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(created_us)},
    {.name = "cancelled_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(cancelled_us)},
    {.name = "expires_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(expires_us),
     .help = "When it is forgotten, unless one more of its jobs ends by then"},
};
#undef AT
static const struct schema group_schema = SCHEMA("JobGroup", struct group_out, group_fields);

static enum status callback_of(struct req *r, const struct group_view *v,
                               const struct callback_out **out)
{
    *out = NULL;
    if (!v->callback.task)
        return ST_OK;
    struct callback_out *c = arena_alloc(r->arena, sizeof(*c));
    if (!c)
        return ST_NO_MEMORY;
    *c = (struct callback_out){v->callback.id, v->callback.task, job_home(&v->callback), NULL};
    TRY(queue_said(r, queue_group_callback(req_ctx(r)->redis, v, r->arena, &c->state)));
    *out = c;
    return ST_OK;
}

static enum status reply_group(struct req *r, int status, const struct uuid *id,
                               const struct group_view *v)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    struct group_out out = {
        .id = *id,
        .status = queue_group_status(v),
        .is_lenient = v->is_lenient,
        .total = v->total,
        .succeeded = v->succeeded,
        .failed = v->failed,
        .pending = queue_group_pending(v),
        .jobs = arena_printf(r->arena, "/api/v1/jobs/groups/%s/jobs", text),
        .created_us = v->created_at_ms * 1000,
        .cancelled_us = v->cancelled_at_ms * 1000,
        .expires_us = v->expires_at_ms * 1000,
    };
    if (!out.jobs)
        return ST_NO_MEMORY;
    TRY(callback_of(r, v, &out.callback));
    reply_object(r, status, &group_schema, &out);
    return ST_OK;
}

/* --- asking for one --- */

/* All checks that its jobs and its callback name, and the room for them. */
static enum status may_begin(struct req *r, const struct group_plan *plan)
{
    TRY(order_checks(r, "jobs", false, plan->args, plan->total));
    if (plan->callback)
        TRY(order_checks(r, "callback", true, plan->callback_args, 1));
    return order_room(r, plan->jobs, plan->total);
}

static enum status begin(struct req *r, struct group_plan *plan, int64_t now_ms)
{
    const char *name = NULL;
    struct group_view v;
    const enum status made = group_plan_begin(req_ctx(r)->redis, plan, now_ms, r->arena, &name);
    if (made == ST_TOO_LARGE)
        return req_invalid_field(r, "jobs", "value_error", "on more than %d queues",
                                 GROUP_QUEUES_MAX);
    TRY(queue_said(r, made));
    enum status st = job_orders_add(req_ctx(r)->db, r->arena, plan->jobs, plan->total);
    if (st == ST_OK)
        st = queue_said(r, queue_group_get(req_ctx(r)->redis, name, r->arena, &v));
    if (st == ST_OK)
        return reply_group(r, 201, &plan->id, &v);
    (void)!queue_group_drop(req_ctx(r)->redis, name);
    return st;
}

static enum status group_create(struct req *r)
{
    const struct group_order *in = r->in;
    struct order_maker who;
    struct group_plan plan;
    char id[UUID_TEXT_BYTES];
    AUTO_FIELD_ERRORS errors = {0};
    TRY(order_maker_of(r, in->jobs.count + 1, &who));
    const enum status st = group_order_read(&who, in, r->arena, &plan, &errors);
    if (st != ST_OK)
        return order_refused(r, st, &errors);
    TRY(may_begin(r, &plan));
    uuid_format(&plan.id, id);
    const char *path = arena_printf(r->arena, "/api/v1/jobs/groups/%s", id);
    if (!path)
        return ST_NO_MEMORY;
    TRY(begin(r, &plan, who.now_ms));
    reply_header(r, "Location", path);
    return ST_OK;
}

/* --- one that there is --- */

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "JOB_GROUP_NOT_FOUND", "There is no group %.64s", r->param[0]);
}

struct group_of_path {
    struct uuid id;
    char name[GROUP_NAME_BYTES];
    struct group_view view;
};

static enum status of_path(struct req *r, struct group_of_path *out)
{
    struct jobs_viewer who;
    if (uuid_parse(r->param[0], &out->id) != ST_OK)
        return not_found(r);
    TRY(jobs_viewer_of(r, &who));
    TRY(queue_group_name(GROUP_HOME, &out->id, out->name));
    const enum status st = queue_group_get(req_ctx(r)->redis, out->name, r->arena, &out->view);
    if (st == ST_NOT_FOUND || (st == ST_OK && !jobs_are_seen(&who, out->view.tenant)))
        return not_found(r);
    return queue_said(r, st);
}

static enum status group_get(struct req *r)
{
    struct group_of_path g;
    TRY(of_path(r, &g));
    return reply_group(r, 200, &g.id, &g.view);
}

static enum status ended(struct req *r)
{
    return req_fail(r, ST_CONFLICT, "JOB_GROUP_ENDED", "All jobs of the group have ended already");
}

static enum status group_cancel(struct req *r)
{
    struct group_of_path g;
    struct redis *redis = req_ctx(r)->redis;
    TRY(of_path(r, &g));
    if (queue_group_pending(&g.view) == 0)
        return ended(r);
    TRY(precondition_before_effect(r));
    enum status st = queue_group_cancel(redis, g.name, clock_wall_ms());
    if (st == ST_CONFLICT)
        return ended(r);
    if (st == ST_OK)
        st = queue_group_get(redis, g.name, r->arena, &g.view);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(queue_said(r, st));
    return reply_group(r, 200, &g.id, &g.view);
}

/* --- its jobs --- */

struct member_out {
    int64_t index;
    struct uuid id;
    const char *queue, *state;
};
#define AT(member) offsetof(struct member_out, member)
static const char *const member_states[] = {"pending",   "succeeded", "dead",
                                            "cancelled", "expired",   NULL};
static const struct field member_fields[] = {
    {.name = "index",
     .type = FT_INT,
     .offset = AT(index),
     .help = "Its place in the order, from 0"},
    JOB_PLACE_FIELDS(struct member_out),
    {.name = "state",
     .type = FT_STRING,
     .offset = AT(state),
     .choices = member_states,
     .help = "How it ended; pending: it has not"},
};
#undef AT
static const struct schema member_schema = SCHEMA("JobGroupMember", struct member_out,
                                                  member_fields);

struct members_in {
    struct page_in page;
};
static const struct field members_in_fields[] = {
    PAGE_WINDOW(struct members_in, page, "Jobs", LIMIT_GROUP_JOBS, GROUP_PAGE, LIMIT_GROUP_JOBS)};
static const struct schema members_in_schema = SCHEMA("JobGroupMemberQuery", struct members_in,
                                                      members_in_fields);

static enum status group_members(struct req *r)
{
    enum { PAGE_JOBS = 20 };
    const struct members_in *in = r->query_in;
    struct group_of_path g;
    struct group_member_view *list = NULL;
    struct page page;
    size_t count = 0;
    page_init(&page, &in->page, PAGE_JOBS);
    TRY(of_path(r, &g));
    const enum status st = queue_group_members(req_ctx(r)->redis, g.name, (size_t)page.offset,
                                               (size_t)page.limit, r->arena, &list, &count);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(queue_said(r, st));
    struct member_out *out = arena_array(r->arena, MAX_OF(count, (size_t)1), sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct member_out){
            .index = page.offset + (int64_t)i,
            .id = list[i].id,
            .queue = list[i].queue ? list[i].queue : GROUP_HOME,
            .state = list[i].state == JOB_STATE_COUNT_ ? "pending" : job_state_name(list[i].state),
        };
    page.total = g.view.total;
    reply_page(r, "jobs", &member_schema, out, count, &page);
    return ST_OK;
}

#define PATH "/api/v1/jobs/groups"
#define ROUTE(method_, path_, scope_, summary_, ...)                                       \
    {                                                                                      \
        .method = (method_), .path = PATH path_, .summary = (summary_), .scope = (scope_), \
        .tag = "Jobs", __VA_ARGS__                                                         \
    }
static const struct route routes[] = {
    ROUTE(M_POST, "", SCOPE_JOBS_WRITE, "Ask for a group of jobs", .body = &group_order_schema,
          .reply = &group_schema, .ok = 201,
          .description = "They run side by side; all of them are taken or none. The callback comes "
                         "once when all have succeeded (`lenient`: have ended). With "
                         "`pass_results` it gets {group, total, succeeded, failed, left_out, "
                         "results} as the member `previous` of its arguments: results in the order "
                         "of the jobs, null where there is none or no room within 32 KiB; of up to "
                         "1,000 jobs. " ORDER_DESCRIPTION,
          .errors = ERRORS("QUEUE_FULL", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
          .flags = ROUTE_ATOMIC, .handler = group_create),
    ROUTE(M_GET, "/{id}", SCOPE_JOBS_READ, "Get how a group of jobs stands", .reply = &group_schema,
          .errors = ERRORS("JOB_GROUP_NOT_FOUND", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
          .handler = group_get),
    ROUTE(M_GET, "/{id}/jobs", SCOPE_JOBS_READ, "List the jobs of a group, in their order",
          .query = &members_in_schema, .reply = &member_schema, .list = "jobs",
          .errors = ERRORS("JOB_GROUP_NOT_FOUND", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
          .handler = group_members),
    ROUTE(M_DELETE, "/{id}", SCOPE_JOBS_WRITE, "Cancel what is left of a group",
          .reply = &group_schema,
          .description = "Its jobs that wait end when their turn comes, those that run are told; "
                         "the callback does not come.",
          .errors = ERRORS("JOB_GROUP_NOT_FOUND", "JOB_GROUP_ENDED", "QUEUE_UNAVAILABLE",
                           "QUEUE_BROKEN"),
          .handler = group_cancel),
};
const struct route_set job_groups_routes = {routes, ARRAY_LEN(routes)};
