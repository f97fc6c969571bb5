/* A direct-mapped table under one lock. */
#include "auth/cache.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/clock.h"

struct auth_cache {
    pthread_mutex_t lock;
    int64_t forgot_us; /* answers asked for before are not taken */
    size_t mask;
    struct auth_entry entry[];
};

struct auth_cache *auth_cache_new(size_t entries)
{
    size_t count = 1;
    while (count < entries)
        count *= 2;
    struct auth_cache *c = calloc(1, sizeof(*c) + count * sizeof(struct auth_entry));
    if (!c)
        return NULL;
    c->mask = count - 1;
    (void)pthread_mutex_init(&c->lock, NULL);
    return c;
}

void auth_cache_free(struct auth_cache *c)
{
    if (!c)
        return;
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void auth_cache_key(const char *credential, unsigned char out[AUTH_CACHE_KEY_BYTES])
{
    /* BLAKE2b: it costs each request a third of SHA-256. */
    (void)crypto_generichash(out, AUTH_CACHE_KEY_BYTES, (const unsigned char *)credential,
                             strlen(credential), NULL, 0);
}

/* The key is a hash already. */
static struct auth_entry *slot(struct auth_cache *c, const unsigned char *key)
{
    uint64_t h = 0;
    memcpy(&h, key, sizeof(h));
    return &c->entry[h & c->mask];
}

bool auth_cache_get(struct auth_cache *c, const unsigned char key[AUTH_CACHE_KEY_BYTES],
                    int64_t now_us, struct auth_entry *out)
{
    (void)pthread_mutex_lock(&c->lock);
    const struct auth_entry *e = slot(c, key);
    const bool found = e->found_us != 0 && now_us - e->found_us < AUTH_CACHE_LIFE_US &&
                       memcmp(e->key, key, AUTH_CACHE_KEY_BYTES) == 0;
    if (found)
        *out = *e;
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

void auth_cache_put(struct auth_cache *c, const struct auth_entry *entry, int64_t asked_us)
{
    (void)pthread_mutex_lock(&c->lock);
    if (asked_us > c->forgot_us) {
        struct auth_entry *e = slot(c, entry->key);
        *e = *entry;
        e->found_us = asked_us;
    }
    (void)pthread_mutex_unlock(&c->lock);
}

void auth_cache_forget(struct auth_cache *c, const struct uuid *user)
{
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i <= c->mask; i++) {
        if (!user || uuid_eq(&c->entry[i].who.user_id, user))
            c->entry[i].found_us = 0;
    }
    c->forgot_us = clock_mono_us();
    (void)pthread_mutex_unlock(&c->lock);
}
