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

static const struct route routes[] = {
    {.method = M_POST,
     .path = "/api/v1/ingest/metrics",
     .summary = "Take in metrics of a host",
     .scope = SCOPE_METRICS_WRITE,
     .tag = "Ingest",
     .ok = 202,
     .flags = ROUTE_RAW_BODY | ROUTE_GZIP_BODY | ROUTE_NO_RATE,
     .max_body_bytes = LIMIT_INGEST_BODY_BYTES,
     .handler = post_metrics},
};
const struct route_set ingest_routes = {routes, ARRAY_LEN(routes)};
