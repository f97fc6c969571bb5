/* /results: what came of the checks. */
#include "services/api/routes/results.h"

#include "base/clock.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/cache.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/routes.h"

#define AT(member) offsetof(struct result, member)
static const struct field result_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "check_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(check_id),
     .help = "null for an ad hoc run"},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .help = "success, warning or error; missed where asked for",
     .example = "\"success\""},
    RUN_FIELDS(struct result),
    {.name = "executed_at", .type = FT_TIME, .offset = AT(executed_us)},
    {.name = "scheduled_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(slot_us),
     .help = "When it was due; null for an ad hoc run"},
    {.name = "lag",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(lag_s),
     .help = "Seconds between due and begun"},
    {.name = "location", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(location)},
    {.name = "trigger",
     .type = FT_STRING,
     .offset = AT(trigger),
     .help = "schedule, retry, manual or adhoc",
     .example = "\"schedule\""},
};
#undef AT
const struct schema result_schema = SCHEMA("Result", struct result, result_fields);

/* --- lists --- */

struct list_in {
    struct page_in page;
    struct in_uuid check_id;
    struct in_str status;
    struct in_time from_date, to_date;
    struct in_bool include_missed;
};
static const char *const statuses[] = {"success", "warning", "error", "missed", NULL};
static const char *const sorts[] = {"-executed_at", "executed_at", NULL};
#define AT(member) offsetof(struct list_in, member)
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, sorts),
    PAGE_CURSOR(struct list_in, page),
    {.name = "check_id", .type = FT_UUID, .offset = AT(check_id), .help = "Filter by check ID"},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .choices = statuses,
     .help = "Filter by status (success, warning, error, missed)"},
    {.name = "from_date",
     .type = FT_TIME,
     .offset = AT(from_date),
     .alias = "from",
     .help = "Executed at or after (ISO format)"},
    {.name = "to_date",
     .type = FT_TIME,
     .offset = AT(to_date),
     .alias = "to",
     .help = "Executed at or before (ISO format)"},
    {.name = "include_missed",
     .type = FT_BOOL,
     .offset = AT(include_missed),
     .help = "Also the runs that never happened (default: false)"},
};
#undef AT
static const struct schema list_schema = SCHEMA("ResultQuery", struct list_in, list_fields);

static enum status reply_list(struct req *r, const struct uuid *check_id)
{
    const struct list_in *in = r->query_in;
    const struct result_filter filter = {
        .check_id = check_id,
        .status = in->status.v,
        .include_missed = in->include_missed.v,
        .from_us = in->from_date.v,
        .to_us = in->to_date.v,
    };
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 20, &page));
    struct result *rows = NULL;
    size_t count = 0;
    TRY(results_list(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));
    reply_page(r, "results", &result_schema, rows, count, &page);
    return ST_OK;
}

static enum status result_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    return reply_list(r, in->check_id.set ? &in->check_id.v : NULL);
}

static enum status result_list_check(struct req *r)
{
    struct uuid id;
    TRY(check_of_path_id(r, &id));
    return reply_list(r, &id);
}

static enum status result_get(struct req *r)
{
    struct uuid id;
    struct result result;
    enum status st = uuid_parse(r->param[0], &id);
    if (st == ST_OK)
        st = results_get(req_ctx(r)->db, r->arena, &r->who->org_id, &id, &result);
    if (st == ST_NOT_FOUND || st == ST_INVALID)
        return req_fail(r, ST_NOT_FOUND, "RESULT_NOT_FOUND", "There is no result %.64s",
                        r->param[0]);
    TRY(st);
    reply_object(r, 200, &result_schema, &result);
    return ST_OK;
}

/* --- summary --- */

struct share_out {
    int64_t count;
    double percent;
};
static const struct field share_fields[] = {
    {.name = "count", .type = FT_INT, .offset = offsetof(struct share_out, count)},
    {.name = "percent", .type = FT_NUMBER, .offset = offsetof(struct share_out, percent)},
};
static const struct schema share_schema = SCHEMA("ResultShare", struct share_out, share_fields);

struct shares_out {
    const struct share_out *success, *warning, *error, *missed;
};
#define SHARE(status, help_)                                           \
    {                                                                  \
        .name = #status, .type = FT_OBJECT, .sub = &share_schema,      \
        .offset = offsetof(struct shares_out, status), .help = (help_) \
    }
static const struct field shares_fields[] = {
    SHARE(success, NULL),
    SHARE(warning, NULL),
    SHARE(error, NULL),
    SHARE(missed, "Runs that never happened, of all that were due; not part of total_checks"),
};
static const struct schema shares_schema = SCHEMA("ResultShares", struct shares_out, shares_fields);

struct summary_out {
    const char *period;
    int64_t from_us, to_us;
    int64_t total_checks;
    const struct shares_out *statuses;
};
#define AT(member) offsetof(struct summary_out, member)
static const struct field summary_fields[] = {
    {.name = "period", .type = FT_STRING, .offset = AT(period), .example = "\"day\""},
    {.name = "from_date", .type = FT_TIME, .offset = AT(from_us)},
    {.name = "to_date", .type = FT_TIME, .offset = AT(to_us)},
    {.name = "total_checks", .type = FT_INT, .offset = AT(total_checks), .help = "Results taken"},
    {.name = "statuses", .type = FT_OBJECT, .sub = &shares_schema, .offset = AT(statuses)},
};
#undef AT
static const struct schema summary_schema = SCHEMA("ResultSummary", struct summary_out,
                                                   summary_fields);

struct summary_in {
    struct in_str period;
};
static const char *const periods[] = {"day", "week", "month", NULL};
static const int64_t period_days[] = {1, 7, 30};
static const struct field summary_in_fields[] = {
    {.name = "period",
     .type = FT_STRING,
     .offset = offsetof(struct summary_in, period),
     .choices = periods,
     .help = "day (default), week or month (30 days)"},
};
static const struct schema summary_in_schema = SCHEMA("ResultSummaryQuery", struct summary_in,
                                                      summary_in_fields);

static size_t period_index(const struct summary_in *in)
{
    for (size_t i = 0; in->period.set && periods[i]; i++) {
        if (in->period.v[0] == periods[i][0])
            return i;
    }
    return 0;
}

/* Two decimals, as people read them. */
static struct share_out share_of(int64_t count, int64_t total)
{
    double percent = total > 0 ? (double)count * 100 / (double)total : 0;
    return (struct share_out){.count = count,
                              .percent = (double)(int64_t)(percent * 100 + 0.5) / 100};
}

static enum status result_summary(struct req *r)
{
    size_t period = period_index(r->query_in);
    int64_t to_us = clock_wall_us();
    int64_t from_us = to_us - period_days[period] * 24 * 3600 * 1000000;
    struct result_summary s;
    TRY(results_summary(req_ctx(r)->db, r->arena, &r->who->org_id, from_us, to_us, &s));

    int64_t taken = s.count[RESULT_SUCCESS] + s.count[RESULT_WARNING] + s.count[RESULT_ERROR];
    const struct share_out share[] = {
        share_of(s.count[RESULT_SUCCESS], taken),
        share_of(s.count[RESULT_WARNING], taken),
        share_of(s.count[RESULT_ERROR], taken),
        share_of(s.count[RESULT_MISSED], taken + s.count[RESULT_MISSED]),
    };
    const struct shares_out shares = {&share[0], &share[1], &share[2], &share[3]};
    const struct summary_out out = {.period = periods[period],
                                    .from_us = from_us,
                                    .to_us = to_us,
                                    .total_checks = taken,
                                    .statuses = &shares};
    reply_object(r, 200, &summary_schema, &out);
    return ST_OK;
}

#define PATH "/api/v1/results"
static const struct route routes[] = {
    {.method = M_GET,
     .path = PATH,
     .summary = "List results",
     .scope = SCOPE_RESULTS_READ,
     .query = &list_schema,
     .reply = &result_schema,
     .list = "results",
     .tag = "Results",
     .reads = CACHED_RESULTS,
     .handler = result_list},
    {.method = M_GET,
     .path = PATH "/summary",
     .summary = "Count results by status",
     .scope = SCOPE_RESULTS_READ,
     .query = &summary_in_schema,
     .reply = &summary_schema,
     .tag = "Results",
     .reads = CACHED_RESULTS,
     .handler = result_summary},
    {.method = M_GET,
     .path = PATH "/check/{check_id}",
     .summary = "List results of a check",
     .scope = SCOPE_RESULTS_READ,
     .query = &list_schema,
     .reply = &result_schema,
     .list = "results",
     .tag = "Results",
     .errors = ERRORS("CHECK_NOT_FOUND"),
     .reads = CACHED_RESULTS,
     .handler = result_list_check},
    {.method = M_GET,
     .path = PATH "/{id}",
     .summary = "Get a result",
     .scope = SCOPE_RESULTS_READ,
     .reply = &result_schema,
     .tag = "Results",
     .errors = ERRORS("RESULT_NOT_FOUND"),
     .handler = result_get},
};
const struct route_set results_routes = {routes, ARRAY_LEN(routes)};
