/* Summing results up: close the hour, wait for older transactions, sum up, look after the late. */
#include "store/rollups.h"

#include "gen/queries.h"
#include "log/log.h"

enum {
    ARENA_BYTES = 16 << 20,
    SLICE_RESULTS = 2000000, /* summed up in some 3 s: far from the time limit of a statement */
    SLICE_HOURS = 400000,
    SLICES_MAX = 256
};
#define HOUR_US (3600LL * 1000000)
#define DAY_US (24 * HOUR_US)

struct step {
    struct arena *arena;
    int64_t now_us;
    int64_t whole_from_us; /* hours from here on have all their results and totals */
    int64_t hours_to_us, days_to_us, closed_to_us;
    bool is_mine, is_quiet;
    bool did_some;
};

static int64_t day_of(int64_t at_us)
{
    return at_us / DAY_US * DAY_US;
}

/* Takes the row that says how far things are; is_mine is false while somebody else has it. */
static enum status take_progress(struct db *db, struct step *s)
{
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_ROLLUP_PROGRESS, NULL, &r));
    s->did_some = false;
    s->is_mine = PQntuples(r) == 1;
    if (!s->is_mine)
        return ST_OK;
    s->hours_to_us = row_time(r, 0, "hours_to");
    s->days_to_us = row_time(r, 0, "days_to");
    s->closed_to_us = row_time(r, 0, "closed_to");
    s->is_quiet = row_bool(r, 0, "is_quiet");
    return ST_OK;
}

static enum status with_time(struct db *db, const struct query *q, struct step *s, int64_t at_us,
                             PGresult **out)
{
    struct db_args args;
    db_args_init(&args, s->arena);
    db_arg_time(&args, at_us);
    return db_query(db, q, &args, out);
}

/* --- one hour, one day --- */

struct span {
    const struct query *size, *sum;
    const char *rows; /* column of `size` */
    int64_t at_us;
    int64_t slice_rows;
    const struct uuid *checks; /* NULL: all */
    size_t check_count;
};

static enum status sum_slice(struct db *db, struct step *s, const struct span *span, int64_t slices,
                             int64_t slice)
{
    struct db_args args;
    db_args_init(&args, s->arena);
    db_arg_time(&args, span->at_us);
    db_arg_i64(&args, slices);
    db_arg_i64(&args, slice);
    if (span->checks)
        db_arg_uuids(&args, span->checks, span->check_count);
    else
        db_arg_null(&args);
    return db_query(db, span->sum, &args, NULL);
}

static enum status sum_up(struct db *db, struct step *s, const struct span *span)
{
    int64_t slices = 1;
    if (!span->checks) {
        AUTO_RESULT r = NULL;
        TRY(with_time(db, span->size, s, span->at_us, &r));
        slices = MIN_OF(1 + row_i64(r, 0, span->rows) / span->slice_rows, (int64_t)SLICES_MAX);
    }
    for (int64_t i = 0; i < slices; i++)
        TRY(sum_slice(db, s, span, slices, i));
    return ST_OK;
}

static enum status sum_hour(struct db *db, struct step *s, int64_t at_us, const struct uuid *checks,
                            size_t count)
{
    TRY(with_time(db, &Q_ROLLUP_ENSURE, s, at_us, NULL));
    return sum_up(db, s,
                  &(struct span){.size = &Q_ROLLUP_HOUR_SIZE,
                                 .sum = &Q_ROLLUP_HOUR,
                                 .rows = "results",
                                 .at_us = at_us,
                                 .slice_rows = SLICE_RESULTS,
                                 .checks = checks,
                                 .check_count = count});
}

static enum status sum_day(struct db *db, struct step *s, int64_t at_us, const struct uuid *checks,
                           size_t count)
{
    return sum_up(db, s,
                  &(struct span){.size = &Q_ROLLUP_DAY_SIZE,
                                 .sum = &Q_ROLLUP_DAY,
                                 .rows = "rows",
                                 .at_us = at_us,
                                 .slice_rows = SLICE_HOURS,
                                 .checks = checks,
                                 .check_count = count});
}

/* --- the transactions --- */

static enum status next_hour(struct db *db, void *arg)
{
    struct step *s = arg;
    TRY(take_progress(db, s));
    if (!s->is_mine || !s->is_quiet || s->hours_to_us >= s->closed_to_us)
        return ST_OK;
    TRY(sum_hour(db, s, s->hours_to_us, NULL, 0));
    TRY(with_time(db, &Q_ROLLUP_HOURS_DONE, s, s->hours_to_us, NULL));
    s->did_some = true;
    return ST_OK;
}

static enum status next_day(struct db *db, void *arg)
{
    struct step *s = arg;
    TRY(take_progress(db, s));
    if (!s->is_mine || s->days_to_us + DAY_US > s->hours_to_us)
        return ST_OK;
    TRY(sum_day(db, s, s->days_to_us, NULL, 0));
    TRY(with_time(db, &Q_ROLLUP_DAYS_DONE, s, s->days_to_us, NULL));
    s->did_some = true;
    return ST_OK;
}

static enum status repair(struct db *db, struct step *s, const PGresult *r, int row)
{
    struct uuid *checks = NULL;
    size_t count = 0;
    int64_t at_us = row_time(r, row, "at");
    TRY(row_uuids(r, row, "checks", s->arena, &checks, &count));
    TRY(sum_hour(db, s, at_us, checks, count));
    if (day_of(at_us) < s->days_to_us)
        TRY(sum_day(db, s, day_of(at_us), checks, count));
    return ST_OK;
}

static enum status late(struct db *db, void *arg)
{
    struct step *s = arg;
    TRY(take_progress(db, s));
    if (!s->is_mine)
        return ST_OK;
    AUTO_RESULT r = NULL;
    TRY(with_time(db, &Q_ROLLUP_LATE_TAKE, s, s->whole_from_us, &r));
    for (int i = 0; i < PQntuples(r); i++)
        TRY(repair(db, s, r, i));
    s->did_some = PQntuples(r) > 0;
    return ST_OK;
}

static enum status repeat(struct db *db, struct step *s, db_transaction_fn *fn, int times)
{
    for (int i = 0; i < times; i++) {
        arena_reset(s->arena);
        TRY(db_transact(db, fn, s));
        if (!s->did_some)
            break;
    }
    return ST_OK;
}

static enum status tallies(struct db *db, struct step *s, int64_t results_ms)
{
    TRY(with_time(db, &Q_ROLLUP_TALLY_MINUTES, s, s->now_us, NULL));
    TRY(with_time(db, &Q_ROLLUP_TALLY_HOURS, s, s->now_us, NULL));
    struct db_args args;
    db_args_init(&args, s->arena);
    db_arg_time(&args, s->now_us);
    db_arg_i64(&args, results_ms);
    return db_query(db, &Q_ROLLUP_TALLY_EXPIRE, &args, NULL);
}

enum status rollups_run(struct db *db, int64_t now_us, int64_t results_ms)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    /* A day's margin: partitions go by whole days. */
    int64_t whole_us = MIN_OF(results_ms, LIMIT_CHECK_HOURS_MS) * 1000 - DAY_US;
    struct step s = {
        .arena = arena, .now_us = now_us, .whole_from_us = day_of(now_us - whole_us) + DAY_US};
    TRY(tallies(db, &s, results_ms));
    TRY(with_time(db, &Q_ROLLUP_CLOSE, &s, now_us, NULL));
    TRY(db_query(db, &Q_ROLLUP_BARRIER, NULL, NULL));
    TRY(repeat(db, &s, next_hour, ROLLUPS_HOURS));
    TRY(repeat(db, &s, next_day, ROLLUPS_DAYS));
    return repeat(db, &s, late, ROLLUPS_HOURS);
}
