/*
 * The order by last run changes with every result, so none is kept: a sample tells between which
 * two states a page is, and only what is between them is sorted.
 */
#include "store/checks_last_run.h"

#include "base/str.h"
#include "gen/queries.h"

/* States to look at: a middle page needs more of them for bounds that are as close; beyond the
 * most, sorting them costs more than closer bounds save. */
enum { SAMPLE_LEAST = 1000, SAMPLE_MOST = 4000, SAMPLE_SHARE = 4 };

static void state_args(struct db_args *args, struct arena *arena, const struct last_run_page *p)
{
    db_args_init(args, arena);
    db_arg_uuid(args, p->org_id);
    db_arg_str(args, p->state);
}

static enum status find_bounds(struct db *db, struct arena *arena, const struct last_run_page *p,
                               PGresult **out)
{
    const int64_t end = MIN_OF(p->offset + p->limit, p->total);
    const int64_t depth = MIN_OF(p->offset, p->total - end);
    const bool is_own = str_eq(p->sort, "-last_run");
    struct db_args args;
    state_args(&args, arena, p);
    db_arg_i64(&args, p->total);
    db_arg_i64(&args, is_own ? p->offset : p->total - end);
    db_arg_i64(&args, is_own ? end : p->total - p->offset);
    db_arg_i64(&args, MIN_OF(SAMPLE_LEAST + depth / SAMPLE_SHARE, SAMPLE_MOST));
    return db_query_one(db, &Q_CHECK_LAST_RUN_BOUNDS, &args, out);
}

static enum status pick_between(struct db *db, struct arena *arena, const struct last_run_page *p,
                                const PGresult *bounds, PGresult **out)
{
    struct db_args args;
    state_args(&args, arena, p);
    db_arg_i64(&args, p->limit);
    db_arg_i64(&args, p->offset);
    db_arg_str(&args, p->sort);
    for (int i = 0; i < PQnfields(bounds); i++) /* as they are: the time may be infinite */
        db_arg_str(&args, PQgetisnull(bounds, 0, i) ? NULL : PQgetvalue(bounds, 0, i));
    return db_query_one(db, &Q_CHECK_PICK_LAST_RUN, &args, out);
}

enum status last_run_pick(struct db *db, struct arena *arena, const struct last_run_page *p,
                          struct uuid **ids, size_t *count, bool *is_found)
{
    *is_found = false;
    if (p->offset >= p->total)
        return ST_OK;

    AUTO_RESULT bounds = NULL;
    TRY(find_bounds(db, arena, p, &bounds));
    const bool has_first = !row_is_null(bounds, 0, "first_at");
    const bool has_last = !row_is_null(bounds, 0, "last_at");
    if (!has_first && !has_last)
        return ST_OK;

    AUTO_RESULT r = NULL;
    TRY(pick_between(db, arena, p, bounds, &r));
    const bool has_end = str_eq(p->sort, "-last_run") ? has_last : has_first;
    if (row_i64(r, 0, "passed") > p->offset ||
        (has_end && row_i64(r, 0, "seen") < p->offset + p->limit))
        return ST_OK;
    TRY(row_uuids(r, 0, "ids", arena, ids, count));
    *is_found = true;
    return ST_OK;
}
