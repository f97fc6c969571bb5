/* /checks/{id}/stats: how well a check did, in numbers and as a timeline. */
#include <math.h>

#include "base/clock.h"
#include "base/str.h"
#include "services/api/api.h"
#include "services/api/routes/check_periods.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/routes.h"
#include "store/stats.h"

#define HOUR_US (3600LL * 1000000)
#define DAY_US (24 * HOUR_US)

static const char *const period_names[] = {"24h", "7d", "30d", "90d", "1y", NULL};
static const int64_t period_us[] = {DAY_US, 7 * DAY_US, 30 * DAY_US, 90 * DAY_US, 365 * DAY_US};
_Static_assert(ARRAY_LEN(period_us) == CHECK_PERIODS, "a length for each");

/* --- what goes out --- */

/* Response times in seconds; NaN when nothing was measured. */
struct times_out {
    double avg, min, max, p50, p90, p95, p99;
};
#define AT(member) offsetof(struct times_out, member)
static const struct field times_fields[] = {
    {.name = "avg", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(avg)},
    {.name = "min", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(min)},
    {.name = "max", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(max)},
    {.name = "p50",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(p50),
     .help = "Percentiles: at most 2.2 % off"},
    {.name = "p90", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(p90)},
    {.name = "p95", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(p95)},
    {.name = "p99", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(p99)},
};
#undef AT
static const struct schema times_schema = SCHEMA("ResponseTimes", struct times_out, times_fields);

#define AT(member) offsetof(struct check_share, member)
static const struct field share_fields[] = {
    {.name = "count", .type = FT_INT, .offset = AT(count), .help = "Results"},
    {.name = "failures", .type = FT_INT, .offset = AT(failures), .help = "Those with an error"},
    {.name = "uptime_percent",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(uptime_percent),
     .help = "Share of results that are no failure; null without results",
     .example = "99.95"},
};
#undef AT
static const struct schema share_schema = SCHEMA("Uptime", struct check_share, share_fields);

#define PERIOD(i, name_)                                                        \
    {                                                                           \
        .name = (name_), .type = FT_OBJECT, .sub = &share_schema,               \
        .offset = offsetof(struct check_periods, period) + (i) * sizeof(void *) \
    }
static const struct field periods_fields[] = {PERIOD(0, "24h"), PERIOD(1, "7d"), PERIOD(2, "30d"),
                                              PERIOD(3, "90d"), PERIOD(4, "1y")};
const struct schema check_periods_schema = SCHEMA("UptimePeriods", struct check_periods,
                                                  periods_fields);

struct point_out {
    int64_t at_us;
    int64_t count, failures, missed;
    double uptime_percent, avg, min, max, p95;
};
#define AT(member) offsetof(struct point_out, member)
static const struct field point_fields[] = {
    {.name = "at", .type = FT_TIME, .offset = AT(at_us), .help = "Begin of the hour or day"},
    {.name = "count", .type = FT_INT, .offset = AT(count)},
    {.name = "failures", .type = FT_INT, .offset = AT(failures)},
    {.name = "missed", .type = FT_INT, .offset = AT(missed)},
    {.name = "uptime_percent",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(uptime_percent)},
    {.name = "avg", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(avg)},
    {.name = "min", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(min)},
    {.name = "max", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(max)},
    {.name = "p95", .type = FT_NUMBER, .flags = F_NULLABLE, .offset = AT(p95)},
};
#undef AT
static const struct schema point_schema = SCHEMA("StatsPoint", struct point_out, point_fields);

struct stats_out {
    struct uuid check_id;
    int64_t from_us, to_us;
    int64_t count, successes, warnings, failures, missed;
    double uptime_percent;
    const struct times_out *times;
    int64_t incidents;
    double downtime_s, availability_percent, mttr_s, mtbf_s;
    const struct check_periods *periods;
    const char *resolution;
    struct out_list timeline;
};
#define AT(member) offsetof(struct stats_out, member)
static const struct field stats_fields[] = {
    {.name = "check_id", .type = FT_UUID, .offset = AT(check_id)},
    {.name = "from", .type = FT_TIME, .offset = AT(from_us)},
    {.name = "to", .type = FT_TIME, .offset = AT(to_us)},
    {.name = "count", .type = FT_INT, .offset = AT(count), .help = "Results taken"},
    {.name = "successes", .type = FT_INT, .offset = AT(successes)},
    {.name = "warnings", .type = FT_INT, .offset = AT(warnings)},
    {.name = "failures", .type = FT_INT, .offset = AT(failures)},
    {.name = "missed",
     .type = FT_INT,
     .offset = AT(missed),
     .help = "Runs that were due and never happened; not part of count"},
    {.name = "uptime_percent",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(uptime_percent),
     .help = "Share of results that are no failure; null without results",
     .example = "99.95"},
    {.name = "response_time",
     .type = FT_OBJECT,
     .sub = &times_schema,
     .offset = AT(times),
     .help = "Seconds"},
    {.name = "incidents",
     .type = FT_INT,
     .offset = AT(incidents),
     .help = "Those that were open at some time in between"},
    {.name = "downtime",
     .type = FT_NUMBER,
     .offset = AT(downtime_s),
     .help = "Seconds with an open incident"},
    {.name = "availability_percent",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(availability_percent),
     .help = "Share of the time, since the check was made, without an open incident"},
    {.name = "mttr",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(mttr_s),
     .help = "Mean time to recovery: seconds that the incidents that ended took; null: none ended"},
    {.name = "mtbf",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(mtbf_s),
     .help = "Mean time between failures: seconds without incident for each that began; null: "
             "none began"},
    {.name = "periods", .type = FT_OBJECT, .sub = &check_periods_schema, .offset = AT(periods)},
    {.name = "resolution",
     .type = FT_STRING,
     .offset = AT(resolution),
     .help = "Of the timeline: hour or day",
     .example = "\"hour\""},
    {.name = "timeline",
     .type = FT_LIST,
     .sub = &point_schema,
     .offset = AT(timeline),
     .help = "Hours or days with results, oldest first"},
};
#undef AT
static const struct schema stats_schema = SCHEMA("CheckStats", struct stats_out, stats_fields);

/* --- what comes in --- */

struct stats_in {
    struct in_str period;
    struct in_time from, to;
    struct in_str resolution;
};
static const char *const resolutions[] = {"hour", "day", NULL};
#define AT(member) offsetof(struct stats_in, member)
static const struct field in_fields[] = {
    {.name = "period",
     .type = FT_STRING,
     .offset = AT(period),
     .choices = period_names,
     .help = "Until now: 24h (default), 7d, 30d, 90d or 1y"},
    {.name = "from",
     .type = FT_TIME,
     .offset = AT(from),
     .alias = "from_date",
     .help = "Instead of a period. What begins or ends more than a day ago is widened to whole "
             "hours, more than 60 days ago to whole days"},
    {.name = "to",
     .type = FT_TIME,
     .offset = AT(to),
     .alias = "to_date",
     .help = "Up to here, now by default"},
    {.name = "resolution",
     .type = FT_STRING,
     .offset = AT(resolution),
     .choices = resolutions,
     .help = "Of the timeline: hour (default up to 7 days; at most 90 days) or day"},
};
#undef AT
static const struct schema in_schema = SCHEMA("CheckStatsQuery", struct stats_in, in_fields);

static enum status bad_query(struct req *r, const char *name, const char *why)
{
    AUTO_FIELD_ERRORS errors = {0};
    field_errors_add(&errors, "query", name, "value_error", "%s", why);
    return req_invalid(r, &errors);
}

static int64_t span_of(const struct in_str *period)
{
    for (size_t i = 0; period->set && i < CHECK_PERIODS; i++) {
        if (str_eq(period->v, period_names[i]))
            return period_us[i];
    }
    return period_us[0];
}

/* The window as it is answered; what cannot be answered has been refused. */
static enum status window_of(struct req *r, const struct stats_in *in, int64_t now_us,
                             struct stats_window *out)
{
    if (in->period.set && (in->from.set || in->to.set))
        return bad_query(r, "period", "give a period, or from and to");
    struct stats_window w = {.to_us = in->to.set ? MIN_OF(in->to.v, now_us) : now_us};
    w.from_us = in->from.set ? in->from.v : w.to_us - span_of(&in->period);
    if (w.from_us >= w.to_us)
        return bad_query(r, "from", "must be before `to` and before now");
    if (w.from_us < now_us - LIMIT_STATS_SPAN_US)
        return bad_query(r, "from", "statistics go back three years");
    int64_t span_us = w.to_us - w.from_us;
    bool by_hour = in->resolution.set ? in->resolution.v[0] == 'h' : span_us <= 7 * DAY_US;
    if (by_hour && (span_us > 90 * DAY_US || w.from_us < now_us - 91 * DAY_US))
        return bad_query(r, "resolution", "hours are kept, and shown, for 90 days");
    w.grain = by_hour ? STATS_HOURS : STATS_DAYS;
    *out = stats_window_fit(&w, now_us);
    return ST_OK;
}

/* --- numbers --- */

/* To so many parts of one: dividing by a whole number, unlike multiplying by a fraction, gives the
 * number that is written with those digits. */
static double round_to(double v, double parts)
{
    return round(v * parts) / parts;
}

static int64_t taken(const struct check_totals *t)
{
    return t->success + t->warning + t->error;
}

/* Four decimals: less than a minute a year. */
static double percent_of(double part, double whole)
{
    return whole > 0 ? round(part / whole * 1e6) / 1e4 : NAN;
}

static double uptime_of(const struct check_totals *t)
{
    return percent_of((double)(t->success + t->warning), (double)taken(t));
}

static double seconds(double us)
{
    return round_to(us, 1) / 1e6;
}

static struct times_out times_of(const struct check_totals *t)
{
    const struct latency *l = &t->latency;
    if (t->measured == 0)
        return (struct times_out){NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    return (struct times_out){
        .avg = seconds((double)t->sum_us / (double)t->measured),
        .min = seconds((double)t->min_us),
        .max = seconds((double)t->max_us),
        .p50 = seconds(latency_quantile_us(l, 0.50, t->min_us, t->max_us)),
        .p90 = seconds(latency_quantile_us(l, 0.90, t->min_us, t->max_us)),
        .p95 = seconds(latency_quantile_us(l, 0.95, t->min_us, t->max_us)),
        .p99 = seconds(latency_quantile_us(l, 0.99, t->min_us, t->max_us)),
    };
}

static struct point_out point_of(const struct stats_point *p)
{
    const struct times_out times = times_of(&p->totals);
    return (struct point_out){
        .at_us = p->at_us,
        .count = taken(&p->totals),
        .failures = p->totals.error,
        .missed = p->totals.missed,
        .uptime_percent = uptime_of(&p->totals),
        .avg = times.avg,
        .min = times.min,
        .max = times.max,
        .p95 = times.p95,
    };
}

enum status check_periods_read(struct req *r, const struct uuid *id, int64_t now_us,
                               struct check_periods *out)
{
    struct check_share *shares = arena_array(r->arena, CHECK_PERIODS, sizeof(*shares));
    if (!shares)
        return ST_NO_MEMORY;
    struct stats_window windows[CHECK_PERIODS];
    struct stats_share read[CHECK_PERIODS];
    for (size_t i = 0; i < CHECK_PERIODS; i++) {
        const struct stats_window w = {now_us - period_us[i], now_us, STATS_DAYS};
        windows[i] = stats_window_fit(&w, now_us);
    }
    TRY(stats_shares_read(req_ctx(r)->db, r->arena, id, windows, CHECK_PERIODS, read));
    for (size_t i = 0; i < CHECK_PERIODS; i++) {
        const double good = (double)(read[i].count - read[i].failures);
        shares[i] = (struct check_share){read[i].count, read[i].failures,
                                         percent_of(good, (double)read[i].count)};
        out->period[i] = &shares[i];
    }
    return ST_OK;
}

static enum status read_timeline(struct req *r, const struct uuid *id, const struct stats_window *w,
                                 struct check_totals *sum, struct out_list *out)
{
    struct stats_point *points = NULL;
    size_t count = 0;
    TRY(stats_read(req_ctx(r)->db, r->arena, id, w, sum, &points, &count));
    struct point_out *timeline = arena_array(r->arena, MAX_OF(count, (size_t)1), sizeof(*timeline));
    if (!timeline)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        timeline[i] = point_of(&points[i]);
    *out = (struct out_list){count, timeline};
    return ST_OK;
}

/* Nothing was watched before the check was made. */
static void put_incidents(struct stats_out *out, const struct stats_incidents *in,
                          const struct check *c)
{
    double watched_s = (double)(out->to_us - MAX_OF(out->from_us, c->created_us)) / 1e6;
    double up_s = fmax(watched_s - in->down_s, 0);
    out->incidents = in->count;
    out->downtime_s = round_to(in->down_s, 1000);
    out->availability_percent = watched_s > 0 ? percent_of(up_s, watched_s) : NAN;
    out->mttr_s = in->ended > 0 ? round_to(in->repair_s / (double)in->ended, 1000) : NAN;
    out->mtbf_s = in->began > 0 ? round_to(up_s / (double)in->began, 1000) : NAN;
}

static enum status check_stats(struct req *r)
{
    int64_t now_us = clock_wall_us();
    struct check c;
    struct stats_window w;
    TRY(check_of_path(r, &c));
    TRY(window_of(r, r->query_in, now_us, &w));

    struct check_periods periods;
    struct check_totals sum;
    struct stats_incidents incidents;
    struct stats_out out = {.check_id = c.id, .from_us = w.from_us, .to_us = w.to_us};
    TRY(read_timeline(r, &c.id, &w, &sum, &out.timeline));
    TRY(check_periods_read(r, &c.id, now_us, &periods));
    TRY(stats_incidents_read(req_ctx(r)->db, r->arena, &c.id, &w, &incidents));

    const struct times_out times = times_of(&sum);
    out.count = taken(&sum);
    out.successes = sum.success;
    out.warnings = sum.warning;
    out.failures = sum.error;
    out.missed = sum.missed;
    out.uptime_percent = uptime_of(&sum);
    out.times = &times;
    out.periods = &periods;
    out.resolution = resolutions[w.grain];
    put_incidents(&out, &incidents, &c);
    reply_object(r, 200, &stats_schema, &out);
    return ST_OK;
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/checks/{id}/stats",
     .summary = "Uptime, response times and incidents of a check, with a timeline",
     .scope = SCOPE_RESULTS_READ,
     .query = &in_schema,
     .reply = &stats_schema,
     .errors = ERRORS("CHECK_NOT_FOUND"),
     .tag = "Checks",
     .handler = check_stats},
};
const struct route_set check_stats_routes = {routes, ARRAY_LEN(routes)};
