/* Results of checks, read from PostgreSQL. */
#include "store/results.h"

#include "gen/queries.h"
#include "store/results_list.h"

enum status result_read_row(const PGresult *r, int row, struct arena *arena, void *out)
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
    return result_read_row(r, 0, arena, out);
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
    return result_read_row(r, 0, arena, out);
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
        TRY(result_read_row(r, i, arena, &rows[n - 1]));
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
