/* /jobs: what waits, runs, or has died; cancelling and retrying it. */
#include "services/api/routes/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "net/page.h"
#include "queue/control.h"
#include "queue/group.h"
#include "services/api/api.h"
#include "services/api/hooks.h"
#include "services/api/routes/job_fields.h"
#include "services/api/routes/routes.h"
#include "store/job_outbox.h"

/* --- lists --- */

static const char *const states[] = {"running", "queued", "delayed", "dead", NULL};
static const enum job_state state_of[] = {JOB_RUNNING, JOB_QUEUED, JOB_DELAYED, JOB_DEAD};
/* Looks into Redis for one page. */
enum { ROUNDS_MAX = 200, CURSOR_BYTES = 128 };

/* A way through all queues and states, in their order: over what comes before the page, over the
 * page, and on to count what is behind it. */
struct walk {
    struct req *r;
    const struct jobs_wanted *wanted;
    struct jobs_viewer who;
    const char **names;
    size_t name_count;
    size_t name, state; /* where it is */
    const char *cursor; /* within them, NULL: at the beginning */
    struct page page;
    struct job_out *out;
    size_t count, looked;
    int64_t before;    /* jobs that fit before this walk began: it goes on at a cursor */
    int64_t matched;   /* since then */
    const char *after; /* cursor behind the page, NULL: it is not full */
};

static enum status bad_query(struct req *r, const char *name, const char *why)
{
    AUTO_FIELD_ERRORS errors = {0};
    field_errors_add(&errors, "query", name, "value_error", "%s", why);
    return req_invalid(r, &errors);
}

static enum status bad_cursor(struct req *r)
{
    return bad_query(r, "after", "must be the next_cursor of a page of the same list");
}

/* "<jobs before>/<queue>/<state>/<cursor within them>" */
static enum status walk_begin(struct walk *w)
{
    const char *at = w->wanted->after;
    if (!at)
        return ST_OK;
    char *rest = NULL;
    w->before = at[0] >= '0' && at[0] <= '9' ? strtoll(at, &rest, 10) : -1;
    if (w->before < 0 || w->before > INT32_MAX || *rest != '/')
        return bad_cursor(w->r);
    at = rest + 1;
    const size_t name_len = strcspn(at, "/");
    const char *state = at[name_len] ? at + name_len + 1 : "";
    const size_t state_len = strcspn(state, "/");
    if (!state[state_len])
        return bad_cursor(w->r);
    for (; w->name < w->name_count; w->name++) {
        const char *name = w->names[w->name];
        if (strlen(name) == name_len && strncmp(name, at, name_len) == 0)
            break;
    }
    for (; states[w->state]; w->state++) {
        if (strlen(states[w->state]) == state_len &&
            strncmp(states[w->state], state, state_len) == 0)
            break;
    }
    if (w->name == w->name_count || !states[w->state])
        return bad_cursor(w->r);
    w->cursor = state[state_len + 1] ? state + state_len + 1 : NULL;
    w->page.offset = w->before;
    w->page.page = w->page.offset / w->page.limit + 1;
    return ST_OK;
}

static bool is_wanted(const struct walk *w)
{
    const struct jobs_wanted *wanted = w->wanted;
    return (!wanted->queue || str_eq(wanted->queue, w->names[w->name])) &&
           (!wanted->state || str_eq(wanted->state, states[w->state]));
}

static void step(struct walk *w)
{
    w->cursor = NULL;
    if (!states[++w->state]) {
        w->state = 0;
        w->name++;
    }
}

static enum status keep_cursor(struct walk *w, int64_t before, const char *within)
{
    w->after = arena_printf(w->r->arena, "%" PRId64 "/%s/%s/%s", before, w->names[w->name],
                            states[w->state], within ? within : "");
    return w->after ? ST_OK : ST_NO_MEMORY;
}

/* Those that the caller may see, and of them those that he asks for. */
static void filter_of(const struct walk *w, struct job_scan *scan)
{
    scan->task = w->wanted->task;
    scan->tenant = w->who.tenant;
    scan->or_no_tenant = w->who.is_operator && !w->wanted->tenant;
}

static enum status look(struct walk *w)
{
    AUTO_QUEUE q = NULL;
    struct job_page page;
    const int64_t skip = MAX_OF(w->page.offset - w->before - w->matched, (int64_t)0);
    struct job_scan scan = {.state = state_of[w->state],
                            .cursor = w->cursor,
                            .skip = (size_t)skip,
                            .take = (size_t)w->page.limit - w->count,
                            .is_counting = true};
    filter_of(w, &scan);
    TRY(queue_new(w->names[w->name], 0, &q));
    const enum status st = queue_jobs_scan(q, req_ctx(w->r)->redis, &scan, w->r->arena, &page);
    if (st == ST_INVALID)
        return bad_cursor(w->r);
    TRY(queue_said(w->r, st));
    for (size_t i = 0; i < page.count; i++)
        TRY(job_to_out(w->r, w->names[w->name], &page.jobs[i], &w->out[w->count++]));
    w->matched += (int64_t)page.matched;
    w->looked += page.looked;
    if (page.last && !w->after)
        TRY(keep_cursor(w, w->page.offset + w->page.limit, page.last));
    if (page.next)
        w->cursor = page.next;
    else
        step(w);
    return ST_OK;
}

struct jobs_more {
    const char *next;
};
#define AT(member) offsetof(struct jobs_more, member)
static const struct field more_fields[] = {
    {.name = "next_cursor",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(next),
     .help = "For `after`; null: there are no more"},
};
#undef AT
const struct schema jobs_more_schema = SCHEMA("JobsMore", struct jobs_more, more_fields);

static enum status reply_walk(struct walk *w)
{
    const bool is_exact = w->name >= w->name_count;
    w->page.total = w->before + w->matched;
    if (is_exact && w->page.offset + (int64_t)w->count >= w->page.total)
        w->after = NULL;
    else if (!w->after && !is_exact)
        TRY(keep_cursor(w, w->page.total, w->cursor));
    w->page.is_total_capped = !is_exact;
    const struct jobs_more more = {.next = w->after};
    reply_page_with(w->r, "jobs", &job_item_schema, w->out, w->count, &w->page, &jobs_more_schema,
                    &more);
    return ST_OK;
}

enum status reply_jobs(struct req *r, const struct jobs_wanted *wanted)
{
    enum { PAGE_JOBS = 20 };
    struct walk w = {.r = r, .wanted = wanted};
    page_init(&w.page, wanted->page, PAGE_JOBS);
    if (!wanted->after && w.page.offset > LIMIT_JOB_COUNT)
        return bad_query(r, wanted->page->offset.set ? "offset" : "page",
                         "is too far behind the first: go on with after");
    TRY(jobs_viewer_of(r, &w.who));
    w.out = arena_array(r->arena, (size_t)w.page.limit, sizeof(*w.out));
    if (!w.out)
        return ST_NO_MEMORY;
    TRY(queue_said(r, queue_names(req_ctx(r)->redis, r->arena, &w.names, &w.name_count)));
    TRY(walk_begin(&w));
    /* Another organisation's are not there for him. */
    if (wanted->tenant && !str_eq(wanted->tenant, w.who.tenant))
        w.name = w.name_count;
    for (int rounds = 0; w.name < w.name_count;) {
        if (!is_wanted(&w)) {
            step(&w);
            continue;
        }
        if (w.looked >= LIMIT_JOB_COUNT || rounds++ == ROUNDS_MAX)
            break;
        TRY(look(&w));
    }
    return reply_walk(&w);
}

struct list_in {
    struct in_str queue, state;
    struct jobs_in jobs;
};
#define AT(member) offsetof(struct list_in, member)
static const struct field list_fields[] = {
    {.name = "queue",
     .type = FT_STRING,
     .offset = AT(queue),
     .min = 1,
     .max = QUEUE_NAME_BYTES,
     .help = "Only jobs of this queue"},
    {.name = "state",
     .type = FT_STRING,
     .offset = AT(state),
     .choices = states,
     .help = "Only jobs in this state"},
    JOBS_FIELDS(struct list_in, jobs),
};
#undef AT
static const struct schema list_schema = SCHEMA("JobQuery", struct list_in, list_fields);

struct jobs_wanted jobs_wanted_of(const struct jobs_in *in)
{
    return (struct jobs_wanted){
        .task = in->task.v, .tenant = in->tenant.v, .after = in->after.v, .page = &in->page};
}

static enum status job_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    if (in->queue.v) {
        AUTO_QUEUE q = NULL;
        TRY(queue_open(r, in->queue.v, &q));
    }
    struct jobs_wanted wanted = jobs_wanted_of(&in->jobs);
    wanted.queue = in->queue.v;
    wanted.state = in->state.v;
    return reply_jobs(r, &wanted);
}

/* --- one job --- */

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "JOB_NOT_FOUND", "There is no job %.64s", r->param[0]);
}

struct found {
    struct uuid id;
    struct queue *q; /* the caller's to free */
    const char *queue;
    struct job_view view;
};

static void found_done(struct found *f)
{
    queue_free(f->q);
}
#define AUTO_FOUND CLEANUP(found_done) struct found

/* One that was asked for a moment ago, or while Redis was away, waits in the outbox. */
static enum status find_unpublished(struct req *r, struct found *out)
{
    struct job job;
    TRY(job_outbox_find(req_ctx(r)->db, r->arena, &out->id, &out->queue, &job));
    out->view = (struct job_view){.job = job, .state = JOB_QUEUED};
    if (job.not_before_ms > clock_wall_ms()) {
        out->view.state = JOB_DELAYED;
        out->view.due_at_ms = job.not_before_ms;
    }
    return queue_new(out->queue, 0, &out->q);
}

static enum status unreadable(struct req *r)
{
    return req_fail(r, ST_CONFLICT, "JOB_UNREADABLE", "The job %.64s cannot be read", r->param[0]);
}

/* One that has not come yet: what it waits for may be in its queue, or in the outbox and then, a
 * moment later, in its queue. */
static enum status find_awaited(struct req *r, const struct jobs_viewer *who, struct found *out)
{
    enum { LOOKS = 2 };
    const struct api_ctx *ctx = req_ctx(r);
    enum status st = ST_NOT_FOUND;
    for (int i = 0; i < LOOKS && st == ST_NOT_FOUND; i++) {
        struct job_view before = {.state = JOB_QUEUED};
        struct uuid first;
        const char *queue = NULL;
        st = queue_awaited_get(ctx->redis, &out->id, r->arena, &out->queue, &out->view, &first);
        if (st != ST_NOT_FOUND || uuid_is_nil(&first))
            break;
        st = job_outbox_find(ctx->db, r->arena, &first, &queue, &before.job);
        if (st == ST_OK)
            st = job_awaited_after(&before, &out->id, r->arena, &out->view);
    }
    if (st == ST_NOT_FOUND || (st == ST_OK && !jobs_may_see(who, &out->view)))
        return not_found(r);
    TRY(queue_said(r, st));
    queue_free(out->q);
    out->q = NULL;
    TRY(queue_new(out->queue, 0, &out->q));
    /* A key of wishes that is none holds none. */
    if (out->view.awaited)
        (void)!queue_cancel_wanted(out->q, ctx->redis, &out->view.job, 1,
                                   &out->view.is_cancel_wanted);
    return ST_OK;
}

/* Through all queues: an id does not say where its job went. */
static enum status find(struct req *r, struct found *out)
{
    struct jobs_viewer who;
    const char **names = NULL;
    size_t count = 0;
    if (uuid_parse(r->param[0], &out->id) != ST_OK)
        return not_found(r);
    TRY(jobs_viewer_of(r, &who));
    const enum status asked = find_unpublished(r, out);
    if (asked == ST_OK && !jobs_may_see(&who, &out->view))
        return not_found(r);
    if (asked != ST_NOT_FOUND)
        return asked;
    TRY(queue_said(r, queue_names(req_ctx(r)->redis, r->arena, &names, &count)));
    for (size_t i = 0; i < count; i++) {
        queue_free(out->q);
        out->q = NULL;
        TRY(queue_new(names[i], 0, &out->q));
        const enum status st = queue_job_get(out->q, req_ctx(r)->redis, &out->id, r->arena,
                                             &out->view);
        if (st == ST_NOT_FOUND)
            continue;
        if (st == ST_INVALID)
            return who.is_operator ? unreadable(r) : not_found(r);
        TRY(queue_said(r, st));
        if (!jobs_may_see(&who, &out->view))
            return not_found(r);
        out->view.job.id = out->id;
        out->queue = names[i];
        return ST_OK;
    }
    return find_awaited(r, &who, out);
}

static enum status job_get(struct req *r)
{
    AUTO_FOUND f = {.q = NULL};
    TRY(find(r, &f));
    return reply_job(r, 200, f.queue, &f.view);
}

static enum status ended(struct req *r)
{
    return req_fail(r, ST_CONFLICT, "JOB_ENDED", "The job has ended already");
}

/* A delayed job ends here; one that waits or runs is told, and ends when it hears of it. */
static enum status job_cancel(struct req *r)
{
    AUTO_FOUND f = {.q = NULL};
    TRY(find(r, &f));
    if (f.view.state != JOB_QUEUED && f.view.state != JOB_DELAYED && f.view.state != JOB_RUNNING)
        return ended(r);
    TRY(precondition_before_effect(r));
    const int64_t now_ms = clock_wall_ms();
    enum job_state state = JOB_QUEUED;
    const enum status st = queue_cancel(f.q, req_ctx(r)->redis, &f.id, now_ms, &state);
    if (st == ST_CONFLICT)
        return ended(r);
    TRY(queue_said(r, st));
    f.view.is_cancel_wanted = true;
    if (state == JOB_CANCELLED) {
        f.view.state = state;
        f.view.finished_at_ms = now_ms;
    }
    return reply_job(r, 200, f.queue, &f.view);
}

static enum status job_retry(struct req *r)
{
    AUTO_FOUND f = {.q = NULL};
    TRY(find(r, &f));
    if (f.view.state != JOB_DEAD)
        return req_fail(r, ST_CONFLICT, "JOB_NOT_DEAD", "Only a dead letter can be requeued");
    const enum status st = queue_dead_requeue(f.q, req_ctx(r)->redis, &f.id);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    if (st == ST_INVALID)
        return unreadable(r);
    TRY(queue_said(r, st));
    f.view.state = JOB_QUEUED;
    f.view.job.attempt = 1;
    f.view.error = NULL;
    f.view.started_at_ms = f.view.finished_at_ms = 0;
    return reply_job(r, 202, f.queue, &f.view);
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/jobs",
     .summary = "List jobs that run, wait or are dead letters",
     .scope = SCOPE_JOBS_READ,
     .query = &list_schema,
     .reply = &job_item_schema,
     .list = "jobs",
     .extra = &jobs_more_schema,
     .description = JOBS_DESCRIPTION,
     .tag = "Jobs",
     .errors = ERRORS("QUEUE_NOT_FOUND", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .handler = job_list},
    {.method = M_GET,
     .path = "/api/v1/jobs/{id}",
     .summary = "Get a job, wherever it is",
     .scope = SCOPE_JOBS_READ,
     .reply = &job_schema,
     .tag = "Jobs",
     .errors = ERRORS("JOB_NOT_FOUND", "JOB_UNREADABLE", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .handler = job_get},
    {.method = M_DELETE,
     .path = "/api/v1/jobs/{id}",
     .summary = "Cancel a job",
     .scope = SCOPE_JOBS_WRITE,
     .reply = &job_schema,
     .tag = "Jobs",
     .errors = ERRORS("JOB_NOT_FOUND", "JOB_ENDED", "JOB_UNREADABLE", "QUEUE_UNAVAILABLE",
                      "QUEUE_BROKEN"),
     .handler = job_cancel},
    {.method = M_POST,
     .path = "/api/v1/jobs/{id}/retry",
     .summary = "Requeue a dead letter, with all its attempts",
     .scope = SCOPE_JOBS_WRITE,
     .reply = &job_schema,
     .tag = "Jobs",
     .ok = 202,
     .errors = ERRORS("JOB_NOT_FOUND", "JOB_NOT_DEAD", "JOB_UNREADABLE", "QUEUE_UNAVAILABLE",
                      "QUEUE_BROKEN"),
     .flags = ROUTE_REPEATABLE,
     .handler = job_retry},
};
const struct route_set jobs_routes = {routes, ARRAY_LEN(routes)};
