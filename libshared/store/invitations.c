/* Invitations, and what becomes of them: users, and organisations of their own. */
#include "store/invitations.h"

#include <stdio.h>

#include "base/rand.h"
#include "gen/queries.h"
#include "store/list.h"

static enum status read_row(const PGresult *r, int row, struct arena *arena, void *out)
{
    const struct invitation i = {.id = row_uuid(r, row, "id"),
                                 .org_id = row_uuid(r, row, "org_id"),
                                 .created_by = row_uuid(r, row, "created_by"),
                                 .accepted_by = row_uuid(r, row, "accepted_by"),
                                 .email = row_str(r, row, "email", arena),
                                 .role = row_str(r, row, "role", arena),
                                 .status = row_str(r, row, "status", arena),
                                 .created_at = row_time(r, row, "created_at"),
                                 .expires_at = row_time(r, row, "expires_at"),
                                 .accepted_at = row_time(r, row, "accepted_at")};
    if (!i.role || !i.status)
        return ST_NO_MEMORY;
    *(struct invitation *)out = i;
    return ST_OK;
}

enum status invitation_create(struct db *db, const struct invitation *in, struct arena *arena,
                              char token[SECRET_TOKEN_BYTES], struct invitation *out)
{
    const struct uuid id = uuid_new();
    unsigned char hash[API_KEY_HASH_BYTES];
    secret_token_new(token);
    secret_hash(token, hash);
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, &id);
    db_arg_uuid(&a, &in->org_id);
    db_arg_str(&a, in->email);
    db_arg_str(&a, in->role);
    db_arg_bytes(&a, hash, sizeof(hash));
    db_arg_uuid(&a, &in->created_by);
    db_arg_time(&a, in->expires_at);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_INVITATION_INSERT, &a, &r));
    return read_row(r, 0, arena, out);
}

enum status invitation_page(struct db *db, const struct uuid *org, const char *status,
                            struct arena *arena, struct page *page, struct invitation **out,
                            size_t *count)
{
    static const struct list_query query = {.count = &Q_INVITATION_COUNT,
                                            .rows = &Q_INVITATION_PAGE,
                                            .read = read_row,
                                            .row_bytes = sizeof(**out),
                                            .after = "created_at"};
    struct db_args a;
    struct list_rows list;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_str(&a, status);
    TRY(list_read(db, &query, &a, page, &list));
    *out = list.v;
    *count = list.count;
    return ST_OK;
}

enum status invitation_get(struct db *db, const struct uuid *org, const struct uuid *id,
                           struct arena *arena, struct invitation *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, id);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_INVITATION_GET, &a, &r));
    return read_row(r, 0, arena, out);
}

enum status invitation_revoke(struct db *db, const struct uuid *org, const struct uuid *id,
                              struct arena *arena)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, org);
    db_arg_uuid(&a, id);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_INVITATION_REVOKE, &a, &r));
    if (db_affected(r) > 0)
        return ST_OK;
    struct invitation found;
    TRY(invitation_get(db, org, id, arena, &found));
    return ST_CONFLICT;
}

struct work {
    const char *text; /* token, or name of the organisation */
    struct arena *arena;
    struct user *user;
};

static enum status use(struct db *db, void *arg)
{
    const struct work *w = arg;
    unsigned char hash[API_KEY_HASH_BYTES];
    secret_hash(w->text, hash);
    struct db_args a;
    db_args_init(&a, w->arena);
    db_arg_bytes(&a, hash, sizeof(hash));
    db_arg_str(&a, w->user->email);
    AUTO_RESULT r = NULL;
    const enum status st = db_query_one(db, &Q_INVITATION_USE, &a, &r);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_UNAUTHENTICATED : st;

    const struct uuid id = row_uuid(r, 0, "id");
    const char *role = row_str(r, 0, "role", w->arena);
    if (!role)
        return ST_NO_MEMORY;
    if (role_parse(role, &w->user->role) != ST_OK)
        return ST_CORRUPT;
    w->user->org_id = row_uuid(r, 0, "org_id");
    TRY(user_insert(db, w->user, w->arena));
    db_args_init(&a, w->arena);
    db_arg_uuid(&a, &id);
    db_arg_uuid(&a, &w->user->id);
    return db_query(db, &Q_INVITATION_ACCEPTED_BY, &a, NULL);
}

enum status invitation_accept(struct db *db, const char *token, struct arena *arena,
                              struct user *user)
{
    struct work w = {token, arena, user};
    return db_transact(db, use, &w);
}

static enum status found(struct db *db, void *arg)
{
    const struct work *w = arg;
    struct user owner = *w->user, other;
    const enum status st = user_by_name(db, owner.username, w->arena, &other);
    if (st == ST_OK)
        owner.username = arena_printf(w->arena, "%.90s-%04llx", owner.username,
                                      (unsigned long long)rand_below(0x10000));
    else if (st != ST_NOT_FOUND)
        return st;
    if (!owner.username)
        return ST_NO_MEMORY;
    owner.org_id = uuid_new();
    owner.role = ROLE_OWNER;
    TRY(organisation_insert(db, &owner.org_id, w->text, w->arena));
    TRY(user_insert(db, &owner, w->arena));
    *w->user = owner;
    return ST_OK;
}

enum status organisation_found(struct db *db, const char *name, struct arena *arena,
                               struct user *user)
{
    struct work w = {name, arena, user};
    return db_transact(db, found, &w);
}
