/* /incidents: what went wrong, and what people do about it. */
#include "store/incidents.h"

#include "base/clock.h"
#include "base/str.h"
#include "services/api/api.h"
#include "services/api/cache.h"
#include "services/api/routes/routes.h"

#define AT(member) offsetof(struct incident_event, member)
static const struct field event_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "at", .type = FT_TIME, .offset = AT(at_us)},
    {.name = "type",
     .type = FT_STRING,
     .offset = AT(type),
     .help = "opened, acknowledged, commented or resolved"},
    {.name = "user_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(user_id),
     .help = "null: by Tocsin itself"},
    {.name = "username", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(username)},
    {.name = "message", .type = FT_STRING, .offset = AT(message)},
};
#undef AT
static const struct schema event_schema = SCHEMA("IncidentEvent", struct incident_event,
                                                 event_fields);

struct incident_out {
    struct incident i;
    double duration_s;
    struct out_list events;
};
#define AT(member) offsetof(struct incident_out, member)
static const struct field incident_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(i.id)},
    {.name = "check_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(i.check_id),
     .help = "null once the check is deleted"},
    {.name = "check_name", .type = FT_STRING, .offset = AT(i.check_name)},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(i.status),
     .help = "open, acknowledged or resolved"},
    {.name = "severity",
     .type = FT_STRING,
     .offset = AT(i.severity),
     .help = "info, warning or critical"},
    {.name = "title", .type = FT_STRING, .offset = AT(i.title)},
    {.name = "cause", .type = FT_STRING, .offset = AT(i.cause)},
    {.name = "started_at", .type = FT_TIME, .offset = AT(i.started_us)},
    {.name = "acknowledged_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(i.acknowledged_us)},
    {.name = "acknowledged_by",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(i.acknowledged_by)},
    {.name = "resolved_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(i.resolved_us)},
    {.name = "resolved_by",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(i.resolved_by),
     .help = "null: the check recovered"},
    {.name = "duration",
     .type = FT_NUMBER,
     .offset = AT(duration_s),
     .help = "Seconds from its start to its end, or to now"},
    {.name = "created_at", .type = FT_TIME, .offset = AT(i.created_us)},
    {.name = "updated_at", .type = FT_TIME, .offset = AT(i.updated_us)},
    {.name = "events",
     .type = FT_LIST,
     .sub = &event_schema,
     .offset = AT(events),
     .help = "What happened, oldest first"},
};
#undef AT
static const struct schema incident_schema = SCHEMA("Incident", struct incident_out,
                                                    incident_fields);
/* In lists an incident comes without its events, which are the last field. */
static const struct schema incident_item_schema = {
    .name = "IncidentItem",
    .fields = incident_fields,
    .count = ARRAY_LEN(incident_fields) - 1,
    .size = sizeof(struct incident_out),
};

static void to_out(const struct incident *incident, int64_t now_us, struct incident_out *out)
{
    const int64_t end_us = incident->resolved_us ? incident->resolved_us : now_us;
    *out = (struct incident_out){
        .i = *incident,
        .duration_s = (double)MAX_OF(end_us - incident->started_us, 0) / 1e6,
        .events = {.count = incident->event_count, .v = incident->events},
    };
}

struct list_in {
    struct page_in page;
    struct in_list status;
    struct in_uuid check_id;
    struct in_str severity;
    struct in_time since, until;
};
static const char *const statuses[] = {"open", "acknowledged", "resolved", NULL};
static const char *const severities[] = {"info", "warning", "critical", NULL};

static const char *const sorts[] = {"-started_at", "started_at",  "-updated_at", "updated_at",
                                    "severity",    "-severity",   "status",      "-status",
                                    "check_name",  "-check_name", NULL};
#define AT(member) offsetof(struct list_in, member)
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, sorts),
    PAGE_CURSOR(struct list_in, page),
    {.name = "status",
     .type = FT_LIST,
     .element = FT_STRING,
     .offset = AT(status),
     .choices = statuses,
     .help = "Only incidents in these states, comma separated"},
    {.name = "check_id",
     .type = FT_UUID,
     .offset = AT(check_id),
     .help = "Only incidents of this check"},
    {.name = "severity",
     .type = FT_STRING,
     .offset = AT(severity),
     .choices = severities,
     .help = "Only incidents of this severity"},
    {.name = "since",
     .type = FT_TIME,
     .offset = AT(since),
     .help = "Only incidents that began at or after this time"},
    {.name = "until",
     .type = FT_TIME,
     .offset = AT(until),
     .help = "Only incidents that began before this time"},
};
#undef AT
static const struct schema list_schema = SCHEMA("IncidentQuery", struct list_in, list_fields);

static enum status incident_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    const struct incident_filter filter = {
        .statuses = in->status.set ? in->status.v : NULL,
        .status_count = in->status.count,
        .check_id = in->check_id.v,
        .severity = in->severity.v,
        .since_us = in->since.v,
        .until_us = in->until.v,
    };
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 20, &page));
    struct incident *rows = NULL;
    size_t count = 0;
    TRY(incidents_list(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));

    struct incident_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    const int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < count; i++)
        to_out(&rows[i], now_us, &out[i]);
    reply_page(r, "incidents", &incident_item_schema, out, count, &page);
    return ST_OK;
}

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "INCIDENT_NOT_FOUND", "There is no incident %.64s",
                    r->param[0]);
}

static enum status reply_incident(struct req *r, const struct uuid *id)
{
    struct incident incident;
    enum status st = incidents_get(req_ctx(r)->db, r->arena, &r->who->org_id, id, &incident);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    struct incident_out out;
    to_out(&incident, clock_wall_us(), &out);
    reply_object(r, 200, &incident_schema, &out);
    return ST_OK;
}

static enum status incident_get(struct req *r)
{
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return not_found(r);
    return reply_incident(r, &id);
}

struct deed_in {
    struct in_str message;
};
enum { MESSAGE_MAX_BYTES = 4000 };
static const struct field deed_fields[] = {
    {.name = "message",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = offsetof(struct deed_in, message),
     .max = MESSAGE_MAX_BYTES,
     .alias = "comment",
     .help = "Kept with the incident",
     .example = "\"Looking into it\""},
};
static const struct schema deed_schema = SCHEMA("IncidentNote", struct deed_in, deed_fields);
static const struct field comment_fields[] = {
    {.name = "message",
     .type = FT_STRING,
     .flags = F_REQUIRED,
     .offset = offsetof(struct deed_in, message),
     .min = 1,
     .max = MESSAGE_MAX_BYTES,
     .alias = "comment",
     .help = "Kept with the incident",
     .example = "\"The disk was full\""},
};
static const struct schema comment_schema = SCHEMA("IncidentComment", struct deed_in,
                                                   comment_fields);

typedef enum status deed_fn(struct db *db, struct arena *arena, const struct incident_deed *deed);

static enum status do_deed(struct req *r, deed_fn *fn)
{
    const struct deed_in *in = r->in;
    struct incident_deed deed = {
        .org_id = r->who->org_id,
        .user_id = r->who->user_id,
        .message = in->message.v ? in->message.v : "",
    };
    if (uuid_parse(r->param[0], &deed.id) != ST_OK)
        return not_found(r);
    enum status st = fn(req_ctx(r)->db, r->arena, &deed);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    if (st == ST_CONFLICT)
        return req_fail(r, ST_CONFLICT, "INCIDENT_RESOLVED", "The incident is resolved already");
    TRY(st);
    return reply_incident(r, &deed.id);
}

/* Acknowledging twice is no error: the second one finds what it asked for. */
static enum status incident_acknowledge(struct req *r)
{
    return do_deed(r, incidents_acknowledge);
}

/* Resolving by hand ends the incident, not the outage: the check stays down until it recovers, and
 * a new incident is opened only when it goes down after having been up again. */
static enum status incident_resolve(struct req *r)
{
    return do_deed(r, incidents_resolve);
}

static enum status incident_comment(struct req *r)
{
    return do_deed(r, incidents_comment);
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/incidents",
     .summary = "List incidents, newest first",
     .scope = SCOPE_INCIDENTS_READ,
     .query = &list_schema,
     .reply = &incident_item_schema,
     .list = "incidents",
     .tag = "Incidents",
     .reads = CACHED_RESULTS,
     .handler = incident_list},
    {.method = M_GET,
     .path = "/api/v1/incidents/{id}",
     .summary = "Get an incident with its events",
     .scope = SCOPE_INCIDENTS_READ,
     .reply = &incident_schema,
     .tag = "Incidents",
     .errors = ERRORS("INCIDENT_NOT_FOUND"),
     .handler = incident_get},
    {.method = M_POST,
     .path = "/api/v1/incidents/{id}/acknowledge",
     .summary = "Acknowledge an incident",
     .scope = SCOPE_INCIDENTS_WRITE,
     .body = &deed_schema,
     .reply = &incident_schema,
     .tag = "Incidents",
     .flags = ROUTE_OPTIONAL_BODY | ROUTE_ATOMIC,
     .errors = ERRORS("INCIDENT_NOT_FOUND", "INCIDENT_RESOLVED"),
     .handler = incident_acknowledge},
    {.method = M_POST,
     .path = "/api/v1/incidents/{id}/resolve",
     .summary = "Resolve an incident by hand; its check stays down until it recovers",
     .scope = SCOPE_INCIDENTS_WRITE,
     .body = &deed_schema,
     .reply = &incident_schema,
     .tag = "Incidents",
     .flags = ROUTE_OPTIONAL_BODY | ROUTE_ATOMIC,
     .errors = ERRORS("INCIDENT_NOT_FOUND", "INCIDENT_RESOLVED"),
     .handler = incident_resolve},
    {.method = M_POST,
     .path = "/api/v1/incidents/{id}/comment",
     .summary = "Comment on an incident",
     .scope = SCOPE_INCIDENTS_WRITE,
     .body = &comment_schema,
     .reply = &incident_schema,
     .tag = "Incidents",
     .errors = ERRORS("INCIDENT_NOT_FOUND"),
     .flags = ROUTE_ATOMIC,
     .handler = incident_comment},
};
const struct route_set incidents_routes = {routes, ARRAY_LEN(routes)};
