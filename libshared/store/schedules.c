/* Streams of checks, pages of tasks' schedules, and the change log. */
#include "store/schedules.h"

#include <string.h>

#include "base/str.h"
#include "gen/queries.h"

/* Rows that one pass may remember. Past that it forgets, and reads some changes twice, which does
 * no harm. */
enum { SEEN_MAX = 50000, ARGS_ARENA_BYTES = 4 << 20 };

static bool read_task(const PGresult *r, int row, struct arena *arena, struct schedule_row *out)
{
    if (row_is_null(r, row, "task"))
        return true;
    out->task = row_str(r, row, "task", arena);
    out->args = row_str(r, row, "args", arena);
    out->priority = (int)row_i64(r, row, "priority");
    out->jitter_ms = row_i64(r, row, "jitter_ms");
    out->skips_late = row_bool(r, row, "skips_late");
    out->expires_ms = row_i64(r, row, "expires_ms");
    const char *overlap = row_str(r, row, "overlap", arena);
    out->overlap = str_eq(overlap, "allow")   ? OVERLAP_ALLOW
                   : str_eq(overlap, "queue") ? OVERLAP_QUEUE
                                              : OVERLAP_SKIP;
    out->queue = row_str(r, row, "queue", arena);
    out->tenant = row_str(r, row, "tenant", arena);
    return out->task && out->args && overlap && (out->queue || row_is_null(r, row, "queue")) &&
           (out->tenant || row_is_null(r, row, "tenant"));
}

static enum status read_rows(const PGresult *r, struct arena *arena, struct schedule_row **rows,
                             size_t *count)
{
    size_t n = (size_t)PQntuples(r);
    struct schedule_row *list = arena_array(arena, MAX_OF(n, (size_t)1), sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        int row = (int)i;
        list[i] = (struct schedule_row){
            .id = row_uuid(r, row, "id"),
            .shard = (int)row_i64(r, row, "shard"),
            .is_enabled = row_bool(r, row, "enabled"),
            .schedule = row_str(r, row, "schedule", arena),
            .settled_ms = row_time(r, row, "settled_to") / 1000,
            .is_fresh = row_bool(r, row, "is_fresh"),
        };
        if ((list[i].is_enabled && !list[i].schedule) || !read_task(r, row, arena, &list[i]))
            return ST_NO_MEMORY;
    }
    *rows = list;
    *count = n;
    return ST_OK;
}

enum status schedules_checks(struct db *db)
{
    return db_stream_begin(db, &Q_SCHEDULES_CHECKS);
}

enum status schedules_states(struct db *db)
{
    return db_stream_begin(db, &Q_SCHEDULES_STATES);
}

enum status schedules_next_check(struct db *db, int64_t wait_ms, struct schedule_check *out,
                                 enum db_stream *what)
{
    struct db_row row;
    TRY(db_stream_next(db, wait_ms, &row, what));
    if (*what != DB_STREAM_ROW)
        return ST_OK;
    const struct db_field *text = &row.field[2];
    if (row.count != 3 || text->len < 0)
        return ST_CORRUPT;
    const size_t len = MIN_OF((size_t)text->len, sizeof(out->schedule) - 1);
    out->id = db_field_uuid(&row.field[0]);
    out->shard = (int)db_field_i64(&row.field[1]);
    memcpy(out->schedule, text->data, len);
    out->schedule[len] = '\0';
    return ST_OK;
}

enum status schedules_next_state(struct db *db, int64_t wait_ms, struct schedule_state *out,
                                 enum db_stream *what)
{
    struct db_row row;
    TRY(db_stream_next(db, wait_ms, &row, what));
    if (*what != DB_STREAM_ROW)
        return ST_OK;
    if (row.count != 3)
        return ST_CORRUPT;
    *out = (struct schedule_state){.id = db_field_uuid(&row.field[0]),
                                   .settled_ms = db_field_time(&row.field[1]) / 1000,
                                   .is_fresh = db_field_bool(&row.field[2])};
    return ST_OK;
}

enum status schedules_tasks_page(struct db *db, struct arena *arena, const struct uuid *after,
                                 struct schedule_row **rows, size_t *count)
{
    struct db_args args;
    AUTO_RESULT r = NULL;
    db_args_init(&args, arena);
    db_arg_uuid(&args, after);
    TRY(db_query(db, &Q_SCHEDULES_TASKS_PAGE, &args, &r));
    return read_rows(r, arena, rows, count);
}

enum status schedules_dispatched(struct db *db, struct arena *arena,
                                 const struct schedule_dispatch *list, size_t count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuids_of(&args, DB_COLUMN(list, count, id));
    db_arg_times_of(&args, DB_COLUMN(list, count, slot_us));
    db_arg_uuids_of(&args, DB_COLUMN(list, count, job_id));
    db_arg_strs_of(&args, DB_COLUMN(list, count, queue));
    return db_query(db, &Q_SCHEDULES_DISPATCHED, &args, NULL);
}

/* --- the change log --- */

static void begin_pass(struct schedule_cursor *c, int64_t from_xid)
{
    c->from_xid = c->at_xid = from_xid;
    c->at_id = 0;
    c->horizon_xid = 0;
    size_t kept = 0;
    for (size_t i = 0; i < c->seen.count; i++) {
        if (c->seen.xid[i] < from_xid)
            continue;
        c->seen.xid[kept] = c->seen.xid[i];
        c->seen.id[kept++] = c->seen.id[i];
    }
    c->seen.count = kept;
}

static enum status remember(struct schedule_cursor *c, int64_t xid, int64_t id)
{
    if (c->seen.count == SEEN_MAX)
        c->seen.count = 0;
    if (c->seen.count == c->seen.cap) {
        size_t cap = MAX_OF(c->seen.cap * 2, (size_t)64);
        int64_t *xids = realloc(c->seen.xid, cap * sizeof(*xids));
        if (!xids)
            return ST_NO_MEMORY;
        c->seen.xid = xids;
        int64_t *ids = realloc(c->seen.id, cap * sizeof(*ids));
        if (!ids)
            return ST_NO_MEMORY;
        c->seen.id = ids;
        c->seen.cap = cap;
    }
    c->seen.xid[c->seen.count] = xid;
    c->seen.id[c->seen.count++] = id;
    return ST_OK;
}

enum status schedules_cursor_init(struct schedule_cursor *c, struct db *db)
{
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_SCHEDULES_HORIZON, NULL, &r));
    c->seen.count = 0;
    begin_pass(c, row_i64(r, 0, "xid"));
    return ST_OK;
}

void schedules_cursor_done(struct schedule_cursor *c)
{
    free(c->seen.xid);
    free(c->seen.id);
    *c = (struct schedule_cursor){0};
}

static enum status fetch_log(struct db *db, const struct schedule_cursor *c, PGresult **out)
{
    AUTO_ARENA arena = arena_new(ARGS_ARENA_BYTES);
    char *xid = arena ? arena_printf(arena, "%lld", (long long)c->at_xid) : NULL;
    if (!xid)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, xid);
    db_arg_i64(&args, c->at_id);
    db_arg_i64s(&args, c->seen.id, c->seen.count);
    db_arg_i64(&args, SCHEDULES_PAGE);
    return db_query(db, &Q_SCHEDULES_CHANGES, &args, out);
}

static enum status fetch_checks(struct db *db, struct arena *arena, const struct uuid *ids,
                                size_t id_count, struct schedule_row **rows, size_t *count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuids(&args, ids, id_count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_SCHEDULES_GET, &args, &r));
    return read_rows(r, arena, rows, count);
}

static int compare_ids(const void *a, const void *b)
{
    return uuid_cmp(a, b);
}

/* The different checks of a page of the log. */
static enum status collect_ids(const PGresult *log, struct arena *arena, struct uuid **out,
                               size_t *count)
{
    size_t n = (size_t)PQntuples(log);
    struct uuid *ids = arena_array(arena, n, sizeof(*ids));
    if (!ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        ids[i] = row_uuid(log, (int)i, "check_id");
    qsort(ids, n, sizeof(*ids), compare_ids);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !uuid_eq(&ids[kept - 1], &ids[i]))
            ids[kept++] = ids[i];
    }
    *out = ids;
    *count = kept;
    return ST_OK;
}

enum status schedules_changed(struct db *db, struct arena *arena, struct schedule_cursor *c,
                              struct schedule_row **rows, size_t *count, bool *more)
{
    AUTO_RESULT log = NULL;
    TRY(fetch_log(db, c, &log));
    int64_t horizon = row_i64(log, 0, "horizon");
    int n = row_is_null(log, 0, "id") ? 0 : PQntuples(log);
    *rows = NULL;
    *count = 0;
    if (n > 0) {
        struct uuid *ids = NULL;
        size_t id_count = 0;
        TRY(collect_ids(log, arena, &ids, &id_count));
        TRY(fetch_checks(db, arena, ids, id_count, rows, count));
    }
    /* Only now: a failure above must not lose a change. */
    if (c->horizon_xid == 0)
        c->horizon_xid = horizon;
    for (int i = 0; i < n; i++)
        TRY(remember(c, row_i64(log, i, "xid"), row_i64(log, i, "id")));
    *more = n == SCHEDULES_PAGE;
    if (*more) {
        c->at_xid = row_i64(log, n - 1, "xid");
        c->at_id = row_i64(log, n - 1, "id");
    } else {
        begin_pass(c, c->horizon_xid);
    }
    return ST_OK;
}
