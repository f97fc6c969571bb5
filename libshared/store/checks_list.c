/*
 * Lists of checks, of any length in a few milliseconds: the total is kept where it can be
 * (check_counts), a page is picked as ids that an index has, from the end that is nearer, and only
 * its own rows are read.
 */
#include <ctype.h>

#include "base/str.h"
#include "gen/queries.h"
#include "store/checks.h"
#include "store/list.h"

const char *const checks_sorts[] = {"-created_at", "created_at", "updated_at", "-updated_at",
                                    "name",        "-name",      "state",      "-state",
                                    "last_run",    "-last_run",  NULL};
#define OWN_SORT "-created_at"

/* How a page is picked in each of them. */
static const struct order {
    const struct query *pick;
    const struct query *of_states; /* where nothing but the state is asked for; NULL: as above */
} orders[] = {
    {&Q_CHECK_PICK_NEWEST, NULL},
    {&Q_CHECK_PICK_OLDEST, NULL},
    {&Q_CHECK_PICK_UPDATED, NULL},
    {&Q_CHECK_PICK_UPDATED_LAST, NULL},
    {&Q_CHECK_PICK_NAME, NULL},
    {&Q_CHECK_PICK_NAME_LAST, NULL},
    {&Q_CHECK_PICK_STATE, &Q_CHECK_STATES_STATE},
    {&Q_CHECK_PICK_STATE_LAST, &Q_CHECK_STATES_STATE_LAST},
    {&Q_CHECK_PICK_RUN, &Q_CHECK_STATES_RUN},
    {&Q_CHECK_PICK_RUN_LAST, &Q_CHECK_STATES_RUN_LAST},
};
_Static_assert(ARRAY_LEN(orders) + 1 == ARRAY_LEN(checks_sorts), "each sort has its order");

enum {
    PART_CHARS = 3,   /* letters in a row that the index of parts of names needs */
    FEW_NAMES = 2000, /* a page of them is soon read and sorted */
};

struct list {
    struct db *db;
    struct arena *arena;
    const struct uuid *org_id;
    const struct check_filter *filter;
    const char *sort;
    const struct page *page;
    int64_t total;
    bool is_whole; /* the total is that of all rows, not where counting stopped */
    struct uuid *ids;
    size_t count;
};

/* --- arguments --- */

/* The text as a LIKE pattern means it: itself. */
static const char *like_literal(struct arena *arena, const char *text, bool *failed)
{
    if (!text)
        return NULL;
    char *out = arena_alloc(arena, 2 * strlen(text) + 1);
    *failed = *failed || !out;
    for (char *to = out; out && *text; text++) {
        if (*text == '%' || *text == '_' || *text == '\\')
            *to++ = '\\';
        *to++ = *text;
    }
    return out;
}

/* $1 to $6: all but q. */
static void member_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct check_filter *filter)
{
    db_args_init(args, arena);
    db_arg_uuid(args, org_id);
    if (filter->has_enabled)
        db_arg_bool(args, filter->enabled);
    else
        db_arg_null(args);
    db_arg_str(args, filter->kind);
    db_arg_str(args, filter->tag);
    db_arg_str(args, filter->group);
    db_arg_str(args, filter->state);
}

void checks_filter_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct check_filter *filter)
{
    member_args(args, arena, org_id, filter);
    db_arg_str(args, like_literal(arena, filter->q, &args->failed));
}

/* --- how many --- */

/* What is of every check decides nothing. */
static void clear_member(struct check_filter *f, const char *what)
{
    if (str_eq(what, "enabled"))
        f->has_enabled = false;
    else if (str_eq(what, "kind"))
        f->kind = NULL;
    else if (str_eq(what, "tag"))
        f->tag = NULL;
    else if (str_eq(what, "group"))
        f->group = NULL;
    else if (str_eq(what, "state"))
        f->state = NULL;
}

static enum status count_rows(struct list *l, const struct check_filter *filter)
{
    struct db_args args;
    AUTO_RESULT r = NULL;
    const int64_t most = filter->q ? LIMIT_SEARCH_COUNT : LIMIT_LIST_COUNT;
    checks_filter_args(&args, l->arena, l->org_id, filter);
    db_arg_i64(&args, most);
    TRY(db_query_one(l->db, &Q_CHECK_COUNT, &args, &r));
    l->total = row_i64(r, 0, "total");
    l->is_whole = l->total < most;
    return ST_OK;
}

/* Counts rows only where more than one member of the filter decides. */
static enum status count(struct list *l)
{
    struct db_args args;
    AUTO_RESULT r = NULL;
    member_args(&args, l->arena, l->org_id, l->filter);
    TRY(db_query(l->db, &Q_CHECK_COUNTS, &args, &r));
    int64_t all = 0;
    for (int i = 0; i < PQntuples(r); i++) {
        if (str_eq(PQgetvalue(r, i, 0), "all"))
            all = row_i64(r, i, "n");
    }
    struct check_filter left = *l->filter;
    int64_t least = all;
    int deciding = 0;
    for (int i = 0; i < PQntuples(r); i++) {
        const int64_t n = row_i64(r, i, "n");
        if (n == all)
            clear_member(&left, PQgetvalue(r, i, 0));
        deciding += n != all;
        least = MIN_OF(least, n);
    }
    l->total = least;
    l->is_whole = true;
    if (least == 0 || (deciding <= 1 && !left.q))
        return ST_OK;
    return count_rows(l, &left);
}

/* --- which ones --- */

static enum status read_id(const PGresult *r, int row, struct arena *arena, void *out)
{
    (void)arena;
    *(struct uuid *)out = row_uuid(r, row, "id");
    return ST_OK;
}

static size_t order_of(const char *sort)
{
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(orders) && !str_eq(checks_sorts[i], sort))
        i++;
    return i;
}

static enum status pick_window(struct list *l, const struct order *order, int64_t limit,
                               int64_t offset)
{
    const struct check_filter *f = l->filter;
    const bool is_of_states = order->of_states &&
                              !(f->has_enabled || f->kind || f->tag || f->group || f->q);
    struct db_args args;
    if (is_of_states) {
        db_args_init(&args, l->arena);
        db_arg_uuid(&args, l->org_id);
        db_arg_str(&args, f->state);
    } else {
        checks_filter_args(&args, l->arena, l->org_id, f);
    }
    db_arg_i64(&args, limit);
    db_arg_i64(&args, offset);
    if (order->pick == &Q_CHECK_PICK_NEWEST) {
        db_arg_time(&args, l->page->after_us);
        db_arg_uuid(&args, &l->page->after_id);
    }
    AUTO_RESULT r = NULL;
    void *ids = NULL;
    TRY(db_query(l->db, is_of_states ? order->of_states : order->pick, &args, &r));
    TRY(row_read_all(r, l->arena, read_id, sizeof(*l->ids), &ids, &l->count));
    l->ids = ids;
    return ST_OK;
}

static enum status pick(struct list *l)
{
    const struct page *page = l->page;
    if (l->is_whole && page->offset >= l->total)
        return ST_OK;
    const struct list_window w = list_window(page, checks_sorts, l->sort,
                                             l->is_whole ? l->total : -1);
    TRY(pick_window(l, &orders[order_of(w.sort)], w.limit, w.offset));
    if (w.is_turned)
        list_turn(l->ids, l->count, sizeof(*l->ids));
    return ST_OK;
}

/* Whether a part of a name has too few letters in a row for the index of parts. */
static bool is_short(const char *part)
{
    int run = 0;
    for (; *part && run < PART_CHARS; part++) {
        const unsigned char c = (unsigned char)*part;
        const bool begins = (c & 0xC0) != 0x80; /* a character */
        run = c < 0x80 && !isalnum(c) ? 0 : run + begins;
    }
    return run < PART_CHARS;
}

/* Total and page at once, in the list's own order; is_rare: by the index of pairs. */
static enum status pick_part(struct list *l, bool is_rare)
{
    struct db_args args;
    AUTO_RESULT r = NULL;
    checks_filter_args(&args, l->arena, l->org_id, l->filter);
    db_arg_i64(&args, l->page->limit);
    db_arg_i64(&args, l->page->offset);
    db_arg_i64(&args, LIMIT_SEARCH_COUNT);
    db_arg_str(&args, is_rare ? l->filter->q : NULL);
    TRY(db_query_one(l->db, &Q_CHECK_PICK_PART, &args, &r));
    l->total = row_i64(r, 0, "total");
    l->is_whole = l->total < LIMIT_SEARCH_COUNT;
    return row_uuids(r, 0, "ids", l->arena, &l->ids, &l->count);
}

/* How many names may have the part, by its pairs of letters, comes first, and decides. Of what many
 * names have, a page is soon found in the list's order; what few have is read and sorted. Where
 * that many have the pairs that counting stopped, and other filters decide too, all names are
 * looked at. */
static enum status search_short(struct list *l)
{
    const struct check_filter *f = l->filter;
    const bool is_alone = !(f->has_enabled || f->kind || f->tag || f->group || f->state);
    const bool is_at_once = str_eq(l->sort, OWN_SORT) && l->page->after_us == 0 &&
                            l->page->offset + l->page->limit <= LIMIT_SEARCH_COUNT;
    struct db_args args;
    AUTO_RESULT r = NULL;
    db_args_init(&args, l->arena);
    db_arg_uuid(&args, l->org_id);
    db_arg_str(&args, f->q);
    db_arg_i64(&args, LIMIT_SEARCH_COUNT);
    TRY(db_query_one(l->db, &Q_CHECK_PART_COUNT, &args, &r));
    l->total = row_i64(r, 0, "total");
    l->is_whole = l->total < LIMIT_SEARCH_COUNT;
    if (l->total == 0)
        return ST_OK;
    const bool is_counted = is_alone && row_bool(r, 0, "is_exact");
    if (is_at_once && l->is_whole && !(is_counted && l->total > FEW_NAMES))
        return pick_part(l, true);
    if (is_counted)
        return pick(l);
    if (is_at_once && str_utf8_length(f->q) > 1)
        return pick_part(l, false);
    TRY(count(l));
    return pick(l);
}

enum status checks_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                        const struct check_filter *filter, struct page *page, struct check **rows,
                        size_t *count_out)
{
    struct list l = {.db = db,
                     .arena = arena,
                     .org_id = org_id,
                     .filter = filter,
                     .page = page,
                     .sort = filter->sort ? filter->sort : OWN_SORT};
    const bool is_own = str_eq(l.sort, OWN_SORT);
    if (filter->q && *filter->q && is_short(filter->q)) {
        TRY(search_short(&l));
    } else {
        TRY(count(&l));
        TRY(pick(&l));
    }
    void *list = NULL;
    size_t found = 0;
    if (l.count > 0) {
        struct db_args args;
        AUTO_RESULT r = NULL;
        db_args_init(&args, arena);
        db_arg_uuid(&args, org_id);
        db_arg_uuids(&args, l.ids, l.count);
        TRY(db_query(db, &Q_CHECK_ROWS, &args, &r));
        TRY(row_read_all(r, arena, check_read_row, sizeof(**rows), &list, &found));
    }
    page->total = l.total;
    page->is_total_capped = !l.is_whole;
    if (is_own && found > 0 && (int64_t)found == page->limit) {
        const struct check *last = &((const struct check *)list)[found - 1];
        page->next_us = last->created_us;
        page->next_id = last->id;
    }
    *rows = list;
    *count_out = found;
    return ST_OK;
}
