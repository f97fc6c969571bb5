/* Groups and chains: what follows a job, in whichever queue. */
#include "queue/group.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/internal.h"
#include "queue/pack.h"

enum { ENVELOPE_BYTES = 1 << 20 };

/* --- groups --- */

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

static void queue_freep(struct queue **q)
{
    queue_free(*q);
}
#define AUTO_QUEUE CLEANUP(queue_freep) struct queue *

enum status queue_group_create(struct redis *r, const struct group *group,
                               char name[GROUP_NAME_BYTES])
{
    if (group->total == 0 || uuid_is_nil(&group->id))
        return ST_INVALID;
    if (group->total > LIMIT_GROUP_JOBS)
        return ST_TOO_LARGE;
    AUTO_QUEUE q = NULL;
    TRY(queue_new(group->queue, 0, &q));
    char id[UUID_TEXT_BYTES], text[GROUP_NAME_BYTES];
    uuid_format(&group->id, id);
    if (snprintf(text, sizeof(text), "%s/%s", group->queue, id) >= (int)sizeof(text))
        return ST_INVALID;

    AUTO_BUF envelope;
    buf_init(&envelope, ENVELOPE_BYTES);
    if (group->callback) {
        if (strlen(group->callback->args) > LIMIT_JOB_ARGS_BYTES)
            return ST_TOO_LARGE;
        job_pack(group->callback, &envelope);
    }
    TRY(buf_status(&envelope));
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, "create");
    rargs_str(&args, id);
    rargs_i64(&args, group->ttl_ms > 0 ? group->ttl_ms : LIMIT_JOB_ONCE_MS);
    rargs_i64(&args, (int64_t)group->total);
    rargs_bytes(&args, buf_cstr(&envelope), envelope.len);
    rargs_str(&args, group->is_lenient ? "1" : "0");
    TRY(queue_script(q, r, &SCRIPT_GROUP, &args, NULL));
    (void)str_copy(name, GROUP_NAME_BYTES, text);
    return ST_OK;
}

enum status queue_group_get(struct redis *r, const char *name, struct group_view *out)
{
    AUTO_QUEUE q = NULL;
    struct uuid group;
    TRY(group_open(name, &q, &group));
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, "get");
    rargs_uuid(&args, &group);
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_GROUP, &args, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return ST_NOT_FOUND;
    int64_t n[3];
    for (size_t i = 0; i < 3; i++)
        TRY(str_to_i64(reply->element[i]->str, &n[i]));
    *out = (struct group_view){.total = n[0], .succeeded = n[1], .failed = n[2]};
    return ST_OK;
}

/* Enqueues a job that follows another one, once, whoever tries how often. */
static enum status follow(struct redis *r, const void *envelope, size_t len, const char *chain)
{
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    struct job job;
    TRY(job_unpack(envelope, len, arena, &job, NULL));
    const struct task *task = task_find(job.task);
    char once[UUID_TEXT_BYTES];
    uuid_format(&job.id, once);
    job.idempotency = once;
    if (chain)
        job.chain = chain;
    AUTO_QUEUE q = NULL;
    /* A task that this program does not know ends as a dead letter that says so, in sight. */
    TRY(queue_new(task ? task_queue(task) : "default", 0, &q));
    return queue_enqueue(q, r, &job);
}

enum status job_group_done(struct redis *r, const struct job *job,
                           const struct job_outcome *outcome)
{
    AUTO_QUEUE q = NULL;
    struct uuid group;
    /* A name that is none, a group whose time is over: nobody waits for it. */
    if (group_open(job->group, &q, &group) != ST_OK)
        return ST_OK;
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_str(&args, "done");
    rargs_uuid(&args, &group);
    rargs_uuid(&args, &job->id);
    rargs_str(&args, outcome->state == JOB_SUCCEEDED ? "1" : "0");
    AUTO_REPLY reply = NULL;
    TRY(queue_script(q, r, &SCRIPT_GROUP, &args, &reply));
    if (reply->type != REDIS_REPLY_STRING || reply->len == 0)
        return ST_OK;
    enum status st = follow(r, reply->str, reply->len, NULL);
    return st == ST_INVALID ? ST_OK : st;
}

/* --- chains: an array of envelopes, hexadecimal because it is a text of the envelope --- */

enum status job_chain_make(struct job *jobs, size_t count, struct arena *arena)
{
    if (count == 0)
        return ST_INVALID;
    if (count > LIMIT_CHAIN_JOBS)
        return ST_TOO_LARGE;
    jobs[0].chain = NULL;
    if (count == 1)
        return ST_OK;
    AUTO_BUF all;
    buf_init(&all, ENVELOPE_BYTES);
    pack_array(&all, count - 1);
    for (size_t i = 1; i < count; i++) {
        AUTO_BUF one;
        buf_init(&one, ENVELOPE_BYTES);
        jobs[i].chain = NULL;
        job_pack(&jobs[i], &one);
        TRY(buf_status(&one));
        pack_bytes(&all, one.data, one.len);
    }
    TRY(buf_status(&all));
    if (all.len > JOB_CHAIN_MAX / 2)
        return ST_TOO_LARGE;
    char *hex = arena_alloc(arena, 2 * all.len + 1);
    if (!hex)
        return ST_NO_MEMORY;
    str_hex(all.data, all.len, hex);
    jobs[0].chain = hex;
    return ST_OK;
}

enum status job_chain_next(struct redis *r, const struct job *job)
{
    size_t len = strlen(job->chain) / 2;
    AUTO_FREE unsigned char *bytes = malloc(len + 1);
    if (!bytes)
        return ST_NO_MEMORY;
    struct unpack u = {.at = bytes, .end = bytes + len};
    struct unpack_item array, next;
    /* What cannot be read cannot be followed; the job itself is done. */
    if (str_unhex(job->chain, len, bytes) != ST_OK || unpack_next(&u, &array) != ST_OK ||
        array.type != UNPACK_ARRAY || array.number < 1 || unpack_next(&u, &next) != ST_OK ||
        next.type != UNPACK_BYTES)
        return ST_OK;

    AUTO_BUF rest;
    buf_init(&rest, ENVELOPE_BYTES);
    pack_array(&rest, (size_t)array.number - 1);
    buf_append(&rest, u.at, (size_t)(u.end - u.at));
    TRY(buf_status(&rest));
    AUTO_FREE char *hex = malloc(2 * rest.len + 1);
    if (!hex)
        return ST_NO_MEMORY;
    str_hex(rest.data, rest.len, hex);
    enum status st = follow(r, next.bytes, next.len, array.number > 1 ? hex : NULL);
    return st == ST_INVALID ? ST_OK : st;
}
