/* Due checks from PostgreSQL. */
#include "store/due.h"

#include "gen/queries.h"

enum status due_load(struct db *db, struct arena *arena, const struct uuid *ids, size_t id_count,
                     struct due_check **out, size_t *count)
{
    struct db_args args;
    AUTO_RESULT r = NULL;
    db_args_init(&args, arena);
    db_arg_uuids(&args, ids, id_count);
    TRY(db_query(db, &Q_DUE_LOAD, &args, &r));

    size_t n = (size_t)PQntuples(r);
    struct due_check *list = arena_array(arena, n, sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        int row = (int)i;
        list[i] = (struct due_check){
            .id = row_uuid(r, row, "id"),
            .kind = row_str(r, row, "kind", arena),
            .config_json = row_str(r, row, "config", arena),
            .is_enabled = row_bool(r, row, "enabled"),
            .schedule = row_str(r, row, "schedule", arena),
            .retry_interval = row_str(r, row, "retry_interval", arena),
            .timeout_ms = row_i64(r, row, "timeout_ms"),
        };
        if (!row_is_null(r, row, "secret"))
            TRY(row_bytes(r, row, "secret", arena, &list[i].sealed, &list[i].sealed_len));
        if (!list[i].kind || !list[i].config_json || !list[i].schedule)
            return ST_NO_MEMORY;
    }
    *out = list;
    *count = n;
    return ST_OK;
}
