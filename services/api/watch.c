/* The stage that keeps the health items of the API up to date. */
#include "services/api/watch.h"

#include "base/clock.h"
#include "base/stage.h"
#include "log/log.h"
#include "store/key_uses.h"

enum {
    PERIOD_MS = 2000,
    REDIS_TIMEOUT_MS = 1000,
    SILENT_ROUNDS = 2,      /* a busy moment is no silence */
    SILENT_PERIOD_MS = 250, /* and then an answer is news */
};

struct api_watch {
    struct stage *stage;
    struct db *db;
    struct redis *redis;
    struct key_uses *uses; /* written at each round */
    int silent_rounds;     /* in a row */
};

/* Reachable by handlers of health routes, which have no way to the service's state. */
static struct health_item database = {.name = "database", .is_required = true};
static struct health_item redis = {.name = "redis", .is_required = false};

static atomic_bool has_cache; /* as set */
static atomic_bool is_silent; /* Redis takes connections and says nothing */

bool api_has_database(void)
{
    return atomic_load(&database.is_ok);
}

bool api_has_redis(void)
{
    return atomic_load(&redis.is_ok);
}

bool api_has_cache(void)
{
    return atomic_load(&has_cache) && api_has_redis();
}

const atomic_bool *api_redis_is_silent(void)
{
    return &is_silent;
}

static void note(struct health_item *item, bool ok, const char *why)
{
    if (atomic_load(&item->is_ok) == ok)
        return;
    health_set(item, ok);
    if (ok)
        log_info("store_up", kv_str("store", item->name));
    else
        log_warn("store_down", kv_str("store", item->name), kv_str("error", why));
}

/* Who has to wait for an answer that does not come holds a handler for seconds, and a few of them
 * hold all. A Redis that refuses connections keeps nobody. */
static void ping_redis(struct api_watch *w)
{
    const int64_t began_ms = clock_mono_ms();
    const bool has_redis = redis_ping(w->redis) == ST_OK;
    const bool took_all = clock_mono_ms() - began_ms >= REDIS_TIMEOUT_MS * 9 / 10;
    if (has_redis)
        w->silent_rounds = 0;
    else if (took_all)
        w->silent_rounds++;
    atomic_store(&is_silent, w->silent_rounds >= SILENT_ROUNDS);
    note(&redis, has_redis, redis_error(w->redis));
}

static void run(struct stage *stage, void *arg)
{
    struct api_watch *w = arg;
    do {
        const bool has_db = db_ping(w->db) == ST_OK;
        note(&database, has_db, db_error(w->db));
        if (has_db)
            key_uses_flush(w->uses, w->db);
        ping_redis(w);
    } while (stage_sleep(stage, atomic_load(&is_silent) ? SILENT_PERIOD_MS : PERIOD_MS));
    atomic_store(&is_silent, false);
}

enum status api_watch_start(const struct conf *conf, struct key_uses *uses, struct api_watch **out,
                            struct errbuf *err)
{
    static bool is_added; /* the registry keeps items for ever: a test may start a second API */
    atomic_store(&has_cache, conf->cache_ttl > 0);
    if (!is_added) {
        health_add(&database);
        health_add(&redis);
        is_added = true;
    }
    struct api_watch *w = calloc(1, sizeof(*w));
    if (!w)
        return ST_NO_MEMORY;
    w->uses = uses;
    enum status st = db_new(conf->database_url, "tocsin-api watch", &w->db, err);
    if (st == ST_OK)
        st = redis_new(conf->redis_url, REDIS_TIMEOUT_MS, &w->redis, err);
    if (st == ST_OK)
        st = stage_start("watch", run, w, &w->stage);
    if (st != ST_OK) {
        api_watch_stop(w);
        return st;
    }
    *out = w;
    return ST_OK;
}

void api_watch_stop(struct api_watch *w)
{
    if (!w)
        return;
    stage_join(w->stage);
    if (w->db && db_is_connected(w->db))
        key_uses_flush(w->uses, w->db);
    db_free(w->db);
    redis_free(w->redis);
    free(w);
}
