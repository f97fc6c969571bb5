/* Orders: what they may say, and the jobs that are made of them. */
#include "queue/orders.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "queue/group.h"
#include "queue/internal.h"

enum { ATTEMPTS_MAX = 100 };

/* --- what an order says --- */

static const char *check_queue(const char *name)
{
    return queue_name_is_good(name) ? NULL : "a queue's name is of a to z, 0 to 9, _, - and .";
}

#define AT(member) offsetof(struct job_order, member)
#define ORDER_FIELDS                                                                            \
    {.name = "task",                                                                            \
     .type = FT_STRING,                                                                         \
     .flags = F_REQUIRED,                                                                       \
     .offset = AT(task),                                                                        \
     .min = 1,                                                                                  \
     .max = 100,                                                                                \
     .help = "A task that may be asked for; the error names them",                              \
     .example = "\"queue.noop\""},                                                              \
        {.name = "args",                                                                        \
         .type = FT_MAP,                                                                        \
         .offset = AT(args),                                                                    \
         .help = "As the task takes them (default: none)",                                      \
         .example = "{\"n\":1}"},                                                               \
        {.name = "queue",                                                                       \
         .type = FT_STRING,                                                                     \
         .offset = AT(queue),                                                                   \
         .min = 1,                                                                              \
         .max = QUEUE_NAME_MAX,                                                                 \
         .check = check_queue,                                                                  \
         .pattern = "^[a-z0-9_.-]+$",                                                           \
         .help = "Where it goes (default: the task's queue)"},                                  \
        {.name = "priority",                                                                    \
         .type = FT_INT,                                                                        \
         .offset = AT(priority),                                                                \
         .min = 0,                                                                              \
         .max = QUEUE_PRIORITIES - 1,                                                           \
         .help = "0 first … 3 (default: the task's)"},                                          \
        {.name = "delay",                                                                       \
         .type = FT_NUMBER,                                                                     \
         .offset = AT(delay),                                                                   \
         .min = 0,                                                                              \
         .max = LIMIT_JOB_DELAY_S,                                                              \
         .help = "Seconds until it may begin; of what follows another job, from then on "       \
                 "(default: 0)"},                                                               \
        {.name = "expires",                                                                     \
         .type = FT_NUMBER,                                                                     \
         .offset = AT(expires),                                                                 \
         .min = 1,                                                                              \
         .max = LIMIT_SCHEDULE_EXPIRES_MS / 1000.0,                                             \
         .help = "Seconds after that when it is dropped if it has not begun (default: never)"}, \
    {                                                                                           \
        .name = "max_attempts", .type = FT_INT, .offset = AT(max_attempts), .min = 1,           \
        .max = ATTEMPTS_MAX, .help = "How often it is tried (default: as the task says)"        \
    }
static const struct field order_fields[] = {ORDER_FIELDS};
static const struct field step_fields[] = {
    ORDER_FIELDS,
    {.name = "pass_result",
     .type = FT_BOOL,
     .offset = AT(takes_previous),
     .help = "Tell it the result of the job before, as `previous` (default: false)"},
};
static const struct field callback_fields[] = {
    ORDER_FIELDS,
    {.name = "pass_results",
     .type = FT_BOOL,
     .offset = AT(takes_previous),
     .help = "Tell it how the group went, with the results of its jobs, as `previous` (default: "
             "false)"},
};
#undef AT

const struct schema job_order_schema = {
    .name = "JobCreate",
    .fields = order_fields,
    .count = ARRAY_LEN(order_fields),
    .size = sizeof(struct job_order),
    .variants = &task_args_variants,
};
static const struct schema step_schema = {
    .name = "JobStep",
    .fields = step_fields,
    .count = ARRAY_LEN(step_fields),
    .size = sizeof(struct job_order),
    .variants = &task_args_variants,
};
static const struct schema callback_schema = {
    .name = "JobCallback",
    .fields = callback_fields,
    .count = ARRAY_LEN(callback_fields),
    .size = sizeof(struct job_order),
    .variants = &task_args_variants,
};

static const struct field group_fields[] = {
    {.name = "jobs",
     .type = FT_LIST,
     .sub = &job_order_schema,
     .flags = F_REQUIRED,
     .offset = offsetof(struct group_order, jobs),
     .min = 1,
     .max = LIMIT_GROUP_JOBS,
     .help = "Run side by side"},
    {.name = "callback",
     .type = FT_OBJECT,
     .sub = &callback_schema,
     .flags = F_NULLABLE,
     .offset = offsetof(struct group_order, callback),
     .help = "Enqueued when all of them have ended, and succeeded"},
    {.name = "lenient",
     .type = FT_BOOL,
     .offset = offsetof(struct group_order, lenient),
     .help = "The callback comes even when some did not succeed (default: false)"},
};
const struct schema group_order_schema = SCHEMA("JobGroupCreate", struct group_order, group_fields);

static const struct field chain_fields[] = {
    {.name = "jobs",
     .type = FT_LIST,
     .sub = &step_schema,
     .flags = F_REQUIRED,
     .offset = offsetof(struct chain_order, jobs),
     .min = 1,
     .max = LIMIT_CHAIN_JOBS,
     .help = "Each is enqueued when the one before has succeeded"},
};
const struct schema chain_order_schema = SCHEMA("JobChainCreate", struct chain_order, chain_fields);

/* --- jobs of orders --- */

static bool may_have(const struct order_maker *who, const struct task *task)
{
    return task->audience == TASK_USER || (task->audience == TASK_SYSTEM && who->may_system) ||
           who->may_internal;
}

static const struct task *find_task(const struct order_maker *who, const char *name,
                                    struct field_errors *errors)
{
    char known[600] = "";
    for (size_t i = 0; task_at(i); i++) {
        const struct task *task = task_at(i);
        if (!may_have(who, task))
            continue;
        if (str_eq(task->name, name))
            return task;
        const size_t len = strlen(known);
        (void)snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "", task->name);
    }
    field_errors_add(errors, "body", "task", "value_error.enum",
                     "no task that can be asked for; those are %s", known);
    return NULL;
}

/* The time that a run of a check is known by goes with its arguments. */
static enum status add_slot(const char *args, int64_t slot_us, struct arena *arena,
                            const char **out)
{
    AUTO_JSON json = json_load_kept(args);
    if (!json || json_object_set_new(json, "slot_us", json_integer(slot_us)) != 0)
        return ST_NO_MEMORY;
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    *out = text ? arena_strdup(arena, text) : NULL;
    return *out ? ST_OK : ST_NO_MEMORY;
}

static void apply_options(const struct job_order *o, struct job *job)
{
    const int64_t delay_ms = o->delay.set ? (int64_t)(o->delay.v * 1000) : 0;
    if (delay_ms > 0)
        job->not_before_ms = job->enqueued_at_ms + delay_ms;
    if (o->expires.set)
        job->expires_at_ms = job->enqueued_at_ms + delay_ms + (int64_t)(o->expires.v * 1000);
    if (o->priority.set)
        job->priority = (int)o->priority.v;
    if (o->max_attempts.set)
        job->max_attempts = (int)o->max_attempts.v;
    job->queue = o->queue.v;
    job->takes_previous = o->takes_previous.set && o->takes_previous.v;
    job->result_ttl_ms = MAX_OF(job->result_ttl_ms, (int64_t)ORDER_RESULT_MS);
}

/* `errors` gets what is wrong; ST_INVALID then. */
static enum status read_one(const struct order_maker *who, const struct job_order *o,
                            int64_t slot_us, struct arena *arena, struct job *job,
                            struct task_args *args, struct field_errors *errors)
{
    const struct task *task = find_task(who, o->task.v, errors);
    if (!task)
        return ST_INVALID;
    enum status st = task_args_read(task, o->args.set ? o->args.v : NULL, arena, args, errors);
    const size_t max = LIMIT_JOB_ARGS_BYTES - (o->takes_previous.v ? LIMIT_PREVIOUS_BYTES : 0) - 64;
    if (st == ST_TOO_LARGE || (st == ST_OK && strlen(args->text) > max)) {
        field_errors_add(errors, "body", "args", "value_error", "more than %zu bytes", max);
        return ST_INVALID;
    }
    TRY(st);
    if (o->queue.set && !who->may_internal && !task_fits_queue(task, o->queue.v)) {
        field_errors_add(errors, "body", "queue", "value_error", QUEUE_IS_CHECKS);
        return ST_INVALID;
    }
    const char *text = args->text;
    if (task->takes_slot)
        TRY(add_slot(text, slot_us + (o->delay.set ? (int64_t)(o->delay.v * 1e6) : 0), arena,
                     &text));
    TRY(job_init(job, task->name, text, who->now_ms));
    job->tenant = who->tenant;
    apply_options(o, job);
    return ST_OK;
}

enum status job_orders_read(const struct order_maker *who, const char *member,
                            const struct job_order *orders, size_t count, struct arena *arena,
                            struct job **jobs, struct task_args **args, struct field_errors *errors)
{
    struct job *list = arena_array(arena, count, sizeof(*list));
    struct task_args *given = arena_array(arena, count, sizeof(*given));
    if (!list || !given)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        AUTO_FIELD_ERRORS own = {0};
        enum status st = read_one(who, &orders[i], who->slot_us + (int64_t)i, arena, &list[i],
                                  &given[i], member ? &own : errors);
        if (st == ST_INVALID)
            st = member ? field_errors_nest(errors, member, i, &own) : ST_OK;
        TRY(st);
    }
    *jobs = list;
    *args = given;
    return errors->list ? ST_INVALID : ST_OK;
}

/* --- groups and chains --- */

/* Under its member, without an index: it is one. */
static enum status read_callback(const struct order_maker *who, const struct job_order *o,
                                 size_t total, struct arena *arena, struct group_plan *plan,
                                 struct field_errors *errors)
{
    AUTO_FIELD_ERRORS own = {0};
    plan->callback = arena_alloc(arena, sizeof(*plan->callback));
    plan->callback_args = arena_alloc(arena, sizeof(*plan->callback_args));
    if (!plan->callback || !plan->callback_args)
        return ST_NO_MEMORY;
    if (o->takes_previous.v && total > LIMIT_GROUP_RESULTS)
        field_errors_add(&own, "body", "pass_results", "value_error",
                         "results are passed on of up to %d jobs", LIMIT_GROUP_RESULTS);
    const enum status st = read_one(who, o, who->slot_us + (int64_t)total, arena, plan->callback,
                                    plan->callback_args, &own);
    if (st != ST_INVALID && st != ST_OK)
        return st;
    return own.list ? field_errors_nest_in(errors, "callback", &own) : ST_OK;
}

enum status group_order_read(const struct order_maker *who, const struct group_order *order,
                             struct arena *arena, struct group_plan *out,
                             struct field_errors *errors)
{
    struct group_plan plan = {
        .id = uuid_new(), .total = order->jobs.count, .is_lenient = order->lenient.v};
    enum status st = job_orders_read(who, "jobs", order->jobs.v, plan.total, arena, &plan.jobs,
                                     &plan.args, errors);
    if (st == ST_INVALID || st == ST_OK) {
        if (order->callback.v)
            TRY(read_callback(who, order->callback.v, plan.total, arena, &plan, errors));
        st = errors->list ? ST_INVALID : ST_OK;
    }
    TRY(st);
    for (size_t i = 0; i < plan.total; i++) {
        const int64_t own_ms = task_find(plan.jobs[i].task)->result_ttl_ms;
        plan.jobs[i].result_ttl_ms = MAX_OF(own_ms, (int64_t)ORDER_MEMBER_RESULT_MS);
    }
    *out = plan;
    return ST_OK;
}

enum status chain_order_read(const struct order_maker *who, const struct chain_order *order,
                             struct arena *arena, struct job **jobs, struct task_args **args,
                             struct field_errors *errors)
{
    const struct job_order *first = order->jobs.v;
    if (first->takes_previous.v) {
        AUTO_FIELD_ERRORS own = {0};
        field_errors_add(&own, "body", "pass_result", "value_error", "nothing comes before it");
        TRY(field_errors_nest(errors, "jobs", 0, &own));
    }
    TRY(job_orders_read(who, "jobs", order->jobs.v, order->jobs.count, arena, jobs, args, errors));
    return job_chain_make(*jobs, order->jobs.count, arena);
}

enum status group_plan_begin(struct redis *r, struct group_plan *plan, int64_t now_ms,
                             struct arena *arena, const char **name)
{
    struct group_member *members = arena_array(arena, plan->total, sizeof(*members));
    char *text = arena_alloc(arena, GROUP_NAME_BYTES);
    int64_t last_ms = now_ms;
    if (!members || !text)
        return ST_NO_MEMORY;
    TRY(queue_group_name(GROUP_HOME, &plan->id, text));
    for (size_t i = 0; i < plan->total; i++) {
        plan->jobs[i].group = text;
        members[i] = (struct group_member){plan->jobs[i].id, job_home(&plan->jobs[i])};
        last_ms = MAX_OF(last_ms, plan->jobs[i].not_before_ms);
    }
    const struct group group = {
        .id = plan->id,
        .queue = GROUP_HOME,
        .total = plan->total,
        .callback = plan->callback,
        .is_lenient = plan->is_lenient,
        .ttl_ms = LIMIT_JOB_ONCE_MS + (last_ms - now_ms),
        .tenant = plan->jobs[0].tenant,
        .created_at_ms = now_ms,
        .members = members,
    };
    TRY(queue_group_create(r, &group, text));
    *name = text;
    return ST_OK;
}

static enum status enqueue_all(struct redis *r, const struct group_plan *plan)
{
    struct queue *q = NULL;
    const char *home = NULL;
    enum status st = ST_OK;
    size_t count = 0;
    for (size_t i = 0; i < plan->total && st == ST_OK; i += count) {
        /* As many as go to the same queue. */
        for (count = 1; i + count < plan->total; count++) {
            if (!str_eq(job_home(&plan->jobs[i + count]), job_home(&plan->jobs[i])))
                break;
        }
        if (!q || !str_eq(home, job_home(&plan->jobs[i]))) {
            queue_free(q);
            q = NULL;
            home = job_home(&plan->jobs[i]);
            st = queue_new(home, 0, &q);
        }
        if (st == ST_OK)
            st = queue_enqueue_many(q, r, plan->jobs + i, count, NULL);
    }
    queue_free(q);
    return st;
}

enum status group_plan_enqueue(struct redis *r, struct group_plan *plan, int64_t now_ms,
                               struct arena *arena, const char **name)
{
    const char *made = NULL;
    TRY(group_plan_begin(r, plan, now_ms, arena, &made));
    const enum status st = enqueue_all(r, plan);
    if (st != ST_OK) {
        (void)!queue_group_cancel(r, made, now_ms);
        return st;
    }
    *name = made;
    return ST_OK;
}
