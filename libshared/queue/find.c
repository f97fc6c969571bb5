/* One job by its id: its result, where it waits, its dead letter. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "queue/internal.h"

enum { SCAN_STEP = 2000, CLOCKS_DIFFER_MS = 5000 };

/* --- results --- */

static enum status keep(struct arena *arena, const redisReply *value, const char **out)
{
    *out = value->len > 0 ? arena_strndup(arena, value->str, value->len) : NULL;
    return value->len > 0 && !*out ? ST_NO_MEMORY : ST_OK;
}

static int64_t number_of(const redisReply *value)
{
    int64_t v = 0;
    return str_to_i64(value->str, &v) == ST_OK ? v : 0;
}

static enum job_state state_of(const char *name)
{
    for (int i = 0; i < JOB_STATE_COUNT_; i++) {
        if (str_eq(name, job_state_name((enum job_state)i)))
            return (enum job_state)i;
    }
    return JOB_SUCCEEDED;
}

static enum status read_result(const redisReply *fields, const struct uuid *id, struct arena *arena,
                               struct job_view *out)
{
    struct job_view v = {.job = {.id = *id}};
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const char *name = fields->element[i]->str;
        const redisReply *value = fields->element[i + 1];
        if (str_eq(name, "state"))
            v.state = state_of(value->str);
        else if (str_eq(name, "task"))
            TRY(keep(arena, value, &v.job.task));
        else if (str_eq(name, "result"))
            TRY(keep(arena, value, &v.result));
        else if (str_eq(name, "error"))
            TRY(keep(arena, value, &v.error));
        else if (str_eq(name, "started"))
            v.started_at_ms = number_of(value);
        else if (str_eq(name, "finished"))
            v.finished_at_ms = number_of(value);
        else if (str_eq(name, "tenant"))
            TRY(keep(arena, value, &v.job.tenant));
        else if (str_eq(name, "enqueued"))
            v.job.enqueued_at_ms = number_of(value);
        else if (str_eq(name, "group"))
            TRY(keep(arena, value, &v.job.group));
        else if (str_eq(name, "chain"))
            TRY(keep(arena, value, &v.chain_ids));
        else if (str_eq(name, "attempt"))
            v.job.attempt = (int)number_of(value);
    }
    *out = v;
    return ST_OK;
}

enum status queue_result_get(struct queue *q, struct redis *r, const struct uuid *id,
                             struct arena *arena, struct job_view *out)
{
    char text[UUID_TEXT_BYTES], suffix[UUID_TEXT_BYTES + 8];
    uuid_format(id, text);
    (void)snprintf(suffix, sizeof(suffix), "result:%s", text);
    const char *key = queue_key(q, suffix, arena);
    if (!key)
        return ST_NO_MEMORY;
    AUTO_REPLY reply = NULL;
    TRY(redis_do(r, &reply, "HGETALL", key));
    if (reply->elements == 0)
        return ST_NOT_FOUND;
    return read_result(reply, id, arena, out);
}

enum status job_view_chain(const struct job_view *v, struct arena *arena, struct uuid **out,
                           size_t *count)
{
    if (!v->chain_ids)
        return job_chain_ids(v->job.chain, arena, out, count);
    struct uuid *ids = arena_array(arena, LIMIT_CHAIN_JOBS, sizeof(*ids));
    size_t n = 0;
    if (!ids)
        return ST_NO_MEMORY;
    for (const char *at = v->chain_ids; *at && n < LIMIT_CHAIN_JOBS;) {
        char text[UUID_TEXT_BYTES];
        const size_t len = strcspn(at, ",");
        (void)snprintf(text, sizeof(text), "%.*s", (int)MIN_OF(len, sizeof(text)), at);
        TRY(uuid_parse(text, &ids[n]));
        n++;
        at += len + (at[len] == ',');
    }
    *out = ids;
    *count = n;
    return ST_OK;
}

static enum status append_ends(struct queue *q, struct redis *r, const struct uuid *ids,
                               size_t count)
{
    char id[UUID_TEXT_BYTES], key[QUEUE_KEY_BYTES + sizeof("result:") + UUID_TEXT_BYTES];
    for (size_t i = 0; i < count; i++) {
        struct rargs args;
        uuid_format(&ids[i], id);
        (void)snprintf(key, sizeof(key), "%sresult:%s", q->prefix, id);
        rargs_init(&args, "HGET");
        rargs_str(&args, key);
        rargs_str(&args, "state");
        TRY(redis_append(r, &args));
    }
    return ST_OK;
}

enum status queue_ends_get(struct queue *q, struct redis *r, const struct uuid *ids, size_t count,
                           enum job_state *out)
{
    for (size_t done = 0; done < count;) {
        const size_t n = MIN_OF(count - done, (size_t)LIMIT_FETCH_BATCH);
        TRY(append_ends(q, r, ids + done, n));
        enum status st = ST_OK;
        for (size_t i = 0; i < n; i++) {
            AUTO_REPLY reply = NULL;
            TRY(redis_fetch(r, &reply));
            const bool is_there = reply->type == REDIS_REPLY_STRING;
            out[done + i] = is_there ? state_of(reply->str) : JOB_STATE_COUNT_;
            if (reply->type == REDIS_REPLY_ERROR)
                st = ST_IO;
        }
        TRY(st);
        done += n;
    }
    return ST_OK;
}

void queue_done_channel(const struct queue *q, char out[96])
{
    (void)snprintf(out, 96, "%.80sdone", q->prefix);
}

/* --- the search --- */

struct search {
    struct queue *q;
    struct redis *r;
    const struct uuid *id;
    struct arena *arena;
};

static enum status ask(const struct search *s, const char *stream, const char *from,
                       redisReply **reply)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, QUEUE_GROUP);
    rargs_uuid(&args, s->id);
    rargs_bytes(&args, s->id->b, sizeof(s->id->b));
    rargs_str(&args, stream);
    rargs_str(&args, from);
    rargs_i64(&args, SCAN_STEP);
    TRY(queue_script(s->q, s->r, &SCRIPT_FIND, &args, reply));
    return (*reply)->type == REDIS_REPLY_ARRAY && (*reply)->elements > 0 ? ST_OK : ST_CORRUPT;
}

static bool is_wanted(const redisReply *reply)
{
    const redisReply *last = reply->element[reply->elements - 1];
    return last->str && str_eq(last->str, "1");
}

static enum status read_entry(const struct search *s, const char *stream, redisReply *reply,
                              struct job_view *out)
{
    if (reply->elements != 6)
        return ST_CORRUPT;
    struct job_view v = {.is_cancel_wanted = is_wanted(reply)};
    TRY(job_decode(reply->element[2], s->arena, &v.job, NULL));
    TRY(keep(s->arena, reply->element[1], &v.job.entry));
    TRY(keep(s->arena, reply->element[3], &v.worker));
    if (str_eq(stream, "dead")) {
        v.state = JOB_DEAD;
        v.finished_at_ms = v.job.died_at_ms;
    } else {
        v.state = v.worker ? JOB_RUNNING : JOB_QUEUED;
        v.running_ms = v.worker ? number_of(reply->element[4]) : 0;
        v.job.stream = s->q->stream[stream[1] - '0'];
    }
    v.error = v.job.reason;
    *out = v;
    return ST_OK;
}

/* Through one stream, from when the job was made on; or through the lines of a priority. */
static enum status search_stream(const struct search *s, const char *stream, struct job_view *out)
{
    char from[QUEUE_ENTRY_BYTES] = "0.0";
    const bool is_line = stream[0] == 'l';
    if (!is_line)
        (void)snprintf(from, sizeof(from), "%" PRId64,
                       MAX_OF(uuid_time_ms(s->id) - CLOCKS_DIFFER_MS, 0));
    for (int seen = 0; seen < LIMIT_JOB_SCAN; seen += SCAN_STEP) {
        AUTO_REPLY reply = NULL;
        TRY(ask(s, stream, from, &reply));
        const char *what = reply->element[0]->str;
        if (str_eq(what, "entry"))
            return read_entry(s, stream, reply, out);
        if (!str_eq(what, "more"))
            return ST_NOT_FOUND;
        (void)snprintf(from, sizeof(from), "%s%.40s", is_line ? "" : "(", reply->element[1]->str);
    }
    return ST_NOT_FOUND;
}

static enum status search_index(const struct search *s, struct job_view *out)
{
    AUTO_REPLY reply = NULL;
    TRY(ask(s, "", "", &reply));
    const char *what = reply->element[0]->str;
    if (str_eq(what, "result") && reply->elements == 3)
        return read_result(reply->element[1], s->id, s->arena, out);
    if (!str_eq(what, "delayed") || reply->elements != 4)
        return ST_NOT_FOUND;
    struct job_view v = {.state = JOB_DELAYED, .due_at_ms = number_of(reply->element[1])};
    TRY(job_decode(reply->element[2], s->arena, &v.job, NULL));
    v.error = v.job.reason;
    *out = v;
    return ST_OK;
}

enum status queue_job_get(struct queue *q, struct redis *r, const struct uuid *id,
                          struct arena *arena, struct job_view *out)
{
    const struct search s = {.q = q, .r = r, .id = id, .arena = arena};
    static const char *const streams[] = {"p0", "p1", "p2", "p3", "dead", "l0", "l1", "l2", "l3"};
    enum status st = search_index(&s, out);
    for (size_t i = 0; i < ARRAY_LEN(streams) && st == ST_NOT_FOUND; i++)
        st = search_stream(&s, streams[i], out);
    return st;
}

/* --- dead letters --- */

static enum status requeue(struct queue *q, struct redis *r, const char *entry, const char *task,
                           int64_t *out)
{
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, entry);
    rargs_str(&args, task);
    rargs_i64(&args, LIMIT_JOB_ONCE_MS);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_DEAD, &args, &reply));
    *out = reply->integer;
    return ST_OK;
}

enum status queue_dead_requeue(struct queue *q, struct redis *r, const struct uuid *id)
{
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    const struct search s = {.q = q, .r = r, .id = id, .arena = arena};
    struct job_view view;
    int64_t done = 0;
    TRY(search_stream(&s, "dead", &view));
    TRY(requeue(q, r, view.job.entry, "", &done));
    if (done == 1)
        return ST_OK;
    return done == 0 ? ST_NOT_FOUND : ST_INVALID;
}

enum status queue_dead_requeue_all(struct queue *q, struct redis *r, const char *task,
                                   int64_t *moved)
{
    const char *dead = q->dead;
    char from[QUEUE_ENTRY_BYTES] = "-", step[24];
    int64_t total = 0;
    (void)snprintf(step, sizeof(step), "%d", QUEUE_SCRIPT_BATCH);
    for (int seen = 0; seen < LIMIT_DEAD_LETTERS; seen += QUEUE_SCRIPT_BATCH) {
        AUTO_REPLY list = NULL;
        TRY(redis_do(r, &list, "XRANGE", dead, from, "+", "COUNT", step));
        for (size_t i = 0; i < list->elements; i++) {
            const char *entry = list->element[i]->element[0]->str;
            int64_t done = 0;
            TRY(requeue(q, r, entry, task ? task : "", &done));
            total += done == 1;
            (void)snprintf(from, sizeof(from), "(%.40s", entry);
        }
        if (list->elements < QUEUE_SCRIPT_BATCH)
            break;
    }
    if (moved)
        *moved = total;
    return ST_OK;
}
