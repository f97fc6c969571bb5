/* Jobs as the commands job and dead list and show them. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/queues.h"
#include "cli/text.h"
#include "queue/control.h"
#include "queue/group.h"

/* Ids of what follows it. */
static void put_chain_json(struct jw *w, const struct job_view *v)
{
    struct uuid *ids = NULL;
    size_t count = 0;
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    jw_key(w, "chain");
    jw_array(w);
    if (arena && job_view_chain(v, arena, &ids, &count) == ST_OK) {
        for (size_t i = 0; i < count; i++)
            jw_uuid(w, &ids[i]);
    }
    jw_end(w);
}

static void put_awaited_json(struct jw *w, const char *name, const struct uuid *id)
{
    jw_key(w, name);
    if (uuid_is_nil(id))
        jw_null(w);
    else
        jw_uuid(w, id);
}

static void put_json(struct jw *w, const char *queue, const struct job_view *v)
{
    const struct job *job = &v->job;
    jw_object(w);
    jw_kv_uuid(w, "id", &job->id);
    jw_kv_str(w, "queue", queue);
    jw_kv_str(w, "task", job->task);
    jw_kv_str(w, "state", job_view_state(v));
    jw_kv_i64(w, "priority", job->priority);
    jw_kv_i64(w, "attempt", job->attempt);
    jw_kv_i64(w, "max_attempts", job->max_attempts);
    jw_kv_time_us(w, "enqueued_at", job->enqueued_at_ms * 1000);
    jw_kv_time_us(w, "due_at", v->due_at_ms * 1000);
    jw_kv_time_us(w, "expires_at", job->expires_at_ms * 1000);
    jw_kv_time_us(w, "started_at", v->started_at_ms * 1000);
    jw_kv_time_us(w, "finished_at", v->finished_at_ms * 1000);
    jw_kv_i64(w, "running_ms", v->running_ms);
    jw_kv_str(w, "worker", v->worker);
    jw_kv_bool(w, "is_cancel_wanted", v->is_cancel_wanted);
    jw_kv_raw(w, "args", job->args);
    jw_kv_raw(w, "result", v->result);
    jw_kv_str(w, "error", v->error);
    jw_kv_str(w, "dedup", job->dedup);
    jw_kv_str(w, "key", job->key);
    jw_kv_str(w, "tenant", job->tenant);
    jw_kv_str(w, "group", job->group);
    put_chain_json(w, v);
    put_awaited_json(w, "awaits_job", &v->awaits_job);
    put_awaited_json(w, "awaits_group", &v->awaits_group);
    jw_kv_str(w, "trace", job->trace);
    jw_end(w);
}

/* --- lists --- */

struct listing {
    struct cli *cli;
    struct redis *r;
    const struct job_filter *filter;
    size_t count;
    struct jw w;
    struct table table;
};

static void put_row(struct table *t, const char *queue, const struct job_view *v)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(&v->job.id, id);
    const int64_t now = clock_wall_ms();
    table_add(t, uuid_is_nil(&v->job.id) ? NULL : id);
    table_add(t, queue);
    table_add(t, v->job.task);
    table_add(t, job_state_name(v->state));
    table_addf(t, "%d/%d", v->job.attempt, v->job.max_attempts);
    if (v->job.enqueued_at_ms > 0)
        table_add_age(t, now - v->job.enqueued_at_ms);
    else
        table_add(t, NULL);
    char age[AGE_TEXT_BYTES];
    text_age(v->state == JOB_DELAYED ? v->due_at_ms - now : v->running_ms, age);
    if (v->state == JOB_DELAYED)
        table_addf(t, "due in %s", age);
    else if (v->state == JOB_RUNNING)
        table_addf(t, "%s on %.100s", age, v->worker ? v->worker : "?");
    else
        table_addf(t, "%.200s", v->error ? v->error : "-");
}

static enum status list_state(struct listing *l, const char *name, struct queue *q,
                              enum job_state state)
{
    const struct job_filter *f = l->filter;
    struct job_scan scan = {.state = state, .task = f->task, .tenant = f->tenant};
    size_t seen = 0;
    do {
        struct job_page page;
        scan.take = f->limit - l->count;
        TRY(queue_jobs_scan(q, l->r, &scan, l->cli->arena, &page));
        for (size_t i = 0; i < page.count; i++) {
            l->count++;
            if (f->is_json)
                put_json(&l->w, name, &page.jobs[i]);
            else
                put_row(&l->table, name, &page.jobs[i]);
        }
        scan.cursor = page.next;
        seen += page.looked;
    } while (scan.cursor && l->count < f->limit && seen < LIMIT_JOB_SCAN);
    return ST_OK;
}

static enum status list_queue(struct listing *l, const char *name)
{
    static const enum job_state states[] = {JOB_RUNNING, JOB_QUEUED, JOB_DELAYED, JOB_DEAD};
    AUTO_QUEUE q = NULL;
    TRY(queue_new(name, 0, &q));
    for (size_t i = 0; i < ARRAY_LEN(states) && l->count < l->filter->limit; i++) {
        if (l->filter->state == JOB_STATE_COUNT_ || l->filter->state == states[i])
            TRY(list_state(l, name, q, states[i]));
    }
    return ST_OK;
}

int jobs_print_list(struct cli *cli, struct redis *r, const struct job_filter *filter)
{
    static const char *const titles[] = {"ID",       "QUEUE", "TASK",  "STATE",
                                         ">ATTEMPT", ">AGE",  "DETAIL"};
    const char **names = NULL;
    size_t count = 0;
    const int code = queues_pick(cli, r, filter->queue, &names, &count);
    if (code != CLI_OK)
        return code;
    AUTO_BUF out;
    buf_init(&out, CLI_OUTPUT_BYTES);
    struct listing l = {.cli = cli, .r = r, .filter = filter};
    jw_init(&l.w, &out);
    table_init(&l.table, cli->arena, titles, ARRAY_LEN(titles));
    if (filter->is_json)
        jw_array(&l.w);
    for (size_t i = 0; i < count && l.count < filter->limit; i++) {
        const enum status st = list_queue(&l, names[i]);
        if (st != ST_OK)
            return cli_fail_redis("jobs", st, r);
    }
    if (filter->is_json) {
        jw_end(&l.w);
        buf_char(&out, '\n');
    } else {
        table_print(&l.table, &out, 0, 0);
    }
    return cli_print(&out);
}

/* --- one --- */

int jobs_find(struct cli *cli, struct redis *r, const char *id, struct job_found *out)
{
    struct uuid wanted;
    if (uuid_parse(id, &wanted) != ST_OK)
        return cli_usage(cli, "%s is no id of a job", id);
    const char **names = NULL;
    size_t count = 0;
    const int code = queues_pick(cli, r, NULL, &names, &count);
    if (code != CLI_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        AUTO_QUEUE q = NULL;
        enum status st = queue_new(names[i], 0, &q);
        if (st == ST_OK)
            st = queue_job_get(q, r, &wanted, cli->arena, &out->view);
        if (st == ST_OK) {
            out->q = take(&q);
            out->queue = names[i];
            return CLI_OK;
        }
        if (st != ST_NOT_FOUND)
            return cli_fail_redis("job", st, r);
    }
    struct uuid first;
    enum status st = queue_awaited_get(r, &wanted, cli->arena, &out->queue, &out->view, &first);
    if (st == ST_NOT_FOUND)
        return cli_fail("there is no job %s, or it ended without a result being kept", id);
    if (st == ST_OK)
        st = queue_new(out->queue, 0, &out->q);
    if (st == ST_OK && out->view.awaited)
        (void)!queue_cancel_wanted(out->q, r, &out->view.job, 1, &out->view.is_cancel_wanted);
    return st == ST_OK ? CLI_OK : cli_fail_redis("job", st, r);
}

static void put_time(struct buf *out, const char *name, int64_t wall_ms)
{
    char text[TIME_TEXT_BYTES];
    time_format_ms(wall_ms, text);
    if (wall_ms > 0)
        text_put_field(out, name, text);
}

/* Ids of what follows it. */
static void put_chain(struct buf *out, const struct job_view *v)
{
    struct uuid *ids = NULL;
    size_t count = 0;
    AUTO_ARENA arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    if (!arena || job_view_chain(v, arena, &ids, &count) != ST_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        char id[UUID_TEXT_BYTES];
        uuid_format(&ids[i], id);
        text_put_field(out, i == 0 ? "chain" : "", id);
    }
}

static void put_awaited(struct buf *out, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    if (!uuid_is_nil(id))
        text_put_field(out, name, text);
}

static void put_text(const char *queue, const struct job_view *v, struct buf *out)
{
    const struct job *job = &v->job;
    char id[UUID_TEXT_BYTES], running[AGE_TEXT_BYTES];
    uuid_format(&job->id, id);
    text_age(v->running_ms, running);
    text_put_field(out, "job", id);
    text_put_field(out, "queue", queue);
    text_put_field(out, "task", job->task);
    buf_printf(out, "%-12s%s%s\n", "state", job_view_state(v),
               v->is_cancel_wanted ? ", to be cancelled" : "");
    /* Of an ended job its result alone is left: no envelope, hence no priority. */
    if (job->max_attempts > 0)
        buf_printf(out, "%-12s%d of %d\n%-12s%d\n", "attempt", job->attempt, job->max_attempts,
                   "priority", job->priority);
    put_time(out, "enqueued", job->enqueued_at_ms);
    put_time(out, "due", v->due_at_ms);
    put_time(out, "expires", job->expires_at_ms);
    put_time(out, "started", v->started_at_ms);
    put_time(out, "finished", v->finished_at_ms);
    if (v->state == JOB_RUNNING)
        text_put_field(out, "running", running);
    text_put_field(out, "worker", v->worker);
    text_put_field(out, "error", v->error);
    text_put_field(out, "result", v->result);
    text_put_field(out, "arguments", job->args);
    text_put_field(out, "dedup", job->dedup);
    text_put_field(out, "key", job->key);
    text_put_field(out, "tenant", job->tenant);
    text_put_field(out, "group", job->group);
    put_chain(out, v);
    put_awaited(out, "after job", &v->awaits_job);
    put_awaited(out, "after group", &v->awaits_group);
    text_put_field(out, "trace", job->trace);
}

int jobs_print_one(const struct job_found *found, bool is_json)
{
    AUTO_BUF out;
    struct jw w;
    buf_init(&out, CLI_OUTPUT_BYTES);
    jw_init(&w, &out);
    if (is_json) {
        put_json(&w, found->queue, &found->view);
        buf_char(&out, '\n');
    } else {
        put_text(found->queue, &found->view, &out);
    }
    return cli_print(&out);
}
