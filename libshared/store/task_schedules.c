/* Schedules of tasks in PostgreSQL. */
#include "store/task_schedules.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "gen/queries.h"
#include "json/parse.h"
#include "store/job_outbox.h"
#include "store/leases.h"
#include "store/list.h"

const char *const task_schedules_sorts[] = {
    "-created_at", "created_at", "updated_at", "-updated_at", "name", "-name",
    "task",        "-task",      "last_run",   "-last_run",   NULL};
const char *const task_schedule_catch_ups[] = {"run_once", "skip", NULL};
const char *const task_schedule_overlaps[] = {"skip", "queue", "allow", NULL};

/* --- reading --- */

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    const struct task_schedule s = {
        .id = row_uuid(r, row, "id"),
        .org_id = row_uuid(r, row, "org_id"),
        .name = row_str(r, row, "name", arena),
        .task = row_str(r, row, "task", arena),
        .args = row_str(r, row, "args", arena),
        .schedule = row_str(r, row, "schedule", arena),
        .time_zone = row_str(r, row, "time_zone", arena),
        .queue = row_str(r, row, "queue", arena),
        .priority = row_i64(r, row, "priority"),
        .enabled = row_bool(r, row, "enabled"),
        .catch_up = row_str(r, row, "catch_up", arena),
        .overlap = row_str(r, row, "overlap", arena),
        .jitter_ms = row_i64(r, row, "jitter_ms"),
        .expires_ms = row_i64(r, row, "expires_ms"),
        .revision = row_i64(r, row, "revision"),
        .created_us = row_time(r, row, "created_at"),
        .updated_us = row_time(r, row, "updated_at"),
        .last_run_us = row_time(r, row, "last_run_at"),
        .last_job_id = row_uuid(r, row, "last_job_id"),
        .last_job_queue = row_str(r, row, "last_job_queue", arena),
        .last_job_state = row_str(r, row, "last_job_state", arena),
    };
    if (!s.name || !s.task || !s.args || !s.schedule || !s.catch_up || !s.overlap)
        return ST_NO_MEMORY;
    *(struct task_schedule *)out = s;
    return ST_OK;
}

static void viewer_args(struct db_args *args, struct arena *arena,
                        const struct task_schedule_viewer *viewer)
{
    db_args_init(args, arena);
    db_arg_uuid(args, &viewer->org_id);
    db_arg_bool(args, viewer->is_operator);
}

static void key_args(struct db_args *args, struct arena *arena,
                     const struct task_schedule_viewer *viewer, const struct uuid *id)
{
    viewer_args(args, arena, viewer);
    db_arg_uuid(args, id);
}

static void flag_arg(struct db_args *args, bool is_given, bool value)
{
    if (is_given)
        db_arg_bool(args, value);
    else
        db_arg_null(args);
}

enum status task_schedules_list(struct db *db, struct arena *arena,
                                const struct task_schedule_viewer *viewer,
                                const struct task_schedule_filter *filter, struct page *page,
                                struct task_schedule **rows, size_t *count)
{
    static const struct list_query query = {
        .count = &Q_TASK_SCHEDULE_COUNT,
        .rows = &Q_TASK_SCHEDULE_LIST,
        .read = read_row,
        .row_bytes = sizeof(struct task_schedule),
        .after = "created_at",
    };
    struct db_args args;
    struct list_rows list;
    viewer_args(&args, arena, viewer);
    flag_arg(&args, filter->has_enabled, filter->enabled);
    flag_arg(&args, filter->has_system, filter->system);
    db_arg_str(&args, filter->task);
    db_arg_str(&args, filter->queue);
    db_arg_str(&args, filter->q);
    db_arg_str(&args, filter->sort ? filter->sort : "-created_at");
    TRY(list_read(db, &query, &args, page, &list));
    *rows = list.v;
    *count = list.count;
    return ST_OK;
}

enum status task_schedule_get(struct db *db, struct arena *arena,
                              const struct task_schedule_viewer *viewer, const struct uuid *id,
                              struct task_schedule *out)
{
    struct db_args args;
    key_args(&args, arena, viewer, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_TASK_SCHEDULE_GET, &args, &r));
    return read_row(r, 0, arena, out);
}

enum status task_schedule_find(struct db *db, struct arena *arena,
                               const struct task_schedule_viewer *viewer, const char *name,
                               struct uuid *out)
{
    struct db_args args;
    viewer_args(&args, arena, viewer);
    db_arg_str(&args, name);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_TASK_SCHEDULE_BY_NAME, &args, &r));
    *out = row_uuid(r, 0, "id");
    return ST_OK;
}

/* --- writing --- */

static void value_args(struct db_args *args, const struct task_schedule *s)
{
    db_arg_str(args, s->name);
    db_arg_str(args, s->task);
    db_arg_str(args, s->args);
    db_arg_str(args, s->schedule);
    db_arg_str(args, s->time_zone);
    db_arg_str(args, s->queue);
    db_arg_i64(args, s->priority);
    db_arg_bool(args, s->enabled);
    db_arg_str(args, s->catch_up);
    db_arg_str(args, s->overlap);
    db_arg_i64(args, s->jitter_ms);
    db_arg_i64(args, s->expires_ms);
}

enum status task_schedule_insert(struct db *db, struct arena *arena, const struct uuid *user_id,
                                 struct task_schedule *s)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, &s->id);
    db_arg_uuid(&args, &s->org_id);
    db_arg_uuid(&args, user_id);
    db_arg_i64(&args, (int64_t)(uuid_hash(&s->id) % LEASE_SHARDS));
    value_args(&args, s);
    db_arg_i64(&args, LIMIT_SCHEDULES_ORG);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_TASK_SCHEDULE_INSERT, &args, &r));
    if (db_affected(r) == 0)
        return ST_OVERLOADED;
    const struct task_schedule_viewer owner = {.org_id = s->org_id};
    return task_schedule_get(db, arena, &owner, &s->id, s);
}

/* What a transaction works on. */
struct work {
    struct arena *arena;
    const struct task_schedule_viewer *viewer;
    const struct uuid *id;
    task_schedule_change_fn *change;
    void *arg;
    struct task_schedule *out;
};

static enum status lock(struct db *db, const struct work *w, struct task_schedule *out)
{
    struct db_args args;
    key_args(&args, w->arena, w->viewer, w->id);
    TRY(db_query_one(db, &Q_TASK_SCHEDULE_LOCK, &args, NULL));
    return task_schedule_get(db, w->arena, w->viewer, w->id, out);
}

static enum status update_in_transaction(struct db *db, void *arg)
{
    struct work *w = arg;
    struct task_schedule s;
    TRY(lock(db, w, &s));
    TRY(w->change(&s, w->arg));
    struct db_args args;
    db_args_init(&args, w->arena);
    db_arg_uuid(&args, w->id);
    value_args(&args, &s);
    TRY(db_query(db, &Q_TASK_SCHEDULE_UPDATE, &args, NULL));
    return task_schedule_get(db, w->arena, w->viewer, w->id, w->out);
}

enum status task_schedule_update(struct db *db, struct arena *arena,
                                 const struct task_schedule_viewer *viewer, const struct uuid *id,
                                 task_schedule_change_fn *change, void *arg,
                                 struct task_schedule *out)
{
    struct work w = {
        .arena = arena, .viewer = viewer, .id = id, .change = change, .arg = arg, .out = out};
    return db_transact(db, update_in_transaction, &w);
}

enum status task_schedule_enable(struct db *db, struct arena *arena,
                                 const struct task_schedule_viewer *viewer, const struct uuid *id,
                                 bool enabled, struct task_schedule *out)
{
    struct db_args args;
    key_args(&args, arena, viewer, id);
    db_arg_bool(&args, enabled);
    TRY(db_query(db, &Q_TASK_SCHEDULE_ENABLE, &args, NULL));
    return task_schedule_get(db, arena, viewer, id, out);
}

enum status task_schedule_delete(struct db *db, struct arena *arena, const struct uuid *org_id,
                                 const struct uuid *id)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, id);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_TASK_SCHEDULE_DELETE, &args, &r));
    return db_affected(r) > 0 ? ST_OK : ST_NOT_FOUND;
}

/* --- running now --- */

/* The arguments with this moment in place of the slot's time. */
static enum status fill_args(const struct task_schedule *s, const struct task *task, int64_t now_ms,
                             struct arena *arena, const char **out)
{
    AUTO_JSON json = json_load_kept(s->args);
    if (!json_is_object(json))
        return ST_CORRUPT;
    const json_t *slot = json_object_get(json, "slot_us");
    if ((slot ? json_is_null(slot) : task->takes_slot) &&
        json_object_set_new(json, "slot_us", json_integer(now_ms * 1000)) != 0)
        return ST_NO_MEMORY;
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    *out = text ? arena_strdup(arena, text) : NULL;
    return *out ? ST_OK : ST_NO_MEMORY;
}

static enum status make_job(const struct task_schedule *s, struct arena *arena, struct job *job)
{
    char id[UUID_TEXT_BYTES];
    const char *args = NULL;
    const struct task *task = task_find(s->task);
    const int64_t now_ms = clock_wall_ms();
    if (!task)
        return ST_NOT_FOUND;
    TRY(fill_args(s, task, now_ms, arena, &args));
    TRY(job_init(job, s->task, args, now_ms));
    if (s->priority >= 0)
        job->priority = (int)s->priority;
    if (s->expires_ms > 0)
        job->expires_at_ms = now_ms + s->expires_ms;
    if (!str_eq(s->overlap, "allow")) {
        uuid_format(&s->id, id);
        job->key = arena_printf(arena, "schedule:%s", id);
        job->key_limit = 1;
        if (!job->key)
            return ST_NO_MEMORY;
    }
    if (uuid_is_nil(&s->org_id))
        return ST_OK;
    uuid_format(&s->org_id, id);
    job->tenant = arena_strdup(arena, id);
    return job->tenant ? ST_OK : ST_NO_MEMORY;
}

static enum status run_in_transaction(struct db *db, void *arg)
{
    struct work *w = arg;
    struct task_schedule s;
    struct job job;
    TRY(lock(db, w, &s));
    TRY(make_job(&s, w->arena, &job));
    TRY(job_outbox_add(db, w->arena, s.queue, &job, 1));
    struct db_args args;
    db_args_init(&args, w->arena);
    db_arg_uuid(&args, w->id);
    db_arg_uuid(&args, &job.id);
    db_arg_str(&args, s.queue ? s.queue : task_queue(task_find(s.task)));
    TRY(db_query(db, &Q_TASK_SCHEDULE_RAN, &args, NULL));
    return task_schedule_get(db, w->arena, w->viewer, w->id, w->out);
}

enum status task_schedule_run(struct db *db, struct arena *arena,
                              const struct task_schedule_viewer *viewer, const struct uuid *id,
                              struct task_schedule *out)
{
    struct work w = {.arena = arena, .viewer = viewer, .id = id, .out = out};
    return db_transact(db, run_in_transaction, &w);
}
