/* Website checks as the uptime API sees them. */
#include "store/uptime.h"

#include "base/str.h"
#include "gen/queries.h"
#include "store/list.h"

const char *const uptime_sorts[] = {"checked_at", "-checked_at", "url", "-url", "status",
                                    "-status",    "id",          "-id", NULL};

const char *uptime_status(const char *state)
{
    if (str_eq(state, "up") || str_eq(state, "degraded"))
        return "UP";
    return str_eq(state, "down") ? "DOWN" : "UNKNOWN";
}

enum status uptime_find(struct db *db, struct arena *arena, const struct uuid *org_id,
                        int64_t legacy_id, struct uuid *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_i64(&args, legacy_id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_UPTIME_FIND, &args, &r));
    *out = row_uuid(r, 0, "id");
    return ST_OK;
}

/* --- history --- */

static enum status read_change(const PGresult *r, int row, struct arena *arena, void *out)
{
    const struct uptime_change c = {
        .id = row_i64(r, row, "legacy_id"),
        .url_id = row_i64(r, row, "url_id"),
        .check_id = row_uuid(r, row, "check_id"),
        .url = row_str(r, row, "url", arena),
        .status = row_str(r, row, "status", arena),
        .reason = row_str(r, row, "reason", arena),
        .at_us = row_time(r, row, "at"),
        .schedule = row_str(r, row, "schedule", arena),
    };
    if (!c.url || !c.status || !c.reason || !c.schedule)
        return ST_NO_MEMORY;
    *(struct uptime_change *)out = c;
    return ST_OK;
}

static void filter_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct uptime_filter *filter, const struct uuid *check_id)
{
    db_args_init(args, arena);
    db_arg_uuid(args, org_id);
    db_arg_uuid(args, check_id);
    db_arg_str(args, filter->status);
    db_arg_time(args, filter->from_us);
    db_arg_time(args, filter->to_us);
}

static enum status count_changes(struct db *db, struct arena *arena, const struct uuid *org_id,
                                 const struct uptime_filter *filter, const struct uuid *check_id,
                                 struct page *page)
{
    struct db_args args;
    AUTO_RESULT r = NULL;
    if (!filter->has_url_id && !filter->from_us && !filter->to_us) {
        db_args_init(&args, arena);
        db_arg_uuid(&args, org_id);
        db_arg_str(&args, filter->status);
        TRY(db_query_one(db, &Q_UPTIME_HISTORY_TOTAL, &args, &r));
        list_total(page, row_i64(r, 0, "total"), INT64_MAX);
        return ST_OK;
    }
    filter_args(&args, arena, org_id, filter, check_id);
    db_arg_i64(&args, LIMIT_LIST_COUNT);
    TRY(db_query_one(db, &Q_UPTIME_HISTORY_COUNT, &args, &r));
    list_total(page, row_i64(r, 0, "total"), LIMIT_LIST_COUNT);
    return ST_OK;
}

enum status uptime_history(struct db *db, struct arena *arena, const struct uuid *org_id,
                           const struct uptime_filter *filter, struct page *page,
                           struct uptime_change **rows, size_t *count)
{
    struct uuid check_id = {{0}};
    if (filter->has_url_id) {
        enum status st = uptime_find(db, arena, org_id, filter->url_id, &check_id);
        if (st == ST_NOT_FOUND) {
            list_total(page, 0, LIMIT_LIST_COUNT);
            *rows = NULL;
            *count = 0;
            return ST_OK;
        }
        TRY(st);
    }
    TRY(count_changes(db, arena, org_id, filter, &check_id, page));
    const struct list_window w = list_window(page, uptime_sorts,
                                             page->sort ? page->sort : "-checked_at",
                                             page->is_total_capped ? -1 : page->total);
    struct db_args args;
    AUTO_RESULT r = NULL;
    filter_args(&args, arena, org_id, filter, &check_id);
    db_arg_i64(&args, w.limit);
    db_arg_i64(&args, w.offset);
    db_arg_str(&args, w.sort);
    TRY(db_query(db, &Q_UPTIME_HISTORY, &args, &r));
    void *list = NULL;
    TRY(row_read_all(r, arena, read_change, sizeof(**rows), &list, count));
    if (w.is_turned)
        list_turn(list, *count, sizeof(**rows));
    *rows = list;
    return ST_OK;
}

/* --- counts --- */

static int64_t *count_of(struct uptime_count *c, const char *status)
{
    if (str_eq(status, "UP"))
        return &c->up;
    return str_eq(status, "DOWN") ? &c->down : &c->unknown;
}

enum status uptime_stats(struct db *db, struct arena *arena, const struct uuid *org_id,
                         int64_t from_us, int64_t to_us, struct uptime_stats *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_time(&args, from_us);
    db_arg_time(&args, to_us);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_UPTIME_STATS, &args, &r));
    struct uptime_stats stats = {0};
    for (int i = 0; i < PQntuples(r); i++) {
        const char *status = row_str(r, i, "status", arena);
        if (!status)
            return ST_NO_MEMORY;
        *count_of(&stats.entered, status) = row_i64(r, i, "entered");
        *count_of(&stats.present, status) = row_i64(r, i, "present");
    }
    *out = stats;
    return ST_OK;
}

static enum status read_id(const PGresult *r, int row, struct arena *arena, void *out)
{
    (void)arena;
    *(struct uuid *)out = row_uuid(r, row, "id");
    return ST_OK;
}

enum status uptime_enabled(struct db *db, struct arena *arena, const struct uuid *org_id,
                           size_t max, struct uuid **ids, size_t *count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_i64(&args, (int64_t)max);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_UPTIME_ENABLED, &args, &r));
    void *list = NULL;
    TRY(row_read_all(r, arena, read_id, sizeof(**ids), &list, count));
    *ids = list;
    return ST_OK;
}
