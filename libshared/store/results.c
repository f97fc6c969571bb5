/* Results of checks, read from PostgreSQL. */
#include "store/results.h"

#include "base/str.h"
#include "gen/queries.h"
#include "store/list.h"

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct result x = {
        .id = row_uuid(r, row, "id"),
        .check_id = row_uuid(r, row, "check_id"),
        .slot_us = row_time(r, row, "slot_at"),
        .location = row_str(r, row, "location", arena),
        .trigger = row_str(r, row, "trigger", arena),
        .status = row_str(r, row, "status", arena),
        .message = row_str(r, row, "message", arena),
        .response_s = row_f64(r, row, "response_us") / 1e6,
        .lag_s = row_f64(r, row, "lag_us") / 1e6,
        .raw_data = row_str(r, row, "raw_data", arena),
        .executed_us = row_time(r, row, "executed_at"),
    };
    if (!x.location || !x.trigger || !x.status || !x.message || !x.raw_data)
        return ST_NO_MEMORY;
    *(struct result *)out = x;
    return ST_OK;
}

static void filter_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct result_filter *filter)
{
    db_args_init(args, arena);
    db_arg_uuid(args, org_id);
    db_arg_time(args, filter->from_us);
    db_arg_time(args, filter->to_us);
    db_arg_str(args, filter->status);
    db_arg_bool(args, filter->include_missed);
}

static enum status count_rows(struct db *db, struct arena *arena, const struct uuid *org_id,
                              const struct result_filter *filter, struct page *page)
{
    struct db_args args;
    filter_args(&args, arena, org_id, filter);
    db_arg_i64(&args, LIMIT_LIST_COUNT);
    if (filter->check_id)
        db_arg_uuid(&args, filter->check_id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, filter->check_id ? &Q_RESULT_COUNT_CHECK : &Q_RESULT_COUNT, &args, &r));
    list_total(page, row_i64(r, 0, "total"), LIMIT_LIST_COUNT);
    return ST_OK;
}

/* All of an organisation's results are counted already. */
static enum status count_all(struct db *db, struct arena *arena, const struct uuid *org_id,
                             const struct result_filter *filter, struct page *page)
{
    struct result_summary s;
    TRY(results_summary(db, arena, org_id, 1, INT64_MAX / 2, &s));
    int64_t sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(s.count); i++) {
        const char *name = result_status_name((enum result_status)i);
        bool counts = filter->status ? str_eq(filter->status, name)
                                     : filter->include_missed || i != RESULT_MISSED;
        sum += counts ? s.count[i] : 0;
    }
    list_total(page, sum, INT64_MAX);
    return ST_OK;
}

enum status results_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                         const struct result_filter *filter, struct page *page,
                         struct result **rows, size_t *count)
{
    if (filter->check_id || filter->from_us || filter->to_us)
        TRY(count_rows(db, arena, org_id, filter, page));
    else
        TRY(count_all(db, arena, org_id, filter, page));

    struct db_args args;
    filter_args(&args, arena, org_id, filter);
    db_arg_i64(&args, page->limit);
    db_arg_i64(&args, page->offset);
    db_arg_time(&args, page->after_us);
    db_arg_uuid(&args, &page->after_id);
    db_arg_str(&args, page->sort);
    if (filter->check_id)
        db_arg_uuid(&args, filter->check_id);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, filter->check_id ? &Q_RESULT_LIST_CHECK : &Q_RESULT_LIST, &args, &r));
    void *list = NULL;
    TRY(row_read_all(r, arena, read_row, sizeof(**rows), &list, count));
    list_end(page, r, "slot_at");
    *rows = list;
    return ST_OK;
}

enum status results_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                        const struct uuid *id, struct result *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, id);
    /* An id that is no version 7 has any time; 0 would be taken for null. */
    db_arg_time(&args, MAX_OF(uuid_time_ms(id) * 1000, (int64_t)1));
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_RESULT_GET, &args, &r));
    return read_row(r, 0, arena, out);
}

enum status results_get_manual(struct db *db, struct arena *arena, const struct uuid *org_id,
                               const struct uuid *check_id, int64_t slot_us, struct result *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, check_id);
    db_arg_time(&args, slot_us);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_RESULT_GET_MANUAL, &args, &r));
    return read_row(r, 0, arena, out);
}

enum status results_get_manuals(struct db *db, struct arena *arena, const struct uuid *org_id,
                                const struct uuid *check_ids, const int64_t *slots_us, size_t count,
                                const struct result ***out)
{
    const struct result **list = arena_array(arena, MAX_OF(count, (size_t)1), sizeof(*list));
    struct result *rows = arena_array(arena, MAX_OF(count, (size_t)1), sizeof(*rows));
    if (!list || !rows)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuids(&args, check_ids, count);
    db_arg_times(&args, slots_us, count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_RESULT_GET_MANUALS, &args, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t n = row_i64(r, i, "n");
        if (n < 1 || (size_t)n > count || list[n - 1])
            continue; /* several locations: any will do */
        TRY(read_row(r, i, arena, &rows[n - 1]));
        list[n - 1] = &rows[n - 1];
    }
    *out = list;
    return ST_OK;
}

enum status results_summary(struct db *db, struct arena *arena, const struct uuid *org_id,
                            int64_t from_us, int64_t to_us, struct result_summary *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_time(&args, from_us);
    db_arg_time(&args, to_us);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_RESULT_SUMMARY, &args, &r));
    struct result_summary summary = {{0}};
    for (size_t i = 0; i < ARRAY_LEN(summary.count); i++)
        summary.count[i] = row_i64(r, 0, result_status_name((enum result_status)i));
    *out = summary;
    return ST_OK;
}
