/* Results in one round trip a queue; a search only for what is old. */
#include "store/job_watch.h"

#include <string.h>

#include "base/str.h"
#include "queue/inspect.h"
#include "store/job_outbox.h"

/* Searches of one call: each may read through a stream. */
enum { SEARCHES_MAX = 20 };

static enum status search(struct queue *q, struct redis *r, struct arena *arena,
                          struct watched_job *job)
{
    struct job_view view;
    const enum status st = queue_job_get(q, r, &job->id, arena, &view);
    if (st == ST_NOT_FOUND || st == ST_INVALID) {
        job->has_ended = true; /* unless Redis has lost it: the caller looks */
        return ST_OK;
    }
    TRY(st);
    job->has_ended = view.state == JOB_DEAD;
    job->state = view.state == JOB_DEAD ? JOB_DEAD : JOB_STATE_COUNT_;
    return ST_OK;
}

/* All jobs of one queue: those from `first` on whose queue is the same. */
static enum status watch_queue(struct redis *r, struct arena *arena, struct watched_job **list,
                               size_t count, int *searches)
{
    AUTO_QUEUE q = NULL;
    struct uuid *ids = arena_array(arena, count, sizeof(*ids));
    enum job_state *ends = arena_array(arena, count, sizeof(*ends));
    if (!ids || !ends)
        return ST_NO_MEMORY;
    const enum status named = queue_new(list[0]->queue, 0, &q);
    if (named == ST_INVALID) {
        for (size_t i = 0; i < count; i++)
            list[i]->has_ended = true;
        return ST_OK;
    }
    TRY(named);
    for (size_t i = 0; i < count; i++)
        ids[i] = list[i]->id;
    TRY(queue_ends_get(q, r, ids, count, ends));
    for (size_t i = 0; i < count; i++) {
        list[i]->state = ends[i];
        list[i]->has_ended = ends[i] != JOB_STATE_COUNT_;
        if (!list[i]->has_ended && list[i]->is_old && (*searches)++ < SEARCHES_MAX)
            TRY(search(q, r, arena, list[i]));
    }
    return ST_OK;
}

static int by_queue(const void *a, const void *b)
{
    const struct watched_job *const *x = a, *const *y = b;
    return strcmp((*x)->queue, (*y)->queue);
}

/* What was not found is gone only if Redis remembers everything, afterwards. */
static enum status doubt(struct db *db, struct redis *r, struct watched_job *jobs, size_t count)
{
    bool is_lost = false;
    TRY(job_outbox_probe(db, r, &is_lost));
    for (size_t i = 0; is_lost && i < count; i++)
        jobs[i].has_ended = jobs[i].has_ended && jobs[i].state != JOB_STATE_COUNT_;
    return ST_OK;
}

enum status jobs_watch(struct db *db, struct redis *r, struct arena *arena,
                       struct watched_job *jobs, size_t count)
{
    struct watched_job **list = arena_array(arena, MAX_OF(count, (size_t)1), sizeof(*list));
    size_t n = 0;
    int searches = 0;
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        jobs[i].has_ended = false;
        jobs[i].state = JOB_STATE_COUNT_;
        if (jobs[i].queue && !uuid_is_nil(&jobs[i].id))
            list[n++] = &jobs[i];
    }
    if (n > 0)
        qsort(list, n, sizeof(struct watched_job *), by_queue);
    for (size_t from = 0, to = 0; from < n; from = to) {
        while (to < n && str_eq(list[to]->queue, list[from]->queue))
            to++;
        TRY(watch_queue(r, arena, list + from, to - from, &searches));
    }
    return searches > 0 ? doubt(db, r, jobs, count) : ST_OK;
}
