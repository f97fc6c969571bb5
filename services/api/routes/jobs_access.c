/* What the routes of jobs, queues and workers share: who may, which queue, Redis that is down. */
#include "base/str.h"
#include "services/api/api.h"
#include "services/api/routes/jobs.h"
#include "store/audit.h"
#include "store/users.h"

enum status jobs_access(struct req *r, bool *is_first, bool *is_operator)
{
    struct uuid first = {{0}};
    const enum status st = organisation_first(req_ctx(r)->db, &first);
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    *is_first = st == ST_OK && uuid_eq(&first, &r->who->org_id);
    *is_operator = *is_first && r->who->role >= ROLE_ADMIN;
    return ST_OK;
}

enum status jobs_viewer_of(struct req *r, struct jobs_viewer *out)
{
    bool is_first = false;
    char org[UUID_TEXT_BYTES];
    uuid_format(&r->who->org_id, org);
    out->tenant = arena_strdup(r->arena, org);
    if (!out->tenant)
        return ST_NO_MEMORY;
    return jobs_access(r, &is_first, &out->is_operator);
}

bool jobs_are_seen(const struct jobs_viewer *who, const char *tenant)
{
    return tenant ? str_eq(tenant, who->tenant) : who->is_operator;
}

bool jobs_may_see(const struct jobs_viewer *who, const struct job_view *v)
{
    return jobs_are_seen(who, v->job.tenant);
}

enum status jobs_need_operator(struct req *r)
{
    bool is_first = false, is_operator = false;
    TRY(jobs_access(r, &is_first, &is_operator));
    if (is_operator)
        return ST_OK;
    return req_fail(
        r, ST_FORBIDDEN, "QUEUE_CONTROL_DENIED",
        "Queues are every organisation's: only an admin of the first one controls them");
}

enum status jobs_record(struct req *r, const char *action, const char *queue, const char *after)
{
    const struct audit_event event = {.org_id = r->who->org_id,
                                      .action = action,
                                      .object_type = "queue",
                                      .object_name = queue,
                                      .after = after};
    return audit_write(req_ctx(r)->db, &event, r->arena);
}

enum status queue_said(struct req *r, enum status st)
{
    if (st == ST_UNAVAILABLE || st == ST_IO || st == ST_OVERLOADED)
        return req_fail(r, ST_UNAVAILABLE, "QUEUE_UNAVAILABLE", "The job queue cannot be reached");
    if (st == ST_CORRUPT)
        return req_fail(
            r, st, "QUEUE_BROKEN",
            "A key of the queue in Redis holds something else: see broken in GET /queues");
    return st;
}

enum status queue_open(struct req *r, const char *name, struct queue **out)
{
    const char **names = NULL;
    size_t count = 0;
    TRY(queue_said(r, queue_names(req_ctx(r)->redis, r->arena, &names, &count)));
    for (size_t i = 0; i < count; i++) {
        if (str_eq(names[i], name))
            return queue_new(name, 0, out);
    }
    return req_fail(r, ST_NOT_FOUND, "QUEUE_NOT_FOUND", "There is no queue %.64s", name);
}
