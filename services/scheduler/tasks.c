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

enum {
    QUEUES_MAX = 64,
    KEY_BYTES = UUID_TEXT_BYTES + 40,
    NOTE_ARENA_BYTES = 4 << 20,
    ONCE_MS = 24 * 3600 * 1000 /* a repetition comes within seconds; the rest is for clock steps */
};

struct definition {
    char *task, *args, *queue;
    int priority;
    bool skips_overlap;
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
    d->skips_overlap = row->skips_overlap;
    d->task = strdup(row->task);
    d->args = strdup(row->args);
    d->queue = strdup(row->queue ? row->queue : task_queue(task));
    enum status st = d->task && d->args && d->queue ? ST_OK : ST_NO_MEMORY;
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

/* The arguments with the slot's time, where they ask for it; *out is on the heap. */
static enum status fill_args(const char *args, int64_t slot_ms, char **out)
{
    AUTO_JSON json = json_loads(args, 0, NULL);
    if (!json_is_object(json))
        return ST_INVALID;
    if (json_is_null(json_object_get(json, "slot_us")) &&
        json_object_set_new(json, "slot_us", json_integer(slot_ms * 1000)) != 0)
        return ST_NO_MEMORY;
    *out = json_dumps(json, JSON_COMPACT);
    return *out ? ST_OK : ST_NO_MEMORY;
}

static enum status enqueue(struct tasks *t, struct redis *redis, const struct definition *d,
                           const struct sched_due *due)
{
    char id[UUID_TEXT_BYTES], alive[KEY_BYTES], once[KEY_BYTES];
    struct queue *queue = NULL;
    struct job job;
    AUTO_FREE char *args = NULL;
    uuid_format(&due->id, id);
    (void)snprintf(alive, sizeof(alive), "schedule:%s", id);
    (void)snprintf(once, sizeof(once), "schedule:%s:%lld", id, (long long)due->slot_ms);
    TRY(find_queue(t, d->queue, &queue));
    TRY(fill_args(d->args, due->slot_ms, &args));
    TRY(job_init(&job, d->task, args, due->slot_ms));
    job.enqueued_at_ms = clock_wall_ms();
    if (d->priority >= 0)
        job.priority = d->priority;
    job.idempotency = once;
    job.idempotency_ttl_ms = ONCE_MS;
    job.dedup = d->skips_overlap ? alive : NULL;
    bool is_new = false;
    struct uuid job_id;
    TRY(queue_enqueue_once(queue, redis, &job, &job_id, &is_new));
    if (is_new)
        log_debug("task_scheduled", kv_str("schedule", id), kv_uuid("job", job_id));
    else
        log_info("task_not_repeated", kv_str("schedule", id), kv_uuid("job", job_id));
    return ST_OK;
}

static void note(struct db *db, const struct sched_batch *batch)
{
    AUTO_ARENA arena = arena_new(NOTE_ARENA_BYTES);
    struct uuid *ids = arena ? arena_array(arena, batch->count, sizeof(*ids)) : NULL;
    int64_t *slots = arena ? arena_array(arena, batch->count, sizeof(*slots)) : NULL;
    size_t n = 0;
    if (!ids || !slots)
        return;
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->due[i].is_task)
            continue;
        ids[n] = batch->due[i].id;
        slots[n++] = batch->due[i].slot_ms;
    }
    enum status st = n > 0 ? schedules_dispatched(db, arena, ids, slots, n) : ST_OK;
    if (st != ST_OK)
        log_warn("slots_not_noted", kv_status(st), kv_str("error", db_error(db)));
}

enum status tasks_publish(struct tasks *t, struct redis *redis, struct db *db,
                          const struct sched_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct sched_due *due = &batch->due[i];
        const struct definition *d = due->is_task
                                         ? map_get(t->definitions, &due->id, sizeof(due->id))
                                         : NULL;
        if (!d)
            continue; /* a check, or deleted meanwhile */
        enum status st = enqueue(t, redis, d, due);
        if (st == ST_OVERLOADED || st == ST_UNAVAILABLE || st == ST_NO_MEMORY)
            return st;
        if (st != ST_OK) /* it would fail again, and holds up nobody else */
            log_error("task_not_scheduled", kv_uuid("schedule", due->id), kv_str("task", d->task),
                      kv_status(st));
    }
    note(db, batch);
    return ST_OK;
}
