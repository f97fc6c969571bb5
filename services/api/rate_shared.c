/* Leases of tokens from buckets in Redis: a set-associative table under one lock, which nobody
 * holds while Redis is asked. */
#include "services/api/rate_shared.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "base/str.h"
#include "gen/scripts.h"

enum { WAYS = 4, SHARE = 20 /* of a minute's requests that one process holds at most */ };
static const int64_t SECOND_US = 1000000;

struct lease {
    struct rate_key key;
    bool is_used;
    int64_t tokens;        /* drawn, and not taken yet */
    int64_t left;          /* what the bucket had after that */
    int64_t full_us;       /* until it is full, then */
    int64_t drawn_us;      /* when; a lease lasts a second */
    int64_t taken;         /* since then: how busy the caller is */
    int64_t empty_till_us; /* nothing was left: no use in asking before */
};

struct rate_shared {
    pthread_mutex_t lock;
    int64_t off_till_us;                               /* Redis did not answer */
    unsigned char hash_key[crypto_shorthash_KEYBYTES]; /* outsiders cannot choose a set */
    size_t mask;                                       /* of sets */
    struct lease lease[];
};

struct rate_shared *rate_shared_new(size_t callers)
{
    size_t sets = 1;
    while (sets * WAYS < callers)
        sets *= 2;
    struct rate_shared *s = calloc(1, sizeof(*s) + sets * WAYS * sizeof(struct lease));
    if (!s)
        return NULL;
    s->mask = sets - 1;
    rand_bytes(s->hash_key, sizeof(s->hash_key));
    (void)pthread_mutex_init(&s->lock, NULL);
    return s;
}

void rate_shared_free(struct rate_shared *s)
{
    if (!s)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static void hash_key(const struct rate_key *key, unsigned char out[16])
{
    unsigned char text[1 + sizeof(key->bytes)];
    text[0] = key->kind;
    memcpy(text + 1, key->bytes, sizeof(key->bytes));
    (void)crypto_generichash(out, 16, text, sizeof(text), NULL, 0);
}

/* The key's lease, or the one of its set that was drawn longest ago, which is forgotten: what it
 * held is lost to its caller for the moment, never given out twice. */
static struct lease *find(struct rate_shared *s, const struct rate_key *key)
{
    unsigned char text[1 + sizeof(key->bytes)];
    uint64_t place = 0;
    text[0] = key->kind;
    memcpy(text + 1, key->bytes, sizeof(key->bytes));
    (void)crypto_shorthash((unsigned char *)&place, text, sizeof(text), s->hash_key);
    struct lease *set = &s->lease[(place & s->mask) * WAYS];
    struct lease *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        struct lease *l = &set[i];
        if (l->is_used && l->key.kind == key->kind &&
            memcmp(l->key.bytes, key->bytes, sizeof(key->bytes)) == 0)
            return l;
        if (l->drawn_us < oldest->drawn_us)
            oldest = l;
    }
    *oldest = (struct lease){.key = *key, .is_used = true};
    return oldest;
}

static void tell(const struct lease *l, int64_t per_minute, int64_t now_us, struct rate_state *out)
{
    const int64_t waited_us = MAX_OF(now_us - l->drawn_us, 0);
    *out = (struct rate_state){
        .limit = per_minute,
        .remaining = l->tokens + l->left,
        .reset_s = (MAX_OF(l->full_us - waited_us, 0) + SECOND_US - 1) / SECOND_US,
        .retry_s = (MAX_OF(l->empty_till_us - now_us, 0) + SECOND_US - 1) / SECOND_US,
    };
}

struct draw {
    int64_t wanted, given_back;
    int64_t granted, left, full_us;
};

static enum status ask(struct redis *redis, const unsigned char hash[16], int64_t per_minute,
                       struct draw *d)
{
    char hex[33], key[48];
    str_hex(hash, 16, hex);
    (void)snprintf(key, sizeof(key), "{r:%s}", hex);
    const char *const keys[] = {key};
    struct rargs a;
    rargs_init(&a, NULL);
    rargs_i64(&a, per_minute);
    rargs_i64(&a, d->wanted);
    rargs_i64(&a, d->given_back);
    AUTO_REPLY reply = NULL;
    TRY(redis_script(redis, &SCRIPT_TAKE_TOKENS, keys, 1, &a, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return ST_IO;
    d->granted = reply->element[0]->integer;
    d->left = reply->element[1]->integer;
    d->full_us = reply->element[2]->integer;
    return ST_OK;
}

/* What the lease can decide by itself; RATE_UNKNOWN: Redis is to be asked for `d`. */
static enum rate_verdict try_lease(struct lease *l, int64_t per_minute, int64_t now_us,
                                   struct draw *d)
{
    const bool is_fresh = now_us - l->drawn_us < SECOND_US;
    if (is_fresh && l->tokens > 0) {
        l->tokens--;
        l->taken++;
        return RATE_PASSED;
    }
    if (now_us < l->empty_till_us)
        return RATE_REFUSED;
    *d = (struct draw){
        .given_back = l->tokens,
        .wanted = MIN_OF(MAX_OF(2 * l->taken, (int64_t)1), MAX_OF(per_minute / SHARE, (int64_t)1))};
    l->tokens = 0; /* another thread must not give them back as well */
    return RATE_UNKNOWN;
}

static enum rate_verdict book(struct lease *l, int64_t per_minute, int64_t now_us,
                              const struct draw *d)
{
    l->tokens += d->granted;
    l->left = d->left;
    l->full_us = d->full_us;
    l->drawn_us = now_us;
    l->taken = d->granted > 0;
    const int64_t cost_us = MAX_OF(60 * SECOND_US / MAX_OF(per_minute, (int64_t)1), (int64_t)1);
    l->empty_till_us = d->granted > 0 ? 0
                                      : now_us + cost_us - (60 * SECOND_US - d->full_us) % cost_us;
    if (l->tokens > 0)
        l->tokens--;
    return d->granted > 0 ? RATE_PASSED : RATE_REFUSED;
}

enum rate_verdict rate_shared_take(struct rate_shared *s, struct redis *redis,
                                   const struct rate_key *key, int64_t per_minute, int64_t now_us,
                                   struct rate_state *state)
{
    unsigned char hash[16];
    struct draw d;
    enum rate_verdict verdict = RATE_UNKNOWN;
    (void)pthread_mutex_lock(&s->lock);
    const bool is_off = now_us < s->off_till_us;
    struct lease *l = find(s, key);
    if (!is_off)
        verdict = try_lease(l, per_minute, now_us, &d);
    if (verdict != RATE_UNKNOWN)
        tell(l, per_minute, now_us, state);
    (void)pthread_mutex_unlock(&s->lock);
    if (is_off || verdict != RATE_UNKNOWN)
        return verdict;

    hash_key(key, hash);
    const enum status st = ask(redis, hash, per_minute, &d);
    (void)pthread_mutex_lock(&s->lock);
    if (st == ST_OK) {
        l = find(s, key); /* it may have made room for another */
        verdict = book(l, per_minute, now_us, &d);
        tell(l, per_minute, now_us, state);
    } else {
        s->off_till_us = now_us + SECOND_US;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return verdict;
}
