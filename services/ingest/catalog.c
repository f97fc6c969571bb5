/* Cached identities of hosts, series and layouts. */
#include "services/ingest/catalog.h"

#include "base/limits.h"
#include "base/str.h"
#include "services/ingest/cache.h"
#include "store/hosts.h"

struct catalog {
    struct cache *hosts;   /* org + agent_id → uuid */
    struct cache *series;  /* host + type, name, tags → id */
    struct cache *layouts; /* host + digest → id */
};

/* Two lengths and the texts after the host's id. */
#define SERIES_KEY_BYTES \
    (sizeof(struct uuid) + LIMIT_METRIC_TYPE + LIMIT_METRIC_NAME + LIMIT_METRIC_TAGS_BYTES + 4)

struct bytes {
    unsigned char at[SERIES_KEY_BYTES];
    size_t len;
};

struct catalog *catalog_new(void)
{
    struct catalog *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->hosts = cache_new(LIMIT_HOSTS_CACHED, sizeof(struct uuid), LIMIT_METRIC_CACHE_MS);
    c->series = cache_new(LIMIT_SERIES_CACHED, sizeof(int64_t), 0);
    c->layouts = cache_new(LIMIT_LAYOUTS_CACHED, sizeof(int64_t), 0);
    if (c->hosts && c->series && c->layouts)
        return c;
    catalog_free(c);
    return NULL;
}

void catalog_free(struct catalog *c)
{
    if (!c)
        return;
    cache_free(c->hosts);
    cache_free(c->series);
    cache_free(c->layouts);
    free(c);
}

static void add(struct bytes *b, const void *data, size_t len)
{
    len = MIN_OF(len,
                 sizeof(b->at) - b->len); /* lengths were checked when the format was decoded */
    memcpy(b->at + b->len, data, len);
    b->len += len;
}

static void host_key(struct bytes *b, const struct uuid *org, const char *agent_id)
{
    b->len = 0;
    add(b, org->b, sizeof(org->b));
    add(b, agent_id, strlen(agent_id));
}

enum status catalog_host(struct catalog *c, struct db *db, struct arena *arena,
                         const struct principal *who, const char *agent_id, struct uuid *out)
{
    bool is_bound = !uuid_is_nil(&who->host_id);
    if (!agent_id) {
        if (!is_bound)
            return ST_INVALID;
        *out = who->host_id;
        return ST_OK;
    }
    struct bytes key;
    host_key(&key, &who->org_id, agent_id);
    struct uuid id = {0};
    if (!cache_get(c->hosts, key.at, key.len, &id)) {
        struct host host;
        enum status st = is_bound ? host_find_agent(db, arena, &who->org_id, agent_id, &host)
                                  : host_register(db, arena, &who->org_id, agent_id, &host);
        if (st == ST_NOT_FOUND)
            return ST_FORBIDDEN;
        TRY(st);
        id = host.id;
        cache_put(c->hosts, key.at, key.len, &id);
    }
    if (is_bound && !uuid_eq(&id, &who->host_id))
        return ST_FORBIDDEN;
    *out = id;
    return ST_OK;
}

void catalog_forget_host(struct catalog *c, const struct principal *who, const char *agent_id)
{
    if (!agent_id)
        return;
    struct bytes key;
    host_key(&key, &who->org_id, agent_id);
    cache_remove(c->hosts, key.at, key.len);
}

static void series_bytes(struct bytes *b, const struct uuid *host, const struct series_key *key)
{
    b->len = 0;
    add(b, host->b, sizeof(host->b));
    add(b, key->type, strlen(key->type) + 1);
    add(b, key->name, strlen(key->name) + 1);
    add(b, key->tags, strlen(key->tags));
}

enum status catalog_series(struct catalog *c, struct db *db, struct arena *arena,
                           const struct uuid *host, const struct series_key *const *keys,
                           size_t count, int64_t *ids)
{
    struct series_key *missing = NULL;
    size_t *missing_at = NULL;
    size_t missing_count = 0;
    struct bytes b;
    for (size_t i = 0; i < count; i++) {
        series_bytes(&b, host, keys[i]);
        if (cache_get(c->series, b.at, b.len, &ids[i]))
            continue;
        if (!missing) {
            missing = arena_array(arena, count - i, sizeof(*missing));
            missing_at = arena_array(arena, count - i, sizeof(*missing_at));
            if (!missing || !missing_at)
                return ST_NO_MEMORY;
        }
        missing[missing_count] = *keys[i];
        missing_at[missing_count++] = i;
    }
    if (missing_count == 0)
        return ST_OK;

    int64_t *found = arena_array(arena, missing_count, sizeof(*found));
    if (!found)
        return ST_NO_MEMORY;
    TRY(series_ensure(db, arena, host, missing, missing_count, found));
    for (size_t i = 0; i < missing_count; i++) {
        ids[missing_at[i]] = found[i];
        series_bytes(&b, host, &missing[i]);
        if (found[i] != 0)
            cache_put(c->series, b.at, b.len, &found[i]);
    }
    return ST_OK;
}

enum status catalog_layout(struct catalog *c, struct db *db, struct arena *arena,
                           const struct uuid *host, const int64_t *series_ids, size_t count,
                           int64_t *out)
{
    struct uuid key[2] = {*host, layout_digest(series_ids, count)};
    int64_t id = 0;
    if (!cache_get(c->layouts, key, sizeof(key), &id)) {
        TRY(layout_ensure(db, arena, host, series_ids, count, &id));
        cache_put(c->layouts, key, sizeof(key), &id);
    }
    *out = id;
    return ST_OK;
}
