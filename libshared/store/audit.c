/* Queries about the audit log. */
#include "store/audit.h"

#include "gen/queries.h"
#include "store/list.h"

enum status audit_write(struct db *db, const struct audit_event *event, struct arena *arena)
{
    char object[UUID_TEXT_BYTES] = "";
    uuid_format(&event->object_id, object);
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, &event->org_id);
    db_arg_str(&a, event->action);
    db_arg_str(&a, event->object_type);
    db_arg_str(&a, uuid_is_nil(&event->object_id) ? NULL : object);
    db_arg_str(&a, event->object_name);
    db_arg_uuid(&a, &event->user_id);
    db_arg_str(&a, event->after);
    return db_query(db, &Q_AUDIT_WRITE, &a, NULL);
}

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    const struct audit_entry e = {.id = row_uuid(r, row, "id"),
                                  .user_id = row_uuid(r, row, "user_id"),
                                  .api_key_id = row_uuid(r, row, "api_key_id"),
                                  .at = row_time(r, row, "at"),
                                  .action = row_str(r, row, "action", arena),
                                  .object_type = row_str(r, row, "object_type", arena),
                                  .object_id = row_str(r, row, "object_id", arena),
                                  .object_name = row_str(r, row, "object_name", arena),
                                  .actor_type = row_str(r, row, "actor_type", arena),
                                  .username = row_str(r, row, "username", arena),
                                  .address = row_str(r, row, "address", arena),
                                  .request_id = row_str(r, row, "request_id", arena),
                                  .before = row_str(r, row, "before", arena),
                                  .after = row_str(r, row, "after", arena)};
    if (!e.action || !e.object_type || !e.actor_type)
        return ST_NO_MEMORY;
    *(struct audit_entry *)out = e;
    return ST_OK;
}

enum status audit_list(struct db *db, const struct uuid *org, const struct audit_filter *filter,
                       struct arena *arena, struct page *page, struct audit_entry **out,
                       size_t *count)
{
    static const struct list_query query = {
        .count = &Q_AUDIT_COUNT,
        .rows = &Q_AUDIT_LIST,
        .read = read_row,
        .row_bytes = sizeof(**out),
        .after = "at",
        .sorts = true,
        .counts_rest = true,
    };
    struct db_args a;
    struct list_rows list;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_str(&a, filter->action);
    db_arg_str(&a, filter->object_type);
    db_arg_str(&a, filter->object_id);
    db_arg_uuid(&a, &filter->user_id);
    db_arg_str(&a, filter->address);
    db_arg_str(&a, filter->request_id);
    db_arg_time(&a, filter->since);
    db_arg_time(&a, filter->until);
    TRY(list_read(db, &query, &a, page, &list));
    *out = list.v;
    *count = list.count;
    return ST_OK;
}

enum status audit_get(struct db *db, const struct uuid *org, const struct uuid *id,
                      struct arena *arena, struct audit_entry *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_AUDIT_GET, &a, &r));
    return read_row(r, 0, arena, out);
}
