/* Which job runs next, and how many a lane may take in. */
#include "services/worker/pool_internal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "queue/metrics.h"
#include "services/worker/frame.h"

enum { SIFT_MS = 100 };

/* --- the lists --- */

static void ready_push(struct pool *p, struct work *work)
{
    struct lane *lane = work->lane;
    work->next = NULL;
    *lane->ready_end = work;
    lane->ready_end = &work->next;
    lane->ready_count++;
    p->ready++;
}

static struct work *ready_remove(struct pool *p, struct lane *lane, struct work **at)
{
    struct work *work = *at;
    *at = work->next;
    if (!work->next)
        lane->ready_end = at;
    work->next = NULL;
    lane->ready_count--;
    p->ready--;
    return work;
}

/* Executors that this lane leaves to those that run nothing. */
static size_t reserve(const struct pool *p, const struct lane *lane)
{
    const struct worker *w = p->worker;
    size_t others = 0, lanes = 0;
    if (lane->running == 0)
        return 0;
    for (size_t i = 0; i < w->lane_count; i++) {
        if (!atomic_load(&w->lanes[i].has_tasks))
            continue;
        lanes++;
        others += w->lanes[i].running == 0;
    }
    return w->executors.max > lanes ? others : 0;
}

static bool may_start(const struct pool *p, const struct lane *lane)
{
    return p->running + reserve(p, lane) < p->worker->executors.max;
}

size_t pool_waiting(struct pool *p, int64_t *oldest_ms)
{
    const struct worker *w = p->worker;
    size_t count = 0;
    *oldest_ms = INT64_MAX;
    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < w->lane_count; i++) {
        const struct lane *lane = &w->lanes[i];
        if (!lane->ready || !may_start(p, lane))
            continue;
        count += lane->ready_count;
        *oldest_ms = MIN_OF(*oldest_ms, lane->ready->task->ready_mono_ms);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return count;
}

struct work *pool_next(struct pool *p)
{
    struct worker *w = p->worker;
    struct work *work = NULL;
    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < w->lane_count && !work; i++) {
        struct lane *lane = &w->lanes[(p->turn + i) % w->lane_count];
        if (!lane->ready || !may_start(p, lane))
            continue;
        work = ready_remove(p, lane, &lane->ready);
        lane->running++;
        p->running++;
        p->turn = (p->turn + i + 1) % w->lane_count;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return work;
}

static void wake_fetch(struct lane *lane)
{
    if (atomic_exchange(&lane->is_full, false))
        stage_wake(lane->stage);
}

void pool_done(struct pool *p, struct work *work, int64_t took_us)
{
    struct worker *w = p->worker;
    struct lane *lane = work->lane;
    (void)pthread_mutex_lock(&p->lock);
    lane->running--;
    p->running--;
    /* Of the last eight or so; never 0, which means unknown. */
    lane->mean_us = lane->mean_us == 0 ? took_us + 1 : (lane->mean_us * 7 + took_us) / 8 + 1;
    (void)pthread_mutex_unlock(&p->lock);
    worker_metrics_attempt(work->task->how);
    queue_metrics_ran(work->job.task, took_us);
    for (size_t i = 0; i < w->lane_count; i++)
        wake_fetch(&w->lanes[i]);
    work_run_through(work);
}

int64_t pool_sift(struct pool *p, int64_t now_ms)
{
    struct worker *w = p->worker;
    struct work *out = NULL;
    const int64_t wall_ms = clock_wall_ms();
    if (now_ms < p->sift_at_ms)
        return p->sift_at_ms;
    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < w->lane_count; i++) {
        for (struct work **at = &w->lanes[i].ready; *at;) {
            struct task_end *task = (*at)->task;
            const int64_t until_ms = task->ready_mono_ms + LIMIT_TASK_HOLD_MS;
            const int64_t expires_ms = (*at)->job.expires_at_ms;
            const bool is_cancelled = atomic_load(&(*at)->is_cancelled);
            const bool is_expired = expires_ms > 0 && wall_ms >= expires_ms;
            if (!is_cancelled && !is_expired && until_ms > now_ms) {
                at = &(*at)->next;
                continue;
            }
            struct work *work = ready_remove(p, &w->lanes[i], at);
            task->how = is_cancelled ? TASK_CANCELLED
                        : is_expired ? TASK_EXPIRED
                                     : TASK_HANDED_BACK;
            work->next = out;
            out = work;
        }
    }
    const bool is_empty = p->ready == 0;
    (void)pthread_mutex_unlock(&p->lock);
    while (out) {
        struct work *work = out;
        out = work->next;
        work_run_through(work);
    }
    p->sift_at_ms = now_ms + SIFT_MS;
    return is_empty ? INT64_MAX : p->sift_at_ms;
}

/* --- in --- */

/* Jobs that may wait in here for an executor: no more than what they would take, by the last ones,
 * in a moment. Nothing is known of the first. */
static size_t prefetch(const struct pool *p, const struct lane *lane)
{
    if (lane->mean_us == 0)
        return 0;
    const int64_t budget_us = LIMIT_TASK_PREFETCH_MS * 1000LL * (int64_t)p->worker->executors.max;
    return (size_t)MIN_OF(budget_us / lane->mean_us, (int64_t)LIMIT_TASK_PREFETCH);
}

size_t pool_room(struct pool *p, const struct lane *lane)
{
    if (atomic_load(&p->is_broken))
        return 0;
    (void)pthread_mutex_lock(&p->lock);
    const size_t taken = p->running + p->ready + reserve(p, lane);
    const size_t most = p->worker->executors.max;
    const size_t ahead = prefetch(p, lane);
    size_t room = taken < most ? most - taken : 0;
    /* In large steps: a fetch costs the same for one job and for many. */
    if (lane->ready_count <= ahead / 2)
        room += ahead - lane->ready_count;
    (void)pthread_mutex_unlock(&p->lock);
    return room;
}

void pool_add(struct pool *p, struct work *work)
{
    work->task->ready_mono_ms = clock_mono_ms();
    (void)pthread_mutex_lock(&p->lock);
    ready_push(p, work);
    (void)pthread_mutex_unlock(&p->lock);
    pool_wake(p);
}

void pool_wake(struct pool *p)
{
    const uint64_t one = 1;
    /* It fails only when it is full of wake-ups. */
    (void)!write(p->wake_fd, &one, sizeof(one));
}

size_t pool_executors(struct pool *p)
{
    return atomic_load(&p->executors);
}

/* --- start and stop --- */

void pool_free(struct pool *p)
{
    if (!p)
        return;
    if (p->wake_fd >= 0)
        (void)close(p->wake_fd);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->frame);
    free(p);
}

enum status pool_start(struct worker *w, struct pool **out)
{
    struct pool *p = calloc(1, sizeof(*p));
    if (!p)
        return ST_NO_MEMORY;
    p->worker = w;
    (void)pthread_mutex_init(&p->lock, NULL);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->frame = malloc(FRAME_BYTES + 1);
    for (size_t i = 0; i < w->lane_count; i++)
        w->lanes[i].ready_end = &w->lanes[i].ready;
    enum status st = p->wake_fd >= 0 && p->frame ? ST_OK : ST_NO_MEMORY;
    if (st == ST_OK)
        st = stage_start("tasks", children_stage, p, &p->stage);
    if (st != ST_OK) {
        pool_free(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

void pool_withdraw(struct pool *p, void (*each)(struct work *work))
{
    struct worker *w = p->worker;
    struct work *out = NULL;
    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < w->lane_count; i++) {
        while (w->lanes[i].ready) {
            struct work *work = ready_remove(p, &w->lanes[i], &w->lanes[i].ready);
            work->next = out;
            out = work;
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    while (out) {
        struct work *work = out;
        out = work->next;
        atomic_store(&work->is_abandoned, true);
        each(work);
        work_run_through(work);
    }
}

void pool_stop(struct pool *p)
{
    if (!p)
        return;
    atomic_store(&p->is_stopping, true);
    pool_wake(p);
    stage_join(p->stage);
    p->stage = NULL;
}
