/* One pass: two jobs a schedule, the newest one and the newest one of a slot, mostly the same. */
#include "store/schedule_runs.h"

#include "base/str.h"
#include "gen/queries.h"
#include "store/job_watch.h"

enum { ARENA_BYTES = 4 << 20, PAGE = 500 /* also in sql/schedules.sql */ };

struct ends {
    struct uuid ids[PAGE], jobs[PAGE];
    const char *states[PAGE];
    size_t count;
};

static void add_end(struct ends *e, const struct uuid *id, const struct watched_job *job)
{
    if (!job->has_ended)
        return;
    e->ids[e->count] = *id;
    e->jobs[e->count] = job->id;
    /* Gone without a trace: nobody can say how it ended. */
    e->states[e->count++] = job->state == JOB_STATE_COUNT_ ? "gone" : job_state_name(job->state);
}

static enum status write_ends(struct db *db, struct arena *arena, const struct query *query,
                              const struct ends *e, bool has_states)
{
    if (e->count == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuids(&args, e->ids, e->count);
    db_arg_uuids(&args, e->jobs, e->count);
    if (has_states)
        db_arg_strs(&args, e->states, e->count);
    return db_query(db, query, &args, NULL);
}

static bool is_over(const char *state)
{
    return !state || (!str_eq(state, job_state_name(JOB_QUEUED)) &&
                      !str_eq(state, job_state_name(JOB_DELAYED)) &&
                      !str_eq(state, job_state_name(JOB_RUNNING)));
}

static enum status read_jobs(const PGresult *rows, struct arena *arena, struct watched_job *jobs)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        struct watched_job *last = &jobs[2 * i], *open = last + 1;
        last->queue = row_str(rows, i, "last_job_queue", arena);
        open->queue = row_str(rows, i, "open_job_queue", arena);
        last->is_old = row_bool(rows, i, "is_last_old");
        open->is_old = row_bool(rows, i, "is_open_old");
        if (!is_over(row_str(rows, i, "last_job_state", arena)))
            last->id = row_uuid(rows, i, "last_job_id");
        open->id = row_uuid(rows, i, "open_job_id");
    }
    return ST_OK;
}

static enum status note(struct db *db, struct arena *arena, const PGresult *rows,
                        const struct watched_job *jobs, size_t *ended)
{
    struct ends *last = arena_alloc(arena, sizeof(*last));
    struct ends *open = arena_alloc(arena, sizeof(*open));
    if (!last || !open)
        return ST_NO_MEMORY;
    last->count = open->count = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        const struct uuid id = row_uuid(rows, i, "id");
        add_end(last, &id, &jobs[2 * i]);
        add_end(open, &id, &jobs[2 * i + 1]);
    }
    TRY(write_ends(db, arena, &Q_SCHEDULES_JOB_STATES, last, true));
    TRY(write_ends(db, arena, &Q_SCHEDULES_JOBS_ENDED, open, false));
    *ended = open->count;
    return ST_OK;
}

enum status schedule_runs_settle(struct db *db, struct redis *r, struct uuid *cursor, size_t *ended)
{
    *ended = 0;
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, cursor);
    AUTO_RESULT rows = NULL;
    TRY(db_query(db, &Q_SCHEDULES_RUNNING, &args, &rows));
    const int n = PQntuples(rows);
    struct watched_job *jobs = arena_array(arena, (size_t)(2 * MAX_OF(n, 1)), sizeof(*jobs));
    if (!jobs)
        return ST_NO_MEMORY;
    TRY(read_jobs(rows, arena, jobs));
    TRY(jobs_watch(db, r, arena, jobs, (size_t)(2 * n)));
    TRY(note(db, arena, rows, jobs, ended));
    *cursor = n == PAGE ? row_uuid(rows, n - 1, "id") : (struct uuid){0};
    return ST_OK;
}
