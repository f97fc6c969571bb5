/*
 * The uptime API: websites by small numbers, watched every so many minutes, their history in three
 * statuses. Behind it are checks of the kind website (routes/checks.c shows the same ones).
 */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "json/patterns.h"
#include "net/page.h"
#include "net/url.h"
#include "services/api/api.h"
#include "services/api/routes/checks.h"
#include "services/api/routes/check_periods.h"
#include "services/api/routes/routes.h"
#include "services/api/routes/uptime.h"
#include "store/uptime.h"
#include "zone/zone.h"

enum {
    MINUTES_DEFAULT = 5,
    MINUTES_MAX = 44640 /* 31 days */
};
/* This API calls everything below 400 up. */
static const char accepted_statuses[] = "200-399";

/* --- websites --- */

struct url_out {
    int64_t id;
    const char *url;
    int64_t check_interval;
    const char *webhook_url, *status;
    int64_t last_checked_us;
    struct uuid check_id;
    const char *name;
    bool enabled;
    int64_t created_us;
};
#define AT(member) offsetof(struct url_out, member)
static const struct field url_fields[] = {
    {.name = "id", .type = FT_INT, .offset = AT(id), .example = "1"},
    {.name = "url",
     .type = FT_STRING,
     .offset = AT(url),
     .format = "uri",
     .example = "\"https://example.com\""},
    {.name = "check_interval",
     .type = FT_INT,
     .offset = AT(check_interval),
     .help = "Minutes, rounded up",
     .example = "5"},
    {.name = "webhook_url",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(webhook_url),
     .format = "uri"},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .help = "UP, DOWN or UNKNOWN",
     .example = "\"UP\""},
    {.name = "last_checked", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(last_checked_us)},
    {.name = "check_id",
     .type = FT_UUID,
     .offset = AT(check_id),
     .help = "The same one among /api/v1/checks"},
    {.name = "name", .type = FT_STRING, .offset = AT(name)},
    {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled)},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_us)},
};
#undef AT
static const struct schema url_schema = SCHEMA("MonitoredUrl", struct url_out, url_fields);

int64_t uptime_minutes(const char *text)
{
    enum { MINUTE_MS = 60000 };
    struct schedule s;
    if (schedule_read(text, &s, NULL) != ST_OK)
        return 0;
    return (schedule_gap_ms(&s, 0, clock_wall_ms()) + MINUTE_MS - 1) / MINUTE_MS;
}

static const char *config_url(struct arena *arena, const char *config)
{
    AUTO_JSON json = NULL;
    if (json_parse(config, strlen(config), &json, NULL) != ST_OK)
        return NULL;
    const char *url = json_string_value(json_object_get(json, "url"));
    return url ? arena_strdup(arena, url) : "";
}

static enum status to_out(struct arena *arena, const struct check *c, struct url_out *out)
{
    *out = (struct url_out){
        .id = c->legacy_id,
        .url = config_url(arena, c->config),
        .check_interval = uptime_minutes(c->schedule),
        .webhook_url = c->webhook_url,
        .status = uptime_status(c->state),
        .last_checked_us = c->last_run_us,
        .check_id = c->id,
        .name = c->name,
        .enabled = c->enabled,
        .created_us = c->created_us,
    };
    return out->url ? ST_OK : ST_NO_MEMORY;
}

static enum status reply_url(struct req *r, int status, const struct check *c)
{
    struct url_out out;
    TRY(to_out(r->arena, c, &out));
    reply_object(r, status, &url_schema, &out);
    return ST_OK;
}

static enum status url_not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "URL_NOT_FOUND", "There is no monitored URL %.20s",
                    r->param[0]);
}

/* The check behind the number in the path. ST_NOT_FOUND is answered already. */
static enum status check_id_of_path(struct req *r, struct uuid *out)
{
    int64_t number = 0;
    enum status st = str_to_i64(r->param[0], &number);
    if (st == ST_OK)
        st = uptime_find(req_ctx(r)->db, r->arena, &r->who->org_id, number, out);
    return st == ST_INVALID || st == ST_NOT_FOUND ? url_not_found(r) : st;
}

struct url_list_in {
    struct page_in page;
    struct in_bool enabled;
    struct in_str q;
};
static const struct field url_list_fields[] = {
    PAGE_FIELDS(struct url_list_in, page, checks_sorts),
    {.name = "enabled",
     .type = FT_BOOL,
     .offset = offsetof(struct url_list_in, enabled),
     .help = "Only those that are watched, or that are not"},
    {.name = "q",
     .type = FT_STRING,
     .offset = offsetof(struct url_list_in, q),
     .max = LIMIT_CHECK_NAME,
     .alias = "search",
     .help = "Part of the name"},
};
static const struct schema url_list_schema = SCHEMA("MonitoredUrlQuery", struct url_list_in,
                                                    url_list_fields);

static enum status url_list(struct req *r)
{
    const struct url_list_in *in = r->query_in;
    struct page page;
    TRY(page_begin(r, &in->page, checks_sorts, UPTIME_ROWS, &page));
    const struct check_filter filter = {.has_enabled = in->enabled.set,
                                        .enabled = in->enabled.v,
                                        .kind = "website",
                                        .q = in->q.v,
                                        .sort = page.sort ? page.sort : "created_at"};
    struct check *rows = NULL;
    size_t count = 0;
    TRY(checks_list(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));
    struct url_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(to_out(r->arena, &rows[i], &out[i]));
    page_reply_headers(r, count, &page);
    reply_array(r, &url_schema, out, count);
    return ST_OK;
}

/* The check itself. */
static enum status check_of_number(struct req *r, struct check *out)
{
    struct uuid id;
    TRY(check_id_of_path(r, &id));
    enum status st = checks_get(req_ctx(r)->db, r->arena, &r->who->org_id, &id, out);
    return st == ST_NOT_FOUND ? url_not_found(r) : st;
}

static enum status url_get(struct req *r)
{
    struct check c;
    TRY(check_of_number(r, &c));
    return reply_url(r, 200, &c);
}

/* --- how well one did --- */

struct url_stats_out {
    int64_t id;
    const char *url, *status;
    const struct check_periods *uptime;
};
static const struct field url_stats_fields[] = {
    {.name = "id", .type = FT_INT, .offset = offsetof(struct url_stats_out, id), .example = "1"},
    {.name = "url",
     .type = FT_STRING,
     .offset = offsetof(struct url_stats_out, url),
     .format = "uri",
     .example = "\"https://example.com\""},
    {.name = "status",
     .type = FT_STRING,
     .offset = offsetof(struct url_stats_out, status),
     .help = "UP, DOWN or UNKNOWN, now",
     .example = "\"UP\""},
    {.name = "uptime",
     .type = FT_OBJECT,
     .sub = &check_periods_schema,
     .offset = offsetof(struct url_stats_out, uptime),
     .help = "In each of these times until now"},
};
static const struct schema url_stats_schema = SCHEMA("MonitoredUrlStats", struct url_stats_out,
                                                     url_stats_fields);

static enum status url_stats(struct req *r)
{
    struct check c;
    struct check_periods periods;
    TRY(check_of_number(r, &c));
    TRY(check_periods_read(r, &c.id, clock_wall_us(), &periods));
    const struct url_stats_out out = {.id = c.legacy_id,
                                      .url = config_url(r->arena, c.config),
                                      .status = uptime_status(c.state),
                                      .uptime = &periods};
    if (!out.url)
        return ST_NO_MEMORY;
    reply_object(r, 200, &url_stats_schema, &out);
    return ST_OK;
}

/* --- changing them --- */

struct url_in {
    struct in_str url;
    struct in_i64 check_interval;
    struct in_str webhook_url;
    struct in_str name;
    struct in_bool enabled;
    struct in_i64 user_id;
};
static const char *check_webhook_url(const char *text)
{
    return text[0] == '\0' ? NULL : url_check_http(text);
}

#define AT(member) offsetof(struct url_in, member)
#define URL_IN_FIELDS(required)                                                               \
    {.name = "url",                                                                           \
     .type = FT_STRING,                                                                       \
     .flags = (required),                                                                     \
     .offset = AT(url),                                                                       \
     .min = 1,                                                                                \
     .max = LIMIT_URL_BYTES,                                                                  \
     .check = url_check_http,                                                                 \
     .format = "http-url",                                                                    \
     .help = "What is asked: an answer below 400 is UP",                                      \
     .example = "\"https://example.com\""},                                                   \
        {.name = "check_interval",                                                            \
         .type = FT_INT,                                                                      \
         .offset = AT(check_interval),                                                        \
         .min = 1,                                                                            \
         .max = MINUTES_MAX,                                                                  \
         .help = "Minutes (default: 5)",                                                      \
         .example = "5"},                                                                     \
        {.name = "webhook_url",                                                               \
         .type = FT_STRING,                                                                   \
         .flags = F_NULLABLE,                                                                 \
         .offset = AT(webhook_url),                                                           \
         .max = LIMIT_URL_BYTES,                                                              \
         .check = check_webhook_url,                                                          \
         .rules = "\"anyOf\":[{\"const\":null},{\"maxLength\":0},{\"format\":\"http-url\"}]", \
         .help = "Told when the status changes; an empty text is none",                       \
         .example = "\"https://hooks.example.com/uptime\""},                                  \
        {.name = "name",                                                                      \
         .type = FT_STRING,                                                                   \
         .offset = AT(name),                                                                  \
         .min = 1,                                                                            \
         .max = LIMIT_CHECK_NAME,                                                             \
         .check = check_label,                                                                \
         .pattern = PATTERN_LABEL,                                                            \
         .help = "Default: the URL"},                                                         \
        {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled), .help = "Default: true"}, \
    {                                                                                         \
        .name = "user_id", .type = FT_INT, .offset = AT(user_id),                             \
        .help = "Not looked at: whose it is follows from the token"                           \
    }

static const struct field url_create_fields[] = {URL_IN_FIELDS(F_REQUIRED)};
static const struct field url_update_fields[] = {URL_IN_FIELDS(0)};
#undef AT
static const struct schema url_create_schema = SCHEMA("MonitoredUrlCreate", struct url_in,
                                                      url_create_fields);
/* What a client sends back of the object it read is not refused. */
static const struct schema url_update_schema = {
    .name = "MonitoredUrlUpdate",
    .fields = url_update_fields,
    .count = ARRAY_LEN(url_update_fields),
    .size = sizeof(struct url_in),
    .is_open = true,
};

/* The name that a website without one gets: its URL, cut before a letter that does not fit. */
static const char *name_of(struct arena *arena, const char *url)
{
    size_t len = strnlen(url, LIMIT_CHECK_NAME + 1);
    if (len > LIMIT_CHECK_NAME) {
        len = LIMIT_CHECK_NAME;
        while (len > 0 && ((unsigned char)url[len] & 0xC0) == 0x80)
            len--;
    }
    return arena_strndup(arena, url, len);
}

static enum status apply_url(struct req *r, const char *url, struct check *c)
{
    AUTO_JSON config = NULL;
    if (c->config)
        TRY(json_parse(c->config, strlen(c->config), &config, NULL));
    else
        config = json_pack("{s:s}", "accepted_statuses", accepted_statuses);
    if (!config || json_object_set_new(config, "url", json_string(url)) != 0)
        return ST_NO_MEMORY;
    TRY(check_config_valid(r, check_kind_find("website"), config));
    AUTO_FREE char *text = json_dumps(config, JSON_COMPACT);
    c->config = text ? arena_strdup(r->arena, text) : NULL;
    return c->config ? ST_OK : ST_NO_MEMORY;
}

static enum status apply(struct req *r, const struct url_in *in, struct check *c)
{
    if (in->url.set)
        TRY(apply_url(r, in->url.v, c));
    if (in->name.set)
        c->name = in->name.v;
    if (in->enabled.set)
        c->enabled = in->enabled.v;
    if (in->webhook_url.set)
        c->webhook_url = in->webhook_url.null || !in->webhook_url.v[0] ? NULL : in->webhook_url.v;
    if (in->check_interval.set) {
        c->schedule = in->check_interval.v == 1 ? "every minute"
                                                : arena_printf(r->arena, "every %lld minutes",
                                                               (long long)in->check_interval.v);
        if (!c->schedule)
            return ST_NO_MEMORY;
    }
    return ST_OK;
}

static enum status url_create(struct req *r)
{
    const struct url_in *in = r->in;
    struct url_in full = *in;
    if (!full.check_interval.set)
        full.check_interval = (struct in_i64){.set = true, .v = MINUTES_DEFAULT};
    struct check c = {
        .id = uuid_new(),
        .kind = "website",
        .plugin_type = "website",
        .enabled = true,
        .timeout_ms = CHECK_TIMEOUT_DEFAULT_MS,
        .retries = 2,
        .recoveries = 1,
        .name = name_of(r->arena, in->url.v),
    };
    if (!c.name)
        return ST_NO_MEMORY;
    TRY(apply(r, &full, &c));
    TRY(checks_insert(req_ctx(r)->db, r->arena, &r->who->org_id, &r->who->user_id, &c));
    reply_header(r, "Location",
                 arena_printf(r->arena, "/api/monitor/urls/%lld/", (long long)c.legacy_id));
    return reply_url(r, 201, &c);
}

struct update {
    struct req *r;
    const struct url_in *in;
    bool is_answered; /* with a problem document */
};

static enum status change(struct check *c, void *arg)
{
    struct update *u = arg;
    enum status st = apply(u->r, u->in, c);
    u->is_answered = st != ST_OK;
    return st;
}

static enum status url_update(struct req *r)
{
    struct uuid id;
    struct check c;
    TRY(check_id_of_path(r, &id));
    struct update u = {.r = r, .in = r->in};
    enum status st = checks_update(req_ctx(r)->db, r->arena, &r->who->org_id, &id, change, &u, &c);
    if (st == ST_NOT_FOUND && !u.is_answered)
        return url_not_found(r);
    TRY(st);
    return reply_url(r, 200, &c);
}

struct message_out {
    const char *message;
};
static const struct field message_fields[] = {
    {.name = "message",
     .type = FT_STRING,
     .offset = offsetof(struct message_out, message),
     .example = "\"URL deleted successfully\""},
};
static const struct schema message_schema = SCHEMA("MonitoredUrlDeleted", struct message_out,
                                                   message_fields);

static enum status url_delete(struct req *r)
{
    struct uuid id;
    TRY(check_id_of_path(r, &id));
    enum status st = checks_delete(req_ctx(r)->db, r->arena, &r->who->org_id, &r->who->user_id,
                                   &id);
    if (st == ST_NOT_FOUND)
        return url_not_found(r);
    TRY(st);
    reply_object(r, 200, &message_schema,
                 &(struct message_out){.message = "URL deleted successfully"});
    return ST_OK;
}

#define NUMBER   \
    PATH_PARAMS( \
        {.name = "id", .help = "The website's number", .pattern = "^[0-9]+$", .example = "1"})
#define ROUTE(method_, path_, scope_, summary_, ...)                                    \
    {                                                                                   \
        .method = (method_), .path = (path_), .summary = (summary_), .scope = (scope_), \
        .tag = "Uptime", __VA_ARGS__                                                    \
    }
static const struct route routes[] = {
    ROUTE(M_GET, "/api/monitor/urls", SCOPE_CHECKS_READ, "List monitored URLs",
          .query = &url_list_schema, .reply = &url_schema, .shape = REPLY_ARRAY,
          .handler = url_list),
    ROUTE(M_POST, "/api/monitor/urls", SCOPE_CHECKS_WRITE, "Monitor a URL",
          .body = &url_create_schema, .reply = &url_schema, .ok = 201, .flags = ROUTE_ATOMIC,
          .handler = url_create),
    ROUTE(M_GET, "/api/monitor/urls/{id}", SCOPE_CHECKS_READ, "Get a monitored URL",
          .reply = &url_schema, .params = NUMBER, .errors = ERRORS("URL_NOT_FOUND"),
          .handler = url_get),
    ROUTE(
        M_GET, "/api/monitor/urls/{id}/stats", SCOPE_CHECKS_READ,
        "Get the uptime of a monitored URL",
        .description = "Shares of results over 24 hours, 7, 30 and 90 days and a year; more of it, "
                       "with response times, at /api/v1/checks/{id}/stats.",
        .reply = &url_stats_schema, .params = NUMBER, .errors = ERRORS("URL_NOT_FOUND"),
        .handler = url_stats),
    ROUTE(M_PUT, "/api/monitor/urls/{id}", SCOPE_CHECKS_WRITE,
          "Change what is given of a monitored URL", .body = &url_update_schema,
          .reply = &url_schema, .params = NUMBER, .errors = ERRORS("URL_NOT_FOUND"),
          .handler = url_update),
    ROUTE(M_PATCH, "/api/monitor/urls/{id}", SCOPE_CHECKS_WRITE,
          "Change what is given of a monitored URL", .body = &url_update_schema,
          .reply = &url_schema, .params = NUMBER, .errors = ERRORS("URL_NOT_FOUND"),
          .handler = url_update),
    ROUTE(M_DELETE, "/api/monitor/urls/{id}", SCOPE_CHECKS_WRITE, "Stop monitoring a URL",
          .reply = &message_schema, .params = NUMBER, .errors = ERRORS("URL_NOT_FOUND"),
          .handler = url_delete),
};
const struct route_set uptime_routes = {routes, ARRAY_LEN(routes)};
