/* Transitions of a check, read from PostgreSQL. */
#include "store/history.h"

#include "base/str.h"
#include "gen/queries.h"
#include "store/list.h"

const char *const history_sorts[] = {"-at", "at", NULL};

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct transition t = {
        .check_id = row_uuid(r, row, "check_id"),
        .sequence = row_i64(r, row, "sequence"),
        .at_us = row_time(r, row, "at"),
        .from = row_str(r, row, "from_state", arena),
        .to = row_str(r, row, "to_state", arena),
        .reason = row_str(r, row, "reason", arena),
        .result_id = row_uuid(r, row, "result_id"),
        .incident_id = row_uuid(r, row, "incident_id"),
        .lasted_s = row_f64(r, row, "lasted_s"),
    };
    if (!t.from || !t.to || !t.reason)
        return ST_NO_MEMORY;
    *(struct transition *)out = t;
    return ST_OK;
}

static void filter_args(struct db_args *args, struct arena *arena, const struct uuid *check_id,
                        const struct transition_filter *filter)
{
    db_args_init(args, arena);
    db_arg_uuid(args, check_id);
    db_arg_time(args, filter->from_us);
    db_arg_time(args, filter->to_us);
    db_arg_str(args, filter->state);
}

enum status history_list(struct db *db, struct arena *arena, const struct uuid *check_id,
                         const struct transition_filter *filter, struct page *page,
                         struct transition **rows, size_t *count)
{
    struct db_args args;
    AUTO_RESULT total = NULL;
    filter_args(&args, arena, check_id, filter);
    TRY(db_query_one(db, &Q_HISTORY_COUNT, &args, &total));
    page->total = row_i64(total, 0, "total");
    const struct list_window w = list_window(page, history_sorts, page->sort ? page->sort : "-at",
                                             page->total);
    filter_args(&args, arena, check_id, filter);
    db_arg_bool(&args, str_eq(w.sort, "at"));
    db_arg_i64(&args, w.limit);
    db_arg_i64(&args, w.offset);
    AUTO_RESULT r = NULL;
    void *list = NULL;
    TRY(db_query(db, &Q_HISTORY_LIST, &args, &r));
    TRY(row_read_all(r, arena, read_row, sizeof(**rows), &list, count));
    if (w.is_turned)
        list_turn(list, *count, sizeof(**rows));
    *rows = list;
    return ST_OK;
}
