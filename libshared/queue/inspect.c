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
    TRY(redis_do(r, &members, "SMEMBERS", q->consumers));
    struct worker_view *list = arena_array(arena, members->elements, sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < members->elements; i++) {
        char key[QUEUE_KEY_BYTES + QUEUE_CONSUMER_BYTES];
        TRY(queue_heartbeat_key(q, members->element[i]->str, key, sizeof(key)));
        AUTO_REPLY info = NULL;
        TRY(redis_do(r, &info, "GET", key));
        list[i].consumer = arena_strdup(arena, members->element[i]->str);
        list[i].info = arena_strdup(arena, info->str);
        if (!list[i].consumer || (info->str && !list[i].info))
            return ST_NO_MEMORY;
    }
    *out = list;
    *count = members->elements;
    return ST_OK;
}

/* --- pages of jobs --- */

enum { ITEM = 5 }; /* elements of a job in list.lua's reply */

static enum status read_fields(redisReply *fields, struct arena *arena, struct job_view *out)
{
    struct errbuf why = {{0}};
    enum status st = job_decode(fields, arena, &out->job, &why);
    if (st == ST_OK) {
        out->error = out->job.reason;
        return ST_OK;
    }
    if (st != ST_INVALID)
        return st;
    out->job = (struct job){.attempt = 1};
    out->error = arena_printf(arena, "undecodable: %s", why.text);
    return out->error ? ST_OK : ST_NO_MEMORY;
}

static enum status read_item(struct queue *q, redisReply *const *item, enum job_state state,
                             struct arena *arena, struct job_view *out)
{
    struct job_view v = {.state = state};
    int64_t n = 0, p = 0;
    TRY(read_fields(item[4], arena, &v));
    (void)(str_to_i64(item[3]->str, &n) == ST_OK);
    (void)(str_to_i64(item[0]->str, &p) == ST_OK);
    v.job.entry = arena_strdup(arena, item[1]->str);
    v.job.stream = q->stream[p & (QUEUE_PRIORITIES - 1)];
    v.finished_at_ms = state == JOB_DEAD ? v.job.died_at_ms : 0;
    if (state == JOB_DELAYED)
        v.due_at_ms = n;
    if (state == JOB_RUNNING) {
        v.running_ms = n;
        v.worker = arena_strdup(arena, item[2]->str);
    }
    *out = v;
    return v.job.entry ? ST_OK : ST_NO_MEMORY;
}

static enum status split_cursor(const char *cursor, char priority[2], const char **position)
{
    priority[0] = priority[1] = '\0';
    *position = "";
    if (!cursor)
        return ST_OK;
    size_t len = strlen(cursor);
    if (len < 3 || len > QUEUE_ENTRY_BYTES || cursor[0] < '0' || cursor[0] > '3' ||
        cursor[1] != ':' || strspn(cursor + 2, "0123456789-") != len - 2)
        return ST_INVALID;
    priority[0] = cursor[0];
    *position = cursor + 2;
    return ST_OK;
}

enum status queue_jobs_list(struct queue *q, struct redis *r, enum job_state state,
                            const char *cursor, size_t limit, struct arena *arena,
                            struct job_page *out)
{
    if (state != JOB_QUEUED && state != JOB_DELAYED && state != JOB_RUNNING && state != JOB_DEAD)
        return ST_INVALID;
    char priority[2];
    const char *position = NULL;
    TRY(split_cursor(cursor, priority, &position));
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_str(&args, job_state_name(state));
    rargs_i64(&args, (int64_t)MAX_OF(MIN_OF(limit, (size_t)LIMIT_JOB_LIST), (size_t)1));
    rargs_str(&args, priority);
    rargs_str(&args, position);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_LIST, &args, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || (reply->elements - 2) % ITEM)
        return ST_CORRUPT;
    size_t count = (reply->elements - 2) / ITEM;
    struct job_page page = {.jobs = arena_array(arena, count, sizeof(*page.jobs))};
    if (!page.jobs)
        return ST_NO_MEMORY;
    for (; page.count < count; page.count++)
        TRY(read_item(q, &reply->element[2 + page.count * ITEM], state, arena,
                      &page.jobs[page.count]));
    if (reply->element[1]->len > 0) {
        page.next = arena_printf(arena, "%s:%s", reply->element[0]->str, reply->element[1]->str);
        if (!page.next)
            return ST_NO_MEMORY;
    }
    *out = page;
    return ST_OK;
}
