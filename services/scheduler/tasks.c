/* Definitions by id, queues by name, and jobs with the keys that make them single. */
#include "services/scheduler/tasks.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "json/parse.h"
#include "log/log.h"
#include "queue/queue.h"
#include "services/scheduler/internal.h"
#include "store/job_outbox.h"

enum {
    QUEUES_MAX = 64,
    KEY_BYTES = UUID_TEXT_BYTES + 40,
    NOTE_ARENA_BYTES = 16 << 20,
    ONCE_MS = 24 * 3600 * 1000 /* a repetition comes within seconds; the rest is for clock steps */
};

struct definition {
    char *task, *args, *queue;
    char *tenant; /* NULL */
    int priority;
    int64_t expires_ms;
    bool takes_slot;
    enum schedule_overlap overlap;
};

struct tasks {
    struct map *definitions, *queues;
};

static void definition_free(struct definition *d)
{
    if (!d)
        return;
    free(d->task);
    free(d->args);
    free(d->queue);
    free(d->tenant);
    free(d);
}

struct tasks *tasks_new(void)
{
    struct tasks *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->definitions = map_new(LIMIT_SCHEDULES);
    t->queues = map_new(QUEUES_MAX);
    if (!t->definitions || !t->queues) {
        tasks_free(t);
        return NULL;
    }
    return t;
}

void tasks_free(struct tasks *t)
{
    size_t at = 0, len = 0;
    const void *key = NULL;
    void *value = NULL;
    if (!t)
        return;
    while (t->definitions && map_next(t->definitions, &at, &key, &len, &value))
        definition_free(value);
    at = 0;
    while (t->queues && map_next(t->queues, &at, &key, &len, &value))
        queue_free(value);
    map_free(t->definitions);
    map_free(t->queues);
    free(t);
}

enum status tasks_put(struct tasks *t, const struct schedule_row *row)
{
    const struct task *task = task_find(row->task);
    if (!task) {
        log_error("schedule_of_unknown_task", kv_uuid("schedule", row->id),
                  kv_str("task", row->task));
        return ST_NOT_FOUND;
    }
    struct definition *d = calloc(1, sizeof(*d));
    if (!d)
        return ST_NO_MEMORY;
    d->priority = row->priority;
    d->overlap = row->overlap;
    d->expires_ms = row->expires_ms;
    d->takes_slot = task->takes_slot;
    d->task = strdup(row->task);
    d->args = strdup(row->args);
    d->queue = strdup(row->queue ? row->queue : task_queue(task));
    d->tenant = row->tenant ? strdup(row->tenant) : NULL;
    const bool is_whole = d->task && d->args && d->queue && (d->tenant || !row->tenant);
    enum status st = is_whole ? ST_OK : ST_NO_MEMORY;
    struct definition *old = map_get(t->definitions, &row->id, sizeof(row->id));
    if (st == ST_OK)
        st = map_set(t->definitions, &row->id, sizeof(row->id), d);
    definition_free(st == ST_OK ? old : d);
    return st;
}

void tasks_remove(struct tasks *t, const struct uuid *id)
{
    definition_free(map_remove(t->definitions, id, sizeof(*id)));
}

static enum status find_queue(struct tasks *t, const char *name, struct queue **out)
{
    struct queue *q = map_get(t->queues, name, strlen(name));
    if (!q) {
        TRY(queue_new(name, 0, &q));
        enum status st = map_set(t->queues, name, strlen(name), q);
        if (st != ST_OK) {
            queue_free(q);
            return st == ST_OVERLOADED ? ST_TOO_LARGE : st;
        }
    }
    *out = q;
    return ST_OK;
}

/* The arguments with the slot's time, where they or the task ask for it; *out is on the heap. */
static enum status fill_args(const struct definition *d, int64_t slot_ms, char **out)
{
    AUTO_JSON json = json_load_kept(d->args);
    if (!json_is_object(json))
        return ST_INVALID;
    const json_t *slot = json_object_get(json, "slot_us");
    if ((slot ? json_is_null(slot) : d->takes_slot) &&
        json_object_set_new(json, "slot_us", json_integer(slot_ms * 1000)) != 0)
        return ST_NO_MEMORY;
    *out = json_dumps(json, JSON_COMPACT);
    return *out ? ST_OK : ST_NO_MEMORY;
}

/* A slot's job has always the same id: so a repetition is known, and what PostgreSQL notes of a run
 * holds for the one that replaces it after a loss of Redis. */
static struct uuid id_of_run(const struct uuid *schedule, int64_t slot_ms)
{
    struct uuid id = uuid_at(slot_ms);
    uint64_t half[2];
    memcpy(half, schedule->b, sizeof(half));
    for (size_t i = 0; i < ARRAY_LEN(half); i++) {
        /* The finaliser of SplitMix64. */
        uint64_t h = half[i] ^ half[1 - i] << 1 ^ (uint64_t)slot_ms << i;
        h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
        h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
        half[i] = h ^ h >> 31;
    }
    const unsigned char version = id.b[6] & 0xf0, variant = id.b[8] & 0xc0;
    memcpy(id.b + 6, (unsigned char *)half + 6, 10);
    id.b[6] = (unsigned char)(version | (id.b[6] & 0x0f));
    id.b[8] = (unsigned char)(variant | (id.b[8] & 0x3f));
    return id;
}

static enum status make_job(const struct definition *d, const struct sched_due *due,
                            const char *args, struct job *job)
{
    TRY(job_init(job, d->task, args, due->slot_ms));
    job->id = id_of_run(&due->id, due->slot_ms);
    job->enqueued_at_ms = clock_wall_ms();
    job->result_ttl_ms = MAX_OF(job->result_ttl_ms, (int64_t)JOB_OUTBOX_RESULT_MS);
    job->tenant = d->tenant;
    if (d->priority >= 0)
        job->priority = d->priority;
    if (d->expires_ms > 0)
        job->expires_at_ms = due->slot_ms + d->expires_ms;
    return ST_OK;
}

/* The keys of a run that may not overlap others: `run` is held by one that is alive, `next` by one
 * more that waits for it. */
struct keys {
    char run[KEY_BYTES], next[KEY_BYTES];
};

/* Whether the slot has its job, from now on or since an earlier attempt. */
static enum status submit(struct queue *queue, struct redis *redis, enum schedule_overlap overlap,
                          const struct keys *keys, struct job *job, bool *is_there)
{
    struct uuid found;
    if (overlap != OVERLAP_ALLOW) {
        job->dedup = job->key = keys->run;
        job->key_limit = 1;
    }
    TRY(queue_enqueue_once(queue, redis, job, &found, NULL));
    if (!uuid_eq(&found, &job->id) && overlap == OVERLAP_QUEUE) {
        job->dedup = keys->next;
        TRY(queue_enqueue_once(queue, redis, job, &found, NULL));
    }
    *is_there = uuid_eq(&found, &job->id);
    return ST_OK;
}

static enum status enqueue(struct tasks *t, struct redis *redis, const struct definition *d,
                           const struct sched_due *due, struct schedule_dispatch *done)
{
    char id[UUID_TEXT_BYTES], once[KEY_BYTES];
    struct keys keys;
    struct queue *queue = NULL;
    struct job job;
    AUTO_FREE char *args = NULL;
    uuid_format(&due->id, id);
    (void)snprintf(keys.run, sizeof(keys.run), "schedule:%s", id);
    (void)snprintf(keys.next, sizeof(keys.next), "schedule:%s:next", id);
    (void)snprintf(once, sizeof(once), "schedule:%s:%lld", id, (long long)due->slot_ms);
    TRY(find_queue(t, d->queue, &queue));
    TRY(fill_args(d, due->slot_ms, &args));
    TRY(make_job(d, due, args, &job));
    job.idempotency = once;
    job.idempotency_ttl_ms = ONCE_MS;
    bool is_there = false;
    TRY(submit(queue, redis, d->overlap, &keys, &job, &is_there));
    metric_inc(is_there ? &scheduler_tasks_metric : &scheduler_overlaps_metric);
    log_debug(is_there ? "task_scheduled" : "task_overlaps", kv_str("schedule", id),
              kv_uuid("job", job.id), kv_i64("slot_ms", due->slot_ms));
    *done = (struct schedule_dispatch){.id = due->id, .slot_us = due->slot_ms * 1000};
    if (is_there) {
        done->job_id = job.id;
        done->queue = d->queue;
    }
    return ST_OK;
}

/* The task definition that is due; NULL for a check, and for one that was deleted meanwhile. */
static const struct definition *find(const struct tasks *t, const struct sched_due *due)
{
    return due->is_task ? map_get(t->definitions, &due->id, sizeof(due->id)) : NULL;
}

enum status tasks_publish(struct tasks *t, struct redis *redis, struct db *db,
                          const struct sched_batch *batch)
{
    AUTO_ARENA arena = arena_new(NOTE_ARENA_BYTES);
    size_t max = 0, n = 0;
    for (size_t i = 0; i < batch->count; i++)
        max += batch->due[i].is_task;
    if (max == 0)
        return ST_OK;
    struct schedule_dispatch *done = arena ? arena_array(arena, max, sizeof(*done)) : NULL;
    if (!done)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        const struct sched_due *due = &batch->due[i];
        const struct definition *d = find(t, due);
        enum status st = d ? enqueue(t, redis, d, due, &done[n]) : ST_NOT_FOUND;
        if (st == ST_OVERLOADED || st == ST_UNAVAILABLE || st == ST_NO_MEMORY)
            return st;
        n += st == ST_OK;
        if (d && st != ST_OK) /* it would fail again, and holds up nobody else */
            log_error("task_not_scheduled", kv_uuid("schedule", due->id), kv_str("task", d->task),
                      kv_status(st));
    }
    enum status st = n > 0 ? schedules_dispatched(db, arena, done, n) : ST_OK;
    if (st != ST_OK)
        log_warn("slots_not_noted", kv_status(st), kv_str("error", db_error(db)));
    return ST_OK;
}
