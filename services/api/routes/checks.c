/* /checks: what is watched. Running one is check_runs.c's. */
#include "services/api/routes/checks.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "net/page.h"
#include "net/url.h"
#include "services/api/api.h"
#include "services/api/cache.h"
#include "services/api/config_secrets.h"
#include "services/api/routes/check_filter.h"
#include "services/api/routes/routes.h"
#include "zone/zone.h"

/* --- what goes out --- */

struct check_out {
    struct uuid id;
    int64_t legacy_id;
    const char *name, *plugin_type, *config;
    bool has_secret, enabled;
    const char *schedule;
    int64_t last_run_us, created_us, updated_us;
    double timeout_s;
    int64_t retries;
    const char *retry_interval;
    int64_t recoveries;
    struct out_list channels, tags;
    const char *webhook_url, *group, *external_id, *state;
    int64_t state_since_us, next_run_us;
    const char *last_status, *last_message;
    double last_response_s;
    struct uuid incident_id;
};
#define AT(member) offsetof(struct check_out, member)
static const struct field check_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "name", .type = FT_STRING, .offset = AT(name), .example = "\"Example Website Check\""},
    {.name = "plugin_type", .type = FT_STRING, .offset = AT(plugin_type), .example = "\"website\""},
    {.name = "config",
     .type = FT_MAP,
     .offset = AT(config),
     .help = "As the plugin asks for, without its secrets",
     .example = "{\"url\":\"https://example.com\",\"expected_status\":200}"},
    {.name = "has_secret",
     .type = FT_BOOL,
     .offset = AT(has_secret),
     .help = "Whether the configuration has secrets: kept sealed, and never shown"},
    {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled)},
    {.name = "schedule",
     .type = FT_STRING,
     .offset = AT(schedule),
     .example = "\"every 5 minutes\""},
    {.name = "last_run", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(last_run_us)},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_us)},
    {.name = "updated_at", .type = FT_TIME, .offset = AT(updated_us)},
    {.name = "timeout",
     .type = FT_NUMBER,
     .offset = AT(timeout_s),
     .help = "Time limit in seconds"},
    {.name = "retries",
     .type = FT_INT,
     .offset = AT(retries),
     .help = "Failures in a row before the check is down"},
    {.name = "retry_interval",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(retry_interval),
     .help = "Schedule text while a failure is not confirmed; null: as the schedule"},
    {.name = "recoveries",
     .type = FT_INT,
     .offset = AT(recoveries),
     .help = "Successes in a row before the check is up again"},
    {.name = "channels",
     .type = FT_LIST,
     .element = FT_UUID,
     .offset = AT(channels),
     .help = "Where its alerts go; none: the default channels"},
    {.name = "webhook_url", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(webhook_url)},
    {.name = "tags", .type = FT_LIST, .element = FT_STRING, .offset = AT(tags)},
    {.name = "group", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(group)},
    {.name = "external_id",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(external_id),
     .help = "What another system calls it"},
    {.name = "state",
     .type = FT_STRING,
     .offset = AT(state),
     .help = "pending, up, degraded, down, unknown, maintenance or paused",
     .example = "\"up\""},
    {.name = "state_since", .type = FT_TIME, .offset = AT(state_since_us)},
    {.name = "next_run", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(next_run_us)},
    {.name = "last_status", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(last_status)},
    {.name = "last_message", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(last_message)},
    {.name = "last_response_time",
     .type = FT_NUMBER,
     .flags = F_NULLABLE,
     .offset = AT(last_response_s)},
    {.name = "incident_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(incident_id),
     .help = "The open incident"},
    {.name = "legacy_id", .type = FT_INT, .offset = AT(legacy_id), .help = "A small stable number"},
};
#undef AT
const struct schema check_schema = SCHEMA("Check", struct check_out, check_fields);

static int64_t next_run_us(const struct check *c, int64_t now_ms)
{
    struct schedule s;
    if (!c->enabled || schedule_read(c->schedule, &s, NULL) != ST_OK)
        return 0;
    int64_t at_ms = schedule_next(&s, schedule_phase(&s, uuid_hash(&c->id)), now_ms);
    return at_ms == INT64_MAX ? 0 : at_ms * 1000;
}

static struct check_out to_out(const struct check *c)
{
    return (struct check_out){
        .id = c->id,
        .legacy_id = c->legacy_id,
        .name = c->name,
        .plugin_type = c->plugin_type,
        .config = c->config,
        .has_secret = c->sealed != NULL,
        .enabled = c->enabled,
        .schedule = c->schedule,
        .last_run_us = c->last_run_us,
        .created_us = c->created_us,
        .updated_us = c->updated_us,
        .timeout_s = (double)c->timeout_ms / 1000,
        .retries = c->retries,
        .retry_interval = c->retry_interval,
        .recoveries = c->recoveries,
        .channels = {c->channel_count, c->channels},
        .tags = {c->tag_count, c->tags},
        .webhook_url = c->webhook_url,
        .group = c->group,
        .external_id = c->external_id,
        .state = c->state,
        .state_since_us = c->since_us,
        .next_run_us = next_run_us(c, clock_wall_ms()),
        .last_status = c->last_status,
        .last_message = c->last_message,
        .last_response_s = c->last_response_s,
        .incident_id = c->incident_id,
    };
}

enum status check_reply(struct req *r, int status, const struct check *c)
{
    const struct check_out out = to_out(c);
    reply_object(r, status, &check_schema, &out);
    return ST_OK;
}

/* --- shared with check_runs.c --- */

/* 404 CHECK_NOT_FOUND, naming the id of the path. */
static enum status check_not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "CHECK_NOT_FOUND", "There is no check %.64s", r->param[0]);
}

enum status check_unknown_kind(struct req *r, const char *plugin_type)
{
    return req_invalid_field(r, "plugin_type", "value_error.enum",
                             "unknown plugin %.64s; GET /api/v1/plugins lists them", plugin_type);
}

enum status check_of_path(struct req *r, struct check *out)
{
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return check_not_found(r);
    enum status st = checks_get(req_ctx(r)->db, r->arena, &r->who->org_id, &id, out);
    return st == ST_NOT_FOUND ? check_not_found(r) : st;
}

enum status check_of_path_id(struct req *r, struct uuid *out)
{
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return check_not_found(r);
    enum status st = checks_exists(req_ctx(r)->db, r->arena, &r->who->org_id, &id);
    if (st == ST_NOT_FOUND)
        return check_not_found(r);
    TRY(st);
    *out = id;
    return ST_OK;
}

enum status check_config_valid(struct req *r, const struct check_kind *kind, json_t *config)
{
    AUTO_FIELD_ERRORS errors = {0};
    enum status st = check_kind_bind(kind, config, r->arena, NULL, &errors);
    return st == ST_INVALID ? req_invalid(r, &errors) : st;
}

void check_location(struct req *r, const struct uuid *id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    const char *path = arena_printf(r->arena, "/api/v1/checks/%s", text);
    if (path)
        reply_header(r, "Location", path);
}

/* --- applying what came in --- */

/* 422 with the fields. */
static enum status apply(struct req *r, const struct check_in *in, struct check *c)
{
    AUTO_FIELD_ERRORS errors = {0};
    const enum status st = check_input_apply(in, req_ctx(r)->seal, r->arena, c, &errors);
    return st == ST_INVALID ? req_invalid(r, &errors) : st;
}

static enum status external_id_taken(struct req *r)
{
    return req_fail(r, ST_CONFLICT, "CHECK_EXTERNAL_ID_TAKEN",
                    "Another check has this external_id");
}

static enum status bad_channels(struct req *r)
{
    return req_invalid_field(r, "channels", "value_error",
                             "one of them is no channel; GET /api/v1/channels lists them");
}

/* --- handlers --- */

struct list_in {
    struct page_in page;
    struct check_filter_in filter;
};
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, checks_sorts),
    PAGE_CURSOR(struct list_in, page),
    CHECK_FILTER_FIELDS(struct list_in, filter),
};
static const struct schema list_schema = SCHEMA("CheckQuery", struct list_in, list_fields);

static enum status check_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    struct page page;
    TRY(page_begin(r, &in->page, checks_sorts, 20, &page));
    struct check_filter filter = check_filter_of(&in->filter);
    filter.sort = page.sort;
    struct check *rows = NULL;
    size_t count = 0;
    TRY(checks_list(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));
    struct check_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        out[i] = to_out(&rows[i]);
    reply_page(r, "checks", &check_schema, out, count, &page);
    return ST_OK;
}

static enum status check_get(struct req *r)
{
    struct check c;
    TRY(check_of_path(r, &c));
    return check_reply(r, 200, &c);
}

static enum status check_get_batch(struct req **r, size_t count)
{
    if (count == 1)
        return check_get(r[0]);
    struct check_wanted wanted[LIMIT_HTTP_BATCH];
    for (size_t i = 0; i < count; i++) {
        struct check_wanted *w = &wanted[i];
        w->org_id = r[i]->who->org_id;
        w->arena = r[i]->arena;
        w->is_found = false;
        if (uuid_parse(r[i]->param[0], &w->id) != ST_OK)
            w->id = (struct uuid){{0}}; /* nobody's */
    }
    TRY(checks_get_many(req_ctx(r[0])->db, r[0]->arena, wanted, count));
    for (size_t i = 0; i < count; i++) {
        if (!wanted[i].is_found)
            (void)check_not_found(r[i]);
        else
            TRY(check_reply(r[i], 200, &wanted[i].check));
    }
    return ST_OK;
}

static enum status check_create(struct req *r)
{
    const struct check_in *in = r->in;
    struct check c = check_input_default();
    TRY(apply(r, in, &c));
    enum status st = checks_insert(req_ctx(r)->db, r->arena, &r->who->org_id, &r->who->user_id, &c);
    if (st == ST_INVALID)
        return bad_channels(r);
    if (st == ST_CONFLICT)
        return external_id_taken(r);
    TRY(st);
    check_location(r, &c.id);
    return check_reply(r, 201, &c);
}

struct update {
    struct req *r;
    const struct check_in *in;
    bool is_answered; /* with a problem document */
};

static enum status change(struct check *c, void *arg)
{
    struct update *u = arg;
    enum status st = apply(u->r, u->in, c);
    u->is_answered = st != ST_OK;
    return st;
}

static enum status update(struct req *r, const struct check_in *in)
{
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return check_not_found(r);
    struct update u = {.r = r, .in = in};
    struct check c;
    enum status st = checks_update(req_ctx(r)->db, r->arena, &r->who->org_id, &id, change, &u, &c);
    if (u.is_answered)
        return st;
    if (st == ST_NOT_FOUND)
        return check_not_found(r);
    if (st == ST_INVALID)
        return bad_channels(r);
    if (st == ST_CONFLICT)
        return external_id_taken(r);
    TRY(st);
    return check_reply(r, 200, &c);
}

static enum status check_update(struct req *r)
{
    return update(r, r->in);
}

static enum status check_pause(struct req *r)
{
    return update(r, &(struct check_in){.enabled = {.set = true, .v = false}});
}

static enum status check_resume(struct req *r)
{
    return update(r, &(struct check_in){.enabled = {.set = true, .v = true}});
}

static enum status check_delete(struct req *r)
{
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return check_not_found(r);
    enum status st = checks_delete(req_ctx(r)->db, r->arena, &r->who->org_id, &r->who->user_id,
                                   &id);
    if (st == ST_NOT_FOUND)
        return check_not_found(r);
    TRY(st);
    reply_empty(r, 204);
    return ST_OK;
}

#define PATH "/api/v1/checks"
#define CHANGE_DESCRIPTION                                                                       \
    "What is left out stays as it is. `config` takes the place of the whole one that is there, " \
    "but for secrets: those that it leaves out stay, null removes them."
#define ROUTE(method_, path_, scope_, summary_, ...)                                       \
    {                                                                                      \
        .method = (method_), .path = PATH path_, .summary = (summary_), .scope = (scope_), \
        .tag = "Checks", __VA_ARGS__                                                       \
    }
static const struct route routes[] = {
    ROUTE(M_GET, "", SCOPE_CHECKS_READ, "List checks", .query = &list_schema,
          .reply = &check_schema, .list = "checks", .reads = CACHED_RESULTS, .handler = check_list),
    ROUTE(M_POST, "", SCOPE_CHECKS_WRITE, "Create a check", .body = &check_create_schema,
          .reply = &check_schema, .ok = 201, .errors = ERRORS("CHECK_EXTERNAL_ID_TAKEN"),
          .flags = ROUTE_ATOMIC, .handler = check_create),
    ROUTE(M_GET, "/{id}", SCOPE_CHECKS_READ, "Get a check", .reply = &check_schema,
          .reads = CACHED_RESULTS | CACHED_HERE, .errors = ERRORS("CHECK_NOT_FOUND"),
          .handler = check_get, .batch = check_get_batch),
    ROUTE(M_PUT, "/{id}", SCOPE_CHECKS_WRITE, "Change what is given of a check",
          .description = CHANGE_DESCRIPTION, .body = &check_update_schema, .reply = &check_schema,
          .errors = ERRORS("CHECK_NOT_FOUND", "CHECK_EXTERNAL_ID_TAKEN"), .handler = check_update),
    ROUTE(M_PATCH, "/{id}", SCOPE_CHECKS_WRITE, "Change what is given of a check",
          .description = CHANGE_DESCRIPTION, .body = &check_update_schema, .reply = &check_schema,
          .errors = ERRORS("CHECK_NOT_FOUND", "CHECK_EXTERNAL_ID_TAKEN"), .handler = check_update),
    ROUTE(M_DELETE, "/{id}", SCOPE_CHECKS_WRITE, "Delete a check", .ok = 204,
          .description = "Its results stay among the organisation's "
                         "(`GET /api/v1/results?check_id=`) until their retention ends.",
          .errors = ERRORS("CHECK_NOT_FOUND"), .handler = check_delete),
    ROUTE(M_POST, "/{id}/pause", SCOPE_CHECKS_WRITE, "Stop running a check", .reply = &check_schema,
          .errors = ERRORS("CHECK_NOT_FOUND"), .flags = ROUTE_ATOMIC, .handler = check_pause),
    ROUTE(M_POST, "/{id}/resume", SCOPE_CHECKS_WRITE, "Run a check again as scheduled",
          .reply = &check_schema, .errors = ERRORS("CHECK_NOT_FOUND"), .flags = ROUTE_ATOMIC,
          .handler = check_resume),
};
const struct route_set checks_routes = {routes, ARRAY_LEN(routes)};
