/* /schedules: when tasks run. What a text means beforehand is schedule_preview.c's. */
#include "base/str.h"
#include "json/parse.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/schedule_fields.h"
#include "store/audit.h"

enum { LOOKS_MAX = 100 /* into the queue, for one list */ };

/* --- shared by handlers --- */

static enum status reply_schedule(struct req *r, int status, const struct task_schedule *s)
{
    bool may_look = true;
    struct schedule_out out;
    TRY(schedule_to_out(r, s, &may_look, &out));
    reply_object(r, status, &schedule_schema, &out);
    return ST_OK;
}

/* Task and arguments belong together: when either changes, both are judged. */
static enum status judge(struct req *r, const struct schedule_in *in, struct task_schedule *s)
{
    AUTO_FIELD_ERRORS errors = {0};
    AUTO_JSON args = NULL;
    if (in->args.set)
        args = json_incref(in->args.v);
    else if (in->task.set)
        args = s->args ? json_load_kept(s->args) : json_object();
    const enum status st = task_schedule_judge(req_ctx(r)->db, r->arena, args, s, &errors);
    return st == ST_INVALID ? req_invalid(r, &errors) : st;
}

/* --- handlers --- */

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "SCHEDULE_NOT_FOUND", "There is no schedule %.64s",
                    r->param[0]);
}

static enum status name_taken(struct req *r)
{
    return req_fail(r, ST_CONFLICT, "SCHEDULE_NAME_TAKEN", "There is a schedule of that name");
}

/* Who looks, and the id of the path if there is one. */
static enum status who_and_what(struct req *r, struct task_schedule_viewer *viewer, struct uuid *id)
{
    bool is_first = false;
    viewer->org_id = r->who->org_id;
    if (id && uuid_parse(r->param[0], id) != ST_OK)
        return not_found(r);
    return jobs_access(r, &is_first, &viewer->is_operator);
}

static enum status of_path(struct req *r, struct task_schedule_viewer *viewer,
                           struct task_schedule *out)
{
    struct uuid id;
    TRY(who_and_what(r, viewer, &id));
    const enum status st = task_schedule_get(req_ctx(r)->db, r->arena, viewer, &id, out);
    return st == ST_NOT_FOUND ? not_found(r) : st;
}

/* Of one that its organisation may change. */
static enum status own_of_path(struct req *r, struct task_schedule_viewer *viewer,
                               struct task_schedule *out)
{
    TRY(of_path(r, viewer, out));
    if (!uuid_is_nil(&out->org_id))
        return ST_OK;
    return req_fail(r, ST_FORBIDDEN, "SCHEDULE_IS_SYSTEM",
                    "The installation's own schedules can be paused, resumed and run only");
}

struct list_in {
    struct page_in page;
    struct in_bool enabled, is_system;
    struct in_str task, queue, q;
};
#define AT(member) offsetof(struct list_in, member)
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, task_schedules_sorts),
    PAGE_CURSOR(struct list_in, page),
    {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled), .help = "Filter by enabled status"},
    {.name = "is_system",
     .type = FT_BOOL,
     .offset = AT(is_system),
     .help = "Only the installation's own, or none of them"},
    {.name = "task", .type = FT_STRING, .offset = AT(task), .max = 100, .help = "Filter by task"},
    {.name = "queue",
     .type = FT_STRING,
     .offset = AT(queue),
     .max = QUEUE_NAME_BYTES - 1,
     .help = "Filter by the queue that it names itself"},
    {.name = "q",
     .type = FT_STRING,
     .offset = AT(q),
     .max = SCHEDULE_NAME_BYTES,
     .alias = "search",
     .help = "Part of the name"},
};
#undef AT
static const struct schema list_schema = SCHEMA("ScheduleQuery", struct list_in, list_fields);

static enum status schedule_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    struct task_schedule_viewer viewer;
    struct page page;
    TRY(page_begin(r, &in->page, task_schedules_sorts, 20, &page));
    TRY(who_and_what(r, &viewer, NULL));
    const struct task_schedule_filter filter = {
        .has_enabled = in->enabled.set,
        .enabled = in->enabled.v,
        .has_system = in->is_system.set,
        .system = in->is_system.v,
        .task = in->task.v,
        .queue = in->queue.v,
        .q = in->q.v,
        .sort = page.sort,
    };
    struct task_schedule *rows = NULL;
    size_t count = 0;
    TRY(task_schedules_list(req_ctx(r)->db, r->arena, &viewer, &filter, &page, &rows, &count));
    struct schedule_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    bool may_look = true;
    for (size_t i = 0; i < count; i++) {
        may_look = may_look && i < LOOKS_MAX;
        TRY(schedule_to_out(r, &rows[i], &may_look, &out[i]));
    }
    reply_page(r, "schedules", &schedule_schema, out, count, &page);
    return ST_OK;
}

static enum status schedule_get(struct req *r)
{
    struct task_schedule_viewer viewer;
    struct task_schedule s;
    TRY(of_path(r, &viewer, &s));
    return reply_schedule(r, 200, &s);
}

static enum status schedule_create(struct req *r)
{
    const struct schedule_in *in = r->in;
    char id[UUID_TEXT_BYTES];
    struct task_schedule s = {
        .id = uuid_new(),
        .org_id = r->who->org_id,
        .priority = -1,
        .enabled = true,
        .catch_up = task_schedule_catch_ups[0],
        .overlap = task_schedule_overlaps[0],
    };
    schedule_apply(in, &s);
    TRY(judge(r, in, &s));
    const enum status st = task_schedule_insert(req_ctx(r)->db, r->arena, &r->who->user_id, &s);
    if (st == ST_CONFLICT)
        return name_taken(r);
    if (st == ST_OVERLOADED)
        return req_fail(r, ST_CONFLICT, "SCHEDULES_FULL",
                        "An organisation has %d schedules at most", LIMIT_SCHEDULES_ORG);
    TRY(st);
    uuid_format(&s.id, id);
    const char *path = arena_printf(r->arena, "/api/v1/schedules/%s", id);
    if (path)
        reply_header(r, "Location", path);
    return reply_schedule(r, 201, &s);
}

struct update {
    struct req *r;
    const struct schedule_in *in;
    bool is_answered; /* with a problem document */
};

static enum status change(struct task_schedule *s, void *arg)
{
    struct update *u = arg;
    schedule_apply(u->in, s);
    const enum status st = judge(u->r, u->in, s);
    u->is_answered = st != ST_OK;
    return st;
}

static enum status schedule_update(struct req *r)
{
    struct update u = {.r = r, .in = r->in};
    struct task_schedule_viewer viewer;
    struct task_schedule s;
    TRY(own_of_path(r, &viewer, &s));
    const enum status st = task_schedule_update(req_ctx(r)->db, r->arena, &viewer, &s.id, change,
                                                &u, &s);
    if (u.is_answered)
        return st;
    if (st == ST_CONFLICT)
        return name_taken(r);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    return reply_schedule(r, 200, &s);
}

/* The database records changes of an organisation's rows; the installation's have none. */
static enum status record(struct req *r, const struct task_schedule *s, const char *action)
{
    if (!uuid_is_nil(&s->org_id))
        return ST_OK;
    const struct audit_event event = {.org_id = r->who->org_id,
                                      .action = action,
                                      .object_type = "schedule",
                                      .object_id = s->id,
                                      .object_name = s->name};
    return audit_write(req_ctx(r)->db, &event, r->arena);
}

static enum status enable(struct req *r, bool enabled)
{
    struct task_schedule_viewer viewer;
    struct task_schedule s;
    struct uuid id;
    TRY(who_and_what(r, &viewer, &id));
    const enum status st = task_schedule_enable(req_ctx(r)->db, r->arena, &viewer, &id, enabled,
                                                &s);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    TRY(record(r, &s, enabled ? "schedule.resume" : "schedule.pause"));
    return reply_schedule(r, 200, &s);
}

static enum status schedule_pause(struct req *r)
{
    return enable(r, false);
}

static enum status schedule_resume(struct req *r)
{
    return enable(r, true);
}

static enum status schedule_delete(struct req *r)
{
    struct task_schedule_viewer viewer;
    struct task_schedule s;
    TRY(own_of_path(r, &viewer, &s));
    const enum status st = task_schedule_delete(req_ctx(r)->db, r->arena, &viewer.org_id, &s.id);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    reply_empty(r, 204);
    return ST_OK;
}

struct run_out {
    struct uuid job_id, schedule_id;
    const char *task, *queue;
};
#define AT(member) offsetof(struct run_out, member)
static const struct field run_fields[] = {
    {.name = "job_id",
     .type = FT_UUID,
     .offset = AT(job_id),
     .help = "As in GET /api/v1/jobs/{id}, a moment from now"},
    {.name = "schedule_id", .type = FT_UUID, .offset = AT(schedule_id)},
    {.name = "task", .type = FT_STRING, .offset = AT(task)},
    {.name = "queue", .type = FT_STRING, .offset = AT(queue)},
};
#undef AT
static const struct schema run_schema = SCHEMA("ScheduleRun", struct run_out, run_fields);

/* Through the outbox: what was answered is run, also when Redis is away or loses its memory. */
static enum status schedule_run(struct req *r)
{
    struct task_schedule_viewer viewer;
    struct task_schedule s;
    struct uuid id;
    char job[UUID_TEXT_BYTES];
    TRY(who_and_what(r, &viewer, &id));
    const enum status st = task_schedule_run(req_ctx(r)->db, r->arena, &viewer, &id, &s);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    TRY(record(r, &s, "schedule.run"));
    uuid_format(&s.last_job_id, job);
    const char *path = arena_printf(r->arena, "/api/v1/jobs/%s", job);
    if (path)
        reply_header(r, "Location", path);
    const struct run_out out = {s.last_job_id, s.id, s.task, s.last_job_queue};
    reply_object(r, 202, &run_schema, &out);
    return ST_OK;
}

#define PATH "/api/v1/schedules"
#define ROUTE(method_, path_, scope_, summary_, ...)                                       \
    {                                                                                      \
        .method = (method_), .path = PATH path_, .summary = (summary_), .scope = (scope_), \
        .tag = "Schedules", __VA_ARGS__                                                    \
    }
static const struct route routes[] = {
    ROUTE(M_GET, "", SCOPE_SCHEDULES_READ, "List schedules of tasks", .query = &list_schema,
          .reply = &schedule_schema, .list = "schedules", .handler = schedule_list),
    ROUTE(M_POST, "", SCOPE_SCHEDULES_WRITE, "Create a schedule", .body = &schedule_create_schema,
          .reply = &schedule_schema, .ok = 201,
          .errors = ERRORS("SCHEDULE_NAME_TAKEN", "SCHEDULES_FULL"), .flags = ROUTE_ATOMIC,
          .handler = schedule_create),
    ROUTE(M_GET, "/{id}", SCOPE_SCHEDULES_READ, "Get a schedule", .reply = &schedule_schema,
          .errors = ERRORS("SCHEDULE_NOT_FOUND"), .handler = schedule_get),
    ROUTE(M_PUT, "/{id}", SCOPE_SCHEDULES_WRITE, "Change what is given of a schedule",
          .body = &schedule_update_schema, .reply = &schedule_schema,
          .errors = ERRORS("SCHEDULE_NOT_FOUND", "SCHEDULE_NAME_TAKEN", "SCHEDULE_IS_SYSTEM"),
          .handler = schedule_update),
    ROUTE(M_PATCH, "/{id}", SCOPE_SCHEDULES_WRITE, "Change what is given of a schedule",
          .body = &schedule_update_schema, .reply = &schedule_schema,
          .errors = ERRORS("SCHEDULE_NOT_FOUND", "SCHEDULE_NAME_TAKEN", "SCHEDULE_IS_SYSTEM"),
          .handler = schedule_update),
    ROUTE(M_DELETE, "/{id}", SCOPE_SCHEDULES_WRITE, "Delete a schedule", .ok = 204,
          .errors = ERRORS("SCHEDULE_NOT_FOUND", "SCHEDULE_IS_SYSTEM"), .handler = schedule_delete),
    ROUTE(M_POST, "/{id}/pause", SCOPE_SCHEDULES_WRITE, "Stop running a schedule",
          .reply = &schedule_schema, .errors = ERRORS("SCHEDULE_NOT_FOUND"), .flags = ROUTE_ATOMIC,
          .handler = schedule_pause),
    ROUTE(M_POST, "/{id}/resume", SCOPE_SCHEDULES_WRITE, "Run a schedule again",
          .reply = &schedule_schema, .errors = ERRORS("SCHEDULE_NOT_FOUND"), .flags = ROUTE_ATOMIC,
          .handler = schedule_resume),
    ROUTE(M_POST, "/{id}/run", SCOPE_SCHEDULES_WRITE, "Run a schedule's task now",
          .reply = &run_schema, .ok = 202, .errors = ERRORS("SCHEDULE_NOT_FOUND"),
          .flags = ROUTE_ATOMIC, .handler = schedule_run),
};
const struct route_set schedules_routes = {routes, ARRAY_LEN(routes)};
