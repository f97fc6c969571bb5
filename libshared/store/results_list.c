/*
 * Lists of results. How many there are at which time is known already, from the tallies of an
 * organisation and from the hours and days of a check: that says how many there are in all, and
 * where the wanted page lies, so that neither is counted off. Within a time that somebody asks for,
 * which is that of execution, results have to be looked at.
 */
#include "base/str.h"
#include "gen/queries.h"
#include "store/list.h"
#include "store/results_list.h"

#define MINUTE_US 60000000LL
#define EARLY_US \
    (60 * MINUTE_US) /* before its slot no result is taken by more than clocks differ */
#define LATE_US (24 * 60 * MINUTE_US) /* and after it, behind a backlog */
enum {
    SKIP_MAX = 1000 /* results of an hour that are skipped rather than looking for the minute */
};

/* Results that a list shows, of some time; bins come in the order of time and do not overlap. */
struct bin {
    int64_t from_us, to_us;
    int64_t n;
};
struct bins {
    struct bin *v;
    size_t count;
    int64_t total;
    bool is_known; /* they are all there is */
};

/* Where a page lies. 0: open. */
struct span {
    int64_t from_us, to_us;
    int64_t skip;     /* results in it before the page */
    int64_t expected; /* so many results at least; fewer: the bins are wrong */
};

static bool is_shown(const struct result_filter *filter, enum result_status status)
{
    return filter->status ? str_eq(filter->status, result_status_name(status))
                          : filter->include_missed || status != RESULT_MISSED;
}

/* The rows of a query of bins; `*whole` says that none is wider than a minute. */
static enum status read_bins(const PGresult *r, struct arena *arena,
                             const struct result_filter *filter, struct bins *out, bool *whole)
{
    const size_t rows = (size_t)PQntuples(r);
    struct bins bins = {.v = arena_array(arena, MAX_OF(rows, (size_t)1), sizeof(*bins.v)),
                        .count = rows};
    if (!bins.v)
        return ST_NO_MEMORY;
    *whole = true;
    for (size_t i = 0; i < rows; i++) {
        struct bin *b = &bins.v[i];
        *b = (struct bin){row_time(r, (int)i, "at"), row_time(r, (int)i, "until"), 0};
        for (int s = 0; s <= RESULT_MISSED; s++) {
            const char *name = result_status_name((enum result_status)s);
            if (is_shown(filter, (enum result_status)s))
                b->n += row_i64(r, (int)i, name);
        }
        bins.total += b->n;
        *whole = *whole && b->to_us - b->from_us <= MINUTE_US;
    }
    *out = bins;
    return ST_OK;
}

static enum status bins_of_org(struct db *db, struct arena *arena, const struct uuid *org_id,
                               const struct result_filter *filter, struct bins *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    AUTO_RESULT r = NULL;
    bool whole = false;
    TRY(db_query(db, &Q_RESULT_HOURS, &args, &r));
    TRY(read_bins(r, arena, filter, out, &whole));
    out->is_known = true;
    return ST_OK;
}

static enum status bins_of_check(struct db *db, struct arena *arena, const struct uuid *org_id,
                                 const struct result_filter *filter, struct bins *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, filter->check_id);
    AUTO_RESULT bounds = NULL;
    TRY(db_query_one(db, &Q_RESULT_BOUNDS, &args, &bounds));
    if (!row_bool(bounds, 0, "is_known")) {
        *out = (struct bins){0};
        return ST_OK;
    }
    db_args_init(&args, arena);
    db_arg_uuid(&args, filter->check_id);
    db_arg_time(&args, row_time(bounds, 0, "since"));
    db_arg_time(&args, row_time(bounds, 0, "days_to"));
    db_arg_time(&args, row_time(bounds, 0, "hours_to"));
    AUTO_RESULT r = NULL;
    bool whole = false;
    TRY(db_query(db, &Q_RESULT_BINS_CHECK, &args, &r));
    TRY(read_bins(r, arena, filter, out, &whole));
    out->is_known = true;
    return ST_OK;
}

/* The bins in the order of the list. */
static const struct bin *bin_at(const struct bins *bins, size_t n, bool oldest_first)
{
    return &bins->v[oldest_first ? n : bins->count - 1 - n];
}

/* The bin that the page begins in (count: it is beyond them all), and what is skipped of that. */
static size_t find_begin(const struct bins *bins, const struct page *page, bool oldest_first,
                         int64_t *skip)
{
    size_t k = 0;
    *skip = page->after_us ? 0 : page->offset;
    if (page->after_us) {
        while (k < bins->count && bin_at(bins, k, false)->from_us > page->after_us)
            k++;
        return k;
    }
    while (k < bins->count && *skip >= bin_at(bins, k, oldest_first)->n)
        *skip -= bin_at(bins, k++, oldest_first)->n;
    return k;
}

static struct span find_span(const struct bins *bins, const struct page *page, bool oldest_first)
{
    struct span s = {.skip = page->offset};
    if (bins->count == 0)
        return s;
    const size_t last = bins->count - 1;
    const size_t k = find_begin(bins, page, oldest_first, &s.skip);
    if (k > last) { /* beyond all: an empty time */
        s.from_us = s.to_us = bins->v[0].from_us;
        return s;
    }
    /* How much of its bin is behind a cursor nobody knows. */
    int64_t need = s.skip + page->limit;
    size_t m = page->after_us ? k + 1 : k;
    while (m <= last && need > 0)
        need -= bin_at(bins, m++, oldest_first)->n;
    const struct bin *near = bin_at(bins, k, oldest_first);
    const struct bin *far = bin_at(bins, m > k ? m - 1 : k, oldest_first);
    s.expected = MAX_OF(page->limit - MAX_OF(need, (int64_t)0), (int64_t)0);
    s.from_us = oldest_first ? near->from_us : far->from_us;
    s.to_us = oldest_first ? far->to_us : near->to_us;
    return s;
}

/* The hour in which a page begins, minute by minute, where too much of it would be skipped. */
static enum status refine(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct result_filter *filter, const struct page *page,
                          bool oldest_first, struct bins *bins)
{
    int64_t skip = 0;
    const size_t k = find_begin(bins, page, oldest_first, &skip);
    if (skip <= SKIP_MAX || k >= bins->count)
        return ST_OK;
    const size_t hour = oldest_first ? k : bins->count - 1 - k;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_time(&args, bins->v[hour].from_us);
    AUTO_RESULT r = NULL;
    bool whole = false;
    struct bins minutes;
    TRY(db_query(db, &Q_RESULT_MINUTES, &args, &r));
    TRY(read_bins(r, arena, filter, &minutes, &whole));
    if (!whole || minutes.total != bins->v[hour].n)
        return ST_OK;
    struct bins fine = {.v = arena_array(arena, bins->count + minutes.count, sizeof(*fine.v)),
                        .total = bins->total,
                        .is_known = true};
    if (!fine.v)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < bins->count; i++) {
        if (i != hour)
            fine.v[fine.count++] = bins->v[i];
        for (size_t n = 0; i == hour && n < minutes.count; n++)
            fine.v[fine.count++] = minutes.v[n];
    }
    *bins = fine;
    return ST_OK;
}

/* --- reading --- */

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
                              const struct result_filter *filter, const struct span *span,
                              struct page *page)
{
    const int64_t most = filter->from_us || filter->to_us ? LIMIT_SEARCH_COUNT : LIMIT_LIST_COUNT;
    struct db_args args;
    filter_args(&args, arena, org_id, filter);
    db_arg_i64(&args, most);
    db_arg_time(&args, span->from_us);
    db_arg_time(&args, span->to_us);
    if (filter->check_id)
        db_arg_uuid(&args, filter->check_id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, filter->check_id ? &Q_RESULT_COUNT_CHECK : &Q_RESULT_COUNT, &args, &r));
    list_total(page, row_i64(r, 0, "total"), most);
    return ST_OK;
}

static enum status read_span(struct db *db, struct arena *arena, const struct uuid *org_id,
                             const struct result_filter *filter, const struct page *page,
                             const struct span *span, PGresult **out)
{
    struct db_args args;
    filter_args(&args, arena, org_id, filter);
    db_arg_i64(&args, page->limit);
    db_arg_i64(&args, span->skip);
    db_arg_time(&args, page->after_us);
    db_arg_uuid(&args, &page->after_id);
    db_arg_str(&args, page->sort);
    db_arg_time(&args, span->from_us);
    db_arg_time(&args, span->to_us);
    if (filter->check_id)
        db_arg_uuid(&args, filter->check_id);
    return db_query(db, filter->check_id ? &Q_RESULT_LIST_CHECK : &Q_RESULT_LIST, &args, out);
}

/* The slots of what is executed within a time. */
static struct span slots_of(const struct result_filter *filter, const struct page *page)
{
    return (struct span){
        .from_us = filter->from_us ? MAX_OF(filter->from_us - LATE_US, (int64_t)1) : 0,
        .to_us = filter->to_us ? filter->to_us + EARLY_US + 1 : 0,
        .skip = page->offset,
    };
}

/* Where the page lies, and how many results there are in all. */
static enum status locate(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct result_filter *filter, struct page *page, struct span *out)
{
    const bool oldest_first = page->sort && str_eq(page->sort, "executed_at");
    struct bins bins = {0};
    if (!filter->from_us && !filter->to_us)
        TRY((filter->check_id ? bins_of_check : bins_of_org)(db, arena, org_id, filter, &bins));
    if (!bins.is_known) {
        *out = slots_of(filter, page);
        return count_rows(db, arena, org_id, filter, out, page);
    }
    list_total(page, bins.total, INT64_MAX);
    if (!filter->check_id)
        TRY(refine(db, arena, org_id, filter, page, oldest_first, &bins));
    *out = find_span(&bins, page, oldest_first);
    return ST_OK;
}

enum status results_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                         const struct result_filter *filter, struct page *page,
                         struct result **rows, size_t *count)
{
    struct span span;
    TRY(locate(db, arena, org_id, filter, page, &span));
    AUTO_RESULT found = NULL;
    AUTO_RESULT again = NULL;
    TRY(read_span(db, arena, org_id, filter, page, &span, &found));
    const PGresult *r = found;
    if (PQntuples(found) < span.expected) { /* somebody deleted results: the long way */
        span = slots_of(filter, page);
        TRY(read_span(db, arena, org_id, filter, page, &span, &again));
        r = again;
    }
    void *list = NULL;
    TRY(row_read_all(r, arena, result_read_row, sizeof(**rows), &list, count));
    list_end(page, r, "slot_at");
    *rows = list;
    return ST_OK;
}
