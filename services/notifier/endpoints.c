/* Concurrency and a circuit breaker for each endpoint. */
#include "services/notifier/endpoints.h"

#include <pthread.h>
#include <string.h>

#include "base/map.h"
#include "base/str.h"

struct endpoint {
    struct uuid channel_id;
    size_t running;
    int failures; /* in a row */
    int64_t open_until_ms;
    char target[]; /* "" with a channel */
};

struct endpoints {
    pthread_mutex_t lock;
    struct map *by_name;
    size_t max_each, max;
};

struct endpoints *endpoints_new(size_t max_each, size_t max_endpoints)
{
    struct endpoints *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->by_name = map_new(max_endpoints);
    if (!e->by_name) {
        free(e);
        return NULL;
    }
    (void)pthread_mutex_init(&e->lock, NULL);
    e->max_each = max_each;
    e->max = max_endpoints;
    return e;
}

void endpoints_free(struct endpoints *e)
{
    if (!e)
        return;
    size_t at = 0;
    const void *key = NULL;
    size_t len = 0;
    void *value = NULL;
    while (map_next(e->by_name, &at, &key, &len, &value))
        free(value);
    map_free(e->by_name);
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}

static const void *name_key(const struct uuid *channel_id, const char *target, size_t *len)
{
    if (!uuid_is_nil(channel_id)) {
        *len = sizeof(channel_id->b);
        return channel_id->b;
    }
    *len = strlen(target);
    return target;
}

static bool is_open(const struct endpoint *p, int64_t now_ms)
{
    return p->failures >= ENDPOINT_FAILURES && now_ms < p->open_until_ms;
}

/* After the pause of an open circuit there is one place, to try. */
static bool has_place(const struct endpoints *e, const struct endpoint *p, int64_t now_ms)
{
    if (is_open(p, now_ms))
        return false;
    return p->running < (p->failures >= ENDPOINT_FAILURES ? 1 : e->max_each);
}

static void forget(struct endpoints *e, struct endpoint *p)
{
    size_t len = 0;
    const void *key = name_key(&p->channel_id, p->target, &len);
    (void)map_remove(e->by_name, key, len);
    free(p);
}

/* Forgets one that nobody uses and whose pause is over: only done when the table is full. */
static bool make_room(struct endpoints *e, int64_t now_ms)
{
    size_t at = 0;
    const void *key = NULL;
    size_t len = 0;
    void *value = NULL;
    while (map_next(e->by_name, &at, &key, &len, &value)) {
        struct endpoint *p = value;
        if (p->running == 0 && !is_open(p, now_ms)) {
            forget(e, p);
            return true;
        }
    }
    return false;
}

static struct endpoint *add(struct endpoints *e, const struct endpoint_name *name, int64_t now_ms)
{
    if (map_count(e->by_name) >= e->max && !make_room(e, now_ms))
        return NULL;
    const bool has_channel = !uuid_is_nil(&name->channel_id);
    const char *target = has_channel || !name->target ? "" : name->target;
    const size_t size = strlen(target) + 1;
    struct endpoint *p = calloc(1, sizeof(*p) + size);
    if (!p)
        return NULL;
    p->channel_id = name->channel_id;
    memcpy(p->target, target, size);
    size_t len = 0;
    const void *key = name_key(&p->channel_id, p->target, &len);
    if (map_set(e->by_name, key, len, p) != ST_OK) {
        free(p);
        return NULL;
    }
    return p;
}

struct endpoint *endpoint_enter(struct endpoints *e, const struct endpoint_name *name,
                                bool is_forced, int64_t now_ms)
{
    size_t len = 0;
    const void *key = name_key(&name->channel_id, name->target ? name->target : "", &len);
    (void)pthread_mutex_lock(&e->lock);
    struct endpoint *p = map_get(e->by_name, key, len);
    if (!p)
        p = add(e, name, now_ms);
    if (p && !is_forced && !has_place(e, p, now_ms))
        p = NULL;
    if (p)
        p->running++;
    (void)pthread_mutex_unlock(&e->lock);
    return p;
}

static void count_failure(struct endpoint *p, int64_t now_ms)
{
    p->failures++;
    if (p->failures < ENDPOINT_FAILURES)
        return;
    int64_t pause = ENDPOINT_PAUSE_MS;
    for (int i = ENDPOINT_FAILURES; i < p->failures && pause < ENDPOINT_PAUSE_MAX_MS; i++)
        pause *= 2;
    p->open_until_ms = now_ms + MIN_OF(pause, (int64_t)ENDPOINT_PAUSE_MAX_MS);
}

void endpoint_leave(struct endpoints *e, struct endpoint *p, enum endpoint_verdict verdict,
                    int64_t now_ms)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&e->lock);
    p->running--;
    if (verdict == ENDPOINT_WORKS)
        p->failures = 0;
    else if (verdict == ENDPOINT_FAILS)
        count_failure(p, now_ms);
    if (p->running == 0 && p->failures == 0)
        forget(e, p);
    (void)pthread_mutex_unlock(&e->lock);
}

static enum status list_busy(struct endpoints *e, int64_t now_ms, struct arena *arena,
                             struct endpoints_busy *out)
{
    const size_t count = map_count(e->by_name);
    out->channels = arena_array(arena, count, sizeof(*out->channels));
    out->targets = arena_array(arena, count, sizeof(*out->targets));
    if (!out->channels || !out->targets)
        return ST_NO_MEMORY;
    size_t at = 0;
    const void *key = NULL;
    size_t len = 0;
    void *value = NULL;
    while (map_next(e->by_name, &at, &key, &len, &value)) {
        const struct endpoint *p = value;
        if (has_place(e, p, now_ms))
            continue;
        if (!uuid_is_nil(&p->channel_id)) {
            out->channels[out->channel_count++] = p->channel_id;
            continue;
        }
        const char *target = arena_strdup(arena, p->target);
        if (!target)
            return ST_NO_MEMORY;
        out->targets[out->target_count++] = target;
    }
    return ST_OK;
}

enum status endpoints_busy(struct endpoints *e, int64_t now_ms, struct arena *arena,
                           struct endpoints_busy *out)
{
    struct endpoints_busy busy = {0};
    (void)pthread_mutex_lock(&e->lock);
    enum status st = list_busy(e, now_ms, arena, &busy);
    (void)pthread_mutex_unlock(&e->lock);
    TRY(st);
    *out = busy;
    return ST_OK;
}

size_t endpoints_count_open(struct endpoints *e, int64_t now_ms)
{
    size_t open = 0;
    size_t at = 0;
    const void *key = NULL;
    size_t len = 0;
    void *value = NULL;
    (void)pthread_mutex_lock(&e->lock);
    while (map_next(e->by_name, &at, &key, &len, &value))
        open += is_open(value, now_ms);
    (void)pthread_mutex_unlock(&e->lock);
    return open;
}
