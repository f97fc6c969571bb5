/* Making what an empty database lacks. */
#include "store/bootstrap.h"

#include "gen/queries.h"
#include "store/users.h"

enum { SHARDS = 16 };
static const char check_name[] = "Tocsin itself";
static const char check_schedule[] = "every 30 seconds";

struct run {
    const struct bootstrap *in;
    struct arena *arena;
    struct bootstrap_outcome outcome;
};

static enum status ensure_organisation(struct db *db, struct run *run, struct uuid *org)
{
    const enum status st = organisation_first(db, org);
    if (st != ST_NOT_FOUND)
        return st;
    *org = uuid_new();
    TRY(organisation_insert(db, org, "Default", run->arena));
    run->outcome.made_organisation = true;
    return ST_OK;
}

static enum status ensure_user(struct db *db, struct run *run, const struct uuid *org,
                               struct uuid *id)
{
    struct user user;
    enum status st = user_by_login(db, run->in->email, run->arena, &user);
    if (st == ST_OK)
        *id = user.id;
    if (st != ST_NOT_FOUND)
        return st;

    struct user made = {.id = uuid_new(),
                        .org_id = *org,
                        .username = run->in->username,
                        .email = run->in->email,
                        .password_hash = run->in->password_hash,
                        .role = ROLE_OWNER};
    struct user other;
    st = user_by_login(db, run->in->username, run->arena, &other);
    if (st == ST_OK)
        made.username = run->in->email;
    else if (st != ST_NOT_FOUND)
        return st;
    TRY(user_insert(db, &made, run->arena));
    run->outcome.made_user = true;
    *id = made.id;
    return ST_OK;
}

static enum status make_check(struct db *db, struct run *run, const struct uuid *org,
                              const struct uuid *user)
{
    const struct uuid id = uuid_new();
    struct db_args a;
    db_args_init(&a, run->arena);
    db_arg_uuid(&a, &id);
    db_arg_uuid(&a, org);
    db_arg_str(&a, check_name);
    db_arg_str(&a, run->in->self_check_url);
    db_arg_str(&a, check_schedule);
    db_arg_i64(&a, (int64_t)(uuid_hash(&id) % SHARDS));
    db_arg_uuid(&a, user);
    TRY(db_query(db, &Q_BOOTSTRAP_CHECK, &a, NULL));
    db_args_init(&a, run->arena);
    db_arg_uuid(&a, &id);
    TRY(db_query(db, &Q_BOOTSTRAP_CHECK_STATE, &a, NULL));
    run->outcome.made_check = true;
    return ST_OK;
}

static enum status transact(struct db *db, void *arg)
{
    struct run *run = arg;
    struct uuid org = {{0}}, user = {{0}};
    run->outcome = (struct bootstrap_outcome){0};
    TRY(db_query(db, &Q_BOOTSTRAP_LOCK, NULL, NULL));
    TRY(ensure_organisation(db, run, &org));
    TRY(ensure_user(db, run, &org, &user));
    if (run->outcome.made_organisation && run->in->self_check_url)
        TRY(make_check(db, run, &org, &user));
    return ST_OK;
}

enum status bootstrap_run(struct db *db, const struct bootstrap *in, struct arena *arena,
                          struct bootstrap_outcome *out)
{
    struct run run = {.in = in, .arena = arena};
    TRY(db_transact(db, transact, &run));
    *out = run.outcome;
    return ST_OK;
}
