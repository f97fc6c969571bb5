/* Looking at queues, jobs and workers. */
#include "queue/inspect.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/internal.h"

/* --- queues --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum status queue_names(struct redis *r, struct arena *arena, const char ***out, size_t *count)
{
    AUTO_REPLY reply = NULL;
    enum status st = redis_do(r, &reply, "SMEMBERS", QUEUE_NAMES_KEY);
    /* Another type under that key: the table's queues are there all the same. */
    size_t noted = st == ST_CORRUPT ? 0 : reply ? reply->elements : 0;
    if (st != ST_CORRUPT)
        TRY(st);
    size_t tasks = 0, n = 0;
    while (task_at(tasks))
        tasks++;
    const char **list = arena_array(arena, noted + tasks, sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < noted; i++) {
        /* Anybody may write into Redis. */
        if (queue_name_is_good(reply->element[i]->str))
            list[n++] = arena_strdup(arena, reply->element[i]->str);
    }
    for (size_t i = 0; i < tasks; i++)
        list[n++] = task_queue(task_at(i));
    for (size_t i = 0; i < n; i++) {
        if (!list[i])
            return ST_NO_MEMORY;
    }
    qsort(list, n, sizeof(*list), by_name);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !str_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    }
    *out = list;
    *count = kept;
    return ST_OK;
}

static int64_t number_at(const redisReply *list, size_t i)
{
    const redisReply *item = list->element[i];
    int64_t v = item->integer;
    if (item->str && str_to_i64(item->str, &v) != ST_OK)
        v = 0;
    return v;
}

static void take_counter(struct queue_info *info, const char *name, int64_t v)
{
    const struct {
        const char *name;
        int64_t *at;
    } rows[] = {
        {"enqueued", &info->enqueued},       {"succeeded", &info->succeeded},
        {"retried", &info->retried},         {"dead", &info->died},
        {"cancelled", &info->cancelled},     {"expired", &info->expired},
        {"redelivered", &info->redelivered},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq(name, rows[i].name))
            *rows[i].at = v;
    }
}

enum { INFO_NUMBERS = QUEUE_PRIORITIES + 7, INFO_TEXTS = 2 /* paused, broken */ };

static enum status take_texts(const char *paused, const char *broken, struct arena *arena,
                              struct queue_info *info)
{
    info->is_paused = !str_is_empty(paused);
    info->is_broken = !str_is_empty(broken);
    if (info->is_paused) {
        char *rest = NULL;
        info->paused_at_ms = strtoll(paused, &rest, 10);
        info->paused_by = arena_strdup(arena, *rest == ' ' ? rest + 1 : rest);
    }
    if (info->is_broken)
        info->broken = arena_strdup(arena, broken);
    return (info->is_paused && !info->paused_by) || (info->is_broken && !info->broken)
               ? ST_NO_MEMORY
               : ST_OK;
}

enum status queue_info_get(struct queue *q, struct redis *r, int64_t now_ms, struct arena *arena,
                           struct queue_info *out)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_i64(&args, now_ms);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_INFO, &args, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < INFO_NUMBERS + INFO_TEXTS)
        return ST_CORRUPT;
    struct queue_info info = {0};
    for (size_t p = 0; p < QUEUE_PRIORITIES; p++) {
        info.waiting[p] = number_at(reply, p);
        info.depth += info.waiting[p];
    }
    info.in_flight = number_at(reply, 4);
    info.delayed = number_at(reply, 5);
    info.dead = number_at(reply, 6);
    info.oldest_age_ms = MAX_OF(number_at(reply, 7), 0);
    info.late_ms = number_at(reply, 8);
    info.workers = number_at(reply, 9);
    info.lag = number_at(reply, 10);
    TRY(take_texts(reply->element[INFO_NUMBERS]->str, reply->element[INFO_NUMBERS + 1]->str, arena,
                   &info));
    for (size_t i = INFO_NUMBERS + INFO_TEXTS; i + 1 < reply->elements; i += 2)
        take_counter(&info, reply->element[i]->str, number_at(reply, i + 1));
    *out = info;
    return ST_OK;
}

/* --- workers --- */

enum status queue_workers_list(struct queue *q, struct redis *r, struct arena *arena,
                               struct worker_view **out, size_t *count)
{
    AUTO_REPLY members = NULL;
    *out = NULL;
    *count = 0;
    enum status st = redis_do(r, &members, "SMEMBERS", q->consumers);
    if (st == ST_CORRUPT)
        return ST_OK; /* queue_info.broken says so */
    TRY(st);
    struct worker_view *list = arena_array(arena, members->elements, sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < members->elements; i++) {
        char key[QUEUE_KEY_BYTES + QUEUE_CONSUMER_BYTES];
        TRY(queue_heartbeat_key(q, members->element[i]->str, key, sizeof(key)));
        AUTO_REPLY info = NULL;
        st = redis_do(r, &info, "GET", key);
        if (st != ST_CORRUPT)
            TRY(st);
        list[i].consumer = arena_strdup(arena, members->element[i]->str);
        const char *text = info ? info->str : NULL;
        list[i].info = arena_strdup(arena, text);
        if (!list[i].consumer || (text && !list[i].info))
            return ST_NO_MEMORY;
    }
    *out = list;
    *count = members->elements;
    return ST_OK;
}
