/* Statistics of one check, put together from days, hours and single results. */
#include "store/stats.h"

#include <string.h>

#include "gen/queries.h"

#define HOUR_US (3600LL * 1000000)
#define DAY_US (24 * HOUR_US)
#define RESULTS_SURE_US DAY_US      /* the shortest time for which results can be kept */
#define HOURS_SURE_US (60 * DAY_US) /* well below LIMIT_CHECK_HOURS_MS */

static int64_t floor_to(int64_t at_us, int64_t width_us)
{
    return at_us / width_us * width_us;
}

static int64_t ceil_to(int64_t at_us, int64_t width_us)
{
    return floor_to(at_us + width_us - 1, width_us);
}

struct stats_window stats_window_fit(const struct stats_window *w, int64_t now_us)
{
    struct stats_window fit = *w;
    if (fit.from_us < now_us - HOURS_SURE_US)
        fit.from_us = floor_to(fit.from_us, DAY_US);
    else if (fit.from_us < now_us - RESULTS_SURE_US)
        fit.from_us = floor_to(fit.from_us, HOUR_US);
    if (fit.to_us < now_us - HOURS_SURE_US)
        fit.to_us = ceil_to(fit.to_us, DAY_US);
    else if (fit.to_us < now_us - RESULTS_SURE_US)
        fit.to_us = ceil_to(fit.to_us, HOUR_US);
    return fit;
}

/* --- which pieces --- */

struct range {
    int64_t from_us, to_us;
};
struct plan {
    struct range days, hours[2], raw[2];
};

static struct plan plan_of(const struct stats_window *w, int64_t hours_to_us, int64_t days_to_us)
{
    struct plan p = {.days = {0}};
    int64_t h0 = ceil_to(w->from_us, HOUR_US);
    int64_t h1 = MIN_OF(floor_to(w->to_us, HOUR_US), hours_to_us);
    if (h0 >= h1) {
        p.raw[0] = (struct range){w->from_us, w->to_us};
        return p;
    }
    p.raw[0] = (struct range){w->from_us, h0};
    p.raw[1] = (struct range){h1, w->to_us};
    int64_t d0 = ceil_to(h0, DAY_US);
    int64_t d1 = MIN_OF(floor_to(h1, DAY_US), days_to_us);
    if (w->grain == STATS_HOURS || d0 >= d1) {
        p.hours[0] = (struct range){h0, h1};
        return p;
    }
    p.hours[0] = (struct range){h0, d0};
    p.days = (struct range){d0, d1};
    p.hours[1] = (struct range){d1, h1};
    return p;
}

static void arg_range(struct db_args *args, const struct range *r)
{
    /* 0 would be null; nothing is as old as that. */
    db_arg_time(args, MAX_OF(r->from_us, (int64_t)1));
    db_arg_time(args, MAX_OF(r->to_us, (int64_t)1));
}

/* --- reading --- */

/* The next number of an array in PostgreSQL's notation, "{1,22,3}". */
static bool next_number(const char **at, int64_t *out)
{
    const char *p = *at;
    while (*p == '{' || *p == ',')
        p++;
    if (*p < '0' || *p > '9')
        return false;
    int64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (*p - '0');
    *at = p;
    *out = v;
    return true;
}

static enum status read_histogram(const PGresult *r, int row, struct arena *arena,
                                  struct latency *out)
{
    const char *buckets = row_str(r, row, "buckets", arena);
    const char *counts = row_str(r, row, "counts", arena);
    if (!buckets || !counts)
        return ST_NO_MEMORY;
    int64_t bucket = 0;
    int64_t count = 0;
    while (next_number(&buckets, &bucket)) {
        if (!next_number(&counts, &count))
            return ST_CORRUPT;
        latency_add(out, bucket, count);
    }
    return ST_OK;
}

static enum status add_row(const PGresult *r, int row, struct arena *arena,
                           struct check_totals *out)
{
    int64_t measured = row_i64(r, row, "measured");
    out->success += row_i64(r, row, "success");
    out->warning += row_i64(r, row, "warning");
    out->error += row_i64(r, row, "error");
    out->missed += row_i64(r, row, "missed");
    if (measured == 0)
        return ST_OK;
    int64_t min_us = row_i64(r, row, "min_us");
    int64_t max_us = row_i64(r, row, "max_us");
    out->min_us = out->measured == 0 ? min_us : MIN_OF(out->min_us, min_us);
    out->max_us = MAX_OF(out->max_us, max_us);
    out->measured += measured;
    out->sum_us += row_i64(r, row, "sum_us");
    return read_histogram(r, row, arena, &out->latency);
}

/* Rows come in the order of time, several of them for a day that was put together from hours. */
static enum status read_points(const PGresult *r, struct arena *arena, int64_t width_us,
                               struct stats_point **out, size_t *count)
{
    size_t rows = (size_t)PQntuples(r);
    size_t n = 0;
    struct stats_point *points = arena_array(arena, MAX_OF(rows, (size_t)1), sizeof(*points));
    if (!points)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < rows; i++) {
        int64_t at_us = floor_to(row_time(r, (int)i, "at"), width_us);
        if (n == 0 || points[n - 1].at_us != at_us)
            points[n++].at_us = at_us;
        TRY(add_row(r, (int)i, arena, &points[n - 1].totals));
    }
    *out = points;
    *count = n;
    return ST_OK;
}

static enum status read_sum(const PGresult *r, struct arena *arena, struct check_totals *out)
{
    struct check_totals sum = {0};
    for (int i = 0; i < PQntuples(r); i++)
        TRY(add_row(r, i, arena, &sum));
    *out = sum;
    return ST_OK;
}

enum status stats_read(struct db *db, struct arena *arena, const struct uuid *check_id,
                       const struct stats_window *w, struct check_totals *sum,
                       struct stats_point **points, size_t *count)
{
    AUTO_RESULT progress = NULL;
    TRY(db_query_one(db, &Q_STATS_PROGRESS, NULL, &progress));
    const struct plan plan = plan_of(w, row_time(progress, 0, "hours_to"),
                                     row_time(progress, 0, "days_to"));
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, check_id);
    arg_range(&args, &plan.days);
    arg_range(&args, &plan.hours[0]);
    arg_range(&args, &plan.hours[1]);
    arg_range(&args, &plan.raw[0]);
    arg_range(&args, &plan.raw[1]);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_STATS_PIECES, &args, &r));
    if (points)
        TRY(read_points(r, arena, w->grain == STATS_DAYS ? DAY_US : HOUR_US, points, count));
    return sum ? read_sum(r, arena, sum) : ST_OK;
}

/* --- several windows --- */

enum {
    WINDOWS_MAX = 8,
    HOURS_MAX = 480 /* hours that are named one by one; more are left when days are behind */
};
enum piece { PIECE_DAY, PIECE_HOUR, PIECE_RAW };

/* What has to be read for all windows together. */
struct cover {
    struct range days, edge, tail; /* tail: the newest results, of all windows */
    int64_t hours[HOURS_MAX];
    size_t hour_count;
    int64_t cut_us;
    bool fits;
};

static bool is_in(const struct range *r, int64_t at_us)
{
    return at_us >= r->from_us && at_us < r->to_us;
}

static void widen(struct range *r, const struct range *by)
{
    if (by->from_us >= by->to_us)
        return;
    bool is_new = r->from_us >= r->to_us;
    r->from_us = is_new ? by->from_us : MIN_OF(r->from_us, by->from_us);
    r->to_us = is_new ? by->to_us : MAX_OF(r->to_us, by->to_us);
}

static void add_hours(struct cover *c, const struct range *r)
{
    for (int64_t at_us = r->from_us; at_us < r->to_us && c->fits; at_us += HOUR_US) {
        bool is_new = true;
        for (size_t i = 0; i < c->hour_count && is_new; i++)
            is_new = c->hours[i] != at_us;
        if (is_new && c->hour_count == HOURS_MAX)
            c->fits = false;
        else if (is_new)
            c->hours[c->hour_count++] = at_us;
    }
}

static struct cover cover_of(const struct stats_window *windows, const struct plan *plans,
                             size_t count)
{
    struct cover c = {.fits = true, .cut_us = windows[0].to_us};
    for (size_t i = 0; i < count; i++) {
        const struct plan *p = &plans[i];
        widen(&c.days, &p->days);
        add_hours(&c, &p->hours[0]);
        add_hours(&c, &p->hours[1]);
        for (size_t n = 0; n < ARRAY_LEN(p->raw); n++)
            widen(p->raw[n].to_us == windows[i].to_us ? &c.tail : &c.edge, &p->raw[n]);
        if (windows[i].from_us % HOUR_US != 0)
            c.cut_us = windows[i].from_us;
    }
    /* Each result once: an edge may reach into the others' tail. */
    c.edge.to_us = MIN_OF(c.edge.to_us, MAX_OF(c.tail.from_us, c.edge.from_us));
    return c;
}

static bool plan_has(const struct plan *p, enum piece piece, int64_t at_us)
{
    switch (piece) {
    case PIECE_DAY:
        return is_in(&p->days, at_us);
    case PIECE_HOUR:
        return is_in(&p->hours[0], at_us) || is_in(&p->hours[1], at_us);
    case PIECE_RAW:
        break;
    }
    return is_in(&p->raw[0], at_us) || is_in(&p->raw[1], at_us);
}

static enum status read_cover(struct db *db, struct arena *arena, const struct uuid *check_id,
                              const struct cover *c, PGresult **out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, check_id);
    arg_range(&args, &c->days);
    db_arg_times(&args, c->hours, c->hour_count);
    arg_range(&args, &c->edge);
    arg_range(&args, &c->tail);
    db_arg_time(&args, c->cut_us);
    return db_query(db, &Q_STATS_COUNTS, &args, out);
}

/* One window after the other. */
static enum status read_each(struct db *db, struct arena *arena, const struct uuid *check_id,
                             const struct stats_window *windows, size_t count,
                             struct stats_share *out)
{
    for (size_t i = 0; i < count; i++) {
        struct check_totals t;
        TRY(stats_read(db, arena, check_id, &windows[i], &t, NULL, NULL));
        out[i] = (struct stats_share){t.success + t.warning + t.error, t.error};
    }
    return ST_OK;
}

enum status stats_shares_read(struct db *db, struct arena *arena, const struct uuid *check_id,
                              const struct stats_window *windows, size_t count,
                              struct stats_share *out)
{
    struct plan plans[WINDOWS_MAX];
    if (count == 0 || count > WINDOWS_MAX)
        return ST_INVALID;
    AUTO_RESULT progress = NULL;
    TRY(db_query_one(db, &Q_STATS_PROGRESS, NULL, &progress));
    for (size_t i = 0; i < count; i++)
        plans[i] = plan_of(&windows[i], row_time(progress, 0, "hours_to"),
                           row_time(progress, 0, "days_to"));
    const struct cover cover = cover_of(windows, plans, count);
    if (!cover.fits)
        return read_each(db, arena, check_id, windows, count, out);
    AUTO_RESULT r = NULL;
    TRY(read_cover(db, arena, check_id, &cover, &r));
    for (size_t i = 0; i < count; i++)
        out[i] = (struct stats_share){0};
    for (int row = 0; row < PQntuples(r); row++) {
        const enum piece piece = (enum piece)row_i64(r, row, "piece");
        const int64_t at_us = row_time(r, row, "at");
        for (size_t i = 0; i < count; i++) {
            if (!plan_has(&plans[i], piece, at_us))
                continue;
            out[i].count += row_i64(r, row, "count");
            out[i].failures += row_i64(r, row, "failures");
        }
    }
    return ST_OK;
}

enum status stats_incidents_read(struct db *db, struct arena *arena, const struct uuid *check_id,
                                 const struct stats_window *w, struct stats_incidents *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, check_id);
    db_arg_time(&args, w->from_us);
    db_arg_time(&args, w->to_us);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_STATS_INCIDENTS, &args, &r));
    *out = (struct stats_incidents){
        .count = row_i64(r, 0, "count"),
        .began = row_i64(r, 0, "began"),
        .ended = row_i64(r, 0, "ended"),
        .down_s = row_f64(r, 0, "down_s"),
        .repair_s = row_f64(r, 0, "repair_s"),
    };
    return ST_OK;
}
