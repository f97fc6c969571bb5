/* After a loss of Redis: found by its counter, and undone. And rows whose jobs have ended. */
#include "store/job_outbox_mark.h"

#include "base/str.h"
#include "gen/queries.h"
#include "log/log.h"
#include "store/job_outbox.h"
#include "store/job_watch.h"

/* No job and no queue: a counter that grows with each publishing pass. */
#define MARK_KEY "tocsin:outbox:mark"

enum { ARENA_BYTES = 4 << 20, NUMBER_ARENA_BYTES = 4096 };

static enum status known_mark(struct db *db, const struct query *query, int64_t *out)
{
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, query, NULL, &r));
    *out = row_i64(r, 0, "mark");
    return ST_OK;
}

/* 0: there is none. */
static enum status redis_mark(struct redis *r, int64_t *out)
{
    AUTO_REPLY reply = NULL;
    TRY(redis_do(r, &reply, "GET", MARK_KEY));
    if (reply->type != REDIS_REPLY_STRING || str_to_i64(reply->str, out) != ST_OK)
        *out = 0;
    return ST_OK;
}

enum status outbox_lost_at(struct db *db, int64_t *out)
{
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_JOB_OUTBOX_MARK, NULL, &r));
    *out = row_time(r, 0, "lost_at");
    return ST_OK;
}

enum status outbox_mark_step(struct db *db, struct redis *r, int64_t since_us, int64_t *mark,
                             enum outbox_loss *loss)
{
    AUTO_RESULT known = NULL;
    AUTO_REPLY reply = NULL;
    TRY(db_query_one(db, &Q_JOB_OUTBOX_MARK, NULL, &known));
    TRY(redis_do(r, &reply, "INCR", MARK_KEY));
    *mark = reply->integer;
    *loss = OUTBOX_WHOLE;
    if (*mark <= row_i64(known, 0, "mark"))
        *loss = OUTBOX_LOST;
    else if (row_time(known, 0, "lost_at") != since_us)
        *loss = OUTBOX_FOUND;
    return ST_OK;
}

static enum status write_mark(struct db *db, const struct query *query, int64_t mark)
{
    AUTO_ARENA arena = arena_new(NUMBER_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_i64(&args, mark);
    return db_query(db, query, &args, NULL);
}

enum status outbox_reopen(struct db *db, int64_t mark)
{
    AUTO_RESULT reopened = NULL;
    TRY(db_query(db, &Q_JOB_OUTBOX_REOPEN, NULL, &reopened));
    log_warn("job_outbox_reopened", kv_i64("jobs", db_affected(reopened)));
    return write_mark(db, &Q_JOB_OUTBOX_MARK_RESET, mark);
}

enum status job_outbox_probe(struct db *db, struct redis *r, bool *is_lost)
{
    int64_t known = 0, found = 0;
    TRY(known_mark(db, &Q_JOB_OUTBOX_MARK, &known)); /* first: Redis is always ahead of it */
    TRY(redis_mark(r, &found));
    *is_lost = found < known;
    return ST_OK;
}

enum status job_outbox_is_whole(struct redis *r, int64_t mark, bool *out)
{
    int64_t found = 0;
    TRY(redis_mark(r, &found));
    *out = found >= mark && found > 0;
    return ST_OK;
}

struct recovery {
    struct redis *redis;
    bool is_lost;
};

/* Under the row's lock: of all who notice one acts, and the others find it done. */
static enum status recover_in_transaction(struct db *db, void *arg)
{
    struct recovery *rec = arg;
    int64_t known = 0, found = 0;
    TRY(known_mark(db, &Q_JOB_OUTBOX_MARK_LOCK, &known));
    TRY(redis_mark(rec->redis, &found));
    rec->is_lost = found < known;
    if (rec->is_lost)
        TRY(outbox_reopen(db, found));
    if (found > 0)
        return ST_OK;
    /* A first mark, so that the next loss is seen even if nothing is published before it. */
    AUTO_REPLY reply = NULL;
    TRY(redis_do(rec->redis, &reply, "INCR", MARK_KEY));
    return write_mark(db, &Q_JOB_OUTBOX_MARK_RAISE, reply->integer);
}

enum status job_outbox_recover(struct db *db, struct redis *r, bool *is_lost)
{
    int64_t known = 0, found = 0;
    TRY(known_mark(db, &Q_JOB_OUTBOX_MARK, &known));
    TRY(redis_mark(r, &found));
    *is_lost = false;
    if (found >= known && found > 0)
        return ST_OK;
    struct recovery rec = {.redis = r};
    TRY(db_transact(db, recover_in_transaction, &rec));
    *is_lost = rec.is_lost;
    return ST_OK;
}

/* --- rows whose jobs have ended --- */

static enum status delete_rows(struct db *db, struct arena *arena, const int64_t *ids, size_t count)
{
    if (count == 0)
        return ST_OK;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_i64s(&args, ids, count);
    return db_query(db, &Q_JOB_OUTBOX_DELETE, &args, NULL);
}

static enum status read_open(const PGresult *rows, struct arena *arena, struct watched_job *jobs)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        jobs[i].queue = row_str(rows, i, "queue", arena);
        jobs[i].id = row_uuid(rows, i, "job_id");
        jobs[i].is_old = row_bool(rows, i, "is_old");
        if (!jobs[i].queue)
            return ST_NO_MEMORY;
    }
    return ST_OK;
}

enum status job_outbox_settle(struct db *db, struct redis *r, int64_t *cursor, size_t *ended)
{
    *ended = 0;
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_i64(&args, *cursor);
    AUTO_RESULT rows = NULL;
    TRY(db_query(db, &Q_JOB_OUTBOX_OPEN, &args, &rows));
    const int n = PQntuples(rows);
    struct watched_job *jobs = arena_array(arena, (size_t)MAX_OF(n, 1), sizeof(*jobs));
    int64_t *ids = arena_array(arena, (size_t)MAX_OF(n, 1), sizeof(*ids));
    if (!jobs || !ids)
        return ST_NO_MEMORY;
    TRY(read_open(rows, arena, jobs));
    TRY(jobs_watch(db, r, arena, jobs, (size_t)n));
    size_t count = 0;
    for (int i = 0; i < n; i++) {
        if (jobs[i].has_ended)
            ids[count++] = row_i64(rows, i, "id");
    }
    TRY(delete_rows(db, arena, ids, count));
    *cursor = n == JOB_OUTBOX_BATCH ? row_i64(rows, n - 1, "id") : 0;
    *ended = count;
    return ST_OK;
}
