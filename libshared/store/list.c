/* Lists of the stores. */
#include "store/list.h"

enum status list_read(struct db *db, const struct list_query *q, struct db_args *args,
                      struct page *page, struct list_rows *out)
{
    AUTO_RESULT total = NULL;
    TRY(db_query_one(db, q->count, args, &total));
    db_arg_i64(args, page->limit);
    db_arg_i64(args, page->offset);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, q->rows, args, &r));
    TRY(row_read_all(r, args->arena, q->read, q->row_bytes, &out->v, &out->count));
    page->total = row_i64(total, 0, "total");
    return ST_OK;
}
