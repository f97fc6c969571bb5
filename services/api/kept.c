/* A set-associative table under one lock. */
#include "services/api/kept.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/rand.h"

enum { SETS = 1024, WAYS = 4, SEEN = 8192 };

struct entry {
    struct kept_key key;
    struct generations stamp;
    int64_t at_ms;
    char *text; /* NULL: free */
    size_t len;
};

struct kept {
    pthread_mutex_t lock;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
    size_t bytes, bytes_max;
    size_t hand;         /* the set that makes room next */
    uint32_t seen[SEEN]; /* hashes of keys, by hash */
    struct entry entry[SETS][WAYS];
};

struct kept *kept_new(size_t bytes_max)
{
    struct kept *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->bytes_max = bytes_max;
    rand_bytes(k->hash_key, sizeof(k->hash_key));
    (void)pthread_mutex_init(&k->lock, NULL);
    return k;
}

static void drop(struct kept *k, struct entry *e)
{
    k->bytes -= e->len;
    free(e->text);
    *e = (struct entry){0};
}

void kept_free(struct kept *k)
{
    if (!k)
        return;
    for (size_t s = 0; s < SETS; s++) {
        for (size_t w = 0; w < WAYS; w++)
            free(k->entry[s][w].text);
    }
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}

static uint64_t hash(const struct kept *k, const struct kept_key *key)
{
    uint64_t h = 0;
    (void)crypto_shorthash((unsigned char *)&h, (const unsigned char *)key, sizeof(*key),
                           k->hash_key);
    return h;
}

static struct entry *find(struct entry *set, const struct kept_key *key)
{
    for (size_t w = 0; w < WAYS; w++) {
        if (set[w].text && memcmp(&set[w].key, key, sizeof(*key)) == 0)
            return &set[w];
    }
    return NULL;
}

bool kept_touch(struct kept *k, const struct kept_key *key)
{
    const uint64_t h = hash(k, key);
    uint32_t *seen = &k->seen[(h >> 32) % SEEN];
    (void)pthread_mutex_lock(&k->lock);
    const bool was_there = *seen == (uint32_t)h || find(k->entry[h % SETS], key);
    *seen = (uint32_t)h;
    (void)pthread_mutex_unlock(&k->lock);
    return was_there;
}

char *kept_get(struct kept *k, const struct kept_key *key, const struct generations *stamp,
               int64_t since_ms, struct arena *arena, size_t *len)
{
    char *text = NULL;
    (void)pthread_mutex_lock(&k->lock);
    const struct entry *e = find(k->entry[hash(k, key) % SETS], key);
    if (e && e->at_ms > since_ms && memcmp(&e->stamp, stamp, sizeof(*stamp)) == 0) {
        text = arena_strndup(arena, e->text, e->len);
        *len = e->len;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return text;
}

/* The key's own place, a free one, or the oldest one's. */
static struct entry *place(struct entry *set, const struct kept_key *key)
{
    struct entry *found = find(set, key);
    for (size_t w = 0; w < WAYS && !found; w++) {
        if (!set[w].text)
            found = &set[w];
    }
    if (found)
        return found;
    found = set;
    for (size_t w = 1; w < WAYS; w++) {
        if (set[w].at_ms < found->at_ms)
            found = &set[w];
    }
    return found;
}

static void make_room(struct kept *k, size_t bytes)
{
    for (size_t n = 0; n < SETS && k->bytes + bytes > k->bytes_max; n++) {
        struct entry *set = k->entry[k->hand];
        k->hand = (k->hand + 1) % SETS;
        for (size_t w = 0; w < WAYS; w++) {
            if (set[w].text)
                drop(k, &set[w]);
        }
    }
}

void kept_put(struct kept *k, const struct kept_key *key, const struct generations *stamp,
              int64_t at_ms, const char *text, size_t len)
{
    char *copy = len <= k->bytes_max ? malloc(MAX_OF(len, (size_t)1)) : NULL;
    if (!copy)
        return;
    memcpy(copy, text, len);
    (void)pthread_mutex_lock(&k->lock);
    make_room(k, len);
    struct entry *e = place(k->entry[hash(k, key) % SETS], key);
    if (e->text)
        drop(k, e);
    *e = (struct entry){.key = *key, .stamp = *stamp, .at_ms = at_ms, .text = copy, .len = len};
    k->bytes += len;
    (void)pthread_mutex_unlock(&k->lock);
}
