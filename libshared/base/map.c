/* Hash map with linear probing and backward-shift deletion. */
#include "base/map.h"

#include <pthread.h>
#include <string.h>

#include <sodium.h>

#include "base/rand.h"

struct slot {
    uint64_t hash;
    void *key; /* NULL: free */
    size_t len;
    void *value;
};

struct map {
    struct slot *slots;
    size_t cap; /* a power of two */
    size_t count;
    size_t max;
};

enum { FIRST_CAP = 16 };

static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static void make_hash_key(void)
{
    rand_bytes(hash_key, sizeof(hash_key));
}

static uint64_t hash_of(const void *key, size_t len)
{
    uint64_t h = 0;
    (void)crypto_shorthash((unsigned char *)&h, key, len, hash_key);
    return h;
}

struct map *map_new(size_t max)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_hash_key);

    struct map *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->cap = FIRST_CAP;
    m->max = max;
    m->slots = calloc(m->cap, sizeof(*m->slots));
    if (!m->slots) {
        free(m);
        return NULL;
    }
    return m;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->cap; i++)
        free(m->slots[i].key);
    free(m->slots);
    free(m);
}

size_t map_count(const struct map *m)
{
    return m->count;
}

/* The slot of the key, or the free slot where it would go. */
static struct slot *find(const struct map *m, uint64_t hash, const void *key, size_t len)
{
    for (size_t i = (size_t)hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct slot *s = &m->slots[i];
        if (!s->key || (s->hash == hash && s->len == len && memcmp(s->key, key, len) == 0))
            return s;
    }
}

void *map_get(const struct map *m, const void *key, size_t len)
{
    return find(m, hash_of(key, len), key, len)->value;
}

static enum status grow(struct map *m)
{
    struct map bigger = {.cap = m->cap * 2};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < m->cap; i++) {
        const struct slot *s = &m->slots[i];
        if (s->key)
            *find(&bigger, s->hash, s->key, s->len) = *s;
    }
    free(m->slots);
    m->slots = bigger.slots;
    m->cap = bigger.cap;
    return ST_OK;
}

enum status map_set(struct map *m, const void *key, size_t len, void *value)
{
    uint64_t hash = hash_of(key, len);
    struct slot *s = find(m, hash, key, len);
    if (s->key) {
        s->value = value;
        return ST_OK;
    }
    if (m->count >= m->max)
        return ST_OVERLOADED;
    if ((m->count + 1) * 4 > m->cap * 3) {
        TRY(grow(m));
        s = find(m, hash, key, len);
    }
    void *copy = malloc(len > 0 ? len : 1);
    if (!copy)
        return ST_NO_MEMORY;
    if (len > 0)
        memcpy(copy, key, len);
    *s = (struct slot){.hash = hash, .key = copy, .len = len, .value = value};
    m->count++;
    return ST_OK;
}

void *map_remove(struct map *m, const void *key, size_t len)
{
    struct slot *s = find(m, hash_of(key, len), key, len);
    if (!s->key)
        return NULL;
    void *value = s->value;
    free(s->key);

    /* Close the gap: pull back every following entry that may move to it. */
    size_t gap = (size_t)(s - m->slots);
    for (size_t i = (gap + 1) & (m->cap - 1); m->slots[i].key; i = (i + 1) & (m->cap - 1)) {
        size_t home = (size_t)m->slots[i].hash & (m->cap - 1);
        if (((i - home) & (m->cap - 1)) >= ((i - gap) & (m->cap - 1))) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct slot){0};
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *at, const void **key, size_t *len, void **value)
{
    while (*at < m->cap) {
        const struct slot *s = &m->slots[(*at)++];
        if (!s->key)
            continue;
        *key = s->key;
        *len = s->len;
        *value = s->value;
        return true;
    }
    return false;
}
