/* A set-associative table of buckets under one lock: a request touches four neighbours. */
#include "services/api/rate_limit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/rand.h"

enum { WAYS = 4 };
static const int64_t MINUTE_US = 60 * 1000000LL;

/* Levels are in µs of refilling: a request costs MINUTE_US / per_minute, full is MINUTE_US. */
struct bucket {
    uint64_t tag; /* 0: free */
    int64_t level_us;
    int64_t at_us;
};

struct rate_limit {
    pthread_mutex_t lock;
    unsigned char hash_key[crypto_shorthash_KEYBYTES]; /* outsiders cannot choose colliding keys */
    size_t mask;                                       /* of sets */
    struct bucket bucket[];
};

struct rate_limit *rate_limit_new(size_t buckets)
{
    size_t sets = 1;
    while (sets * WAYS < buckets)
        sets *= 2;
    struct rate_limit *r = calloc(1, sizeof(*r) + sets * WAYS * sizeof(struct bucket));
    if (!r)
        return NULL;
    r->mask = sets - 1;
    rand_bytes(r->hash_key, sizeof(r->hash_key));
    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

void rate_limit_free(struct rate_limit *r)
{
    if (!r)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static int64_t level_at(const struct bucket *b, int64_t now_us)
{
    return MIN_OF(MINUTE_US, b->level_us + MAX_OF(now_us - b->at_us, 0));
}

/* The key's bucket, or the one of its set that it takes over, brought up to now. */
static struct bucket *find(struct rate_limit *r, const struct rate_key *key, int64_t now_us)
{
    unsigned char text[1 + sizeof(key->bytes)];
    uint64_t tag = 0;
    text[0] = key->kind;
    memcpy(text + 1, key->bytes, sizeof(key->bytes));
    (void)crypto_shorthash((unsigned char *)&tag, text, sizeof(text), r->hash_key);
    tag |= 1; /* 0 means free */

    struct bucket *set = &r->bucket[((tag >> 8) & r->mask) * WAYS];
    struct bucket *fullest = set;
    int64_t fullest_us = -1;
    for (int i = 0; i < WAYS; i++) {
        struct bucket *b = &set[i];
        const int64_t level = b->tag == 0 ? INT64_MAX : level_at(b, now_us);
        if (b->tag == tag) {
            b->level_us = level;
            b->at_us = now_us;
            return b;
        }
        if (level > fullest_us) {
            fullest = b;
            fullest_us = level;
        }
    }
    *fullest = (struct bucket){.tag = tag, .level_us = MINUTE_US, .at_us = now_us};
    return fullest;
}

static int64_t seconds_up(int64_t us)
{
    return (us + 999999) / 1000000;
}

static bool ask(struct rate_limit *r, const struct rate_key *key, int64_t per_minute,
                int64_t now_us, bool take, struct rate_state *state)
{
    const int64_t cost_us = MAX_OF(MINUTE_US / MAX_OF(per_minute, 1), 1);
    (void)pthread_mutex_lock(&r->lock);
    struct bucket *b = find(r, key, now_us);
    const bool passes = b->level_us >= cost_us;
    if (passes && take)
        b->level_us -= cost_us;
    const int64_t level_us = b->level_us;
    (void)pthread_mutex_unlock(&r->lock);

    if (state) {
        *state = (struct rate_state){.limit = per_minute,
                                     .remaining = MIN_OF(level_us / cost_us, per_minute),
                                     .reset_s = seconds_up(MINUTE_US - level_us),
                                     .retry_s = passes ? 0 : seconds_up(cost_us - level_us)};
    }
    return passes;
}

bool rate_limit_take(struct rate_limit *r, const struct rate_key *key, int64_t per_minute,
                     int64_t now_us, struct rate_state *state)
{
    return ask(r, key, per_minute, now_us, true, state);
}

bool rate_limit_has(struct rate_limit *r, const struct rate_key *key, int64_t per_minute,
                    int64_t now_us, struct rate_state *state)
{
    return ask(r, key, per_minute, now_us, false, state);
}

struct rate_key rate_key_of_address(const struct sockaddr_storage *peer)
{
    struct rate_key key = {.kind = RATE_ADDRESS};
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
        memcpy(key.bytes + 12, &in->sin_addr, 4);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)peer;
        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr))
            memcpy(key.bytes + 12, in->sin6_addr.s6_addr + 12, 4);
        else
            memcpy(key.bytes, in->sin6_addr.s6_addr, 8);
    }
    return key;
}
