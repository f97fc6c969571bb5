/* A hash table of counted plans. */
#include "services/scheduler/plans.h"

enum { TABLE_START = 64 };

struct node {
    struct sched_plan plan; /* first: what is given out points at it */
    struct node *next;
    size_t users;
};

struct plans {
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

bool sched_plan_eq(const struct sched_plan *a, const struct sched_plan *b)
{
    return a->jitter_ms == b->jitter_ms && a->catch_up == b->catch_up &&
           schedule_eq(&a->schedule, &b->schedule);
}

static struct node **bucket_of(const struct plans *p, const struct sched_plan *plan)
{
    const struct cron *c = &plan->schedule.cron;
    const uint64_t parts[] = {
        (uint64_t)plan->schedule.interval_ms,   c->minutes,
        (uint64_t)c->hours << 32 | c->days,     (uint64_t)c->months << 8 | c->weekdays,
        (uint64_t)(uintptr_t)plan->schedule.tz, (uint64_t)plan->jitter_ms};
    uint64_t h = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        h = (h ^ parts[i]) * 0x9e3779b97f4a7c15ULL;
    return &p->buckets[(h >> 32) & (p->bucket_count - 1)];
}

struct plans *plans_new(void)
{
    struct plans *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->bucket_count = TABLE_START;
    p->buckets = calloc(p->bucket_count, sizeof(struct node *));
    if (!p->buckets) {
        free(p);
        return NULL;
    }
    return p;
}

void plans_free(struct plans *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->bucket_count; i++) {
        for (struct node *n = p->buckets[i], *next; n; n = next) {
            next = n->next;
            free(n);
        }
    }
    free(p->buckets);
    free(p);
}

static enum status grow(struct plans *p)
{
    struct plans bigger = {.bucket_count = p->bucket_count * 2, .count = p->count};
    bigger.buckets = calloc(bigger.bucket_count, sizeof(struct node *));
    if (!bigger.buckets)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < p->bucket_count; i++) {
        for (struct node *n = p->buckets[i], *next; n; n = next) {
            struct node **bucket = bucket_of(&bigger, &n->plan);
            next = n->next;
            n->next = *bucket;
            *bucket = n;
        }
    }
    free(p->buckets);
    *p = bigger;
    return ST_OK;
}

enum status plans_obtain(struct plans *p, const struct sched_plan *plan,
                         const struct sched_plan **out)
{
    struct node *n = *bucket_of(p, plan);
    while (n && !sched_plan_eq(&n->plan, plan))
        n = n->next;
    if (!n) {
        if (p->count >= p->bucket_count)
            TRY(grow(p));
        n = calloc(1, sizeof(*n));
        if (!n)
            return ST_NO_MEMORY;
        struct node **bucket = bucket_of(p, plan);
        n->plan = *plan;
        n->next = *bucket;
        *bucket = n;
        p->count++;
    }
    n->users++;
    *out = &n->plan;
    return ST_OK;
}

void plans_release(struct plans *p, const struct sched_plan *plan)
{
    if (!plan)
        return;
    struct node **at = bucket_of(p, plan);
    while (&(*at)->plan != plan)
        at = &(*at)->next;
    struct node *n = *at;
    if (--n->users > 0)
        return;
    *at = n->next;
    p->count--;
    free(n);
}
