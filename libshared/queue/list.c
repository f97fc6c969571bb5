/* Jobs of one state, a page at a time, as somebody may see them. */
#include <string.h>

#include "base/str.h"
#include "queue/inspect.h"
#include "queue/internal.h"

/* Elements in list.lua's reply: before the jobs, and of each. */
enum { HEAD = 6, ITEM = 5 };

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

/* "<priority>:<position>": an entry, a rank, or a place in tenants' lines. */
static enum status split_cursor(const char *cursor, char priority[2], const char **position)
{
    priority[0] = priority[1] = '\0';
    *position = "";
    if (!cursor)
        return ST_OK;
    size_t len = strlen(cursor);
    if (len < 3 || len > QUEUE_ENTRY_BYTES || cursor[0] < '0' || cursor[0] > '3' ||
        cursor[1] != ':' || strspn(cursor + 2, "0123456789-t.") != len - 2)
        return ST_INVALID;
    priority[0] = cursor[0];
    *position = cursor + 2;
    return ST_OK;
}

static enum status make_cursor(const redisReply *priority, const redisReply *position,
                               struct arena *arena, const char **out)
{
    *out = NULL;
    if (position->len == 0)
        return ST_OK;
    *out = arena_printf(arena, "%s:%s", priority->str, position->str);
    return *out ? ST_OK : ST_NO_MEMORY;
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static enum status ask(struct queue *q, struct redis *r, const struct job_scan *scan,
                       redisReply **reply)
{
    char priority[2];
    const char *position = NULL;
    struct rargs args;
    TRY(split_cursor(scan->cursor, priority, &position));
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_str(&args, job_state_name(scan->state));
    rargs_i64(&args, LIMIT_JOB_LIST);
    rargs_str(&args, priority);
    rargs_str(&args, position);
    rargs_i64(&args, (int64_t)scan->skip);
    rargs_i64(&args, (int64_t)MIN_OF(scan->take, (size_t)LIMIT_JOB_LIST));
    rargs_str(&args, scan->is_counting ? "1" : "0");
    rargs_str(&args, or_empty(scan->task));
    rargs_str(&args, or_empty(scan->tenant));
    rargs_str(&args, scan->or_no_tenant ? "1" : "0");
    TRY(queue_script(q, r, &SCRIPT_LIST, &args, reply));
    const redisReply *got = *reply;
    return got->type == REDIS_REPLY_ARRAY && got->elements >= HEAD &&
                   (got->elements - HEAD) % ITEM == 0
               ? ST_OK
               : ST_CORRUPT;
}

enum status queue_jobs_scan(struct queue *q, struct redis *r, const struct job_scan *scan,
                            struct arena *arena, struct job_page *out)
{
    const enum job_state state = scan->state;
    if (state != JOB_QUEUED && state != JOB_DELAYED && state != JOB_RUNNING && state != JOB_DEAD)
        return ST_INVALID;
    AUTO_REPLY reply = NULL;
    TRY(ask(q, r, scan, &reply));
    redisReply *const *e = reply->element;
    size_t count = (reply->elements - HEAD) / ITEM;
    struct job_page page = {.jobs = arena_array(arena, count, sizeof(*page.jobs)),
                            .looked = (size_t)e[4]->integer,
                            .matched = (size_t)e[5]->integer};
    if (!page.jobs)
        return ST_NO_MEMORY;
    TRY(make_cursor(e[0], e[1], arena, &page.next));
    TRY(make_cursor(e[2], e[3], arena, &page.last));
    for (; page.count < count; page.count++)
        TRY(read_item(q, e + HEAD + page.count * ITEM, state, arena, &page.jobs[page.count]));
    *out = page;
    return ST_OK;
}
