/* /workers: who serves the queues. Hosts and processes of the installation: for the first
 * organisation only (jobs.h). */
#include <string.h>

#include "base/str.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/routes/jobs.h"
#include "services/api/routes/routes.h"

enum { WORKERS_MAX = 1000, QUEUES_MAX = 64 };

struct worker_out {
    const char *id;
    bool is_alive;
    struct out_list queues;
    const char *host, *version, *location, *started_at;
    int64_t pid, concurrency, running;
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
    {.name = "concurrency", .type = FT_INT, .offset = AT(concurrency)},
    {.name = "running", .type = FT_INT, .offset = AT(running), .help = "Jobs it works at"},
};
#undef AT
static const struct schema worker_schema = SCHEMA("Worker", struct worker_out, worker_fields);

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
        *texts[i].at = arena_strdup(r->arena,
                                    json_string_value(json_object_get(info, texts[i].name)));
    out->pid = json_integer_value(json_object_get(info, "pid"));
    out->concurrency = json_integer_value(json_object_get(info, "concurrency"));
    out->running = json_integer_value(json_object_get(info, "running"));
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
     .errors = ERRORS("WORKERS_DENIED", "QUEUE_UNAVAILABLE"),
     .tag = "Jobs",
     .handler = worker_list},
};
const struct route_set workers_routes = {routes, ARRAY_LEN(routes)};
