/* Queries about sessions. */
#include "store/tokens.h"

#include "gen/queries.h"

enum status session_find(struct db *db, const struct uuid *user, const struct uuid *family,
                         struct arena *arena, struct session *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, user);
    db_arg_uuid(&a, family);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_SESSION_FIND, &a, &r));
    struct session s = {.org_id = row_uuid(r, 0, "org_id"),
                        .is_active = row_bool(r, 0, "is_active"),
                        .is_live = row_bool(r, 0, "is_live"),
                        .epoch = row_i64(r, 0, "token_epoch")};
    const char *role = row_str(r, 0, "role", arena);
    if (!role)
        return ST_NO_MEMORY;
    if (role_parse(role, &s.role) != ST_OK)
        return ST_CORRUPT;
    *out = s;
    return ST_OK;
}

enum status refresh_token_insert(struct db *db, const struct refresh_token *token,
                                 struct arena *arena)
{
    const struct uuid id = uuid_new();
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, &id);
    db_arg_uuid(&a, &token->user_id);
    db_arg_uuid(&a, &token->family);
    db_arg_bytes(&a, token->hash, sizeof(token->hash));
    db_arg_time(&a, token->expires_at);
    db_arg_str(&a, token->address);
    db_arg_str(&a, token->user_agent);
    return db_query(db, &Q_REFRESH_TOKEN_INSERT, &a, NULL);
}

struct rotation {
    const unsigned char *hash;
    struct arena *arena;
    struct refresh_token *next;
};

/* ST_NOT_FOUND: there is no such token that may still be used. */
static enum status rotate(struct db *db, void *arg)
{
    const struct rotation *rotation = arg;
    struct db_args a;
    db_args_init(&a, rotation->arena);
    db_arg_bytes(&a, rotation->hash, API_KEY_HASH_BYTES);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_REFRESH_TOKEN_USE, &a, &r));
    rotation->next->user_id = row_uuid(r, 0, "user_id");
    rotation->next->family = row_uuid(r, 0, "family");
    return refresh_token_insert(db, rotation->next, rotation->arena);
}

enum status refresh_token_rotate(struct db *db, const unsigned char hash[API_KEY_HASH_BYTES],
                                 struct arena *arena, struct refresh_token *next)
{
    struct rotation rotation = {.hash = hash, .arena = arena, .next = next};
    const enum status st = db_transact(db, rotate, &rotation);
    if (st != ST_NOT_FOUND)
        return st;

    struct db_args a;
    db_args_init(&a, arena);
    db_arg_bytes(&a, hash, API_KEY_HASH_BYTES);
    AUTO_RESULT r = NULL;
    const enum status found = db_query_one(db, &Q_REFRESH_TOKEN_FIND, &a, &r);
    if (found != ST_OK)
        return found == ST_NOT_FOUND ? ST_UNAUTHENTICATED : found;
    if (!row_bool(r, 0, "is_used"))
        return ST_UNAUTHENTICATED;
    next->user_id = row_uuid(r, 0, "user_id");
    next->family = row_uuid(r, 0, "family");
    const enum status ended = refresh_family_revoke(db, &next->user_id, &next->family, arena);
    return ended == ST_OK || ended == ST_NOT_FOUND ? ST_CONFLICT : ended;
}

enum status refresh_token_family(struct db *db, const unsigned char hash[API_KEY_HASH_BYTES],
                                 const struct uuid *user, struct arena *arena, struct uuid *family)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_bytes(&a, hash, API_KEY_HASH_BYTES);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_REFRESH_TOKEN_FIND, &a, &r));
    const struct uuid owner = row_uuid(r, 0, "user_id");
    if (!uuid_eq(&owner, user))
        return ST_NOT_FOUND;
    *family = row_uuid(r, 0, "family");
    return ST_OK;
}

enum status refresh_family_revoke(struct db *db, const struct uuid *user, const struct uuid *family,
                                  struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, family);
    db_arg_uuid(&a, user);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_REFRESH_FAMILY_REVOKE, &a, &r));
    return db_affected(r) > 0 ? ST_OK : ST_NOT_FOUND;
}

static enum status read_session(const PGresult *r, int row, struct arena *arena, void *out)
{
    *(struct session_row *)out = (struct session_row){
        .id = row_uuid(r, row, "family"),
        .address = row_str(r, row, "address", arena),
        .user_agent = row_str(r, row, "user_agent", arena),
        .started_at = row_time(r, row, "started_at"),
        .refreshed_at = row_time(r, row, "refreshed_at"),
        .expires_at = row_time(r, row, "expires_at"),
    };
    return ST_OK;
}

enum status session_list(struct db *db, const struct uuid *user, const struct uuid *current,
                         struct arena *arena, struct session_row **out, size_t *count)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, user);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_SESSION_LIST, &a, &r));
    void *rows = NULL;
    TRY(row_read_all(r, arena, read_session, sizeof(**out), &rows, count));
    struct session_row *sessions = rows;
    for (size_t i = 0; i < *count; i++)
        sessions[i].is_current = uuid_eq(&sessions[i].id, current);
    *out = sessions;
    return ST_OK;
}
