/* Queries about people and organisations. */
#include "store/users.h"

#include "base/str.h"
#include "gen/queries.h"
#include "store/list.h"

static enum status read_user(const PGresult *r, int row, struct arena *arena, void *out)
{
    struct user u = {.id = row_uuid(r, row, "id"),
                     .org_id = row_uuid(r, row, "org_id"),
                     .username = row_str(r, row, "username", arena),
                     .email = row_str(r, row, "email", arena),
                     .display_name = row_str(r, row, "display_name", arena),
                     .password_hash = row_str(r, row, "password_hash", arena),
                     .is_active = row_bool(r, row, "is_active"),
                     .is_external = row_bool(r, row, "is_external"),
                     .has_totp = row_bool(r, row, "has_totp"),
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
    *(struct user *)out = u;
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
    void *users = NULL;
    TRY(row_read_all(r, arena, read_user, sizeof(**out), &users, count));
    *out = users;
    return ST_OK;
}

enum status user_by_name(struct db *db, const char *username, struct arena *arena, struct user *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_str(&a, username);
    return find_user(db, &Q_USER_BY_NAME, &a, arena, out);
}

enum status user_get_of(struct db *db, const struct uuid *org, const struct uuid *id,
                        struct arena *arena, struct user *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, id);
    return find_user(db, &Q_USER_GET_OF, &a, arena, out);
}

static void arg_bool_or_null(struct db_args *a, const bool *v)
{
    if (v)
        db_arg_bool(a, *v);
    else
        db_arg_null(a);
}

enum status user_page(struct db *db, const struct uuid *org, const struct user_filter *filter,
                      struct arena *arena, struct page *page, struct user **out, size_t *count)
{
    static const struct list_query query = {.count = &Q_USER_PAGE_COUNT,
                                            .rows = &Q_USER_PAGE,
                                            .read = read_user,
                                            .row_bytes = sizeof(**out),
                                            .after = "created_at"};
    struct db_args a;
    struct list_rows list;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_str(&a, filter->text);
    db_arg_str(&a, filter->role);
    arg_bool_or_null(&a, filter->has_active ? &filter->active : NULL);
    TRY(list_read(db, &query, &a, page, &list));
    *out = list.v;
    *count = list.count;
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
    db_arg_str(&a, user->display_name);
    return db_query(db, &Q_USER_INSERT, &a, NULL);
}

/* What a transaction works on; without a change the user goes. */
struct work {
    const struct uuid *org, *id;
    const struct user_change *change;
    struct arena *arena;
    struct user *out;
};

static enum status work_args(struct db *db, const struct work *w, struct db_args *a)
{
    db_args_init(a, w->arena);
    db_arg_uuid(a, w->org);
    TRY(db_query(db, &Q_USER_LOCK, a, NULL));
    db_arg_uuid(a, w->id);
    return ST_OK;
}

/* ST_FORBIDDEN when nobody would be left to own the organisation. */
static enum status keep_an_owner(struct db *db, const struct work *w, const struct db_args *a)
{
    struct user u;
    TRY(user_get_of(db, w->org, w->id, w->arena, &u));
    const struct user_change *c = w->change;
    const bool stays = c && (!c->role || str_eq(c->role, role_name(ROLE_OWNER))) &&
                       (!c->is_active || *c->is_active);
    if (u.role != ROLE_OWNER || !u.is_active || stays)
        return ST_OK;
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_USER_OTHER_OWNERS, a, &r));
    return row_i64(r, 0, "owners") > 0 ? ST_OK : ST_FORBIDDEN;
}

static enum status change_user(struct db *db, void *arg)
{
    const struct work *w = arg;
    const struct user_change *c = w->change;
    struct db_args a;
    TRY(work_args(db, w, &a));
    TRY(keep_an_owner(db, w, &a));
    db_arg_str(&a, c->username);
    db_arg_str(&a, c->email);
    db_arg_str(&a, c->display_name);
    db_arg_str(&a, c->role);
    arg_bool_or_null(&a, c->is_active);
    db_arg_str(&a, c->password_hash);
    TRY(db_query_one(db, &Q_USER_CHANGE, &a, NULL));
    return user_get_of(db, w->org, w->id, w->arena, w->out);
}

enum status user_change(struct db *db, const struct uuid *org, const struct uuid *id,
                        const struct user_change *change, struct arena *arena, struct user *out)
{
    struct user user;
    struct work w = {.org = org, .id = id, .change = change, .arena = arena, .out = &user};
    TRY(db_transact(db, change_user, &w));
    *out = user;
    return ST_OK;
}

static enum status remove_user(struct db *db, void *arg)
{
    const struct work *w = arg;
    struct db_args a, keys;
    TRY(work_args(db, w, &a));
    TRY(keep_an_owner(db, w, &a));
    db_args_init(&keys, w->arena);
    db_arg_uuid(&keys, w->id);
    TRY(db_query(db, &Q_USER_LEAVE_AGENT_KEYS, &keys, NULL));
    return db_query(db, &Q_USER_REMOVE, &a, NULL);
}

enum status user_remove(struct db *db, const struct uuid *org, const struct uuid *id,
                        struct arena *arena)
{
    struct work w = {.org = org, .id = id, .arena = arena};
    return db_transact(db, remove_user, &w);
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

enum status organisation_get(struct db *db, const struct uuid *id, struct arena *arena,
                             struct organisation *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_ORGANISATION_GET, &a, &r));
    const struct organisation o = {.id = row_uuid(r, 0, "id"),
                                   .name = row_str(r, 0, "name", arena),
                                   .created_at = row_time(r, 0, "created_at"),
                                   .user_count = row_i64(r, 0, "user_count")};
    if (!o.name)
        return ST_NO_MEMORY;
    *out = o;
    return ST_OK;
}

enum status organisation_rename(struct db *db, const struct uuid *id, const char *name,
                                struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, id);
    db_arg_str(&a, name);
    return db_query(db, &Q_ORGANISATION_RENAME, &a, NULL);
}
