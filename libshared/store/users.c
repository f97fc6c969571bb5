/* Queries about people and organisations. */
#include "store/users.h"

#include "gen/queries.h"

static enum status read_user(const PGresult *r, int row, struct arena *arena, struct user *out)
{
    struct user u = {.id = row_uuid(r, row, "id"),
                     .org_id = row_uuid(r, row, "org_id"),
                     .username = row_str(r, row, "username", arena),
                     .email = row_str(r, row, "email", arena),
                     .password_hash = row_str(r, row, "password_hash", arena),
                     .is_active = row_bool(r, row, "is_active"),
                     .token_epoch = row_i64(r, row, "token_epoch"),
                     .created_at = row_time(r, row, "created_at"),
                     .updated_at = row_time(r, row, "updated_at"),
                     .last_login_at = row_time(r, row, "last_login_at")};
    const char *role = row_str(r, row, "role", arena);
    if (!u.username || !u.email || !u.password_hash || !role)
        return ST_NO_MEMORY;
    if (role_parse(role, &u.role) != ST_OK)
        return ST_CORRUPT;
    u.role_text = role_name(u.role);
    u.is_admin = u.role >= ROLE_ADMIN;
    *out = u;
    return ST_OK;
}

/* One user by a query whose arguments are bound already. */
static enum status find_user(struct db *db, const struct query *q, const struct db_args *args,
                             struct arena *arena, struct user *out)
{
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, q, args, &r));
    return read_user(r, 0, arena, out);
}

enum status user_by_login(struct db *db, const char *login, struct arena *arena, struct user *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_str(&a, login);
    return find_user(db, &Q_USER_BY_LOGIN, &a, arena, out);
}

enum status user_get(struct db *db, const struct uuid *id, struct arena *arena, struct user *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    return find_user(db, &Q_USER_GET, &a, arena, out);
}

enum status user_first_owner(struct db *db, struct arena *arena, struct user *out)
{
    return find_user(db, &Q_USER_FIRST_OWNER, NULL, arena, out);
}

enum status user_list(struct db *db, const struct uuid *org, struct arena *arena, struct user **out,
                      size_t *count)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_USER_LIST, &a, &r));
    const int rows = PQntuples(r);
    struct user *users = arena_array(arena, (size_t)rows, sizeof(*users));
    if (!users)
        return ST_NO_MEMORY;
    for (int i = 0; i < rows; i++)
        TRY(read_user(r, i, arena, &users[i]));
    *out = users;
    *count = (size_t)rows;
    return ST_OK;
}

enum status user_insert(struct db *db, const struct user *user, struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, &user->id);
    db_arg_uuid(&a, &user->org_id);
    db_arg_str(&a, user->username);
    db_arg_str(&a, user->email);
    db_arg_str(&a, user->password_hash);
    db_arg_str(&a, role_name(user->role));
    return db_query(db, &Q_USER_INSERT, &a, NULL);
}

enum status user_update_profile(struct db *db, const struct uuid *id, const char *username,
                                const char *email, struct arena *arena, struct user *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    db_arg_str(&a, username);
    db_arg_str(&a, email);
    return find_user(db, &Q_USER_UPDATE_PROFILE, &a, arena, out);
}

enum status user_set_password(struct db *db, const struct uuid *id, const char *hash,
                              struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    db_arg_str(&a, hash);
    return db_query_one(db, &Q_USER_SET_PASSWORD, &a, NULL);
}

enum status user_end_sessions(struct db *db, const struct uuid *id, struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    return db_query_one(db, &Q_USER_END_SESSIONS, &a, NULL);
}

enum status user_signed_in(struct db *db, const struct uuid *id, struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    return db_query(db, &Q_USER_SIGNED_IN, &a, NULL);
}

enum status organisation_insert(struct db *db, const struct uuid *id, const char *name,
                                struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    db_arg_str(&a, name);
    return db_query(db, &Q_ORGANISATION_INSERT, &a, NULL);
}

enum status organisation_first(struct db *db, struct uuid *out)
{
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_ORGANISATION_FIRST, NULL, &r));
    *out = row_uuid(r, 0, "id");
    return ST_OK;
}
