/* /schedules: when tasks run. What a text means beforehand is schedule_preview.c's. */
#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"
#include "store/audit.h"
#include "store/task_schedules.h"
#include "zone/zone.h"

enum { LOOKS_MAX = 100 /* into the queue, for one list */ };

/* --- what goes out --- */

struct last_job_out {
    struct uuid id;
    const char *queue, *state;
};
#define AT(member) offsetof(struct last_job_out, member)
static const struct field last_job_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id), .help = "As in GET /api/v1/jobs/{id}"},
    {.name = "queue", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(queue)},
    {.name = "state",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(state),
     .help = "queued, delayed, running, succeeded, dead, cancelled or expired; null: not known "
             "any more",
     .example = "\"succeeded\""},
};
#undef AT
static const struct schema last_job_schema = SCHEMA("ScheduleLastJob", struct last_job_out,
                                                    last_job_fields);

struct schedule_out {
    struct uuid id;
    const char *name, *task, *args, *schedule, *time_zone, *queue;
    int64_t priority;
    double jitter_s;
    const char *catch_up, *overlap;
    double expires_s;
    bool enabled, is_system;
    int64_t next_run_us, last_run_us;
    const struct last_job_out *last_job;
    int64_t created_us, updated_us;
};
#define AT(member) offsetof(struct schedule_out, member)
static const struct field schedule_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "name", .type = FT_STRING, .offset = AT(name), .example = "\"nightly look\""},
    {.name = "task", .type = FT_STRING, .offset = AT(task), .example = "\"check.run\""},
    {.name = "args",
     .type = FT_MAP,
     .offset = AT(args),
     .help = "What each run is given",
     .example = "{\"check_id\":\"01a20263-60d3-7a14-a4b1-1a63f4fd89c3\"}"},
    {.name = "schedule",
     .type = FT_STRING,
     .offset = AT(schedule),
     .help = "As it was given",
     .example = "\"30 2 * * *\""},
    {.name = "time_zone",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(time_zone),
     .help = "That a cron schedule follows; null: an interval has none",
     .example = "\"Europe/Berlin\""},
    {.name = "queue",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(queue),
     .help = "Where its jobs go"},
    {.name = "priority", .type = FT_INT, .offset = AT(priority), .help = "0 first … 3"},
    {.name = "jitter",
     .type = FT_NUMBER,
     .offset = AT(jitter_s),
     .help = "Seconds that a run may be late, by a hash of schedule and slot"},
    {.name = "catch_up",
     .type = FT_STRING,
     .offset = AT(catch_up),
     .choices = task_schedule_catch_ups,
     .help = "What is done about runs that were overslept: the newest one, or nothing"},
    {.name = "overlap",
     .type = FT_STRING,
     .offset = AT(overlap),
     .choices = task_schedule_overlaps,
     .help = "What is done when a run is due and the one before has not ended: left out, one "
             "waits, or both run"},
    {.name = "expires",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(expires_s),
     .help = "Seconds after its time when a run that has not begun is dropped; null: never"},
    {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled)},
    {.name = "is_system",
     .type = FT_BOOL,
     .offset = AT(is_system),
     .help = "The installation's own: seen by admins of the first organisation alone"},
    {.name = "next_run",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(next_run_us),
     .help = "Without the jitter; null: paused"},
    {.name = "last_run",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(last_run_us),
     .help = "The time that the newest run was due, or asked for"},
    {.name = "last_job",
     .type = FT_OBJECT,
     .flags = F_NULLABLE,
     .sub = &last_job_schema,
     .offset = AT(last_job),
     .help = "The newest run; null: there was none"},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_us)},
    {.name = "updated_at", .type = FT_TIME, .offset = AT(updated_us)},
};
#undef AT
static const struct schema schedule_schema = SCHEMA("Schedule", struct schedule_out,
                                                    schedule_fields);

static bool is_over(const char *state)
{
    return !str_eq(state, "queued") && !str_eq(state, "delayed") && !str_eq(state, "running");
}

/* What the queue says of a job that had not ended when somebody last looked; false when it does not
 * answer: what is stored will have to do. */
static bool look(struct req *r, const struct task_schedule *s, struct last_job_out *job)
{
    AUTO_QUEUE q = NULL;
    struct job_view view;
    if (!job->state || is_over(job->state) || queue_new(s->last_job_queue, 0, &q) != ST_OK)
        return true;
    const enum status st = queue_job_get(q, req_ctx(r)->redis, &job->id, r->arena, &view);
    if (st == ST_OK)
        job->state = job_state_name(view.state);
    return st == ST_OK || st == ST_NOT_FOUND;
}

static enum status to_out(struct req *r, const struct task_schedule *s, bool *may_look,
                          struct schedule_out *out)
{
    const struct task *task = task_find(s->task);
    struct last_job_out *job = arena_alloc(r->arena, sizeof(*job));
    if (!job)
        return ST_NO_MEMORY;
    *job = (struct last_job_out){s->last_job_id, s->last_job_queue, s->last_job_state};
    const bool has_job = !uuid_is_nil(&s->last_job_id) && s->last_job_queue;
    if (has_job && *may_look)
        *may_look = look(r, s, job);
    *out = (struct schedule_out){
        .id = s->id,
        .name = s->name,
        .task = s->task,
        .args = s->args,
        .schedule = s->schedule,
        .time_zone = task_schedule_zone(s, r->arena),
        .queue = s->queue ? s->queue
                 : task   ? task_queue(task)
                          : NULL,
        .priority = s->priority >= 0 ? s->priority
                    : task           ? task->priority
                                     : QUEUE_DEFAULT_PRIORITY,
        .jitter_s = (double)s->jitter_ms / 1e3,
        .catch_up = s->catch_up,
        .overlap = s->overlap,
        .expires_s = s->expires_ms > 0 ? (double)s->expires_ms / 1e3 : __builtin_nan(""),
        .enabled = s->enabled,
        .is_system = uuid_is_nil(&s->org_id),
        .next_run_us = task_schedule_next_us(s, r->arena, clock_wall_ms()),
        .last_run_us = s->last_run_us,
        .last_job = has_job ? job : NULL,
        .created_us = s->created_us,
        .updated_us = s->updated_us,
    };
    return ST_OK;
}

static enum status reply_schedule(struct req *r, int status, const struct task_schedule *s)
{
    bool may_look = true;
    struct schedule_out out;
    TRY(to_out(r, s, &may_look, &out));
    reply_object(r, status, &schedule_schema, &out);
    return ST_OK;
}

/* --- what comes in --- */

struct schedule_in {
    struct in_str name, task;
    struct in_json args;
    struct in_str schedule, time_zone, queue;
    struct in_i64 priority;
    struct in_f64 jitter;
    struct in_str catch_up, overlap;
    struct in_f64 expires;
    struct in_bool enabled;
};

static const char *check_name(const char *text)
{
    if (str_has_control(text))
        return "control characters are not allowed";
    return text[strspn(text, " ")] == '\0' ? "must not be blank" : NULL;
}

#define AT(member) offsetof(struct schedule_in, member)
#define SCHEDULE_IN_FIELDS(required)                                                          \
    {.name = "name",                                                                          \
     .type = FT_STRING,                                                                       \
     .flags = (required),                                                                     \
     .offset = AT(name),                                                                      \
     .min = 1,                                                                                \
     .max = SCHEDULE_NAME_BYTES,                                                              \
     .check = check_name,                                                                     \
     .help = "Unique in the organisation",                                                    \
     .example = "\"nightly look\""},                                                          \
        {.name = "task",                                                                      \
         .type = FT_STRING,                                                                   \
         .flags = (required),                                                                 \
         .offset = AT(task),                                                                  \
         .min = 1,                                                                            \
         .max = 100,                                                                          \
         .help = "A task that may be scheduled; the error names them",                        \
         .example = "\"check.run\""},                                                         \
        {.name = "args",                                                                      \
         .type = FT_MAP,                                                                      \
         .offset = AT(args),                                                                  \
         .help = "As the task takes them (default: none)",                                    \
         .example = "{\"check_id\":\"01a20263-60d3-7a14-a4b1-1a63f4fd89c3\"}"},               \
        {.name = "schedule",                                                                  \
         .type = FT_STRING,                                                                   \
         .flags = (required),                                                                 \
         .offset = AT(schedule),                                                              \
         .min = 1,                                                                            \
         .max = LIMIT_SCHEDULE_TEXT,                                                          \
         .check = schedule_check,                                                             \
         .help = "\"every 5 minutes\", minutes, ISO 8601 duration, cron fields, @hourly …",   \
         .example = "\"30 2 * * *\""},                                                        \
        {.name = "time_zone",                                                                 \
         .type = FT_STRING,                                                                   \
         .flags = F_NULLABLE,                                                                 \
         .offset = AT(time_zone),                                                             \
         .min = 1,                                                                            \
         .max = LIMIT_TZ_NAME,                                                                \
         .help = "IANA name, for cron schedules whose text names none (default: UTC)",        \
         .example = "\"Europe/Berlin\""},                                                     \
        {.name = "queue",                                                                     \
         .type = FT_STRING,                                                                   \
         .flags = F_NULLABLE,                                                                 \
         .offset = AT(queue),                                                                 \
         .min = 1,                                                                            \
         .max = QUEUE_NAME_BYTES - 1,                                                         \
         .help = "Where its jobs go (default: the task's queue)"},                            \
        {.name = "priority",                                                                  \
         .type = FT_INT,                                                                      \
         .flags = F_NULLABLE,                                                                 \
         .offset = AT(priority),                                                              \
         .min = 0,                                                                            \
         .max = QUEUE_PRIORITIES - 1,                                                         \
         .help = "0 first … 3 (default: the task's)"},                                        \
        {.name = "jitter",                                                                    \
         .type = FT_NUMBER,                                                                   \
         .offset = AT(jitter),                                                                \
         .min = 0,                                                                            \
         .max = LIMIT_SCHEDULE_JITTER_MS / 1000.0,                                            \
         .help = "Seconds that a run may be late (default: 0)"},                              \
        {.name = "catch_up",                                                                  \
         .type = FT_STRING,                                                                   \
         .offset = AT(catch_up),                                                              \
         .choices = task_schedule_catch_ups,                                                  \
         .help = "Default: run_once"},                                                        \
        {.name = "overlap",                                                                   \
         .type = FT_STRING,                                                                   \
         .offset = AT(overlap),                                                               \
         .choices = task_schedule_overlaps,                                                   \
         .help = "Default: skip"},                                                            \
        {.name = "expires",                                                                   \
         .type = FT_NUMBER,                                                                   \
         .flags = F_NULLABLE,                                                                 \
         .offset = AT(expires),                                                               \
         .min = 1,                                                                            \
         .max = LIMIT_SCHEDULE_EXPIRES_MS / 1000.0,                                           \
         .help = "Seconds after its time when a run that has not begun is dropped (default: " \
                 "never)"},                                                                   \
    {                                                                                         \
        .name = "enabled", .type = FT_BOOL, .offset = AT(enabled), .help = "Default: true"    \
    }
static const struct field create_fields[] = {SCHEDULE_IN_FIELDS(F_REQUIRED)};
static const struct field update_fields[] = {SCHEDULE_IN_FIELDS(0)};
#undef AT
static const struct schema create_schema = SCHEMA("ScheduleCreate", struct schedule_in,
                                                  create_fields);
/* What a client sends back of the object it read is not refused. */
static const struct schema update_schema = {
    .name = "ScheduleUpdate",
    .fields = update_fields,
    .count = ARRAY_LEN(update_fields),
    .size = sizeof(struct schedule_in),
    .is_open = true,
};

static void apply(const struct schedule_in *in, struct task_schedule *s)
{
    if (in->name.set)
        s->name = in->name.v;
    if (in->task.set)
        s->task = in->task.v;
    if (in->schedule.set)
        s->schedule = in->schedule.v;
    if (in->time_zone.set)
        s->time_zone = in->time_zone.v;
    if (in->queue.set)
        s->queue = in->queue.v;
    if (in->priority.set)
        s->priority = in->priority.null ? -1 : in->priority.v;
    if (in->jitter.set)
        s->jitter_ms = (int64_t)(in->jitter.v * 1000);
    if (in->catch_up.set)
        s->catch_up = in->catch_up.v;
    if (in->overlap.set)
        s->overlap = in->overlap.v;
    if (in->expires.set)
        s->expires_ms = in->expires.null ? 0 : (int64_t)(in->expires.v * 1000);
    if (in->enabled.set)
        s->enabled = in->enabled.v;
}

/* Task and arguments belong together: when either changes, both are judged. */
static enum status judge(struct req *r, const struct schedule_in *in, struct task_schedule *s)
{
    AUTO_FIELD_ERRORS errors = {0};
    AUTO_JSON args = NULL;
    if (in->args.set)
        args = json_incref(in->args.v);
    else if (in->task.set)
        args = s->args ? json_loads(s->args, 0, NULL) : json_object();
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
    PAGE_FIELDS(struct list_in, page),
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
        TRY(to_out(r, &rows[i], &may_look, &out[i]));
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
    apply(in, &s);
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
    apply(u->in, s);
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
    ROUTE(M_POST, "", SCOPE_SCHEDULES_WRITE, "Create a schedule", .body = &create_schema,
          .reply = &schedule_schema, .ok = 201,
          .errors = ERRORS("SCHEDULE_NAME_TAKEN", "SCHEDULES_FULL"), .handler = schedule_create),
    ROUTE(M_GET, "/{id}", SCOPE_SCHEDULES_READ, "Get a schedule", .reply = &schedule_schema,
          .errors = ERRORS("SCHEDULE_NOT_FOUND"), .handler = schedule_get),
    ROUTE(M_PUT, "/{id}", SCOPE_SCHEDULES_WRITE, "Change what is given of a schedule",
          .body = &update_schema, .reply = &schedule_schema,
          .errors = ERRORS("SCHEDULE_NOT_FOUND", "SCHEDULE_NAME_TAKEN", "SCHEDULE_IS_SYSTEM"),
          .handler = schedule_update),
    ROUTE(M_PATCH, "/{id}", SCOPE_SCHEDULES_WRITE, "Change what is given of a schedule",
          .body = &update_schema, .reply = &schedule_schema,
          .errors = ERRORS("SCHEDULE_NOT_FOUND", "SCHEDULE_NAME_TAKEN", "SCHEDULE_IS_SYSTEM"),
          .handler = schedule_update),
    ROUTE(M_DELETE, "/{id}", SCOPE_SCHEDULES_WRITE, "Delete a schedule", .ok = 204,
          .errors = ERRORS("SCHEDULE_NOT_FOUND", "SCHEDULE_IS_SYSTEM"), .handler = schedule_delete),
    ROUTE(M_POST, "/{id}/pause", SCOPE_SCHEDULES_WRITE, "Stop running a schedule",
          .reply = &schedule_schema, .errors = ERRORS("SCHEDULE_NOT_FOUND"),
          .handler = schedule_pause),
    ROUTE(M_POST, "/{id}/resume", SCOPE_SCHEDULES_WRITE, "Run a schedule again",
          .reply = &schedule_schema, .errors = ERRORS("SCHEDULE_NOT_FOUND"),
          .handler = schedule_resume),
    ROUTE(M_POST, "/{id}/run", SCOPE_SCHEDULES_WRITE, "Run a schedule's task now",
          .reply = &run_schema, .ok = 202, .errors = ERRORS("SCHEDULE_NOT_FOUND"),
          .handler = schedule_run),
};
const struct route_set schedules_routes = {routes, ARRAY_LEN(routes)};
