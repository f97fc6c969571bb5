/* What the ingest daemon answers. */
#include "base/clock.h"
#include "base/limits.h"
#include "services/ingest/formats/json.h"
#include "services/ingest/ingest.h"
#include "services/ingest/intake.h"

static void reply_report(struct req *r, const struct report *report)
{
    struct jw *w = reply_json(r, 202);
    jw_object(w);
    jw_kv_i64(w, "accepted", (int64_t)report->accepted);
    jw_kv_i64(w, "rejected", (int64_t)report->rejected);
    jw_key(w, "errors");
    if (report->errors) {
        jw_json(w, report->errors);
    } else {
        jw_array(w);
        jw_end(w);
    }
    jw_end(w);
}

/* Nothing was taken: the sender would lose it all if this read like success. */
static enum status refuse(struct req *r, struct report *report)
{
    if (report->rejected == 0) {
        const struct place place = {.item = -1, .index = -1};
        report_reject(report, &place, 0, "value_error.missing", "no samples");
    }
    const struct field_errors errors = {.list = report->errors};
    return req_invalid(r, &errors);
}

static enum status post_metrics(struct req *r)
{
    struct ingest_ctx *ctx = r->ctx;
    AUTO_JSON root = NULL;
    AUTO_REPORT report = {0};
    struct post post = {0};
    struct errbuf err = {""};
    int64_t now_us = clock_wall_us();
    enum status st = format_json_decode(r->body, r->body_len, now_us, r->arena, &root, &post,
                                        &report, &err);
    if (st != ST_OK)
        return req_fail(r, st, NULL, "%s", err.text[0] ? err.text : status_title(st));

    struct intake in = {.catalog = ctx->ingest->catalog,
                        .publisher = ctx->ingest->publisher,
                        .db = ctx->db,
                        .redis = ctx->redis,
                        .arena = r->arena,
                        .who = r->who,
                        .now_us = now_us};
    st = intake_store(&in, &post, &report, &err);
    if (st == ST_FORBIDDEN)
        return req_fail(r, st, "AGENT_FORBIDDEN", "%s", err.text);
    if (st != ST_OK)
        return req_fail(r, st, NULL, "nothing of this was taken; send it again later");

    intake_count(&report);
    if (report.accepted == 0)
        return refuse(r, &report);
    reply_report(r, &report);
    return ST_OK;
}

/* What is taken in is decoded by formats/json.c, which tells of every item that is wrong by itself;
 * the tables only describe it. */
static const struct field sample_fields[] = {
    {.name = "metric_type",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .example = "\"cpu\"",
     .help = "cpu, memory, …"},
    {.name = "metric_name", .type = FT_STRING, .flags = F_REQUIRED, .example = "\"usage_percent\""},
    {.name = "value", .type = FT_NUMBER, .flags = F_REQUIRED, .example = "15.2"},
    {.name = "tags",
     .type = FT_MAP,
     .flags = F_NULLABLE,
     .help = "Names and texts that tell series apart",
     .example = "{}"},
    {.name = "time",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .help = "When it was measured, if not at the time of all"},
};
static const struct schema sample_schema = {.name = "IngestSample",
                                            .fields = sample_fields,
                                            .count = ARRAY_LEN(sample_fields),
                                            .is_open = true};

static const struct field post_fields[] = {
    {.name = "agent_id",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .help = "Id or slug of the host",
     .example = "\"server-001\""},
    {.name = "time", .type = FT_TIME, .flags = F_NULLABLE, .help = "When (default: now)"},
    {.name = "metrics",
     .type = FT_LIST,
     .sub = &sample_schema,
     .flags = F_NULLABLE,
     .help = "What was measured"},
};
static const struct schema post_schema = {
    .name = "IngestPost", .fields = post_fields, .count = ARRAY_LEN(post_fields), .is_open = true};

static const struct field rejected_fields[] = {
    {.name = "loc",
     .type = FT_LIST,
     .element = FT_JSON,
     .example = "[\"body\",\"metrics\",0,\"value\"]"},
    {.name = "msg", .type = FT_STRING, .example = "\"must be a number\""},
    {.name = "type", .type = FT_STRING, .example = "\"type_error.float\""},
};
static const struct schema rejected_schema = {
    .name = "IngestRejected", .fields = rejected_fields, .count = ARRAY_LEN(rejected_fields)};

static const struct field report_fields[] = {
    {.name = "accepted", .type = FT_INT, .help = "Samples that were taken", .example = "1"},
    {.name = "rejected", .type = FT_INT, .help = "Samples that were not", .example = "0"},
    {.name = "errors",
     .type = FT_LIST,
     .sub = &rejected_schema,
     .help = "Why, for the first of them",
     .example = "[]"},
};
static const struct schema report_schema = {
    .name = "IngestReport", .fields = report_fields, .count = ARRAY_LEN(report_fields)};

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/ingest/metrics",
     .summary = "Take in metrics of a host",
     .scope = SCOPE_METRICS_WRITE,
     .description = "One post of a host, or an array of them for a backlog; gzip is taken "
                    "(`Content-Encoding: gzip`). What is wrong is left out and named in the reply; "
                    "the rest is stored. Nothing good in it at all is 422.",
     .body = &post_schema,
     .reply = &report_schema,
     .errors = ERRORS("AGENT_FORBIDDEN"),
     .tag = "Ingest",
     .ok = 202,
     .flags = ROUTE_RAW_BODY | ROUTE_GZIP_BODY | ROUTE_NO_RATE,
     .max_body_bytes = LIMIT_INGEST_BODY_BYTES,
     .handler = post_metrics},
    {.method = M_GET,
     .path = "/api/v1/openapi.json",
     .summary = "The description of this service",
     .scope = SCOPE_PUBLIC,
     .produces = "application/json",
     .tag = "Documentation",
     .flags = ROUTE_NO_RATE | ROUTE_NO_STORE_NEEDED,
     .handler = ingest_openapi_get},
};
const struct route_set ingest_routes = {routes, ARRAY_LEN(routes)};
