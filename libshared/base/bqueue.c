/* Bounded queue: a ring under one mutex. */
#include "base/bqueue.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct bqueue {
    pthread_mutex_t lock;
    pthread_cond_t can_take;
    size_t max;
    size_t first;
    size_t count;
    bool closed;
    void *ring[];
};

struct bqueue *bqueue_new(size_t max)
{
    struct bqueue *q = calloc(1, sizeof(*q) + max * sizeof(void *));
    if (!q)
        return NULL;
    q->max = max;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->can_take, &attr);
    (void)pthread_condattr_destroy(&attr);
    return q;
}

void bqueue_free(struct bqueue *q)
{
    if (!q)
        return;
    (void)pthread_cond_destroy(&q->can_take);
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}

static void add_locked(struct bqueue *q, void *item)
{
    q->ring[(q->first + q->count) % q->max] = item;
    q->count++;
    (void)pthread_cond_signal(&q->can_take);
}

enum status bqueue_try_put(struct bqueue *q, void *item)
{
    enum status st = ST_OK;
    (void)pthread_mutex_lock(&q->lock);
    if (q->closed)
        st = ST_STOPPED;
    else if (q->count == q->max)
        st = ST_OVERLOADED;
    else
        add_locked(q, item);
    (void)pthread_mutex_unlock(&q->lock);
    return st;
}

static struct timespec deadline_in(int64_t timeout_ms)
{
    /* The real monotonic clock on purpose: a test's clock does not move by itself, a wait must. */
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += timeout_ms / 1000;
    ts.tv_nsec += (timeout_ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    return ts;
}

/* Waits on `cond`; false once the deadline passed. */
static bool wait_on(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms,
                    const struct timespec *deadline)
{
    if (timeout_ms < 0)
        return pthread_cond_wait(cond, lock) == 0;
    return pthread_cond_timedwait(cond, lock, deadline) != ETIMEDOUT;
}

size_t bqueue_take(struct bqueue *q, void **items, size_t max, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(MAX_OF(timeout_ms, (int64_t)0));
    (void)pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed) {
        if (!wait_on(&q->can_take, &q->lock, timeout_ms, &deadline))
            break;
    }
    size_t n = MIN_OF(q->count, max);
    for (size_t i = 0; i < n; i++) {
        items[i] = q->ring[q->first];
        q->first = (q->first + 1) % q->max;
    }
    q->count -= n;
    (void)pthread_mutex_unlock(&q->lock);
    return n;
}

void bqueue_close(struct bqueue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->closed = true;
    (void)pthread_cond_broadcast(&q->can_take);
    (void)pthread_mutex_unlock(&q->lock);
}

bool bqueue_is_closed(struct bqueue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    bool closed = q->closed;
    (void)pthread_mutex_unlock(&q->lock);
    return closed;
}

size_t bqueue_count(struct bqueue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    size_t n = q->count;
    (void)pthread_mutex_unlock(&q->lock);
    return n;
}
