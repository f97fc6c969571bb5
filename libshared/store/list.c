/* Lists of the stores. */
#include "store/list.h"

void list_end(struct page *page, const PGresult *r, const char *after)
{
    const int count = PQntuples(r);
    if (count == 0 || count < page->limit || (page->sort && page->sort != page->own_sort))
        return;
    page->next_us = row_time(r, count - 1, after);
    page->next_id = row_uuid(r, count - 1, "id");
}

void list_total(struct page *page, int64_t total, int64_t cap)
{
    page->total = total;
    page->is_total_capped = total == cap;
}

enum status list_read(struct db *db, const struct list_query *q, struct db_args *args,
                      struct page *page, struct list_rows *out)
{
    AUTO_RESULT total = NULL;
    TRY(db_query_one(db, q->count, args, &total));
    db_arg_i64(args, page->limit);
    db_arg_i64(args, page->offset);
    if (q->after) {
        db_arg_time(args, page->after_us);
        db_arg_uuid(args, &page->after_id);
    }
    if (q->sorts)
        db_arg_str(args, page->sort);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, q->rows, args, &r));
    TRY(row_read_all(r, args->arena, q->read, q->row_bytes, &out->v, &out->count));
    list_total(page, row_i64(total, 0, "total"), LIMIT_LIST_COUNT);
    if (q->after)
        list_end(page, r, q->after);
    return ST_OK;
}
