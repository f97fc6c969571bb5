/* What follows a job: the next of its chain, and how that is enqueued. */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "queue/group.h"
#include "queue/internal.h"
#include "queue/pack.h"

enum { ENVELOPE_BYTES = 1 << 20 };

/* --- enqueueing --- */

/* {"previous": …} among the arguments. ST_INVALID: they are no object. */
static enum status tell_previous(struct job *job, const char *previous, struct arena *arena)
{
    AUTO_JSON args = NULL;
    AUTO_JSON told = NULL;
    if (strlen(previous) > LIMIT_PREVIOUS_BYTES)
        return ST_TOO_LARGE;
    if (json_parse(job->args, strlen(job->args), &args, NULL) != ST_OK || !json_is_object(args) ||
        json_parse(previous, strlen(previous), &told, NULL) != ST_OK)
        return ST_INVALID;
    if (json_object_set(args, "previous", told) != 0)
        return ST_NO_MEMORY;
    AUTO_FREE char *text = json_dumps(args, JSON_COMPACT);
    job->args = text ? arena_strdup(arena, text) : NULL;
    if (!job->args)
        return ST_NO_MEMORY;
    return strlen(job->args) > LIMIT_JOB_ARGS_BYTES ? ST_TOO_LARGE : ST_OK;
}

/* It was written down long ago: its times count from now. */
static void begin_now(struct job *job)
{
    const int64_t late_ms = MAX_OF(clock_wall_ms() - job->enqueued_at_ms, (int64_t)0);
    job->enqueued_at_ms += late_ms;
    if (job->not_before_ms > 0)
        job->not_before_ms += late_ms;
    if (job->expires_at_ms > 0)
        job->expires_at_ms += late_ms;
}

enum status job_follow(struct redis *r, struct job *job, const char *previous, struct arena *arena)
{
    char once[UUID_TEXT_BYTES];
    if (job->takes_previous)
        TRY(tell_previous(job, previous, arena));
    begin_now(job);
    uuid_format(&job->id, once);
    job->idempotency = once;
    /* Without it those behind it are only not seen before they come. */
    if (job->chain)
        (void)!job_chain_note(r, job);
    AUTO_QUEUE q = NULL;
    /* A task that this program does not know ends as a dead letter that says so, in sight. */
    TRY(queue_new(job_home(job), 0, &q));
    return queue_enqueue(q, r, job);
}

/* --- chains: an array of envelopes, hexadecimal because it is a text of the envelope --- */

static enum status close_chain(const struct buf *bytes, struct arena *arena, const char **out)
{
    TRY(buf_status(bytes));
    char *hex = arena_alloc(arena, 2 * bytes->len + 1);
    if (!hex)
        return ST_NO_MEMORY;
    str_hex(bytes->data, bytes->len, hex);
    *out = hex;
    return ST_OK;
}

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
    if (all.len > JOB_CHAIN_MAX / 2)
        return ST_TOO_LARGE;
    return close_chain(&all, arena, &jobs[0].chain);
}

/* The array's head is read then: *count envelopes come. */
static enum status open_chain(const char *chain, struct arena *arena, struct unpack *u,
                              size_t *count)
{
    const size_t len = strlen(chain) / 2;
    unsigned char *bytes = arena_alloc(arena, len + 1);
    struct unpack_item array;
    if (!bytes)
        return ST_NO_MEMORY;
    *u = (struct unpack){.at = bytes, .end = bytes + len};
    TRY(str_unhex(chain, len, bytes));
    TRY(unpack_next(u, &array));
    if (array.type != UNPACK_ARRAY || array.number < 1 || array.number > LIMIT_CHAIN_JOBS)
        return ST_INVALID;
    *count = (size_t)array.number;
    return ST_OK;
}

static enum status next_job(struct unpack *u, struct arena *arena, struct job *out)
{
    struct unpack_item item;
    TRY(unpack_next(u, &item));
    if (item.type != UNPACK_BYTES)
        return ST_INVALID;
    return job_unpack(item.bytes, item.len, arena, out, NULL);
}

enum status job_chain_jobs(const char *chain, struct arena *arena, struct job **out, size_t *count)
{
    struct unpack u;
    size_t n = 0;
    *out = NULL;
    *count = 0;
    if (!chain)
        return ST_OK;
    TRY(open_chain(chain, arena, &u, &n));
    struct job *jobs = arena_array(arena, n, sizeof(*jobs));
    if (!jobs)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        TRY(next_job(&u, arena, &jobs[i]));
    *out = jobs;
    *count = n;
    return ST_OK;
}

enum status job_chain_ids(const char *chain, struct arena *arena, struct uuid **out, size_t *count)
{
    struct job *jobs = NULL;
    size_t n = 0;
    TRY(job_chain_jobs(chain, arena, &jobs, &n));
    struct uuid *ids = n > 0 ? arena_array(arena, n, sizeof(*ids)) : NULL;
    if (n > 0 && !ids)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        ids[i] = jobs[i].id;
    *out = ids;
    *count = n;
    return ST_OK;
}

/* What is left of the chain behind its first job, NULL: nothing. */
static enum status rest_of(const struct unpack *u, size_t count, struct arena *arena,
                           const char **out)
{
    *out = NULL;
    if (count == 0)
        return ST_OK;
    AUTO_BUF rest;
    buf_init(&rest, ENVELOPE_BYTES);
    pack_array(&rest, count);
    buf_append(&rest, u->at, (size_t)(u->end - u->at));
    return close_chain(&rest, arena, out);
}

enum status job_chain_job(const char *chain, size_t n, struct arena *arena, struct job *out)
{
    struct unpack u;
    struct job job;
    size_t count = 0;
    TRY(open_chain(chain, arena, &u, &count));
    if (n >= count)
        return ST_INVALID;
    for (size_t i = 0; i <= n; i++)
        TRY(next_job(&u, arena, &job));
    TRY(rest_of(&u, count - n - 1, arena, &job.chain));
    *out = job;
    return ST_OK;
}

enum status job_chain_next(struct redis *r, const struct job *job,
                           const struct job_outcome *outcome)
{
    struct job next;
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    enum status st = job_chain_job(job->chain, 0, arena, &next);
    if (st == ST_OK)
        st = job_follow(r, &next, outcome->result ? outcome->result : "null", arena);
    /* What cannot be read cannot be followed; the job itself is done. */
    return st == ST_INVALID ? ST_OK : st;
}
