/* Schedules: what a text means, before anything is saved. */
#include "base/clock.h"
#include "base/limits.h"
#include "services/api/api.h"
#include "services/api/routes/routes.h"
#include "zone/zone.h"

enum { COUNT_DEFAULT = 5 };

struct preview_in {
    struct in_str schedule;
    struct in_i64 count;
};
#define AT(member) offsetof(struct preview_in, member)
static const struct field preview_in_fields[] = {
    {.name = "schedule",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = AT(schedule),
     .min = 1,
     .max = LIMIT_SCHEDULE_TEXT,
     .check = schedule_check,
     .format = "schedule",
     .help = "An interval, or cron fields, perhaps after CRON_TZ= and a zone",
     .example = "\"CRON_TZ=Europe/Berlin 0 9 * * 1-5\""},
    {.name = "count",
     .type = FT_INT,
     .offset = AT(count),
     .min = 1,
     .max = LIMIT_SCHEDULE_PREVIEW,
     .help = "How many runs (default: 5)"},
};
#undef AT
static const struct schema preview_in_schema = SCHEMA("SchedulePreviewQuery", struct preview_in,
                                                      preview_in_fields);

struct preview_out {
    const char *schedule;
    const char *kind;
    double interval_s;
    struct out_list next_runs;
};
#define AT(member) offsetof(struct preview_out, member)
static const struct field preview_fields[] = {
    {.name = "schedule",
     .type = FT_STRING,
     .offset = AT(schedule),
     .help = "As it was given",
     .example = "\"every 5 minutes\""},
    {.name = "kind",
     .type = FT_STRING,
     .offset = AT(kind),
     .help = "\"interval\" or \"cron\"",
     .example = "\"cron\""},
    {.name = "interval",
     .type = FT_NUMBER,
     .offset = AT(interval_s),
     .help =
         "Seconds; 0 for cron. Runs of a check are shifted by a part of it that its id decides"},
    {.name = "next_runs", .type = FT_LIST, .element = FT_TIME, .offset = AT(next_runs)},
};
#undef AT
static const struct schema preview_schema = SCHEMA("SchedulePreview", struct preview_out,
                                                   preview_fields);

static enum status preview(struct req *r)
{
    const struct preview_in *in = r->query_in;
    size_t max = in->count.set ? (size_t)in->count.v : COUNT_DEFAULT;
    struct schedule s;
    int64_t at[LIMIT_SCHEDULE_PREVIEW];
    TRY(schedule_read(in->schedule.v, &s, NULL));
    size_t n = schedule_preview(&s, 0, clock_wall_ms(), at, max);
    for (size_t i = 0; i < n; i++)
        at[i] *= 1000;
    const struct preview_out out = {.schedule = in->schedule.v,
                                    .kind = s.interval_ms ? "interval" : "cron",
                                    .interval_s = (double)s.interval_ms / 1000,
                                    .next_runs = {n, at}};
    reply_object(r, 200, &preview_schema, &out);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/schedules/preview",
     .summary = "Say when a schedule would run next",
     .scope = SCOPE_SCHEDULES_READ,
     .query = &preview_in_schema,
     .reply = &preview_schema,
     .tag = "Schedules",
     .flags = ROUTE_NO_STORE_NEEDED,
     .handler = preview},
};
const struct route_set schedule_preview_routes = {routes, ARRAY_LEN(routes)};
