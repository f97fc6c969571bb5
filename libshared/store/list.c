/* Lists of the stores. */
#include "store/list.h"

#include "base/str.h"

void list_end(struct page *page, const PGresult *r, const char *after)
{
    const int count = PQntuples(r);
    if (count == 0 || count < page->limit || (page->sort && page->sort != page->own_sort))
        return;
    page->next_us = row_time(r, count - 1, after);
    page->next_id = row_uuid(r, count - 1, "id");
}

static const char *reverse_of(const char *const *sorts, const char *sort)
{
    for (; *sorts; sorts++) {
        if (sort[0] == '-' ? str_eq(*sorts, sort + 1)
                           : (*sorts)[0] == '-' && str_eq(*sorts + 1, sort))
            return *sorts;
    }
    return NULL;
}

struct list_window list_window(const struct page *page, const char *const *sorts, const char *sort,
                               int64_t total)
{
    if (total >= 0 && page->offset >= total)
        return (struct list_window){sort, 0, 0, false};
    const char *reverse = reverse_of(sorts, sort);
    if (!reverse || total < 0 || page->offset <= total / 2)
        return (struct list_window){sort, page->limit, page->offset, false};
    const int64_t limit = MIN_OF(page->limit, total - page->offset);
    return (struct list_window){reverse, limit, total - page->offset - limit, true};
}

void list_turn(void *rows, size_t count, size_t row_bytes)
{
    if (count < 2)
        return;
    char *first = rows;
    char *last = first + (count - 1) * row_bytes;
    for (; first < last; first += row_bytes, last -= row_bytes) {
        for (size_t i = 0; i < row_bytes; i++) {
            const char held = first[i];
            first[i] = last[i];
            last[i] = held;
        }
    }
}

void list_total(struct page *page, int64_t total, int64_t cap)
{
    page->total = total;
    page->is_total_capped = total == cap;
}

/* A window of the rows of the filter in `args`. */
static enum status read_rows(struct db *db, const struct list_query *q, const struct db_args *args,
                             const struct page *page, PGresult **out)
{
    struct db_args window = *args;
    db_arg_i64(&window, page->limit);
    db_arg_i64(&window, page->offset);
    if (q->after) {
        db_arg_time(&window, page->after_us);
        db_arg_uuid(&window, &page->after_id);
    }
    if (q->sorts)
        db_arg_str(&window, page->sort);
    return db_query(db, q->rows, &window, out);
}

/* As many as there are, or behind the page's last row; `most` is as far as counting goes. */
static enum status count_rows(struct db *db, const struct list_query *q, const struct db_args *args,
                              const struct page *page, int64_t most, int64_t *out)
{
    struct db_args window = *args;
    AUTO_RESULT r = NULL;
    if (q->counts_rest) {
        db_arg_i64(&window, most);
        db_arg_i64(&window, 0);
        db_arg_time(&window, page->next_us);
        db_arg_uuid(&window, &page->next_id);
    }
    TRY(db_query_one(db, q->count, &window, &r));
    *out = row_i64(r, 0, "total");
    return ST_OK;
}

/* The total, once the page is read. What was skipped and read is known; on a list's last page, and
 * on its only one, that is all, and where the count can begin behind the page no row is passed
 * twice: a deep page costs what the first one does. */
static enum status find_total(struct db *db, const struct list_query *q, const struct db_args *args,
                              struct page *page, int64_t count)
{
    const int64_t seen = page->offset + count;
    const bool is_placed = page->after_us == 0 && (count > 0 || page->offset == 0);
    int64_t n = 0;
    if (is_placed && count < page->limit) {
        list_total(page, seen, INT64_MAX);
        return ST_OK;
    }
    if (is_placed && q->counts_rest && page->next_us != 0) {
        const int64_t left = MAX_OF(LIMIT_LIST_COUNT - seen, (int64_t)0);
        TRY(count_rows(db, q, args, page, left, &n));
        list_total(page, seen + n, seen + left);
        return ST_OK;
    }
    const struct page whole = {0};
    TRY(count_rows(db, q, args, &whole, LIMIT_LIST_COUNT, &n));
    list_total(page, n, LIMIT_LIST_COUNT);
    return ST_OK;
}

enum status list_read(struct db *db, const struct list_query *q, const struct db_args *args,
                      struct page *page, struct list_rows *out)
{
    AUTO_RESULT r = NULL;
    TRY(read_rows(db, q, args, page, &r));
    TRY(row_read_all(r, args->arena, q->read, q->row_bytes, &out->v, &out->count));
    if (q->after)
        list_end(page, r, q->after);
    return find_total(db, q, args, page, (int64_t)out->count);
}
