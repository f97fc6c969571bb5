/* Which of the jobs that were just fetched must not start now. */
#include "base/str.h"
#include "log/log.h"
#include "queue/control.h"
#include "queue/internal.h"

/* Should no other job of its key end (its worker died), one that waits looks again after this. */
enum { KEY_WAIT_MS = 5000 };

struct admission {
    struct queue *q;
    struct redis *r;
    const char *consumer;
    int64_t now_ms;
};

static enum status drop(const struct admission *a, const struct job *job, enum job_state state)
{
    struct job_outcome o = {.state = state, .finished_at_ms = a->now_ms};
    enum status st = queue_end_unrun(a->q, a->r, a->consumer, job, &o);
    return st == ST_CONFLICT ? ST_OK : st;
}

static bool is_limited(const struct admission *a, const struct job *job)
{
    if (job->key && (job->key_limit > 0 || job->key_rate.count > 0))
        return true;
    if (a->q->seen.has_rates)
        return true;
    const struct task *task = task_find(job->task);
    return task && task->rate.count > 0;
}

static enum status ask(const struct admission *a, const struct job *job, redisReply **reply)
{
    const struct task *task = task_find(job->task);
    struct queue_rate rate = task ? task->rate : (struct queue_rate){0};
    struct rargs args;
    rargs_init(&args, NULL);
    rargs_uuid(&args, &job->id);
    rargs_str(&args, a->consumer);
    rargs_str(&args, job->task);
    rargs_i64(&args, rate.count);
    rargs_i64(&args, MAX_OF(rate.period_ms, (int64_t)1));
    rargs_i64(&args, rate.burst);
    rargs_i64(&args, job->granted_at_ms);
    rargs_str(&args, job->key ? job->key : "");
    rargs_i64(&args, job->key_limit);
    rargs_i64(&args, job->key ? job->key_rate.count : 0);
    rargs_i64(&args, MAX_OF(job->key_rate.period_ms, (int64_t)1));
    rargs_i64(&args, job->key_rate.burst);
    rargs_i64(&args, job->key_granted_at_ms);
    return queue_script(a->q, a->r, &SCRIPT_ADMIT, &args, reply);
}

/* Asks for one job; *keep false when it was sent to wait. */
static enum status limit(const struct admission *a, const struct job *job, bool *keep)
{
    AUTO_REPLY reply = NULL;
    TRY(ask(a, job, &reply));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1)
        return ST_CORRUPT;
    const char *what = reply->element[0]->str;
    *keep = str_eq(what, "go");
    if (*keep)
        return ST_OK;
    struct delay d = {.waits_for_key = str_eq(what, "key"), .due_ms = a->now_ms + KEY_WAIT_MS};
    if (!d.waits_for_key) {
        if (reply->elements != 3 || str_to_i64(reply->element[1]->str, &d.granted_ms) != ST_OK ||
            str_to_i64(reply->element[2]->str, &d.key_granted_ms) != ST_OK)
            return ST_CORRUPT;
        d.due_ms = MAX_OF(d.granted_ms, d.key_granted_ms);
    }
    enum status st = queue_delay(a->q, a->r, a->consumer, job, &d);
    return st == ST_CONFLICT ? ST_OK : st;
}

enum status queue_admit(struct queue *q, struct redis *r, const char *consumer, int64_t now_ms,
                        struct job *jobs, size_t *count)
{
    const struct admission a = {.q = q, .r = r, .consumer = consumer, .now_ms = now_ms};
    bool cancelled[LIMIT_FETCH_BATCH] = {false};
    if (q->seen.has_cancelled)
        TRY(queue_cancel_wanted(q, r, jobs, *count, cancelled));
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        bool keep = true;
        if (jobs[i].expires_at_ms > 0 && jobs[i].expires_at_ms <= now_ms) {
            TRY(drop(&a, &jobs[i], JOB_EXPIRED));
            continue;
        }
        if (cancelled[i]) {
            TRY(drop(&a, &jobs[i], JOB_CANCELLED));
            continue;
        }
        if (is_limited(&a, &jobs[i]))
            TRY(limit(&a, &jobs[i], &keep));
        if (keep)
            jobs[kept++] = jobs[i];
    }
    *count = kept;
    return ST_OK;
}
