/* The uptime API's history of all websites, its counts, and the order to check them all. */
#include "base/clock.h"
#include "net/page.h"
#include "queue/check_jobs.h"
#include "services/api/api.h"
#include "services/api/routes/check_runs.h"
#include "services/api/routes/jobs.h"
#include "services/api/hooks.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/uptime.h"
#include "store/uptime.h"

enum { RUN_MAX = 10000 /* websites that one /run-task/ runs */ };

/* --- history --- */

struct change_out {
    struct uptime_change c;
    int64_t check_interval;
};
#define AT(member) offsetof(struct change_out, member)
static const struct field change_fields[] = {
    {.name = "id", .type = FT_INT, .offset = AT(c.id), .example = "1"},
    {.name = "url", .type = FT_STRING, .offset = AT(c.url), .format = "uri"},
    {.name = "monitored_url_id", .type = FT_INT, .offset = AT(c.url_id), .example = "1"},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(c.status),
     .help = "What it came to be: UP, DOWN or UNKNOWN",
     .example = "\"DOWN\""},
    {.name = "checked_at", .type = FT_TIME, .offset = AT(c.at_us)},
    {.name = "check_interval",
     .type = FT_INT,
     .offset = AT(check_interval),
     .help = "Minutes, as it is now"},
    {.name = "reason", .type = FT_STRING, .offset = AT(c.reason)},
    {.name = "check_id", .type = FT_UUID, .offset = AT(c.check_id)},
};
#undef AT
static const struct schema change_schema = SCHEMA("UptimeChange", struct change_out, change_fields);

static const char *const status_names[] = {"UP", "DOWN", "UNKNOWN", NULL};
struct history_in {
    struct page_in page;
    struct in_i64 url_id;
    struct in_str status;
    struct in_time from, to;
};
#define AT(member) offsetof(struct history_in, member)
static const struct field history_in_fields[] = {
    PAGE_FIELDS(struct history_in, page, uptime_sorts),
    {.name = "url_id",
     .type = FT_INT,
     .offset = AT(url_id),
     .alias = "monitored_url_id",
     .help = "Of one website"},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .choices = status_names,
     .help = "Only transitions to this status"},
    {.name = "from",
     .type = FT_TIME,
     .offset = AT(from),
     .alias = "from_date",
     .help = "At or after"},
    {.name = "to", .type = FT_TIME, .offset = AT(to), .alias = "to_date", .help = "At or before"},
};
#undef AT
static const struct schema history_in_schema = SCHEMA("UptimeHistoryQuery", struct history_in,
                                                      history_in_fields);

static enum status history(struct req *r)
{
    const struct history_in *in = r->query_in;
    struct page page;
    TRY(page_begin(r, &in->page, uptime_sorts, UPTIME_ROWS, &page));
    const struct uptime_filter filter = {
        .has_url_id = in->url_id.set,
        .url_id = in->url_id.v,
        .status = in->status.v,
        .from_us = in->from.v,
        .to_us = in->to.v,
    };
    struct uptime_change *rows = NULL;
    size_t count = 0;
    TRY(uptime_history(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));
    struct change_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct change_out){rows[i], uptime_minutes(rows[i].schedule)};
    page_reply_headers(r, count, &page);
    reply_array(r, &change_schema, out, count);
    return ST_OK;
}

/* --- stats --- */

#define COUNT_FIELDS(of, member, what)                                                            \
    {.name = "UP", .type = FT_INT, .offset = offsetof(of, member.up), .help = (what)},            \
        {.name = "DOWN", .type = FT_INT, .offset = offsetof(of, member.down), .help = (what)},    \
    {                                                                                             \
        .name = "UNKNOWN", .type = FT_INT, .offset = offsetof(of, member.unknown), .help = (what) \
    }

struct current_out {
    struct uptime_count c;
};
static const struct field current_fields[] = {
    COUNT_FIELDS(struct current_out, c, "Websites that have this status now"),
};
static const struct schema current_schema = SCHEMA("UptimeNow", struct current_out, current_fields);

struct stats_out {
    struct uptime_count entered;
    const struct current_out *current;
    int64_t urls;
};
static const struct field stats_fields[] = {
    COUNT_FIELDS(struct stats_out, entered, "How often websites came to this status"),
    {.name = "current",
     .type = FT_OBJECT,
     .sub = &current_schema,
     .offset = offsetof(struct stats_out, current)},
    {.name = "urls",
     .type = FT_INT,
     .offset = offsetof(struct stats_out, urls),
     .help = "How many websites there are"},
};
static const struct schema stats_schema = SCHEMA("UptimeStats", struct stats_out, stats_fields);

struct stats_in {
    struct in_time from, to;
};
static const struct field stats_in_fields[] = {
    {.name = "from",
     .type = FT_TIME,
     .offset = offsetof(struct stats_in, from),
     .alias = "from_date",
     .help = "Changes at or after"},
    {.name = "to",
     .type = FT_TIME,
     .offset = offsetof(struct stats_in, to),
     .alias = "to_date",
     .help = "Changes at or before"},
};
static const struct schema stats_in_schema = SCHEMA("UptimeStatsQuery", struct stats_in,
                                                    stats_in_fields);

static enum status stats(struct req *r)
{
    const struct stats_in *in = r->query_in;
    struct uptime_stats s;
    TRY(uptime_stats(req_ctx(r)->db, r->arena, &r->who->org_id, in->from.v, in->to.v, &s));
    const struct current_out current = {s.present};
    reply_object(r, 200, &stats_schema,
                 &(struct stats_out){
                     .entered = s.entered,
                     .current = &current,
                     .urls = s.present.up + s.present.down + s.present.unknown,
                 });
    return ST_OK;
}

/* --- running them all --- */

struct run_out {
    const char *status;
    int64_t count;
};
static const struct field run_fields[] = {
    {.name = "status",
     .type = FT_STRING,
     .offset = offsetof(struct run_out, status),
     .example = "\"task triggered\""},
    {.name = "count",
     .type = FT_INT,
     .offset = offsetof(struct run_out, count),
     .help = "Websites that are checked now"},
};
static const struct schema run_schema = SCHEMA("UptimeRun", struct run_out, run_fields);

/* One job a website, as if each had been run by hand. */
static enum status make_jobs(struct req *r, const struct uuid *ids, size_t count, struct job *jobs)
{
    const int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < count; i++) {
        AUTO_BUF args;
        buf_init(&args, LIMIT_JOB_ARGS_BYTES);
        check_run_encode(&(struct check_run){.check_id = ids[i], .slot_us = now_us}, &args);
        TRY(buf_status(&args));
        const char *text = arena_strdup(r->arena, buf_cstr(&args));
        if (!text)
            return ST_NO_MEMORY;
        TRY(job_init(&jobs[i], "check.run", text, now_us / 1000));
        TRY(run_tenant(r, &jobs[i]));
        TRY(idempotency_job(r, &ids[i], &jobs[i]));
    }
    return ST_OK;
}

static enum status run_task(struct req *r)
{
    const struct api_ctx *ctx = req_ctx(r);
    struct uuid *ids = NULL;
    size_t count = 0;
    /* A question that has no body in its answer is no order. */
    if (r->method != M_HEAD)
        TRY(uptime_enabled(ctx->db, r->arena, &r->who->org_id, RUN_MAX, &ids, &count));
    struct job *jobs = arena_array(r->arena, count, sizeof(*jobs));
    if (!jobs)
        return ST_NO_MEMORY;
    TRY(make_jobs(r, ids, count, jobs));
    AUTO_QUEUE q = NULL;
    TRY(run_queue("check.run", &q));
    enum status st = count > 0 ? queue_enqueue_many(q, ctx->redis, jobs, count, NULL) : ST_OK;
    if (st == ST_OVERLOADED)
        return req_fail(r, st, "QUEUE_FULL", "Too many jobs wait already");
    TRY(queue_said(r, st));
    reply_object(r, 200, &run_schema,
                 &(struct run_out){.status = "task triggered", .count = (int64_t)count});
    return ST_OK;
}

#define ROUTE(method_, path_, scope_, summary_, ...)                                    \
    {                                                                                   \
        .method = (method_), .path = (path_), .summary = (summary_), .scope = (scope_), \
        .tag = "Uptime", __VA_ARGS__                                                    \
    }
static const struct route routes[] = {
    ROUTE(M_GET, "/api/monitor/history", SCOPE_CHECKS_READ, "List changes of status",
          .query = &history_in_schema, .reply = &change_schema, .shape = REPLY_ARRAY,
          .handler = history),
    ROUTE(M_GET, "/api/monitor/stats", SCOPE_CHECKS_READ, "Count changes of status",
          .query = &stats_in_schema, .reply = &stats_schema, .handler = stats),
    ROUTE(M_POST, "/run-task", SCOPE_CHECKS_RUN, "Check all monitored URLs now",
          .flags = ROUTE_ATOMIC, .reply = &run_schema,
          .errors = ERRORS("QUEUE_FULL", "QUEUE_UNAVAILABLE"), .handler = run_task),
    ROUTE(M_GET, "/run-task", SCOPE_CHECKS_RUN, "Check all monitored URLs now",
          .description = "The same as POST, for clients that know no other way.",
          .reply = &run_schema, .errors = ERRORS("QUEUE_FULL", "QUEUE_UNAVAILABLE"),
          .handler = run_task),
};
const struct route_set uptime_history_routes = {routes, ARRAY_LEN(routes)};
