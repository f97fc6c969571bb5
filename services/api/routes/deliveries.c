/* /deliveries: what was sent to whom, how often, and what came of it. */
#include "services/api/routes/deliveries.h"

#include <inttypes.h>

#include "base/str.h"
#include "net/page.h"
#include "queue/check_jobs.h"
#include "services/api/api.h"
#include "services/api/cache.h"
#include "services/api/routes/routes.h"

struct delivery_out {
    struct uuid id;
    const char *key, *event, *status;
    int64_t attempts;
    struct uuid channel_id;
    const char *channel_name, *channel_type, *target;
    struct uuid incident_id, check_id;
    int64_t sequence;
    const char *last_error;
    const char *response_code; /* JSON: a number or null */
    int64_t next_attempt_us, created_us, finished_us;
    const char *payload;
};

#define AT(member) offsetof(struct delivery_out, member)
static const struct field delivery_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "key",
     .type = FT_STRING,
     .offset = AT(key),
     .help = "The same for every attempt: the webhook-id without msg_, the Message-ID of a mail"},
    {.name = "event", .type = FT_STRING, .offset = AT(event), .example = "\"check.down\""},
    {.name = "status",
     .type = FT_STRING,
     .offset = AT(status),
     .help = "pending, delivered, failed or cancelled"},
    {.name = "attempts", .type = FT_INT, .offset = AT(attempts)},
    {.name = "channel_id",
     .type = FT_UUID,
     .flags = F_NULLABLE,
     .offset = AT(channel_id),
     .help = "null: the check's own webhook_url"},
    {.name = "channel_name", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(channel_name)},
    {.name = "channel_type", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(channel_type)},
    {.name = "target",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(target),
     .help = "The URL, where there is no channel"},
    {.name = "incident_id", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(incident_id)},
    {.name = "check_id", .type = FT_UUID, .flags = F_NULLABLE, .offset = AT(check_id)},
    {.name = "sequence",
     .type = FT_INT,
     .offset = AT(sequence),
     .help = "Number of the notification within its incident"},
    {.name = "last_error", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(last_error)},
    {.name = "response_code",
     .type = FT_JSON,
     .offset = AT(response_code),
     .help = "HTTP or SMTP code of the last attempt; null when none came"},
    {.name = "next_attempt_at",
     .type = FT_TIME,
     .flags = F_NULLABLE,
     .offset = AT(next_attempt_us)},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_us)},
    {.name = "finished_at", .type = FT_TIME, .flags = F_NULLABLE, .offset = AT(finished_us)},
    {.name = "payload", .type = FT_MAP, .offset = AT(payload), .help = "What the receiver is told"},
};
#undef AT
const struct schema delivery_schema = SCHEMA("Delivery", struct delivery_out, delivery_fields);

static enum status to_out(struct arena *arena, const struct delivery_row *row,
                          struct delivery_out *out)
{
    char key[DELIVERY_KEY_BYTES];
    delivery_key(row, key);
    const struct delivery_out o = {
        .id = row->id,
        .key = arena_strdup(arena, key),
        .event = row->event,
        .status = row->status,
        .attempts = row->attempts,
        .channel_id = row->channel_id,
        .channel_name = row->channel_name,
        .channel_type = row->channel_type,
        .target = row->target,
        .incident_id = row->incident_id,
        .check_id = row->check_id,
        .sequence = row->sequence,
        .last_error = row->last_error,
        .response_code = row->response_code ? arena_printf(arena, "%" PRId64, row->response_code)
                                            : NULL,
        .next_attempt_us = row->next_us,
        .created_us = row->created_us,
        .finished_us = row->finished_us,
        .payload = row->payload,
    };
    if (!o.key || (row->response_code && !o.response_code))
        return ST_NO_MEMORY;
    *out = o;
    return ST_OK;
}

enum status reply_delivery(struct req *r, int status, const struct delivery_row *row)
{
    struct delivery_out out;
    TRY(to_out(r->arena, row, &out));
    reply_object(r, status, &delivery_schema, &out);
    return ST_OK;
}

void wake_notifiers(struct req *r)
{
    /* Nobody listening, or no Redis: the notifiers look by themselves every other second. */
    enum status st = redis_do(req_ctx(r)->redis, NULL, "PUBLISH", OUTBOX_WAKE_CHANNEL, "1");
    (void)st;
}

struct list_in {
    struct page_in page;
    struct in_str status;
    struct in_uuid channel_id, incident_id, check_id;
};
static const char *const statuses[] = {"pending", "delivered", "failed", "cancelled", NULL};

static const char *const sorts[] = {"-created_at", "created_at", "-finished_at",
                                    "finished_at", "status",     "-status",
                                    "attempts",    "-attempts",  NULL};
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, sorts),
    PAGE_CURSOR(struct list_in, page),
    {.name = "status",
     .type = FT_STRING,
     .offset = offsetof(struct list_in, status),
     .choices = statuses,
     .help = "Only deliveries in this state"},
    {.name = "channel_id",
     .type = FT_UUID,
     .offset = offsetof(struct list_in, channel_id),
     .help = "Only deliveries through this channel"},
    {.name = "incident_id",
     .type = FT_UUID,
     .offset = offsetof(struct list_in, incident_id),
     .help = "Only deliveries about this incident"},
    {.name = "check_id",
     .type = FT_UUID,
     .offset = offsetof(struct list_in, check_id),
     .help = "Only deliveries about this check"},
};
static const struct schema list_schema = SCHEMA("DeliveryQuery", struct list_in, list_fields);

static enum status delivery_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    const struct outbox_filter filter = {
        .status = in->status.v,
        .channel_id = in->channel_id.v,
        .incident_id = in->incident_id.v,
        .check_id = in->check_id.v,
    };
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 20, &page));
    struct delivery_row *rows = NULL;
    size_t count = 0;
    TRY(outbox_list(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));

    struct delivery_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        TRY(to_out(r->arena, &rows[i], &out[i]));
    reply_page(r, "deliveries", &delivery_schema, out, count, &page);
    return ST_OK;
}

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "DELIVERY_NOT_FOUND", "There is no delivery %.64s",
                    r->param[0]);
}

static enum status get(struct req *r, struct delivery_row *row)
{
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return not_found(r);
    enum status st = outbox_get(req_ctx(r)->db, r->arena, &r->who->org_id, &id, row);
    return st == ST_NOT_FOUND ? not_found(r) : st;
}

static enum status delivery_get(struct req *r)
{
    struct delivery_row row;
    TRY(get(r, &row));
    return reply_delivery(r, 200, &row);
}

/* A failed delivery becomes due again. Its count of attempts goes on, so one that had used them all
 * up gets exactly one more. */
static enum status delivery_retry(struct req *r)
{
    struct delivery_row row;
    TRY(get(r, &row));
    enum status st = outbox_retry(req_ctx(r)->db, r->arena, &r->who->org_id, &row.id);
    if (st == ST_CONFLICT)
        return req_fail(r, ST_CONFLICT, "DELIVERY_NOT_FAILED",
                        "Only a failed or cancelled delivery can be sent again");
    TRY(st);
    wake_notifiers(r);
    TRY(get(r, &row));
    return reply_delivery(r, 202, &row);
}

static const struct route routes[] = {
    {.method = M_GET,
     .path = "/api/v1/deliveries",
     .summary = "List deliveries, newest first",
     .scope = SCOPE_INCIDENTS_READ,
     .query = &list_schema,
     .reply = &delivery_schema,
     .list = "deliveries",
     .tag = "Channels",
     .reads = CACHED_RESULTS | CACHED_DELIVERIES,
     .handler = delivery_list},
    {.method = M_GET,
     .path = "/api/v1/deliveries/{id}",
     .summary = "Get a delivery",
     .scope = SCOPE_INCIDENTS_READ,
     .reply = &delivery_schema,
     .tag = "Channels",
     .errors = ERRORS("DELIVERY_NOT_FOUND"),
     .handler = delivery_get},
    {.method = M_POST,
     .path = "/api/v1/deliveries/{id}/retry",
     .summary = "Send a failed delivery again",
     .scope = SCOPE_INCIDENTS_WRITE,
     .reply = &delivery_schema,
     .tag = "Channels",
     .ok = 202,
     .errors = ERRORS("DELIVERY_NOT_FOUND", "DELIVERY_NOT_FAILED"),
     .flags = ROUTE_ATOMIC,
     .handler = delivery_retry},
};
const struct route_set deliveries_routes = {routes, ARRAY_LEN(routes)};
