/* A bounded list under a lock; whoever finds it due takes it away and writes it. */
#include "store/key_uses.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "gen/queries.h"
#include "log/log.h"

enum { USES_MAX = 512, ARENA_BYTES = 1 << 18, AGE_MS = 5000 };

struct use {
    struct uuid key;
    int64_t at_us;
};

struct key_uses {
    pthread_mutex_t lock;
    size_t count;
    int64_t flushed_mono_ms;
    struct use use[USES_MAX];
};

struct key_uses *key_uses_new(void)
{
    struct key_uses *u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    (void)pthread_mutex_init(&u->lock, NULL);
    u->flushed_mono_ms = clock_mono_ms();
    return u;
}

void key_uses_free(struct key_uses *u)
{
    if (!u)
        return;
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
}

static enum status write_batch(struct db *db, const struct use *use, size_t count)
{
    AUTO_ARENA arena = arena_new_small(ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct db_args a;
    db_args_init(&a, arena);
    db_arg_uuids_of(&a, DB_COLUMN(use, count, key));
    db_arg_times_of(&a, DB_COLUMN(use, count, at_us));
    return db_query(db, &Q_API_KEYS_USED, &a, NULL);
}

void key_uses_flush(struct key_uses *u, struct db *db)
{
    struct use batch[USES_MAX];
    (void)pthread_mutex_lock(&u->lock);
    const size_t count = u->count;
    memcpy(batch, u->use, count * sizeof(*batch));
    u->count = 0;
    u->flushed_mono_ms = clock_mono_ms();
    (void)pthread_mutex_unlock(&u->lock);
    if (count == 0)
        return;
    const enum status st = write_batch(db, batch, count);
    if (st != ST_OK)
        log_warn("key_uses_lost", kv_i64("count", (int64_t)count), kv_status(st));
}

void key_uses_note(struct key_uses *u, struct db *db, const struct uuid *key)
{
    (void)pthread_mutex_lock(&u->lock);
    size_t i = 0;
    while (i < u->count && !uuid_eq(&u->use[i].key, key))
        i++;
    if (i < USES_MAX) {
        u->use[i] = (struct use){.key = *key, .at_us = clock_wall_us()};
        u->count = MAX_OF(u->count, i + 1);
    }
    const bool is_due = u->count == USES_MAX || clock_mono_ms() - u->flushed_mono_ms >= AGE_MS;
    (void)pthread_mutex_unlock(&u->lock);
    if (is_due)
        key_uses_flush(u, db);
}
