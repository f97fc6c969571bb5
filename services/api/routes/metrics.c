/* /metrics: what hosts measured. A literal after /metrics/ ("latest") beats a server of that name.
 */
#include "store/metrics.h"

#include "base/str.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "store/hosts.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 10000, CURSOR_SKIP_MAX = 1000000 };

/* last_metrics_at may lag behind the newest sample by as much as it is written at a time. */
#define LATEST_SLACK_US (10LL * 1000000)

struct sample_out {
    struct metric_sample s;
    const char *agent_id;
};
#define AT(member) offsetof(struct sample_out, member)
static const struct field sample_fields[] = {
    {.name = "time", .type = FT_TIME, .offset = AT(s.time)},
    {.name = "agent_id",
     .type = FT_STRING,
     .offset = AT(agent_id),
     .help = "The host's slug",
     .example = "\"server-001\""},
    {.name = "metric_type", .type = FT_STRING, .offset = AT(s.metric_type), .example = "\"cpu\""},
    {.name = "metric_name",
     .type = FT_STRING,
     .offset = AT(s.metric_name),
     .example = "\"usage_percent\""},
    {.name = "value", .type = FT_NUMBER, .offset = AT(s.value), .example = "39.37"},
    {.name = "tags", .type = FT_MAP, .offset = AT(s.tags), .example = "{}"},
};
#undef AT
static const struct schema sample_schema = SCHEMA("MetricSample", struct sample_out, sample_fields);

struct latest_out {
    const char *agent_id;
    int64_t count;
    struct out_list metrics;
    const char *next;
};
#define AT(member) offsetof(struct latest_out, member)
static const struct field latest_fields[] = {
    {.name = "agent_id", .type = FT_STRING, .offset = AT(agent_id)},
    {.name = "count", .type = FT_INT, .offset = AT(count), .example = "5"},
    {.name = "metrics",
     .type = FT_LIST,
     .sub = &sample_schema,
     .offset = AT(metrics),
     .help = "Newest first"},
    {.name = "next",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(next),
     .help = "Where older ones begin, for `after`; null at the end"},
};
#undef AT
static const struct schema latest_schema = SCHEMA("LatestMetrics", struct latest_out,
                                                  latest_fields);

struct latest_in {
    struct in_i64 limit;
    struct in_str metric_type, metric_name, after;
};
#define AT(member) offsetof(struct latest_in, member)
static const struct field latest_in_fields[] = {
    {.name = "limit",
     .type = FT_INT,
     .offset = AT(limit),
     .min = 1,
     .max = LIMIT_MAX,
     .help = "Number of metrics to return (default 100)"},
    {.name = "metric_type",
     .type = FT_STRING,
     .offset = AT(metric_type),
     .min = 1,
     .max = LIMIT_METRIC_TYPE,
     .help = "Only metrics of this type"},
    {.name = "metric_name",
     .type = FT_STRING,
     .offset = AT(metric_name),
     .min = 1,
     .max = LIMIT_METRIC_NAME,
     .help = "Only metrics of this name"},
    {.name = "after",
     .type = FT_STRING,
     .offset = AT(after),
     .max = 64,
     .help = "`next` of the page before"},
};
#undef AT
static const struct schema latest_query = SCHEMA("LatestMetricsQuery", struct latest_in,
                                                 latest_in_fields);

/* A cursor is "<µs>-<n>": the instant of the last sample given out, and how many of it were. */
static enum status cursor_parse(const char *text, struct metrics_query *q)
{
    char copy[65];
    (void)str_copy(copy, sizeof(copy), text);
    char *dash = strchr(copy, '-');
    if (!dash)
        return ST_INVALID;
    *dash = '\0';
    int64_t at_us = 0, skip = 0;
    TRY(str_to_i64(copy, &at_us));
    TRY(str_to_i64(dash + 1, &skip));
    if (at_us <= 0 || skip < 0 || skip > CURSOR_SKIP_MAX || at_us > 253402300799LL * 1000000)
        return ST_INVALID;
    q->newest_us = at_us;
    q->skip = skip;
    return ST_OK;
}

static const char *cursor_text(struct req *r, const struct metrics_query *q,
                               const struct metric_sample *samples, size_t count)
{
    if ((int64_t)count < q->limit)
        return NULL;
    int64_t last_us = samples[count - 1].time;
    int64_t given = last_us == q->newest_us ? q->skip : 0;
    for (size_t i = count; i > 0 && samples[i - 1].time == last_us; i--)
        given++;
    return arena_printf(r->arena, "%lld-%lld", (long long)last_us, (long long)given);
}

static enum status reply_latest(struct req *r, const struct host *host,
                                const struct metrics_query *q, const struct metric_sample *samples,
                                size_t count)
{
    struct sample_out *rows = arena_array(r->arena, count, sizeof(*rows));
    if (!rows)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct sample_out){samples[i], host->slug};
    const struct latest_out out = {.agent_id = host->slug,
                                   .count = (int64_t)count,
                                   .metrics = {count, rows},
                                   .next = cursor_text(r, q, samples, count)};
    reply_object(r, 200, &latest_schema, &out);
    return ST_OK;
}

static enum status metrics_latest_get(struct req *r)
{
    const struct latest_in *in = r->query_in;
    struct host host;
    enum status st = host_find_agent(req_ctx(r)->db, r->arena, &r->who->org_id, r->param[0], &host);
    if (st == ST_NOT_FOUND)
        return req_fail(r, st, "AGENT_NOT_FOUND", "There is no agent %.64s", r->param[0]);
    TRY(st);

    struct metrics_query q = {
        .host_id = host.id,
        .metric_type = in->metric_type.v,
        .metric_name = in->metric_name.v,
        .newest_us = host.last_metrics_at + LATEST_SLACK_US,
        .limit = in->limit.set ? in->limit.v : LIMIT_DEFAULT,
    };
    if (in->after.set && cursor_parse(in->after.v, &q) != ST_OK) {
        AUTO_FIELD_ERRORS errors = {0};
        field_errors_add(&errors, "query", "after", "value_error", "not a `next` of this list");
        return req_invalid(r, &errors);
    }
    struct metric_sample *samples = NULL;
    size_t count = 0;
    if (host.last_metrics_at != 0)
        TRY(metrics_latest(req_ctx(r)->db, r->arena, &q, &samples, &count));
    return reply_latest(r, &host, &q, samples, count);
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/metrics/latest/{agent}",
     .summary = "The most recent metrics of a host",
     .scope = SCOPE_METRICS_READ,
     .query = &latest_query,
     .reply = &latest_schema,
     .tag = "Metrics",
     .errors = ERRORS("AGENT_NOT_FOUND"),
     .params = PATH_PARAMS(
         {.name = "agent", .help = "Id or slug of the host", .example = "server-001"}),
     .handler = metrics_latest_get},
};
const struct route_set metrics_routes = {routes, ARRAY_LEN(routes)};
