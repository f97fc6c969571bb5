/* A bounded table of failures, and a gate in front of the password hash. */
#include "services/api/login_guard.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "auth/password.h"
#include "base/rand.h"

enum { WAYS = 4, GATE_WAIT_S = 5 };

struct entry {
    uint64_t tag; /* 0: free */
    int64_t last_us;
    int64_t failures;
};

struct login_guard {
    pthread_mutex_t lock;
    sem_t gate;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
    size_t mask;
    struct entry entry[];
};

struct login_guard *login_guard_new(size_t entries, int hashes_at_a_time)
{
    size_t sets = 1;
    while (sets * WAYS < entries)
        sets *= 2;
    struct login_guard *g = calloc(1, sizeof(*g) + sets * WAYS * sizeof(struct entry));
    if (!g)
        return NULL;
    g->mask = sets - 1;
    rand_bytes(g->hash_key, sizeof(g->hash_key));
    (void)pthread_mutex_init(&g->lock, NULL);
    (void)sem_init(&g->gate, 0, (unsigned)MAX_OF(hashes_at_a_time, 1));
    return g;
}

void login_guard_free(struct login_guard *g)
{
    if (!g)
        return;
    (void)sem_destroy(&g->gate);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

static uint64_t tag_of(const struct login_guard *g, const void *bytes, size_t len)
{
    uint64_t tag = 0;
    (void)crypto_shorthash((unsigned char *)&tag, bytes, len, g->hash_key);
    return tag | 1;
}

static uint64_t account_tag(const struct login_guard *g, const char *account)
{
    char lower[256] = "a";
    size_t len = 1;
    for (; account[len - 1] && len < sizeof(lower); len++)
        lower[len] = (char)tolower((unsigned char)account[len - 1]);
    return tag_of(g, lower, len);
}

/* The tag's entry, or NULL; old ones are as good as gone. */
static struct entry *find(struct login_guard *g, uint64_t tag, int64_t now_us)
{
    struct entry *set = &g->entry[((tag >> 8) & g->mask) * WAYS];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].tag == tag && now_us - set[i].last_us < LOGIN_FORGET_S * 1000000LL)
            return &set[i];
    }
    return NULL;
}

static void count_failure(struct login_guard *g, uint64_t tag, int64_t now_us)
{
    struct entry *e = find(g, tag, now_us);
    if (!e) {
        struct entry *set = &g->entry[((tag >> 8) & g->mask) * WAYS];
        e = set;
        for (int i = 0; i < WAYS; i++) {
            if (set[i].tag == tag || set[i].tag == 0 || set[i].last_us < e->last_us)
                e = &set[i];
            if (e->tag == tag)
                break;
        }
        *e = (struct entry){.tag = tag};
    }
    e->failures++;
    e->last_us = now_us;
}

static int64_t wait_of(const struct entry *e, int64_t allowed, int64_t now_us)
{
    if (!e || e->failures < allowed)
        return 0;
    const int64_t doublings = MIN_OF(e->failures - allowed, 6);
    const int64_t wait_s = MIN_OF(INT64_C(1) << doublings, LOGIN_WAIT_MAX_S);
    const int64_t left_us = e->last_us + wait_s * 1000000 - now_us;
    return left_us <= 0 ? 0 : (left_us + 999999) / 1000000;
}

int64_t login_guard_wait_s(struct login_guard *g, const struct login_attempt *a)
{
    const uint64_t account = account_tag(g, a->account);
    const uint64_t address = tag_of(g, a->address.bytes, sizeof(a->address.bytes));
    (void)pthread_mutex_lock(&g->lock);
    const int64_t by_account = wait_of(find(g, account, a->now_us), LOGIN_FREE_FAILURES_ACCOUNT,
                                       a->now_us);
    const int64_t by_address = wait_of(find(g, address, a->now_us), LOGIN_FREE_FAILURES_ADDRESS,
                                       a->now_us);
    (void)pthread_mutex_unlock(&g->lock);
    return MAX_OF(by_account, by_address);
}

void login_guard_note(struct login_guard *g, const struct login_attempt *a, bool success)
{
    const uint64_t account = account_tag(g, a->account);
    const uint64_t address = tag_of(g, a->address.bytes, sizeof(a->address.bytes));
    (void)pthread_mutex_lock(&g->lock);
    if (success) {
        /* The address keeps its count: a guesser may own one account there. */
        struct entry *e = find(g, account, a->now_us);
        if (e)
            *e = (struct entry){0};
    } else {
        count_failure(g, account, a->now_us);
        count_failure(g, address, a->now_us);
    }
    (void)pthread_mutex_unlock(&g->lock);
}

static enum status enter(struct login_guard *g)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GATE_WAIT_S;
    while (sem_clockwait(&g->gate, CLOCK_MONOTONIC, &until) != 0) {
        if (errno != EINTR)
            return ST_OVERLOADED;
    }
    return ST_OK;
}

enum status login_guard_verify(struct login_guard *g, const char *hash, const char *password)
{
    TRY(enter(g));
    const enum status st = password_verify(hash, password);
    (void)sem_post(&g->gate);
    return st;
}

enum status login_guard_hash(struct login_guard *g, const char *password, char *out)
{
    TRY(enter(g));
    const enum status st = password_hash(password, out);
    (void)sem_post(&g->gate);
    return st;
}
