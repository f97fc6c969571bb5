/*
 * Jobs that have not come yet: the next ones of a chain, the callback of a group. They lie in the
 * envelope of another job or in a group's state, where nobody finds them by their ids. So a note
 * says of each what it waits for, and all else is asked there:
 *     {q:default:0}:awaited:<id>   "<its queue> <queue of the job before> <id of that>"
 *                                  "<its queue> <name of the group>"
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/control.h"
#include "queue/group.h"
#include "queue/inspect.h"
#include "queue/internal.h"
#include "queue/orders.h"

enum { NOTE_BYTES = 2 * QUEUE_NAME_MAX + GROUP_NAME_BYTES };

struct note {
    const char *queue; /* of the job itself */
    const char *group; /* that it waits for, NULL: for a job */
    const char *before_queue;
    struct uuid before;
};

static enum status key_of(const struct uuid *id, char key[QUEUE_KEY_BYTES])
{
    char text[UUID_TEXT_BYTES];
    AUTO_QUEUE home = NULL;
    TRY(queue_new(GROUP_HOME, 0, &home));
    uuid_format(id, text);
    const int len = snprintf(key, QUEUE_KEY_BYTES, "%sawaited:%s", home->prefix, text);
    return len < QUEUE_KEY_BYTES ? ST_OK : ST_INVALID;
}

static enum status set_args(struct rargs *args, const char *key, const char *note, int64_t ttl_ms)
{
    rargs_init(args, "SET");
    rargs_str(args, key);
    rargs_str(args, note);
    rargs_str(args, "PX");
    rargs_i64(args, ttl_ms);
    return args->failed ? ST_INVALID : ST_OK;
}

enum status queue_callback_note(struct redis *r, const struct job *callback, const char *group,
                                int64_t ttl_ms)
{
    char key[QUEUE_KEY_BYTES], note[NOTE_BYTES];
    struct rargs args;
    TRY(key_of(&callback->id, key));
    (void)snprintf(note, sizeof(note), "%s %s", job_home(callback), group);
    TRY(set_args(&args, key, note, ttl_ms));
    return redis_call(r, &args, NULL);
}

static enum status append_note(struct redis *r, const struct job *before, const struct job *job,
                               int64_t ttl_ms)
{
    char key[QUEUE_KEY_BYTES], note[NOTE_BYTES], id[UUID_TEXT_BYTES];
    struct rargs args;
    TRY(key_of(&job->id, key));
    uuid_format(&before->id, id);
    (void)snprintf(note, sizeof(note), "%s %s %s", job_home(job), job_home(before), id);
    TRY(set_args(&args, key, note, ttl_ms));
    return redis_append(r, &args);
}

static int64_t delay_ms(const struct job *job)
{
    return MAX_OF(job->not_before_ms - job->enqueued_at_ms, (int64_t)0);
}

enum status job_chain_note(struct redis *r, const struct job *first)
{
    struct job *jobs = NULL;
    size_t count = 0;
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena)
        return ST_NO_MEMORY;
    TRY(job_chain_jobs(first->chain, arena, &jobs, &count));
    int64_t ttl_ms = LIMIT_JOB_ONCE_MS + delay_ms(first);
    for (size_t i = 0; i < count; i++) {
        ttl_ms += delay_ms(&jobs[i]);
        TRY(append_note(r, i == 0 ? first : &jobs[i - 1], &jobs[i], ttl_ms));
    }
    enum status st = ST_OK;
    for (size_t i = 0; i < count; i++) {
        AUTO_REPLY reply = NULL;
        TRY(redis_fetch(r, &reply));
        if (reply->type == REDIS_REPLY_ERROR)
            st = redis_refused(r, reply);
    }
    return st;
}

/* --- looking --- */

/* The next word of a text that is cut to pieces; NULL: there is none. */
static const char *next_word(char **at)
{
    char *word = *at;
    const size_t len = strcspn(word, " ");
    *at = word + len + (word[len] == ' ');
    word[len] = '\0';
    return len > 0 ? word : NULL;
}

/* ST_NOT_FOUND, too, of what somebody else wrote there. */
static enum status read_note(struct redis *r, const struct uuid *id, struct arena *arena,
                             struct note *out)
{
    char key[QUEUE_KEY_BYTES];
    AUTO_REPLY reply = NULL;
    TRY(key_of(id, key));
    const enum status st = redis_do(r, &reply, "GET", key);
    if (st == ST_CORRUPT || (st == ST_OK && reply->type != REDIS_REPLY_STRING))
        return ST_NOT_FOUND;
    TRY(st);
    char *at = arena_strndup(arena, reply->str, reply->len);
    if (!at)
        return ST_NO_MEMORY;
    struct note note = {.queue = next_word(&at)};
    const char *second = next_word(&at), *third = next_word(&at);
    if (!second || !queue_name_is_good(note.queue))
        return ST_NOT_FOUND;
    if (!third)
        note.group = second;
    else if (uuid_parse(third, &note.before) == ST_OK)
        note.before_queue = second;
    else
        return ST_NOT_FOUND;
    *out = note;
    return ST_OK;
}

static enum status look(struct redis *r, const char *queue, const struct uuid *id,
                        struct arena *arena, struct job_view *out)
{
    AUTO_QUEUE q = NULL;
    if (queue_new(queue, 0, &q) != ST_OK)
        return ST_NOT_FOUND;
    const enum status st = queue_job_get(q, r, id, arena, out);
    out->job.id = *id;
    return st == ST_INVALID ? ST_NOT_FOUND : st;
}

/* What is known of a job that has not come: its times count from when it does. */
static void set_awaited(struct job_view *v, bool is_dropped)
{
    v->awaited = is_dropped ? "dropped" : "waiting";
    v->state = is_dropped ? JOB_CANCELLED : JOB_QUEUED;
    v->job.enqueued_at_ms = v->job.not_before_ms = v->job.expires_at_ms = 0;
}

static bool is_over(const struct job_view *v)
{
    return v->state != JOB_QUEUED && v->state != JOB_DELAYED && v->state != JOB_RUNNING;
}

/* Of one that has ended the ids alone are left, as text: the n-th is ours. Of one that was
 * cancelled while nobody had it not even these. */
static void from_ids(const struct job_view *before, size_t n, struct job_view *out)
{
    const char *rest = before->chain_ids; /* NULL: not known */
    for (size_t i = 0; rest && i <= n; i++) {
        rest = strchr(rest, ',');
        rest = rest ? rest + 1 : NULL;
    }
    out->job.tenant = before->job.tenant;
    out->chain_ids = rest;
}

enum status job_awaited_after(const struct job_view *before, const struct uuid *id,
                              struct arena *arena, struct job_view *out)
{
    struct uuid *ids = NULL;
    size_t count = 0, n = 0;
    struct job_view v = {.job = {.id = *id}, .awaits_job = before->job.id};
    const enum status st = job_view_chain(before, arena, &ids, &count);
    if (st != ST_OK)
        return st == ST_INVALID ? ST_NOT_FOUND : st;
    while (n < count && !uuid_eq(&ids[n], id))
        n++;
    if (before->state == JOB_SUCCEEDED || (n == count && count > 0))
        return ST_NOT_FOUND;
    if (count == 0 && !is_over(before))
        return ST_NOT_FOUND;
    if (n > 0)
        v.awaits_job = ids[n - 1];
    if (count == 0 || before->chain_ids)
        from_ids(before, n, &v);
    else
        TRY(job_chain_job(before->job.chain, n, arena, &v.job));
    set_awaited(&v, is_over(before));
    *out = v;
    return ST_OK;
}

/* On from a job of the chain that was found, over those that have succeeded meanwhile. */
static enum status go_on(struct redis *r, struct job_view *before, const struct uuid *id,
                         struct arena *arena, struct job_view *out)
{
    for (int i = 0; before->state == JOB_SUCCEEDED && i < LIMIT_CHAIN_JOBS; i++) {
        struct uuid *ids = NULL;
        size_t count = 0;
        struct note note;
        if (job_view_chain(before, arena, &ids, &count) != ST_OK || count == 0)
            return ST_NOT_FOUND;
        TRY(read_note(r, &ids[0], arena, &note));
        TRY(look(r, note.queue, &ids[0], arena, before));
        if (uuid_eq(&ids[0], id)) {
            *out = *before;
            return ST_OK;
        }
    }
    return job_awaited_after(before, id, arena, out);
}

static enum status callback_of(struct redis *r, const struct note *note, const struct uuid *id,
                               struct arena *arena, struct job_view *out)
{
    struct group_view group;
    const char *state = NULL;
    const enum status st = queue_group_get(r, note->group, arena, &group);
    if (st == ST_INVALID || (st == ST_OK && !uuid_eq(&group.callback.id, id)))
        return ST_NOT_FOUND;
    TRY(st);
    TRY(queue_group_callback(r, &group, arena, &state));
    const bool is_dropped = str_eq(state, "dropped");
    if (!is_dropped && !str_eq(state, "waiting"))
        return look(r, note->queue, id, arena, out);
    *out = (struct job_view){.job = group.callback, .awaits_group = queue_group_id(note->group)};
    set_awaited(out, is_dropped);
    return ST_OK;
}

enum status queue_awaited_get(struct redis *r, const struct uuid *id, struct arena *arena,
                              const char **queue, struct job_view *out, struct uuid *first)
{
    struct note note;
    struct job_view before;
    struct uuid at = *id;
    enum status st = read_note(r, id, arena, &note);
    *first = (struct uuid){{0}};
    if (st != ST_OK)
        return st;
    *queue = note.queue;
    if (note.group)
        return callback_of(r, &note, id, arena, out);
    const struct uuid direct = note.before;
    /* Back to the last one of the chain that has come. */
    for (int i = 0; i < LIMIT_CHAIN_JOBS && st == ST_OK && !note.group; i++) {
        st = look(r, note.before_queue, &note.before, arena, &before);
        if (st == ST_OK) {
            *first = (struct uuid){{0}};
            TRY(go_on(r, &before, id, arena, out));
            if (out->awaited)
                out->awaits_job = direct;
            return ST_OK;
        }
        if (st != ST_NOT_FOUND)
            return st;
        at = *first = note.before;
        st = read_note(r, &at, arena, &note);
    }
    return st == ST_OK ? ST_NOT_FOUND : st;
}

const char *job_view_state(const struct job_view *v)
{
    return v->awaited ? v->awaited : job_state_name(v->state);
}
