/* What of a schedule goes out, and what comes in. */
#include "services/api/routes/schedule_fields.h"

#include "base/clock.h"
#include "base/str.h"
#include "json/patterns.h"
#include "queue/task_args.h"
#include "services/api/api.h"
#include "services/api/routes/job_fields.h"
#include "services/api/routes/jobs.h"
#include "zone/zone.h"

/* --- what goes out --- */

struct last_job_out {
    struct uuid id;
    const char *queue, *state;
};
static const struct field last_job_fields[] = {
    JOB_PLACE_FIELDS(struct last_job_out),
    JOB_STATE_FIELD(struct last_job_out, "", "\"succeeded\""),
};
static const struct schema last_job_schema = SCHEMA("ScheduleLastJob", struct last_job_out,
                                                    last_job_fields);

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
const struct schema schedule_schema = SCHEMA("Schedule", struct schedule_out, schedule_fields);

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

enum status schedule_to_out(struct req *r, const struct task_schedule *s, bool *may_look,
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

/* --- what comes in --- */

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
     .pattern = PATTERN_LABEL,                                                                \
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
         .format = "schedule",                                                                \
         .help = "\"every 5 minutes\", minutes, ISO 8601 duration, cron fields, @hourly …",   \
         .example = "\"30 2 * * *\""},                                                        \
        {.name = "time_zone",                                                                 \
         .type = FT_STRING,                                                                   \
         .flags = F_NULLABLE,                                                                 \
         .offset = AT(time_zone),                                                             \
         .min = 1,                                                                            \
         .max = LIMIT_TZ_NAME,                                                                \
         .format = "time-zone",                                                               \
         .help = "IANA name, for cron schedules whose text names none (default: UTC)",        \
         .example = "\"Europe/Berlin\""},                                                     \
        {.name = "queue",                                                                     \
         .type = FT_STRING,                                                                   \
         .flags = F_NULLABLE,                                                                 \
         .offset = AT(queue),                                                                 \
         .min = 1,                                                                            \
         .max = QUEUE_NAME_BYTES - 1,                                                         \
         .pattern = "^[a-z0-9_.-]+$",                                                         \
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
const struct schema schedule_create_schema = {
    .name = "ScheduleCreate",
    .fields = create_fields,
    .count = ARRAY_LEN(create_fields),
    .size = sizeof(struct schedule_in),
    .variants = &task_args_variants,
};
/* What a client sends back of the object it read is not refused. */
const struct schema schedule_update_schema = {
    .name = "ScheduleUpdate",
    .fields = update_fields,
    .count = ARRAY_LEN(update_fields),
    .size = sizeof(struct schedule_in),
    .is_open = true,
    .variants = &task_args_variants,
};

void schedule_apply(const struct schedule_in *in, struct task_schedule *s)
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
