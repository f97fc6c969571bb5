/* Striped maps of values with an age. */
#include "services/ingest/cache.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"

enum { STRIPES = 16 };

struct entry {
    int64_t until_mono_ms;
    unsigned char value[];
};

struct stripe {
    pthread_mutex_t lock;
    struct map *map;
};

struct cache {
    size_t max; /* of a stripe */
    size_t value_bytes;
    int64_t ttl_ms;
    struct stripe stripes[STRIPES];
};

struct cache *cache_new(size_t max, size_t value_bytes, int64_t ttl_ms)
{
    struct cache *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->max = MAX_OF(max / STRIPES, 1u);
    c->value_bytes = value_bytes;
    c->ttl_ms = ttl_ms;
    bool is_good = true;
    for (size_t i = 0; i < STRIPES; i++) {
        (void)pthread_mutex_init(&c->stripes[i].lock, NULL);
        c->stripes[i].map = map_new(c->max);
        is_good = is_good && c->stripes[i].map;
    }
    if (is_good)
        return c;
    cache_free(c);
    return NULL;
}

static void drop_all(struct stripe *s)
{
    size_t at = 0, len = 0;
    const void *key = NULL;
    void *value = NULL;
    while (map_next(s->map, &at, &key, &len, &value))
        free(value);
    map_free(s->map);
    s->map = NULL;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < STRIPES; i++) {
        if (c->stripes[i].map)
            drop_all(&c->stripes[i]);
        (void)pthread_mutex_destroy(&c->stripes[i].lock);
    }
    free(c);
}

/* FNV-1a: only spreads the locks; the map has its own, keyed hash. */
static struct stripe *stripe_of(struct cache *c, const void *key, size_t len)
{
    uint32_t h = 2166136261u;
    const unsigned char *p = key;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u;
    return &c->stripes[(h ^ h >> 16) % STRIPES];
}

bool cache_get(struct cache *c, const void *key, size_t len, void *out)
{
    struct stripe *s = stripe_of(c, key, len);
    int64_t now_ms = c->ttl_ms > 0 ? clock_mono_ms() : 0;
    (void)pthread_mutex_lock(&s->lock);
    const struct entry *e = s->map ? map_get(s->map, key, len) : NULL;
    bool is_good = e && (c->ttl_ms == 0 || now_ms < e->until_mono_ms);
    if (is_good)
        memcpy(out, e->value, c->value_bytes);
    (void)pthread_mutex_unlock(&s->lock);
    return is_good;
}

void cache_put(struct cache *c, const void *key, size_t len, const void *value)
{
    struct entry *e = malloc(sizeof(*e) + c->value_bytes);
    if (!e)
        return;
    e->until_mono_ms = clock_mono_ms() + c->ttl_ms;
    memcpy(e->value, value, c->value_bytes);

    struct stripe *s = stripe_of(c, key, len);
    (void)pthread_mutex_lock(&s->lock);
    void *before = s->map ? map_remove(s->map, key, len) : NULL;
    if (s->map && map_count(s->map) >= c->max)
        drop_all(s);
    if (!s->map)
        s->map = map_new(c->max);
    if (!s->map || map_set(s->map, key, len, e) != ST_OK)
        free(e);
    (void)pthread_mutex_unlock(&s->lock);
    free(before);
}

void cache_remove(struct cache *c, const void *key, size_t len)
{
    struct stripe *s = stripe_of(c, key, len);
    (void)pthread_mutex_lock(&s->lock);
    void *before = s->map ? map_remove(s->map, key, len) : NULL;
    (void)pthread_mutex_unlock(&s->lock);
    free(before);
}

size_t cache_count(struct cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < STRIPES; i++) {
        (void)pthread_mutex_lock(&c->stripes[i].lock);
        n += c->stripes[i].map ? map_count(c->stripes[i].map) : 0;
        (void)pthread_mutex_unlock(&c->stripes[i].lock);
    }
    return n;
}
