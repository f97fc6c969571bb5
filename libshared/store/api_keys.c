/* Queries about API keys. */
#include "store/api_keys.h"

#include "gen/queries.h"
#include "store/list.h"

/* Unknown names (of a newer version) give nothing. */
static enum status read_scopes(const PGresult *r, struct arena *arena, uint64_t *out)
{
    const char **names = NULL;
    size_t count = 0;
    TRY(row_strs(r, 0, "scopes", arena, &names, &count));
    uint64_t set = 0;
    for (size_t i = 0; i < count; i++) {
        enum scope s = SCOPE_UNSET;
        if (scope_parse(names[i], &s) == ST_OK)
            set |= SCOPE_BIT(s);
    }
    *out = set;
    return ST_OK;
}

/* What the key may do now: an agent's stands for itself, a person's follows the person's role. */
static enum status judge(const PGresult *r, struct arena *arena, struct principal *p)
{
    TRY(read_scopes(r, arena, &p->scopes));
    if (!uuid_is_nil(&p->host_id)) {
        p->role = ROLE_VIEWER;
        p->scopes &= AGENT_SCOPES;
        return ST_OK;
    }
    const char *role = row_str(r, 0, "user_role", arena);
    if (!row_bool(r, 0, "user_is_active") || !role || role_parse(role, &p->role) != ST_OK)
        return ST_UNAUTHENTICATED;
    p->scopes = (p->scopes & role_scopes(p->role)) | SCOPE_BIT(SCOPE_SELF);
    return ST_OK;
}

/* The one key that a query found, unless it is good no more. */
static enum status read_principal(const PGresult *r, struct arena *arena, struct principal *out)
{
    if (row_bool(r, 0, "is_revoked") || row_bool(r, 0, "is_expired"))
        return ST_UNAUTHENTICATED;
    struct principal p = {.org_id = row_uuid(r, 0, "org_id"),
                          .user_id = row_uuid(r, 0, "user_id"),
                          .api_key_id = row_uuid(r, 0, "id"),
                          .host_id = row_uuid(r, 0, "host_id"),
                          .rate_limit = row_i64(r, 0, "rate_limit")};
    TRY(judge(r, arena, &p));
    *out = p;
    return ST_OK;
}

enum status api_key_authenticate(struct db *db, const struct api_key *key, struct arena *arena,
                                 struct principal *out, int64_t *expires_at)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_str(&a, key->prefix);
    AUTO_RESULT r = NULL;
    const enum status st = db_query_one(db, &Q_API_KEY_BY_PREFIX, &a, &r);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_UNAUTHENTICATED : st;

    const unsigned char *hash = NULL;
    size_t len = 0;
    TRY(row_bytes(r, 0, "key_hash", arena, &hash, &len));
    if (len != API_KEY_HASH_BYTES || !api_key_hash_eq(hash, key->hash))
        return ST_UNAUTHENTICATED;
    TRY(read_principal(r, arena, out));
    *expires_at = row_time(r, 0, "expires_at");
    return ST_OK;
}

enum status api_key_principal(struct db *db, const struct uuid *id, struct arena *arena,
                              struct principal *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    AUTO_RESULT r = NULL;
    const enum status st = db_query_one(db, &Q_API_KEY_BY_ID, &a, &r);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_UNAUTHENTICATED : st;
    return read_principal(r, arena, out);
}

static enum status scope_names(uint64_t scopes, struct arena *arena, struct out_list *out)
{
    const char **names = arena_array(arena, SCOPE_COUNT_, sizeof(*names));
    if (!names)
        return ST_NO_MEMORY;
    size_t count = 0;
    for (unsigned i = SCOPE_SELF + 1; i < SCOPE_COUNT_; i++) {
        if (scopes & SCOPE_BIT(i))
            names[count++] = scope_name((enum scope)i);
    }
    *out = (struct out_list){.count = count, .v = names};
    return ST_OK;
}

enum status api_key_end(struct db *db, const struct uuid *id, struct arena *arena, int64_t *out)
{
    struct db_args a;
    AUTO_RESULT r = NULL;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    TRY(db_query_one(db, &Q_API_KEY_END, &a, &r));
    *out = row_time(r, 0, "expires_at");
    return ST_OK;
}

enum status api_key_create(struct db *db, const struct api_key_new_row *row, struct arena *arena,
                           struct api_key *key, struct api_key_row *out)
{
    struct api_key_row made = {.id = uuid_new(),
                               .user_id = row->user_id,
                               .host_id = row->host_id,
                               .name = row->name,
                               .expires_at = row->expires_at,
                               .rate_limit = row->rate_limit};
    TRY(scope_names(row->scopes, arena, &made.scopes));
    api_key_new(key);
    made.prefix = arena_strdup(arena, key->prefix);
    if (!made.prefix)
        return ST_NO_MEMORY;

    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, &made.id);
    db_arg_uuid(&a, &row->org_id);
    db_arg_uuid(&a, &row->user_id);
    db_arg_uuid(&a, &row->host_id);
    db_arg_str(&a, row->name);
    db_arg_str(&a, key->prefix);
    db_arg_bytes(&a, key->hash, sizeof(key->hash));
    db_arg_strs(&a, made.scopes.v, made.scopes.count);
    db_arg_time(&a, row->expires_at);
    db_arg_i64(&a, row->rate_limit);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_API_KEY_INSERT, &a, &r));
    made.created_at = row_time(r, 0, "created_at");
    *out = made;
    return ST_OK;
}

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct api_key_row k = {.id = row_uuid(r, row, "id"),
                            .user_id = row_uuid(r, row, "user_id"),
                            .host_id = row_uuid(r, row, "host_id"),
                            .name = row_str(r, row, "name", arena),
                            .prefix = row_str(r, row, "prefix", arena),
                            .expires_at = row_time(r, row, "expires_at"),
                            .last_used_at = row_time(r, row, "last_used_at"),
                            .created_at = row_time(r, row, "created_at"),
                            .rate_limit = row_i64(r, row, "rate_limit")};
    const char **scopes = NULL;
    TRY(row_strs(r, row, "scopes", arena, &scopes, &k.scopes.count));
    k.scopes.v = scopes;
    if (!k.name || !k.prefix)
        return ST_NO_MEMORY;
    *(struct api_key_row *)out = k;
    return ST_OK;
}

enum status api_key_list(struct db *db, const struct uuid *org, const struct uuid *user,
                         struct arena *arena, struct page *page, struct api_key_row **out,
                         size_t *count)
{
    static const struct list_query query = {.count = &Q_API_KEY_COUNT,
                                            .rows = &Q_API_KEY_LIST,
                                            .read = read_row,
                                            .row_bytes = sizeof(**out),
                                            .sorts = true};
    struct db_args a;
    struct list_rows list;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, user);
    TRY(list_read(db, &query, &a, page, &list));
    *out = list.v;
    *count = list.count;
    return ST_OK;
}

enum status api_key_revoke(struct db *db, const struct uuid *org, const struct uuid *id,
                           const struct uuid *user, struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, id);
    db_arg_uuid(&a, user);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_API_KEY_REVOKE, &a, &r));
    return db_affected(r) > 0 ? ST_OK : ST_NOT_FOUND;
}

enum status api_key_host(struct db *db, const struct uuid *org, const char *id_or_slug,
                         struct arena *arena, struct uuid *out)
{
    struct uuid id = {0};
    const bool is_id = uuid_parse(id_or_slug, &id) == ST_OK;
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, is_id ? &id : NULL);
    db_arg_str(&a, is_id ? NULL : id_or_slug);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_API_KEY_HOST, &a, &r));
    *out = row_uuid(r, 0, "id");
    return ST_OK;
}
