/* Series and layouts in PostgreSQL. */
#include "store/series.h"

#include <sodium.h>

#include "base/limits.h"
#include "base/str.h"
#include "gen/queries.h"

struct ensure {
    struct arena *arena;
    const struct uuid *host;
    size_t count;
    const char **types, **names, **tags;
    int64_t *ids;
};

static enum status split_keys(struct ensure *e, const struct series_key *keys)
{
    e->types = arena_array(e->arena, e->count, sizeof(*e->types));
    e->names = arena_array(e->arena, e->count, sizeof(*e->names));
    e->tags = arena_array(e->arena, e->count, sizeof(*e->tags));
    if (!e->types || !e->names || !e->tags)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < e->count; i++) {
        e->types[i] = keys[i].type;
        e->names[i] = keys[i].name;
        e->tags[i] = keys[i].tags;
    }
    return ST_OK;
}

static enum status find_all(struct db *db, struct ensure *e, size_t *found)
{
    struct db_args a;
    db_args_init(&a, e->arena);
    db_arg_uuid(&a, e->host);
    db_arg_strs(&a, e->types, e->count);
    db_arg_strs(&a, e->names, e->count);
    db_arg_strs(&a, e->tags, e->count);
    AUTO_RESULT r = NULL;
    TRY(db_query(db, &Q_SERIES_FIND, &a, &r));
    for (int row = 0; row < PQntuples(r); row++) {
        int64_t at = row_i64(r, row, "at");
        if (at >= 0 && (size_t)at < e->count)
            e->ids[at] = row_i64(r, row, "id");
    }
    *found = (size_t)PQntuples(r);
    return ST_OK;
}

static enum status count_of(struct db *db, const struct query *q, struct arena *arena,
                            const struct uuid *host, int64_t *out)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, host);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, q, &a, &r));
    *out = row_i64(r, 0, "total");
    return ST_OK;
}

static enum status lock_host(struct db *db, struct arena *arena, const struct uuid *host)
{
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuid(&a, host);
    AUTO_RESULT r = NULL;
    return db_query_one(db, &Q_SERIES_HOST_LOCK, &a, &r);
}

/* Inserts the ones without an id, as many as the limit leaves room for. */
static enum status insert_missing(struct db *db, struct ensure *e)
{
    int64_t have = 0;
    TRY(count_of(db, &Q_SERIES_COUNT, e->arena, e->host, &have));
    size_t room = have < LIMIT_SERIES_PER_HOST ? (size_t)(LIMIT_SERIES_PER_HOST - have) : 0;
    struct ensure missing = {.arena = e->arena, .host = e->host, .count = 0};
    missing.types = arena_array(e->arena, e->count, sizeof(*missing.types));
    missing.names = arena_array(e->arena, e->count, sizeof(*missing.names));
    missing.tags = arena_array(e->arena, e->count, sizeof(*missing.tags));
    if (!missing.types || !missing.names || !missing.tags)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < e->count && missing.count < room; i++) {
        if (e->ids[i] != 0)
            continue;
        missing.types[missing.count] = e->types[i];
        missing.names[missing.count] = e->names[i];
        missing.tags[missing.count++] = e->tags[i];
    }
    if (missing.count == 0)
        return ST_OK;
    struct db_args a;
    db_args_init(&a, e->arena);
    db_arg_uuid(&a, e->host);
    db_arg_strs(&a, missing.types, missing.count);
    db_arg_strs(&a, missing.names, missing.count);
    db_arg_strs(&a, missing.tags, missing.count);
    return db_query(db, &Q_SERIES_INSERT, &a, NULL);
}

static enum status ensure_locked(struct db *db, void *arg)
{
    struct ensure *e = arg;
    TRY(lock_host(db, e->arena, e->host));
    size_t found = 0;
    TRY(find_all(db, e, &found)); /* again: another may have made them before the lock was ours */
    if (found == e->count)
        return ST_OK;
    TRY(insert_missing(db, e));
    return find_all(db, e, &found);
}

enum status series_ensure(struct db *db, struct arena *arena, const struct uuid *host,
                          const struct series_key *keys, size_t count, int64_t *ids)
{
    if (count == 0)
        return ST_OK;
    struct ensure e = {.arena = arena, .host = host, .count = count, .ids = ids};
    for (size_t i = 0; i < count; i++)
        ids[i] = 0;
    TRY(split_keys(&e, keys));
    size_t found = 0;
    TRY(find_all(db, &e, &found));
    if (found == count)
        return ST_OK;
    return db_transact(db, ensure_locked, &e);
}

struct uuid layout_digest(const int64_t *series_ids, size_t count)
{
    /* In the host's byte order: the digest is made and compared by daemons of one architecture
     * class, and a difference would only cost a second layout of the same series. */
    struct uuid digest;
    (void)crypto_generichash(digest.b, sizeof(digest.b), (const unsigned char *)series_ids,
                             count * sizeof(*series_ids), NULL, 0);
    return digest;
}

struct layout_ensure {
    struct arena *arena;
    const struct uuid *host;
    struct uuid digest;
    const int64_t *series_ids;
    size_t count;
    int64_t id;
};

static enum status layout_find(struct db *db, struct layout_ensure *e)
{
    struct db_args a;
    db_args_init(&a, e->arena);
    db_arg_uuid(&a, e->host);
    db_arg_uuid(&a, &e->digest);
    AUTO_RESULT r = NULL;
    TRY(db_query_one(db, &Q_LAYOUT_FIND, &a, &r));
    e->id = row_i64(r, 0, "id");
    return ST_OK;
}

static enum status layout_locked(struct db *db, void *arg)
{
    struct layout_ensure *e = arg;
    TRY(lock_host(db, e->arena, e->host));
    int64_t have = 0;
    TRY(count_of(db, &Q_LAYOUT_COUNT, e->arena, e->host, &have));
    if (have >= LIMIT_LAYOUTS_PER_HOST && e->count > 1)
        return ST_OVERLOADED;
    struct db_args a;
    db_args_init(&a, e->arena);
    db_arg_uuid(&a, e->host);
    db_arg_uuid(&a, &e->digest);
    db_arg_i64s(&a, e->series_ids, e->count);
    TRY(db_query(db, &Q_LAYOUT_INSERT, &a, NULL));
    return layout_find(db, e);
}

enum status layout_ensure(struct db *db, struct arena *arena, const struct uuid *host,
                          const int64_t *series_ids, size_t count, int64_t *out)
{
    struct layout_ensure e = {.arena = arena,
                              .host = host,
                              .digest = layout_digest(series_ids, count),
                              .series_ids = series_ids,
                              .count = count};
    enum status st = layout_find(db, &e);
    if (st == ST_NOT_FOUND)
        st = db_transact(db, layout_locked, &e);
    TRY(st);
    *out = e.id;
    return ST_OK;
}
