/* Notification channels in PostgreSQL. */
#include "store/channels.h"

#include "gen/queries.h"
#include "store/list.h"

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct channel c = {
        .id = row_uuid(r, row, "id"),
        .org_id = row_uuid(r, row, "org_id"),
        .name = row_str(r, row, "name", arena),
        .type = row_str(r, row, "type", arena),
        .config = row_str(r, row, "config", arena),
        .enabled = row_bool(r, row, "enabled"),
        .is_default = row_bool(r, row, "is_default"),
        .disabled_reason = row_str(r, row, "disabled_reason", arena),
        .created_us = row_time(r, row, "created_at"),
        .updated_us = row_time(r, row, "updated_at"),
    };
    if (!c.name || !c.type || !c.config)
        return ST_NO_MEMORY;
    if (!row_is_null(r, row, "secret"))
        TRY(row_bytes(r, row, "secret", arena, &c.sealed, &c.sealed_len));
    *(struct channel *)out = c;
    return ST_OK;
}

static void filter_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                        const struct channel_filter *filter)
{
    db_args_init(args, arena);
    db_arg_uuid(args, org_id);
    db_arg_str(args, filter->type);
    if (filter->has_enabled)
        db_arg_bool(args, filter->enabled);
    else
        db_arg_null(args);
}

enum status channels_list(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct channel_filter *filter, struct page *page,
                          struct channel **rows, size_t *count)
{
    static const struct list_query query = {.count = &Q_CHANNEL_COUNT,
                                            .rows = &Q_CHANNEL_LIST,
                                            .read = read_row,
                                            .row_bytes = sizeof(**rows),
                                            .sorts = true};
    struct db_args args;
    struct list_rows list;
    filter_args(&args, arena, org_id, filter);
    TRY(list_read(db, &query, &args, page, &list));
    *rows = list.v;
    *count = list.count;
    return ST_OK;
}

static enum status get(struct db *db, const struct query *q, struct arena *arena,
                       const struct uuid *org_id, const struct uuid *id, struct channel *out)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, q, &args, &r));
    return read_row(r, 0, arena, out);
}

enum status channels_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                         const struct uuid *id, struct channel *out)
{
    return get(db, &Q_CHANNEL_GET, arena, org_id, id, out);
}

enum status channels_get_for_update(struct db *db, struct arena *arena, const struct uuid *org_id,
                                    const struct uuid *id, struct channel *out)
{
    return get(db, &Q_CHANNEL_GET_FOR_UPDATE, arena, org_id, id, out);
}

static void sealed_arg(struct db_args *args, const struct channel *c)
{
    if (c->sealed)
        db_arg_bytes(args, c->sealed, c->sealed_len);
    else
        db_arg_null(args);
}

enum status channels_insert(struct db *db, struct arena *arena, struct channel *c)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, &c->id);
    db_arg_uuid(&args, &c->org_id);
    db_arg_str(&args, c->name);
    db_arg_str(&args, c->type);
    db_arg_str(&args, c->config);
    sealed_arg(&args, c);
    db_arg_bool(&args, c->enabled);
    db_arg_bool(&args, c->is_default);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_CHANNEL_INSERT, &args, &r));
    c->created_us = row_time(r, 0, "created_at");
    c->updated_us = row_time(r, 0, "updated_at");
    return ST_OK;
}

enum status channels_update(struct db *db, struct arena *arena, struct channel *c)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, &c->org_id);
    db_arg_uuid(&args, &c->id);
    db_arg_str(&args, c->name);
    db_arg_str(&args, c->config);
    sealed_arg(&args, c);
    db_arg_bool(&args, c->enabled);
    db_arg_bool(&args, c->is_default);
    db_arg_str(&args, c->disabled_reason);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_CHANNEL_UPDATE, &args, &r));
    c->created_us = row_time(r, 0, "created_at");
    c->updated_us = row_time(r, 0, "updated_at");
    return ST_OK;
}

enum status channels_delete(struct db *db, struct arena *arena, const struct uuid *org_id,
                            const struct uuid *id)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuid(&args, id);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_CHANNEL_DELETE, &args, &r));
    return db_affected(r) > 0 ? ST_OK : ST_NOT_FOUND;
}

enum status channels_disable(struct db *db, struct arena *arena, const struct uuid *id,
                             const char *reason)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, id);
    db_arg_str(&args, reason);
    return db_query(db, &Q_CHANNEL_DISABLE, &args, NULL);
}

struct seal_place channel_seal_place(const struct uuid *id)
{
    return (struct seal_place){.table = "channels", .row = *id, .column = "secret"};
}
