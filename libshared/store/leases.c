/* Leases on shards. */
#include "store/leases.h"

#include "gen/queries.h"

enum { ARENA_BYTES = 16384 };

static bool is_shard(int64_t shard)
{
    return shard >= 0 && shard < LEASE_SHARDS;
}

enum status lease_renew(struct db *db, const char *owner, int64_t lease_ms, struct lease_view *out)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, owner);
    db_arg_i64(&args, lease_ms);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_LEASE_RENEW, &args, &r));

    struct lease_view view = {.alive = 1, .next_free_ms = -1};
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t shard = row_i64(r, i, "shard");
        if (!is_shard(shard))
            continue;
        view.now_us = row_time(r, i, "asked_at");
        view.alive = row_i64(r, i, "alive");
        view.epoch[shard] = row_i64(r, i, "epoch");
        view.is_mine[shard] = row_bool(r, i, "is_mine");
        view.is_free[shard] = row_bool(r, i, "is_free");
        if (row_is_null(r, i, "left_ms"))
            continue;
        int64_t left_ms = row_i64(r, i, "left_ms");
        if (view.next_free_ms < 0 || left_ms < view.next_free_ms)
            view.next_free_ms = left_ms;
    }
    *out = view;
    return ST_OK;
}

static void arg_shards(struct db_args *args, const bool shards[LEASE_SHARDS])
{
    int64_t list[LEASE_SHARDS];
    size_t count = 0;
    for (int i = 0; i < LEASE_SHARDS; i++) {
        if (shards[i])
            list[count++] = i;
    }
    db_arg_i64s(args, list, count);
}

enum status lease_acquire(struct db *db, const char *owner, int64_t lease_ms,
                          const bool want[LEASE_SHARDS], struct lease_view *view)
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, owner);
    db_arg_i64(&args, lease_ms);
    arg_shards(&args, want);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_LEASE_ACQUIRE, &args, &r));
    for (int i = 0; i < PQntuples(r); i++) {
        int64_t shard = row_i64(r, i, "shard");
        if (!is_shard(shard))
            continue;
        view->is_mine[shard] = true;
        view->is_free[shard] = false;
        view->epoch[shard] = row_i64(r, i, "epoch");
    }
    return ST_OK;
}

enum status lease_release(struct db *db, const char *owner, const bool give[LEASE_SHARDS])
{
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args args;
    db_args_init(&args, arena);
    db_arg_str(&args, owner);
    arg_shards(&args, give);
    return db_query(db, &Q_LEASE_RELEASE, &args, NULL);
}

enum status lease_leave(struct db *db, const char *owner)
{
    static const bool all[LEASE_SHARDS] = {[0 ... LEASE_SHARDS - 1] = true};
    TRY(lease_release(db, owner, all));
    struct db_args args;
    db_args_init(&args, NULL);
    db_arg_str(&args, owner);
    return db_query(db, &Q_LEASE_LEAVE, &args, NULL);
}
