/* /workers: who serves the queues. Hosts and processes of the installation: for the first
 * organisation only (jobs.h). */
#include <string.h>

#include "base/str.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"

enum { WORKERS_MAX = 1000, QUEUES_MAX = 64, JOBS_MAX = 100 };

/* One of the jobs that it works at. */
struct worker_job_out {
    const char *id, *task, *queue, *since, *progress;
    int64_t attempt;
};
#define AT(member) offsetof(struct worker_job_out, member)
static const struct field job_fields[] = {
    {.name = "id", .type = FT_STRING, .offset = AT(id)},
    {.name = "task", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(task)},
    {.name = "queue", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(queue)},
    {.name = "attempt", .type = FT_INT, .offset = AT(attempt)},
    {.name = "since", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(since)},
    {.name = "progress",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(progress),
     .help = "What its task says of how far it is"},
};
#undef AT
static const struct schema job_schema = SCHEMA("WorkerJob", struct worker_job_out, job_fields);

struct worker_out {
    const char *id;
    bool is_alive;
    struct out_list queues;
    const char *host, *version, *location, *started_at;
    int64_t pid, concurrency, running, executors, processed, failed;
    double processed_rate, failed_rate;
    struct out_list jobs;
    const char *queue[QUEUES_MAX];
};
#define AT(member) offsetof(struct worker_out, member)
static const struct field worker_fields[] = {
    {.name = "id", .type = FT_STRING, .offset = AT(id)},
    {.name = "alive",
     .type = FT_BOOL,
     .offset = AT(is_alive),
     .help = "false: its lease has ended, its jobs go to others"},
    {.name = "queues", .type = FT_LIST, .element = FT_STRING, .offset = AT(queues)},
    {.name = "host", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(host)},
    {.name = "pid", .type = FT_INT, .offset = AT(pid)},
    {.name = "version", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(version)},
    {.name = "location", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(location)},
    {.name = "started_at", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(started_at)},
    {.name = "concurrency",
     .type = FT_INT,
     .offset = AT(concurrency),
     .help = "Probes that it may run at a time now"},
    {.name = "executors",
     .type = FT_INT,
     .offset = AT(executors),
     .help = "Processes it has now that run other tasks"},
    {.name = "running",
     .type = FT_INT,
     .offset = AT(running),
     .help = "Checks and other jobs in hand"},
    {.name = "processed", .type = FT_INT, .offset = AT(processed), .help = "Jobs ended so far"},
    {.name = "failed", .type = FT_INT, .offset = AT(failed), .help = "Attempts failed so far"},
    {.name = "processed_rate",
     .type = FT_NUMBER,
     .offset = AT(processed_rate),
     .help = "Jobs ended a second, over the last minute"},
    {.name = "failed_rate", .type = FT_NUMBER, .offset = AT(failed_rate)},
    {.name = "jobs",
     .type = FT_LIST,
     .sub = &job_schema,
     .offset = AT(jobs),
     .help = "Jobs that run, the oldest first; of many, some"},
};
#undef AT
static const struct schema worker_schema = SCHEMA("Worker", struct worker_out, worker_fields);

static const char *text_of(struct req *r, const json_t *object, const char *name)
{
    return arena_strdup(r->arena, json_string_value(json_object_get(object, name)));
}

static int64_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* Those that have an id. */
static void read_jobs(struct req *r, const json_t *list, struct out_list *out)
{
    const size_t max = MIN_OF(json_array_size(list), (size_t)JOBS_MAX);
    struct worker_job_out *jobs = arena_array(r->arena, max, sizeof(*jobs));
    for (size_t i = 0; jobs && i < max; i++) {
        const json_t *job = json_array_get(list, i);
        struct worker_job_out *o = &jobs[out->count];
        *o = (struct worker_job_out){
            .id = text_of(r, job, "id"),
            .task = text_of(r, job, "task"),
            .queue = text_of(r, job, "queue"),
            .since = text_of(r, job, "since"),
            .progress = text_of(r, job, "progress"),
            .attempt = number_of(job, "attempt"),
        };
        out->count += o->id != NULL;
    }
    out->v = jobs;
}

/* A heartbeat that is no JSON, or lacks a member, leaves null and 0. */
static void read_info(struct req *r, const char *text, struct worker_out *out)
{
    AUTO_JSON info = NULL;
    if (json_parse(text, strlen(text), &info, NULL) != ST_OK)
        return;
    const struct {
        const char *name;
        const char **at;
    } texts[] = {{"host", &out->host},
                 {"version", &out->version},
                 {"location", &out->location},
                 {"started_at", &out->started_at}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i].at = text_of(r, info, texts[i].name);
    const struct {
        const char *name;
        int64_t *at;
    } numbers[] = {{"pid", &out->pid},
                   {"concurrency", &out->concurrency},
                   {"running", &out->running},
                   {"executors", &out->executors},
                   {"processed", &out->processed},
                   {"failed", &out->failed}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        *numbers[i].at = number_of(info, numbers[i].name);
    out->processed_rate = json_number_value(json_object_get(info, "processed_rate"));
    out->failed_rate = json_number_value(json_object_get(info, "failed_rate"));
    read_jobs(r, json_object_get(info, "jobs"), &out->jobs);
}

/* One worker serves several queues under one name: it is one row. */
static void add(struct req *r, const struct worker_view *v, const char *queue,
                struct worker_out *list, size_t *count)
{
    size_t i = 0;
    while (i < *count && !str_eq(list[i].id, v->consumer))
        i++;
    if (i == WORKERS_MAX)
        return;
    struct worker_out *w = &list[i];
    if (i == *count) {
        *w = (struct worker_out){.id = v->consumer};
        *count += 1;
    }
    if (v->info && !w->is_alive) {
        w->is_alive = true;
        read_info(r, v->info, w);
    }
    if (w->queues.count < QUEUES_MAX)
        w->queue[w->queues.count++] = queue;
    w->queues.v = w->queue;
}

static enum status collect(struct req *r, struct worker_out *list, size_t *count)
{
    const char **names = NULL;
    size_t name_count = 0;
    TRY(queue_said(r, queue_names(req_ctx(r)->redis, r->arena, &names, &name_count)));
    for (size_t i = 0; i < name_count; i++) {
        AUTO_QUEUE q = NULL;
        struct worker_view *views = NULL;
        size_t views_count = 0;
        TRY(queue_new(names[i], 0, &q));
        TRY(queue_said(r,
                       queue_workers_list(q, req_ctx(r)->redis, r->arena, &views, &views_count)));
        for (size_t k = 0; k < views_count; k++)
            add(r, &views[k], names[i], list, count);
    }
    return ST_OK;
}

static enum status worker_list(struct req *r)
{
    bool is_first = false, is_operator = false;
    TRY(jobs_access(r, &is_first, &is_operator));
    if (!is_first)
        return req_fail(r, ST_FORBIDDEN, "WORKERS_DENIED",
                        "Workers are shown to the first organisation only");
    struct worker_out *list = arena_array(r->arena, WORKERS_MAX, sizeof(*list));
    size_t count = 0;
    if (!list)
        return ST_NO_MEMORY;
    TRY(collect(r, list, &count));
    reply_items(r, "workers", &worker_schema, list, count);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/workers",
     .summary = "List the workers and what they serve",
     .scope = SCOPE_JOBS_READ,
     .reply = &worker_schema,
     .list = "workers",
     .shape = REPLY_ITEMS,
     .errors = ERRORS("WORKERS_DENIED", "QUEUE_UNAVAILABLE", "QUEUE_BROKEN"),
     .tag = "Jobs",
     .handler = worker_list},
};
const struct route_set workers_routes = {routes, ARRAY_LEN(routes)};
