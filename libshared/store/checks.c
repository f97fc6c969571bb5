/* Checks in PostgreSQL. */
#include "store/checks.h"

#include "base/str.h"
#include "gen/queries.h"

enum { SHARDS = 16 };

/* --- reading --- */

static enum status read_lists(const PGresult *r, int row, struct arena *arena, struct check *c)
{
    const char **tags = NULL;
    struct uuid *channels = NULL;
    TRY(row_strs(r, row, "tags", arena, &tags, &c->tag_count));
    TRY(row_uuids(r, row, "channels", arena, &channels, &c->channel_count));
    c->tags = tags;
    c->channels = channels;
    return ST_OK;
}

enum status check_read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct check c = {
        .id = row_uuid(r, row, "id"),
        .legacy_id = row_i64(r, row, "legacy_id"),
        .name = row_str(r, row, "name", arena),
        .kind = row_str(r, row, "kind", arena),
        .plugin_type = row_str(r, row, "plugin_type", arena),
        .config = row_str(r, row, "config", arena),
        .enabled = row_bool(r, row, "enabled"),
        .schedule = row_str(r, row, "schedule", arena),
        .timeout_ms = row_i64(r, row, "timeout_ms"),
        .retries = row_i64(r, row, "retries"),
        .recoveries = row_i64(r, row, "recoveries"),
        .retry_interval = row_str(r, row, "retry_interval", arena),
        .webhook_url = row_str(r, row, "webhook_url", arena),
        .group = row_str(r, row, "group_name", arena),
        .external_id = row_str(r, row, "external_id", arena),
        .revision = row_i64(r, row, "revision"),
        .created_us = row_time(r, row, "created_at"),
        .updated_us = row_time(r, row, "updated_at"),
        .state = row_str(r, row, "state", arena),
        .since_us = row_time(r, row, "since"),
        .last_run_us = row_time(r, row, "last_run_at"),
        .last_status = row_str(r, row, "last_status", arena),
        .last_message = row_str(r, row, "last_message", arena),
        .last_response_s = row_f64(r, row, "last_response_us") / 1e6,
        .incident_id = row_uuid(r, row, "incident_id"),
    };
    if (!c.name || !c.kind || !c.plugin_type || !c.config || !c.schedule || !c.state)
        return ST_NO_MEMORY;
    TRY(read_lists(r, row, arena, &c));
    if (!row_is_null(r, row, "secret"))
        TRY(row_bytes(r, row, "secret", arena, &c.sealed, &c.sealed_len));
    *(struct check *)out = c;
    return ST_OK;
}

static void key_args(struct db_args *args, struct arena *arena, const struct uuid *org_id,
                     const struct uuid *id)
{
    db_args_init(args, arena);
    db_arg_uuid(args, org_id);
    db_arg_uuid(args, id);
}

enum status checks_get(struct db *db, struct arena *arena, const struct uuid *org_id,
                       const struct uuid *id, struct check *out)
{
    struct db_args args;
    key_args(&args, arena, org_id, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_CHECK_GET, &args, &r));
    return check_read_row(r, 0, arena, out);
}

enum status checks_get_many(struct db *db, struct arena *arena, struct check_wanted *w,
                            size_t count)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuids_of(&args, DB_COLUMN(w, count, org_id));
    db_arg_uuids_of(&args, DB_COLUMN(w, count, id));
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_CHECK_GET_MANY, &args, &r));
    for (int row = 0; row < PQntuples(r); row++) {
        const int64_t n = row_i64(r, row, "n");
        if (n < 1 || n > (int64_t)count)
            return ST_CORRUPT;
        struct check_wanted *one = &w[n - 1];
        TRY(check_read_row(r, row, one->arena, &one->check));
        one->is_found = true;
    }
    return ST_OK;
}

enum status checks_exists(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct uuid *id)
{
    struct db_args args;
    key_args(&args, arena, org_id, id);
    return db_query_one(db, &Q_CHECK_EXISTS, &args, NULL);
}

enum status checks_timeouts(struct db *db, struct arena *arena, const struct uuid *org_id,
                            const struct uuid *ids, size_t count, int64_t **out)
{
    int64_t *limits = arena_array(arena, MAX_OF(count, (size_t)1), sizeof(*limits));
    if (!limits)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuids(&args, ids, count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_CHECK_TIMEOUTS, &args, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t n = row_i64(r, i, "n");
        if (n >= 1 && (size_t)n <= count)
            limits[n - 1] = row_i64(r, i, "timeout_ms");
    }
    *out = limits;
    return ST_OK;
}

enum status checks_import_lock(struct db *db, struct arena *arena, const struct uuid *org_id)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    return db_query(db, &Q_CHECK_IMPORT_LOCK, &args, NULL);
}

static enum status read_key(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct check_key k = {.id = row_uuid(r, row, "id"),
                          .name = row_str(r, row, "name", arena),
                          .external_id = row_str(r, row, "external_id", arena)};
    if (!k.name)
        return ST_NO_MEMORY;
    *(struct check_key *)out = k;
    return ST_OK;
}

enum status checks_find_keys(struct db *db, struct arena *arena, const struct uuid *org_id,
                             const char *const *names, const char *const *external_ids,
                             size_t count, struct check_key **out, size_t *found)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_strs(&args, names, count);
    db_arg_strs(&args, external_ids, count);
    AUTO_RESULT r = NULL;
    void *list = NULL;
    TRY(db_query(db, &Q_CHECK_FIND_KEYS, &args, &r));
    TRY(row_read_all(r, arena, read_key, sizeof(**out), &list, found));
    *out = list;
    return ST_OK;
}

/* --- writing --- */

static void value_args(struct db_args *args, const struct check *c)
{
    db_arg_str(args, c->name);
    db_arg_str(args, c->kind);
    db_arg_str(args, c->plugin_type);
    db_arg_str(args, c->config);
    db_arg_bool(args, c->enabled);
    db_arg_str(args, c->schedule);
    db_arg_i64(args, c->timeout_ms);
    db_arg_i64(args, c->retries);
    db_arg_str(args, c->retry_interval);
    db_arg_i64(args, c->recoveries);
    db_arg_str(args, c->webhook_url);
    db_arg_strs(args, c->tags, c->tag_count);
    db_arg_str(args, c->group);
    if (c->sealed)
        db_arg_bytes(args, c->sealed, c->sealed_len);
    else
        db_arg_null(args);
    db_arg_str(args, c->external_id);
}

/* ST_INVALID unless every channel is the organisation's; naming one twice is naming it once. */
static enum status write_channels(struct db *db, struct arena *arena, const struct uuid *org_id,
                                  const struct check *c)
{
    if (c->channel_count == 0)
        return ST_OK;
    size_t distinct = 0;
    for (size_t i = 0; i < c->channel_count; i++) {
        bool is_new = true;
        for (size_t j = 0; j < i; j++)
            is_new &= !uuid_eq(&c->channels[i], &c->channels[j]);
        distinct += is_new;
    }
    struct db_args args;
    key_args(&args, arena, &c->id, org_id);
    db_arg_uuids(&args, c->channels, c->channel_count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_CHECK_ADD_CHANNELS, &args, &r));
    return (size_t)db_affected(r) == distinct ? ST_OK : ST_INVALID;
}

/* What a transaction works on. */
struct work {
    struct arena *arena;
    const struct uuid *org_id, *user_id, *id;
    struct check *c;
    check_change_fn *change;
    void *arg;
};

enum status checks_insert_within(struct db *db, struct arena *arena, const struct uuid *org_id,
                                 const struct uuid *user_id, struct check *c)
{
    struct db_args args;
    key_args(&args, arena, &c->id, org_id);
    value_args(&args, c);
    db_arg_i64(&args, (int64_t)(uuid_hash(&c->id) % SHARDS));
    db_arg_uuid(&args, user_id);
    TRY(db_query(db, &Q_CHECK_INSERT, &args, NULL));
    TRY(write_channels(db, arena, org_id, c));
    return checks_get(db, arena, org_id, &c->id, c);
}

static enum status insert_in_transaction(struct db *db, void *arg)
{
    struct work *w = arg;
    return checks_insert_within(db, w->arena, w->org_id, w->user_id, w->c);
}

enum status checks_insert(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct uuid *user_id, struct check *c)
{
    struct work w = {.arena = arena, .org_id = org_id, .user_id = user_id, .c = c};
    return db_transact(db, insert_in_transaction, &w);
}

static enum status set_state(struct db *db, struct arena *arena, const struct uuid *org_id,
                             const struct uuid *id, bool enabled)
{
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_uuid(&args, org_id);
    db_arg_uuids(&args, id, 1);
    db_arg_str(&args, enabled ? "pending" : "paused");
    db_arg_str(&args, enabled ? "resumed" : "paused");
    return db_query(db, &Q_CHECK_SET_STATE, &args, NULL);
}

enum status checks_get_within(struct db *db, struct arena *arena, const struct uuid *org_id,
                              const struct uuid *id, struct check *out)
{
    struct db_args args;
    key_args(&args, arena, org_id, id);
    TRY(db_query_one(db, &Q_CHECK_LOCK, &args, NULL));
    return checks_get(db, arena, org_id, id, out);
}

enum status checks_replace_within(struct db *db, struct arena *arena, const struct uuid *org_id,
                                  const struct check *before, struct check *after)
{
    struct db_args args;
    key_args(&args, arena, org_id, &before->id);
    value_args(&args, after);
    TRY(db_query(db, &Q_CHECK_UPDATE, &args, NULL));
    if (after->channels != before->channels) {
        db_args_init(&args, arena);
        db_arg_uuid(&args, &before->id);
        TRY(db_query(db, &Q_CHECK_CLEAR_CHANNELS, &args, NULL));
        TRY(write_channels(db, arena, org_id, after));
    }
    if (after->enabled != before->enabled)
        TRY(set_state(db, arena, org_id, &before->id, after->enabled));
    return checks_get(db, arena, org_id, &before->id, after);
}

static enum status update_in_transaction(struct db *db, void *arg)
{
    struct work *w = arg;
    struct check before;
    TRY(checks_get_within(db, w->arena, w->org_id, w->id, &before));
    struct check after = before;
    TRY(w->change(&after, w->arg));
    TRY(checks_replace_within(db, w->arena, w->org_id, &before, &after));
    *w->c = after;
    return ST_OK;
}

enum status checks_update(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct uuid *id, check_change_fn *change, void *arg,
                          struct check *out)
{
    struct work w = {
        .arena = arena, .org_id = org_id, .id = id, .c = out, .change = change, .arg = arg};
    return db_transact(db, update_in_transaction, &w);
}

static enum status delete_in_transaction(struct db *db, void *arg)
{
    struct work *w = arg;
    struct db_args args;
    key_args(&args, w->arena, w->org_id, w->id);
    TRY(db_query_one(db, &Q_CHECK_LOCK, &args, NULL));
    db_args_init(&args, w->arena);
    db_arg_uuid(&args, w->org_id);
    db_arg_uuids(&args, w->id, 1);
    TRY(db_query(db, &Q_CHECK_LOCK_STATES, &args, NULL));
    db_arg_uuid(&args, w->user_id);
    TRY(db_query(db, &Q_CHECK_RESOLVE_INCIDENTS, &args, NULL));
    key_args(&args, w->arena, w->org_id, w->id);
    return db_query(db, &Q_CHECK_DELETE, &args, NULL);
}

enum status checks_delete(struct db *db, struct arena *arena, const struct uuid *org_id,
                          const struct uuid *user_id, const struct uuid *id)
{
    struct work w = {.arena = arena, .org_id = org_id, .user_id = user_id, .id = id};
    return db_transact(db, delete_in_transaction, &w);
}

struct seal_place check_seal_place(const struct uuid *id)
{
    return (struct seal_place){.table = "checks", .row = *id, .column = "secret"};
}
