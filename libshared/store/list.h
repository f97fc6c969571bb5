/* What the lists of the stores share: one window of the rows, and how many there are in all. */
#ifndef TOCSIN_STORE_LIST_H
#define TOCSIN_STORE_LIST_H

#include "db/db.h"
#include "net/page.h"

/* A list: two queries over the same filter. */
struct list_query {
    const struct query *count; /* one row, `total` */
    const struct query *rows;  /* takes the limit and the offset after the filter's arguments */
    row_read_fn *read;
    size_t row_bytes;
    /* Where the list has a cursor: the column of its own order (newest first, then by id). The
     * rows' query takes the instant and the id that they follow, after limit and offset. */
    const char *after;
    bool sorts; /* … and then the name of the order, or null */
    /* The count's query takes the same window: at most so many (LIMIT_LIST_COUNT), from 0 on, and
     * the row that they follow. Else the filter's arguments alone. */
    bool counts_rest;
};
struct list_rows {
    void *v; /* structs, in the arena of the arguments */
    size_t count;
};

/* `args` holds the filter's arguments. page->total is set. */
NODISCARD enum status list_read(struct db *db, const struct list_query *q,
                                const struct db_args *args, struct page *page,
                                struct list_rows *out);

/* A page as it is read: what is near the end is nearer from there. */
struct list_window {
    const char *sort;
    int64_t limit, offset;
    bool is_turned; /* the rows come from the end, and list_turn puts them right */
};
/* `sort` is one of `sorts` (ends with NULL), among which "name" is the exact reverse of "-name";
 * `total` is that of all rows, or -1 where nobody knows. */
struct list_window list_window(const struct page *page, const char *const *sorts, const char *sort,
                               int64_t total);
/* The other way round: `count` rows of `row_bytes` each. */
void list_turn(void *rows, size_t count, size_t row_bytes);

/* The total that a query counted up to `cap` (INT64_MAX: all of them). */
void list_total(struct page *page, int64_t total, int64_t cap);
/* Notes the last of a full page's rows, which the next page follows. */
void list_end(struct page *page, const PGresult *r, const char *after);

#endif
