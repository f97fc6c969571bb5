/* All jobs in hand: to be shown, and to be found when somebody cancels one. */
#include <string.h>

#include "log/log.h"
#include "queue/control.h"
#include "services/worker/pool.h"

enum { CANCEL_BATCH = 100 };

void works_add(struct work *work)
{
    struct worker *w = work->worker;
    atomic_fetch_add(&work->lane->open, 1);
    (void)pthread_mutex_lock(&w->lock);
    work->older = w->newest;
    if (w->newest)
        w->newest->newer = work;
    else
        w->oldest = work;
    w->newest = work;
    (void)pthread_mutex_unlock(&w->lock);
}

void works_remove(struct work *work)
{
    struct worker *w = work->worker;
    (void)pthread_mutex_lock(&w->lock);
    *(work->older ? &work->older->newer : &w->oldest) = work->newer;
    *(work->newer ? &work->newer->older : &w->newest) = work->older;
    (void)pthread_mutex_unlock(&w->lock);
    atomic_fetch_sub(&work->lane->open, 1);
}

/* --- cancelling --- */

static void cancel(struct lane *lane, const struct uuid *id)
{
    struct worker *w = lane->worker;
    struct run *taken = NULL;
    bool is_task = false;
    (void)pthread_mutex_lock(&w->lock);
    for (struct work *work = w->oldest; work; work = work->newer) {
        if (work->lane != lane || memcmp(&work->job.id, id, sizeof(*id)) != 0 ||
            atomic_exchange(&work->is_cancelled, true))
            continue;
        log_info("job_cancelling", kv_uuid("job", *id), kv_str("task", work->job.task));
        is_task = work->kind == WORK_TASK;
        taken = engine_cancel(work, taken);
    }
    (void)pthread_mutex_unlock(&w->lock);
    engine_drop(taken);
    if (is_task)
        pool_wake(w->pool);
}

static enum status ask(struct lane *lane, struct redis *r, const struct uuid *ids, size_t count)
{
    struct job jobs[CANCEL_BATCH] = {0};
    bool wanted[CANCEL_BATCH] = {false};
    for (size_t i = 0; i < count; i++)
        jobs[i].id = ids[i];
    TRY(queue_cancel_wanted(lane->leasing, r, jobs, count, wanted));
    for (size_t i = 0; i < count; i++) {
        if (wanted[i])
            cancel(lane, &ids[i]);
    }
    return ST_OK;
}

static enum status ids_of(struct lane *lane, struct uuid **out, size_t *count)
{
    struct worker *w = lane->worker;
    const size_t room = atomic_load(&lane->open) + CANCEL_BATCH;
    struct uuid *ids = calloc(room, sizeof(*ids));
    size_t n = 0;
    if (!ids)
        return ST_NO_MEMORY;
    (void)pthread_mutex_lock(&w->lock);
    for (const struct work *work = w->oldest; work && n < room; work = work->newer) {
        if (work->lane == lane && !atomic_load(&work->is_cancelled))
            ids[n++] = work->job.id;
    }
    (void)pthread_mutex_unlock(&w->lock);
    *out = ids;
    *count = n;
    return ST_OK;
}

enum status works_cancel(struct lane *lane, struct redis *r)
{
    AUTO_FREE struct uuid *ids = NULL;
    size_t count = 0;
    TRY(ids_of(lane, &ids, &count));
    for (size_t i = 0; i < count; i += CANCEL_BATCH)
        TRY(ask(lane, r, ids + i, MIN_OF(count - i, (size_t)CANCEL_BATCH)));
    return ST_OK;
}

/* --- showing --- */

static void write_one(const struct work *work, struct jw *out)
{
    jw_object(out);
    jw_kv_uuid(out, "id", &work->job.id);
    jw_kv_str(out, "task", work->job.task);
    jw_kv_str(out, "queue", work->lane->name);
    jw_kv_i64(out, "attempt", work->job.attempt);
    jw_kv_time_us(out, "since", work->started_at_ms * 1000);
    if (work->task && work->task->progress[0])
        jw_kv_str(out, "progress", work->task->progress);
    jw_end(out);
}

size_t works_running(struct worker *w)
{
    size_t tasks = 0;
    (void)pthread_mutex_lock(&w->lock);
    for (const struct work *work = w->oldest; work; work = work->newer)
        tasks += work->task != NULL;
    (void)pthread_mutex_unlock(&w->lock);
    return tasks + atomic_load(&w->unprobed);
}

void works_write(struct worker *w, struct jw *out)
{
    size_t shown = 0;
    jw_array(out);
    (void)pthread_mutex_lock(&w->lock);
    for (const struct work *work = w->oldest; work && shown < WORKS_SHOWN; work = work->newer) {
        if (!work->is_started)
            continue;
        write_one(work, out);
        shown++;
    }
    (void)pthread_mutex_unlock(&w->lock);
    jw_end(out);
}
