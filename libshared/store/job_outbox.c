/* The transactional outbox of the job queue, and its relay. */
#include "store/job_outbox.h"

#include <string.h>

#include "base/crash.h"
#include "base/str.h"
#include "gen/queries.h"
#include "log/log.h"
#include "store/job_outbox_mark.h"

enum { ENVELOPE_BYTES = 1 << 20, ARENA_BYTES = 256 << 20 };

/* --- writing --- */

static enum status write_hex(const struct job *job, struct arena *arena, const char **out)
{
    AUTO_BUF envelope;
    buf_init(&envelope, ENVELOPE_BYTES);
    job_pack(job, &envelope);
    TRY(buf_status(&envelope));
    char *hex = arena_alloc(arena, 2 * envelope.len + 1);
    if (!hex)
        return ST_NO_MEMORY;
    str_hex(envelope.data, envelope.len, hex);
    *out = hex;
    return ST_OK;
}

enum status job_outbox_add(struct db *db, struct arena *arena, const char *queue,
                           const struct job *jobs, size_t count)
{
    if (count > JOB_OUTBOX_BATCH)
        return ST_TOO_LARGE;
    const char **queues = arena_array(arena, count, sizeof(*queues));
    const char **envelopes = arena_array(arena, count, sizeof(*envelopes));
    struct uuid *ids = arena_array(arena, count, sizeof(*ids));
    if (!queues || !envelopes || !ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct task *task = task_find(jobs[i].task);
        if (!task || uuid_is_nil(&jobs[i].id) || !jobs[i].args)
            return ST_INVALID;
        if (strlen(jobs[i].args) > LIMIT_JOB_ARGS_BYTES)
            return ST_TOO_LARGE;
        queues[i] = queue ? queue : jobs[i].queue ? jobs[i].queue : task_queue(task);
        ids[i] = jobs[i].id;
        struct job job = jobs[i];
        job.result_ttl_ms = MAX_OF(job.result_ttl_ms, (int64_t)JOB_OUTBOX_RESULT_MS);
        TRY(write_hex(&job, arena, &envelopes[i]));
    }
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_strs(&args, queues, count);
    db_arg_strs(&args, envelopes, count);
    db_arg_uuids(&args, ids, count);
    return db_query(db, &Q_JOB_OUTBOX_ADD, &args, NULL);
}

enum status job_outbox_find(struct db *db, struct arena *arena, const struct uuid *id,
                            const char **queue, struct job *out)
{
    struct db_args args;
    const unsigned char *envelope = NULL;
    size_t len = 0;
    AUTO_RESULT row = NULL;
    db_args_init(&args, arena);
    db_arg_uuid(&args, id);
    TRY(db_query_one(db, &Q_JOB_OUTBOX_FIND, &args, &row));
    TRY(row_bytes(row, 0, "job", arena, &envelope, &len));
    *queue = row_str(row, 0, "queue", arena);
    if (!*queue)
        return ST_NO_MEMORY;
    return job_unpack(envelope, len, arena, out, NULL);
}

/* --- publishing --- */

struct relay {
    struct db *db;
    struct redis *redis;
    struct arena *arena;
    int64_t lost_us;     /* when Redis had last lost its memory before any of this was published */
    struct queue *queue; /* that of the row before, usually the next one's too */
    const char *queue_name;
    int64_t done[JOB_OUTBOX_BATCH]; /* rows, and their jobs */
    struct uuid done_job[JOB_OUTBOX_BATCH];
    size_t done_count;
    const char *full[JOB_OUTBOX_BATCH]; /* queues that take no more */
    size_t full_count;
};

static enum status use_queue(struct relay *relay, const char *name)
{
    if (relay->queue && str_eq(relay->queue_name, name))
        return ST_OK;
    queue_free(relay->queue);
    relay->queue = NULL;
    relay->queue_name = name;
    return queue_new(name, 0, &relay->queue);
}

static bool is_full(const struct relay *relay, const char *name)
{
    for (size_t i = 0; i < relay->full_count; i++) {
        if (str_eq(relay->full[i], name))
            return true;
    }
    return false;
}

static enum status publish(struct relay *relay, const char *name, const unsigned char *envelope,
                           size_t len, struct uuid *job_id)
{
    struct job job;
    char once[UUID_TEXT_BYTES];
    TRY(job_unpack(envelope, len, relay->arena, &job, NULL));
    TRY(use_queue(relay, name));
    uuid_format(&job.id, once);
    job.idempotency = once;
    *job_id = job.id;
    return queue_enqueue(relay->queue, relay->redis, &job);
}

/* A row that can never be published stays, and stops nobody. */
static enum status fail_row(struct relay *relay, int64_t id, enum status why)
{
    struct db_args args;
    db_args_init(&args, relay->arena);
    db_arg_i64(&args, id);
    db_arg_str(&args, status_title(why));
    log_error("job_outbox_failed", kv_i64("row", id), kv_status(why));
    return db_query(relay->db, &Q_JOB_OUTBOX_FAIL, &args, NULL);
}

static enum status relay_row(struct relay *relay, const PGresult *rows, int i)
{
    const char *name = row_str(rows, i, "queue", relay->arena);
    const unsigned char *envelope = NULL;
    size_t len = 0;
    TRY(row_bytes(rows, i, "job", relay->arena, &envelope, &len));
    if (!name)
        return ST_NO_MEMORY;
    if (is_full(relay, name))
        return ST_OK;
    int64_t id = row_i64(rows, i, "id");
    enum status st = publish(relay, name, envelope, len, &relay->done_job[relay->done_count]);
    if (st == ST_OVERLOADED) {
        relay->full[relay->full_count++] = name;
        return ST_OK;
    }
    if (st == ST_INVALID || st == ST_TOO_LARGE)
        return fail_row(relay, id, st);
    TRY(st);
    relay->done[relay->done_count++] = id;
    return ST_OK;
}

static enum status claim(struct relay *relay, PGresult **out)
{
    struct db_args args;
    db_args_init(&args, relay->arena);
    db_arg_i64(&args, JOB_OUTBOX_BATCH);
    db_arg_strs(&args, relay->full, relay->full_count);
    return db_query(relay->db, &Q_JOB_OUTBOX_CLAIM, &args, out);
}

/* What was published is marked, and the counter in Redis says that it was there. */
static enum status mark_done(struct relay *relay, size_t from, struct job_outbox_pass *out)
{
    const size_t count = relay->done_count - from;
    if (count == 0)
        return ST_OK;
    CRASH_AT("job_outbox.after_publish");
    int64_t mark = 0;
    enum outbox_loss loss = OUTBOX_WHOLE;
    TRY(outbox_mark_step(relay->db, relay->redis, relay->lost_us, &mark, &loss));
    /* Whether these came before or after the loss nobody knows: they stay open with all others,
     * and those that are there are not taken twice. */
    out->is_lost = loss == OUTBOX_LOST;
    if (loss != OUTBOX_WHOLE)
        return out->is_lost ? outbox_reopen(relay->db, mark) : ST_OK;
    struct db_args args;
    db_args_init(&args, relay->arena);
    db_arg_i64s(&args, relay->done + from, count);
    db_arg_uuids(&args, relay->done_job + from, count);
    AUTO_RESULT rows = NULL;
    TRY(db_query(relay->db, &Q_JOB_OUTBOX_PUBLISHED, &args, &rows));
    for (int i = 0; i < PQntuples(rows) && out->published < JOB_OUTBOX_BATCH; i++)
        out->lag_us[out->published++] = row_i64(rows, i, "lag_us");
    db_args_init(&args, relay->arena);
    db_arg_i64(&args, mark);
    return db_query(relay->db, &Q_JOB_OUTBOX_MARK_RAISE, &args, NULL);
}

/* Publishes what the claim brought; *found: rows. */
static enum status relay_batch(struct relay *relay, int *found, struct job_outbox_pass *out)
{
    AUTO_RESULT rows = NULL;
    TRY(claim(relay, &rows));
    *found = PQntuples(rows);
    size_t from = relay->done_count;
    enum status st = ST_OK;
    if (*found > 0)
        TRY(outbox_lost_at(relay->db, &relay->lost_us));
    for (int i = 0; i < *found && st == ST_OK; i++)
        st = relay_row(relay, rows, i);
    /* What was published is marked even when a later row failed. */
    if (db_is_connected(relay->db))
        TRY(mark_done(relay, from, out));
    return st;
}

static enum status relay_pass(struct relay *relay, struct job_outbox_pass *out)
{
    int found = 0;
    size_t full = 0;
    enum status st = ST_OK;
    /* Again only when a full queue's jobs stand before those of others. */
    do {
        full = relay->full_count;
        TRY(db_begin(relay->db));
        st = relay_batch(relay, &found, out);
        if (st != ST_OK && !db_is_connected(relay->db)) {
            db_rollback(relay->db);
            return st;
        }
        TRY(db_commit(relay->db));
    } while (st == ST_OK && found == JOB_OUTBOX_BATCH && relay->done_count == 0 &&
             relay->full_count > full);
    return st;
}

enum status job_outbox_relay(struct db *db, struct redis *r, struct job_outbox_pass *out)
{
    AUTO_RESULT found = NULL;
    out->published = 0;
    out->is_lost = false;
    TRY(db_query_one(db, &Q_JOB_OUTBOX_WAITS, NULL, &found));
    if (!row_bool(found, 0, "waits"))
        return ST_OK;
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    struct relay *relay = arena ? arena_alloc(arena, sizeof(*relay)) : NULL;
    if (!relay)
        return ST_NO_MEMORY;
    relay->db = db;
    relay->redis = r;
    relay->arena = arena;
    enum status st = relay_pass(relay, out);
    queue_free(relay->queue);
    if (st == ST_OK && relay->full_count > 0)
        return ST_OVERLOADED;
    return st;
}

enum status job_outbox_count(struct db *db, struct job_outbox_counts *out)
{
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_JOB_OUTBOX_COUNT, NULL, &r));
    *out = (struct job_outbox_counts){
        .waiting = row_i64(r, 0, "waiting"),
        .unfinished = row_i64(r, 0, "unfinished"),
        .failed = row_i64(r, 0, "failed"),
        .oldest_ms = row_i64(r, 0, "oldest_ms"),
        .mark = row_i64(r, 0, "mark"),
        .has_runs = row_bool(r, 0, "has_runs"),
    };
    return ST_OK;
}
