/* Orders of jobs: checks that they name, room for them, and their rows in the outbox. */
#include "store/job_orders.h"

#include "base/str.h"
#include "gen/queries.h"
#include "queue/group.h"
#include "store/checks.h"
#include "store/job_outbox.h"

/* --- checks --- */

static enum status say_missing(const char *member, const struct task_args *args, size_t order,
                               size_t i, struct field_errors *errors)
{
    char id[UUID_TEXT_BYTES];
    AUTO_FIELD_ERRORS own = {0};
    uuid_format(&args->checks[i], id);
    field_errors_add(member ? &own : errors, "body", "args", "value_error",
                     "%s: there is no check %s", args->members[i], id);
    return member ? field_errors_nest(errors, member, order, &own) : ST_OK;
}

enum status job_orders_judge(struct db *db, struct arena *arena, const struct uuid *org_id,
                             const char *member, const struct task_args *args, size_t count,
                             bool *any, struct field_errors *errors)
{
    size_t n = 0, at = 0;
    int64_t *found = NULL;
    for (size_t i = 0; i < count; i++)
        n += args[i].check_count;
    *any = n > 0;
    if (n == 0)
        return ST_OK;
    struct uuid *ids = arena_array(arena, n, sizeof(*ids));
    if (!ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < args[i].check_count; k++)
            ids[at++] = args[i].checks[k];
    }
    TRY(checks_timeouts(db, arena, org_id, ids, n, &found));
    at = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < args[i].check_count; k++) {
            if (found[at++] == 0)
                TRY(say_missing(member, &args[i], i, k, errors));
        }
    }
    return errors->list ? ST_INVALID : ST_OK;
}

/* --- room --- */

struct share {
    const char *queue;
    size_t count;
};

/* How many jobs go to each queue; those beyond the table are no group's (queue_group_create). */
static size_t shares_of(const struct job *jobs, size_t count, struct share out[GROUP_QUEUES_MAX])
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        const char *home = job_home(&jobs[i]);
        for (at = 0; at < n && !str_eq(out[at].queue, home);)
            at++;
        if (at == GROUP_QUEUES_MAX)
            continue;
        if (at == n)
            out[n++] = (struct share){home, 0};
        out[at].count++;
    }
    return n;
}

static enum status has_room(struct redis *r, const struct share *share)
{
    struct queue *q = NULL;
    struct queue_stats s = {0};
    TRY(queue_new(share->queue, 0, &q));
    const enum status st = queue_stats_get(q, r, &s);
    queue_free(q);
    const int64_t there = MAX_OF(s.waiting + s.pending, s.delayed);
    return st == ST_OK && there + (int64_t)share->count > LIMIT_QUEUE_LENGTH ? ST_OVERLOADED
                                                                             : ST_OK;
}

static enum status backlog(struct db *db, int64_t *out)
{
    AUTO_ARENA arena = arena_new(1 << 16);
    if (!arena)
        return ST_NO_MEMORY;
    AUTO_RESULT row = NULL;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_i64(&args, LIMIT_OUTBOX_WAITING);
    TRY(db_query_one(db, &Q_JOB_OUTBOX_BACKLOG, &args, &row));
    *out = row_i64(row, 0, "waiting");
    return ST_OK;
}

enum status job_orders_admit(struct db *db, struct redis *r, const struct job *jobs, size_t count)
{
    int64_t waiting = 0;
    struct share shares[GROUP_QUEUES_MAX];
    TRY(backlog(db, &waiting));
    if (waiting + (int64_t)count > LIMIT_OUTBOX_WAITING)
        return ST_OVERLOADED;
    const size_t queues = shares_of(jobs, count, shares);
    for (size_t i = 0; i < queues; i++)
        TRY(has_room(r, &shares[i]));
    return ST_OK;
}

/* --- rows --- */

struct rows {
    struct arena *arena;
    const struct job *jobs;
    size_t count;
};

static enum status add_rows(struct db *db, void *arg)
{
    const struct rows *rows = arg;
    for (size_t at = 0; at < rows->count; at += JOB_OUTBOX_BATCH)
        TRY(job_outbox_add(db, rows->arena, NULL, rows->jobs + at,
                           MIN_OF(rows->count - at, (size_t)JOB_OUTBOX_BATCH)));
    return ST_OK;
}

enum status job_orders_add(struct db *db, struct arena *arena, const struct job *jobs, size_t count)
{
    struct rows rows = {.arena = arena, .jobs = jobs, .count = count};
    return db_transact(db, add_rows, &rows);
}
