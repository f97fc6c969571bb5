/* What of a job goes out. */
#include "services/api/routes/job_fields.h"

#include <string.h>

#include "base/str.h"
#include "queue/group.h"

#define AT(member) offsetof(struct job_out, member)
static const struct field job_fields[] = {
    {.name = "id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(id),
     .help = "null: the entry cannot be read"},
    {.name = "queue", .type = FT_STRING, .offset = AT(queue)},
    {.name = "task",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(task),
     .example = "\"check.run\""},
    {.name = "state",
     .type = FT_STRING,
     .offset = AT(state),
     .help = "queued, delayed, running, succeeded, failed, dead, cancelled or expired; of a single "
             "job that has not come yet also waiting (for another job or a group), or dropped: it "
             "will not come"},
    {.name = "priority", .type = FT_INT, .offset = AT(priority), .help = "0 first … 3"},
    {.name = "attempt", .type = FT_INT, .offset = AT(attempt)},
    {.name = "max_attempts", .type = FT_INT, .offset = AT(max_attempts)},
    {.name = "worker",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(worker),
     .help = "Who runs it"},
    {.name = "error",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(error),
     .help = "Of its last failure"},
    {.name = "tenant",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(tenant),
     .help = "The organisation it belongs to; null: the installation's own"},
    {.name = "key",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(key),
     .help = "Of its concurrency limit"},
    {.name = "group",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(group),
     .help = "Name of the group that it is a member of"},
    {.name = "group_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(group_id),
     .help = "As in GET /api/v1/jobs/groups/{id}"},
    {.name = "chain",
     .type = FT_LIST,
     .element = FT_UUID,
     .offset = AT(chain),
     .help = "Ids of the jobs that follow it one after the other, when it succeeds"},
    {.name = "awaits_job",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(awaits_job),
     .help = "The job of its chain that comes before it; null unless waiting or dropped"},
    {.name = "awaits_group",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(awaits_group),
     .help = "The group that it is the callback of; null unless waiting or dropped"},
    {.name = "cancel_requested",
     .type = FT_BOOL,
     .offset = AT(is_cancel_wanted),
     .help = "Known of a single job only; in lists false"},
    {.name = "enqueued_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(enqueued_us)},
    {.name = "due_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(due_us),
     .help = "Of a delayed job"},
    {.name = "expires_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(expires_us)},
    {.name = "started_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(started_us)},
    {.name = "finished_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(finished_us)},
    {.name = "running_for",
     .type = FT_NUMBER,
     .offset = AT(running_s),
     .help = "Seconds since a worker took it; 0: none has it"},
    {.name = "args",
     .type = FT_MAP,
     .flags = F_NULLABLE,
     .offset = AT(args),
     .help = "What it was given; null for jobs without a tenant"},
    {.name = "result",
     .type = FT_JSON,
     .offset = AT(result),
     .help = "What came of it; null for jobs without a tenant"},
};
#undef AT
const struct schema job_schema = SCHEMA("Job", struct job_out, job_fields);
/* In lists a job comes without its arguments and its result, which are the last fields. */
const struct schema job_item_schema = {
    .name = "JobItem",
    .fields = job_fields,
    .count = ARRAY_LEN(job_fields) - 2,
    .size = sizeof(struct job_out),
};

/* Texts of other programs are checked before they go into a reply as they are. */
static const char *json_or_null(const char *text)
{
    AUTO_JSON json = NULL;
    if (str_is_empty(text) || json_parse(text, strlen(text), &json, NULL) != ST_OK)
        return NULL;
    return text;
}

enum status job_to_out(struct req *r, const char *queue, const struct job_view *v,
                       struct job_out *out)
{
    const struct job *job = &v->job;
    struct uuid *next = NULL;
    size_t next_count = 0;
    /* A chain that cannot be read leads nowhere. */
    const enum status st = job_view_chain(v, r->arena, &next, &next_count);
    if (st == ST_NO_MEMORY)
        return st;
    const bool is_owned = job->tenant != NULL;
    *out = (struct job_out){
        .id = job->id,
        .queue = queue,
        .task = job->task,
        .state = job_view_state(v),
        .priority = job->priority,
        .attempt = job->attempt,
        .max_attempts = job->max_attempts,
        .worker = v->worker,
        .error = str_is_empty(v->error) ? NULL : v->error,
        .tenant = job->tenant,
        .key = job->key,
        .group = job->group,
        .group_id = job->group ? queue_group_id(job->group) : (struct uuid){{0}},
        .chain = {next_count, next},
        .awaits_job = v->awaits_job,
        .awaits_group = v->awaits_group,
        .is_cancel_wanted = v->is_cancel_wanted,
        .enqueued_us = job->enqueued_at_ms * 1000,
        .due_us = v->due_at_ms * 1000,
        .expires_us = job->expires_at_ms * 1000,
        .started_us = v->started_at_ms * 1000,
        .finished_us = v->finished_at_ms * 1000,
        .running_s = (double)v->running_ms / 1e3,
        .args = is_owned ? json_or_null(job->args) : NULL,
        .result = is_owned ? json_or_null(v->result) : NULL,
    };
    return ST_OK;
}

enum status reply_job(struct req *r, int status, const char *queue, const struct job_view *v)
{
    struct job_out out;
    TRY(job_to_out(r, queue, v, &out));
    reply_object(r, status, &job_schema, &out);
    return ST_OK;
}
