/* Groups: what is known of their members, and the callback when all are done. */
#include "queue/group.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/write.h"
#include "queue/control.h"
#include "queue/inspect.h"
#include "queue/internal.h"

enum {
    ENVELOPE_BYTES = 1 << 20,
    MEMBER_BYTES = 17, /* an id, and the place of its queue among the names */
    /* Of what a callback is told: all but the results, and what each of those costs beside itself
     */
    TOLD_BYTES = 512,
    TOLD_EACH_BYTES = 5
};

/* --- names --- */

enum status queue_group_name(const char *queue, const struct uuid *id, char name[GROUP_NAME_BYTES])
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    return snprintf(name, GROUP_NAME_BYTES, "%s/%s", queue, text) < GROUP_NAME_BYTES ? ST_OK
                                                                                     : ST_INVALID;
}

/* "<queue>/<uuid>" in parts. */
static enum status group_open(const char *name, struct queue **q, struct uuid *id)
{
    char queue[64];
    const char *slash = strchr(name, '/');
    if (!slash || (size_t)(slash - name) >= sizeof(queue))
        return ST_INVALID;
    memcpy(queue, name, (size_t)(slash - name));
    queue[slash - name] = '\0';
    TRY(uuid_parse(slash + 1, id));
    return queue_new(queue, 0, q);
}

struct uuid queue_group_id(const char *name)
{
    struct uuid id = {{0}};
    const char *slash = strchr(name, '/');
    if (!slash || uuid_parse(slash + 1, &id) != ST_OK)
        return (struct uuid){{0}};
    return id;
}

/* One of group.lua's, which has no more to say than the group's name and up to two numbers. */
static enum status ask(struct redis *r, const char *name, const char *what,
                       const int64_t numbers[2], redisReply **reply)
{
    AUTO_QUEUE q = NULL;
    struct uuid group;
    TRY(group_open(name, &q, &group));
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, what);
    rargs_uuid(&args, &group);
    rargs_i64(&args, numbers[0]);
    rargs_i64(&args, numbers[1]);
    return queue_script(q, r, &SCRIPT_GROUP, &args, reply);
}

/* --- writing it down --- */

/* Members as group.lua keeps them; names of their queues, by comma. */
static enum status pack_members(const struct group *group, struct buf *members, struct buf *queues)
{
    const char *names[GROUP_QUEUES_MAX];
    size_t known = 0;
    for (size_t i = 0; i < group->total && group->members; i++) {
        const struct group_member *m = &group->members[i];
        size_t at = 0;
        while (at < known && !str_eq(names[at], m->queue))
            at++;
        if (at == GROUP_QUEUES_MAX)
            return ST_TOO_LARGE;
        if (at == known) {
            if (!m->queue || !queue_name_is_good(m->queue))
                return ST_INVALID;
            buf_printf(queues, "%s%s", known > 0 ? "," : "", m->queue);
            names[known++] = m->queue;
        }
        buf_append(members, m->id.b, sizeof(m->id.b));
        buf_char(members, (char)at);
    }
    TRY(buf_status(queues));
    return buf_status(members);
}

/* For results: what the callback may be told, without all else in there. */
static int64_t room_of(const struct group *group)
{
    const int64_t room = (int64_t)LIMIT_PREVIOUS_BYTES - TOLD_BYTES -
                         TOLD_EACH_BYTES * (int64_t)group->total;
    const bool has_room = group->callback && group->callback->takes_previous && group->members &&
                          group->total <= LIMIT_GROUP_RESULTS;
    return has_room ? MAX_OF(room, (int64_t)0) : 0;
}

static enum status pack_callback(const struct group *group, struct buf *out)
{
    if (!group->callback)
        return ST_OK;
    if (strlen(group->callback->args) > LIMIT_JOB_ARGS_BYTES)
        return ST_TOO_LARGE;
    job_pack(group->callback, out);
    return buf_status(out);
}

enum status queue_group_create(struct redis *r, const struct group *group,
                               char name[GROUP_NAME_BYTES])
{
    char text[GROUP_NAME_BYTES];
    AUTO_QUEUE q = NULL;
    AUTO_BUF envelope;
    AUTO_BUF members;
    AUTO_BUF queues;
    buf_init(&envelope, ENVELOPE_BYTES);
    buf_init(&members, (size_t)MEMBER_BYTES * LIMIT_GROUP_JOBS);
    buf_init(&queues, GROUP_QUEUES_MAX * (QUEUE_NAME_MAX + 1));
    if (group->total == 0 || uuid_is_nil(&group->id))
        return ST_INVALID;
    if (group->total > LIMIT_GROUP_JOBS)
        return ST_TOO_LARGE;
    const int64_t ttl_ms = group->ttl_ms > 0 ? group->ttl_ms : LIMIT_JOB_ONCE_MS;
    TRY(queue_new(group->queue, 0, &q));
    TRY(queue_group_name(group->queue, &group->id, text));
    TRY(pack_callback(group, &envelope));
    TRY(pack_members(group, &members, &queues));
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, "create");
    rargs_uuid(&args, &group->id);
    rargs_i64(&args, ttl_ms);
    rargs_i64(&args, (int64_t)group->total);
    rargs_bytes(&args, buf_cstr(&envelope), envelope.len);
    rargs_str(&args, group->is_lenient ? "1" : "0");
    rargs_str(&args, group->tenant ? group->tenant : "");
    rargs_i64(&args, group->created_at_ms);
    rargs_i64(&args, room_of(group));
    rargs_bytes(&args, buf_cstr(&members), members.len);
    rargs_str(&args, buf_cstr(&queues));
    TRY(queue_script(q, r, &SCRIPT_GROUP, &args, NULL));
    if (group->callback)
        TRY(queue_callback_note(r, group->callback, text, ttl_ms));
    (void)str_copy(name, GROUP_NAME_BYTES, text);
    return ST_OK;
}

enum status queue_group_drop(struct redis *r, const char *name)
{
    return ask(r, name, "drop", (const int64_t[2]){0}, NULL);
}

/* --- looking --- */

static enum status read_text(const char *name, const redisReply *value, struct arena *arena,
                             struct group_view *v)
{
    if (value->len == 0)
        return ST_OK;
    if (str_eq(name, "callback"))
        return job_unpack(value->str, value->len, arena, &v->callback, NULL);
    if (!str_eq(name, "tenant"))
        return ST_OK;
    v->tenant = arena_strndup(arena, value->str, value->len);
    return v->tenant ? ST_OK : ST_NO_MEMORY;
}

static void read_number(const char *name, const char *text, struct group_view *v)
{
    const struct {
        const char *name;
        int64_t *at;
    } rows[] = {
        {"total", &v->total},
        {"ok", &v->succeeded},
        {"failed", &v->failed},
        {"created", &v->created_at_ms},
        {"cancelled", &v->cancelled_at_ms},
        {"left_out", &v->left_out},
    };
    int64_t n = 0;
    if (str_to_i64(text, &n) != ST_OK)
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq(name, rows[i].name))
            *rows[i].at = n;
    }
    if (str_eq(name, "lenient"))
        v->is_lenient = n == 1;
}

enum status queue_group_get(struct redis *r, const char *name, struct arena *arena,
                            struct group_view *out)
{
    struct group_view v = {0};
    int64_t left_ms = 0;
    AUTO_REPLY reply = NULL;
    TRY(ask(r, name, "get", (const int64_t[2]){0}, &reply));
    if (reply->type != REDIS_REPLY_ARRAY)
        return ST_NOT_FOUND;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const char *field = reply->element[i]->str;
        TRY(read_text(field, reply->element[i + 1], arena, &v));
        read_number(field, reply->element[i + 1]->str, &v);
    }
    const redisReply *last = reply->elements % 2 ? reply->element[reply->elements - 1] : NULL;
    if (last && str_to_i64(last->str, &left_ms) == ST_OK && left_ms > 0)
        v.expires_at_ms = clock_wall_ms() + left_ms;
    *out = v;
    return ST_OK;
}

int64_t queue_group_pending(const struct group_view *v)
{
    return MAX_OF(v->total - v->succeeded - v->failed, (int64_t)0);
}

const char *queue_group_status(const struct group_view *v)
{
    if (v->cancelled_at_ms > 0)
        return "cancelled";
    if (queue_group_pending(v) > 0)
        return "running";
    if (v->failed == 0)
        return "succeeded";
    return v->is_lenient ? "completed" : "failed";
}

enum status queue_group_callback(struct redis *r, const struct group_view *v, struct arena *arena,
                                 const char **state)
{
    AUTO_QUEUE q = NULL;
    struct job_view view;
    const bool is_dropped = v->cancelled_at_ms > 0 || (v->failed > 0 && !v->is_lenient);
    *state = is_dropped ? "dropped" : "waiting";
    if (!v->callback.task)
        *state = NULL;
    if (!v->callback.task || is_dropped || queue_group_pending(v) > 0)
        return ST_OK;
    TRY(queue_new(job_home(&v->callback), 0, &q));
    const enum status st = queue_job_get(q, r, &v->callback.id, arena, &view);
    if (st != ST_NOT_FOUND)
        TRY(st);
    *state = st == ST_OK ? job_state_name(view.state) : NULL;
    return ST_OK;
}

static enum job_state state_of(char letter)
{
    static const enum job_state ends[] = {JOB_SUCCEEDED, JOB_FAILED, JOB_DEAD, JOB_CANCELLED,
                                          JOB_EXPIRED};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (job_state_name(ends[i])[0] == letter)
            return ends[i];
    }
    return JOB_STATE_COUNT_;
}

/* The n-th name of a list by commas. */
static const char *name_at(const char *list, unsigned char n, struct arena *arena)
{
    for (; n > 0 && *list; n--) {
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return *list ? arena_strndup(arena, list, strcspn(list, ",")) : NULL;
}

static enum status read_member(const redisReply *reply, size_t i, struct arena *arena,
                               struct group_member_view *out)
{
    const char *packed = reply->element[1]->str + i * MEMBER_BYTES;
    const redisReply *end = reply->element[2 + i];
    *out = (struct group_member_view){.state = JOB_STATE_COUNT_};
    memcpy(out->id.b, packed, sizeof(out->id.b));
    out->queue = name_at(reply->element[0]->str, (unsigned char)packed[sizeof(out->id.b)], arena);
    if (end->type != REDIS_REPLY_STRING || end->len == 0)
        return ST_OK;
    out->state = state_of(end->str[0]);
    out->result = end->len > 1 ? arena_strndup(arena, end->str + 1, end->len - 1) : NULL;
    return end->len > 1 && !out->result ? ST_NO_MEMORY : ST_OK;
}

enum status queue_group_members(struct redis *r, const char *name, size_t first, size_t max,
                                struct arena *arena, struct group_member_view **out, size_t *count)
{
    const int64_t range[2] = {(int64_t)first, (int64_t)MIN_OF(max, (size_t)GROUP_PAGE)};
    AUTO_REPLY reply = NULL;
    TRY(ask(r, name, "members", range, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
        return ST_NOT_FOUND;
    const size_t n = reply->element[1]->len / MEMBER_BYTES;
    if (reply->elements != 2 + n)
        return ST_CORRUPT;
    struct group_member_view *list = arena_array(arena, MAX_OF(n, (size_t)1), sizeof(*list));
    if (!list)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        TRY(read_member(reply, i, arena, &list[i]));
    *out = list;
    *count = n;
    return ST_OK;
}

/* --- cancelling --- */

static enum status cancel_members(struct redis *r, const struct group_member_view *members,
                                  size_t count, int64_t now_ms)
{
    AUTO_QUEUE q = NULL;
    for (size_t i = 0; i < count; i++) {
        if (members[i].state != JOB_STATE_COUNT_ || !members[i].queue)
            continue;
        if (!q || !str_eq(q->name, members[i].queue)) {
            queue_free(q);
            q = NULL;
            TRY(queue_new(members[i].queue, 0, &q));
        }
        const enum status st = queue_cancel(q, r, &members[i].id, now_ms, NULL);
        if (st != ST_CONFLICT) /* it has just ended */
            TRY(st);
    }
    return ST_OK;
}

enum status queue_group_cancel(struct redis *r, const char *name, int64_t now_ms)
{
    AUTO_REPLY reply = NULL;
    TRY(ask(r, name, "cancel", (const int64_t[2]){now_ms}, &reply));
    if (reply->type != REDIS_REPLY_STRING)
        return ST_NOT_FOUND;
    if (str_eq(reply->str, "ended"))
        return ST_CONFLICT;
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    size_t first = 0, count = 0;
    do {
        struct group_member_view *members = NULL;
        arena_reset(arena);
        TRY(queue_group_members(r, name, first, GROUP_PAGE, arena, &members, &count));
        TRY(cancel_members(r, members, count, now_ms));
        first += count;
    } while (count == GROUP_PAGE);
    return ST_OK;
}

/* --- a member has ended --- */

static enum status write_results(struct redis *r, const char *name, size_t total,
                                 struct arena *arena, struct jw *w)
{
    size_t first = 0, count = 0;
    do {
        struct group_member_view *members = NULL;
        TRY(queue_group_members(r, name, first, GROUP_PAGE, arena, &members, &count));
        for (size_t i = 0; i < count; i++) {
            if (members[i].result)
                jw_raw(w, members[i].result);
            else
                jw_null(w);
        }
        first += count;
    } while (first < total && count > 0);
    return ST_OK;
}

/* What a callback is told. */
static enum status tell_of(struct redis *r, const char *name, struct arena *arena, struct buf *out)
{
    struct group_view v;
    const struct uuid id = queue_group_id(name);
    struct jw w;
    TRY(queue_group_get(r, name, arena, &v));
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_uuid(&w, "group", &id);
    jw_kv_i64(&w, "total", v.total);
    jw_kv_i64(&w, "succeeded", v.succeeded);
    jw_kv_i64(&w, "failed", v.failed);
    jw_kv_i64(&w, "left_out", v.left_out);
    jw_key(&w, "results");
    jw_array(&w);
    if (v.total <= LIMIT_GROUP_RESULTS)
        TRY(write_results(r, name, (size_t)v.total, arena, &w));
    jw_end(&w);
    jw_end(&w);
    return buf_status(out);
}

static enum status call_back(struct redis *r, const char *name, const redisReply *envelope)
{
    struct job job;
    AUTO_BUF previous;
    buf_init(&previous, LIMIT_JOB_ARGS_BYTES);
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    TRY(job_unpack(envelope->str, envelope->len, arena, &job, NULL));
    if (job.takes_previous)
        TRY(tell_of(r, name, arena, &previous));
    return job_follow(r, &job, buf_cstr(&previous), arena);
}

enum status job_group_done(struct redis *r, const struct job *job,
                           const struct job_outcome *outcome)
{
    AUTO_QUEUE q = NULL;
    struct uuid group;
    const char *result = outcome->state == JOB_SUCCEEDED ? outcome->result : NULL;
    /* A name that is none, a group whose time is over: nobody waits for it. */
    if (group_open(job->group, &q, &group) != ST_OK)
        return ST_OK;
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, "done");
    rargs_uuid(&args, &group);
    rargs_bytes(&args, job->id.b, sizeof(job->id.b));
    rargs_str(&args, job_state_name(outcome->state));
    rargs_str(&args, result ? result : "");
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_GROUP, &args, &reply));
    if (reply->type != REDIS_REPLY_STRING || reply->len == 0)
        return ST_OK;
    const enum status st = call_back(r, job->group, reply);
    return st == ST_INVALID || st == ST_NOT_FOUND ? ST_OK : st;
}
