/* /channels: where alerts go. Secrets are written, and shown once, in the reply that made them. */
#include "channels/channel.h"

#include "base/clock.h"
#include "base/str.h"
#include "json/parse.h"
#include "json/patterns.h"
#include "net/page.h"
#include "services/api/api.h"
#include "services/api/cache.h"
#include "services/api/config_secrets.h"
#include "services/api/routes/deliveries.h"
#include "services/api/hooks.h"
#include "services/api/routes/routes.h"
#include "store/channels.h"

enum { NAME_MAX_BYTES = 200, TEST_WAIT_MS = 15000 };

struct channel_out {
    struct uuid id;
    const char *name, *type, *config;
    bool has_secret, enabled, is_default;
    const char *disabled_reason;
    int64_t created_us, updated_us;
};
#define AT(member) offsetof(struct channel_out, member)
static const struct field channel_fields[] = {
    {.name = "id", .type = FT_UUID, .offset = AT(id)},
    {.name = "name", .type = FT_STRING, .offset = AT(name)},
    {.name = "type", .type = FT_STRING, .offset = AT(type)},
    {.name = "config",
     .type = FT_MAP,
     .offset = AT(config),
     .help = "Without its secrets, except in the reply that created it",
     .example = "{\"to\":[\"oncall@example.com\"]}"},
    {.name = "has_secret", .type = FT_BOOL, .offset = AT(has_secret)},
    {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled)},
    {.name = "is_default",
     .type = FT_BOOL,
     .offset = AT(is_default),
     .help = "Alerts of checks that name no channels go here"},
    {.name = "disabled_reason",
     .type = FT_STRING,
     .flags = F_NULLABLE,
     .offset = AT(disabled_reason),
     .help = "Why the notifier gave the channel up"},
    {.name = "created_at", .type = FT_TIME, .offset = AT(created_us)},
    {.name = "updated_at", .type = FT_TIME, .offset = AT(updated_us)},
};
#undef AT
static const struct schema channel_schema = SCHEMA("Channel", struct channel_out, channel_fields);

struct channel_in {
    struct in_str name, type;
    struct in_json config;
    struct in_bool enabled, is_default;
};
static const char *check_name(const char *text)
{
    if (str_has_control(text))
        return "control characters are not allowed";
    return text[strspn(text, " ")] == '\0' ? "must not be blank" : NULL;
}

#define AT(member) offsetof(struct channel_in, member)
#define CHANNEL_IN_FIELDS(required)                                                               \
    {.name = "name",                                                                              \
     .type = FT_STRING,                                                                           \
     .flags = (required),                                                                         \
     .offset = AT(name),                                                                          \
     .min = 1,                                                                                    \
     .max = NAME_MAX_BYTES,                                                                       \
     .check = check_name,                                                                         \
     .pattern = PATTERN_LABEL,                                                                    \
     .help = "Unique name",                                                                       \
     .example = "\"On call\""},                                                                   \
        {.name = "type",                                                                          \
         .type = FT_STRING,                                                                       \
         .flags = (required),                                                                     \
         .offset = AT(type),                                                                      \
         .max = 40,                                                                               \
         .help = "email or webhook",                                                              \
         .example = "\"email\""},                                                                 \
        {.name = "config",                                                                        \
         .type = FT_MAP,                                                                          \
         .flags = (required),                                                                     \
         .offset = AT(config),                                                                    \
         .help = "As the type asks for",                                                          \
         .example = "{\"to\":[\"oncall@example.com\"]}"},                                         \
        {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled), .help = "Default: true"},     \
    {                                                                                             \
        .name = "is_default", .type = FT_BOOL, .offset = AT(is_default), .help = "Default: false" \
    }
static const struct field create_fields[] = {CHANNEL_IN_FIELDS(F_REQUIRED)};
static const struct field update_fields[] = {CHANNEL_IN_FIELDS(0)};
#undef AT
static const struct schema create_schema = {
    .name = "ChannelCreate",
    .fields = create_fields,
    .count = ARRAY_LEN(create_fields),
    .size = sizeof(struct channel_in),
    .variants = &channel_type_variants,
};
/* PUT merges as PATCH does; what PATCH sends back of a read object is not refused. */
static const struct schema update_schema = {
    .name = "ChannelUpdate",
    .fields = update_fields,
    .count = ARRAY_LEN(update_fields),
    .size = sizeof(struct channel_in),
    .is_open = true,
    .variants = &channel_type_variants,
};

static struct channel_out to_out(const struct channel *c)
{
    return (struct channel_out){
        .id = c->id,
        .name = c->name,
        .type = c->type,
        .config = c->config,
        .has_secret = c->sealed != NULL,
        .enabled = c->enabled,
        .is_default = c->is_default,
        .disabled_reason = c->disabled_reason,
        .created_us = c->created_us,
        .updated_us = c->updated_us,
    };
}

static void reply_channel(struct req *r, int status, const struct channel *c)
{
    const struct channel_out out = to_out(c);
    reply_object(r, status, &channel_schema, &out);
}

static enum status not_found(struct req *r)
{
    return req_fail(r, ST_NOT_FOUND, "CHANNEL_NOT_FOUND", "There is no channel %.64s", r->param[0]);
}

static enum status name_taken(struct req *r)
{
    return req_fail(r, ST_CONFLICT, "CHANNEL_NAME_TAKEN", "There is a channel of that name");
}

struct list_in {
    struct page_in page;
    struct in_str type;
    struct in_bool enabled;
};
static const char *const sorts[] = {"-created_at", "created_at", "-updated_at",
                                    "updated_at",  "name",       "-name",
                                    "type",        "-type",      NULL};
static const struct field list_fields[] = {
    PAGE_FIELDS(struct list_in, page, sorts),
    {.name = "type",
     .type = FT_STRING,
     .offset = offsetof(struct list_in, type),
     .max = 40,
     .help = "Only channels of this type"},
    {.name = "enabled",
     .type = FT_BOOL,
     .offset = offsetof(struct list_in, enabled),
     .help = "Only channels that are, or are not, enabled"},
};
static const struct schema list_schema = SCHEMA("ChannelQuery", struct list_in, list_fields);

static enum status channel_list(struct req *r)
{
    const struct list_in *in = r->query_in;
    const struct channel_filter filter = {
        .type = in->type.v, .has_enabled = in->enabled.set, .enabled = in->enabled.v};
    struct page page;
    TRY(page_begin(r, &in->page, sorts, 20, &page));
    struct channel *rows = NULL;
    size_t count = 0;
    TRY(channels_list(req_ctx(r)->db, r->arena, &r->who->org_id, &filter, &page, &rows, &count));

    struct channel_out *out = arena_array(r->arena, count, sizeof(*out));
    if (!out)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        out[i] = to_out(&rows[i]);
    reply_page(r, "channels", &channel_schema, out, count, &page);
    return ST_OK;
}

static enum status get(struct req *r, struct channel *c)
{
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return not_found(r);
    enum status st = channels_get(req_ctx(r)->db, r->arena, &r->who->org_id, &id, c);
    return st == ST_NOT_FOUND ? not_found(r) : st;
}

static enum status channel_get(struct req *r)
{
    struct channel c;
    TRY(get(r, &c));
    reply_channel(r, 200, &c);
    return ST_OK;
}

static enum status store_config(struct req *r, const struct channel_type *type,
                                const json_t *config, struct channel *c)
{
    const struct seal_place place = channel_seal_place(&c->id);
    struct kept_config kept;
    TRY(config_keep(r, type->config, &place, config, &kept));
    c->config = kept.open;
    c->sealed = kept.sealed;
    c->sealed_len = kept.sealed_len;
    return ST_OK;
}

static enum status check_config(struct req *r, const struct channel_type *type, json_t *config)
{
    AUTO_FIELD_ERRORS errors = {0};
    enum status st = channel_type_bind(type, config, r->arena, NULL, &errors);
    return st == ST_INVALID ? req_invalid(r, &errors) : st;
}

static enum status unknown_type(struct req *r, const char *type)
{
    return req_invalid_field(r, "type", "value_error.enum",
                             "unknown channel type %.40s; there are email and webhook", type);
}

static enum status channel_create(struct req *r)
{
    const struct channel_in *in = r->in;
    const struct channel_type *type = channel_type_find(in->type.v);
    if (!type)
        return unknown_type(r, in->type.v);
    json_t *config = in->config.v;
    TRY(check_config(r, type, config));
    TRY(channel_type_complete(type, config));

    struct channel c = {
        .id = uuid_new(),
        .org_id = r->who->org_id,
        .name = in->name.v,
        .type = type->name,
        .enabled = in->enabled.set ? in->enabled.v : true,
        .is_default = in->is_default.v,
    };
    TRY(store_config(r, type, config, &c));
    enum status st = channels_insert(req_ctx(r)->db, r->arena, &c);
    if (st == ST_CONFLICT)
        return name_taken(r);
    TRY(st);

    struct channel_out out = to_out(&c);
    AUTO_FREE char *shown = json_dumps(config, JSON_COMPACT); /* the secret too, this once */
    if (!shown)
        return ST_NO_MEMORY;
    out.config = shown;
    reply_object(r, 201, &channel_schema, &out);
    return ST_OK;
}

struct update {
    struct req *r;
    const struct channel_type *type;
    struct channel c;
    bool is_answered; /* with a problem document */
};

/* The new configuration: what was given, and of the secrets those that it does not mention. */
static enum status merge_config(struct update *u)
{
    const struct channel_in *in = u->r->in;
    const struct seal_place place = channel_seal_place(&u->c.id);
    const struct kept_config kept = {u->c.config, u->c.sealed, u->c.sealed_len};
    AUTO_JSON config = NULL;
    TRY(config_merge(u->r, u->type->config, &place, in->config.v, &kept, &config));
    enum status st = check_config(u->r, u->type, config);
    if (st == ST_OK)
        st = store_config(u->r, u->type, config, &u->c);
    u->is_answered = st != ST_OK;
    return st;
}

static enum status update_in_transaction(struct db *db, void *arg)
{
    struct update *u = arg;
    struct req *r = u->r;
    const struct channel_in *in = r->in;
    struct uuid id;
    if (uuid_parse(r->param[0], &id) != ST_OK)
        return ST_NOT_FOUND;
    TRY(channels_get_for_update(db, r->arena, &r->who->org_id, &id, &u->c));
    u->type = channel_type_find(u->c.type);
    if (!u->type)
        return ST_CORRUPT;
    if (in->type.set && !str_eq(in->type.v, u->c.type)) {
        u->is_answered = true;
        return req_invalid_field(r, "type", "value_error",
                                 "the type of a channel cannot be changed");
    }
    if (in->name.set)
        u->c.name = in->name.v;
    if (in->is_default.set)
        u->c.is_default = in->is_default.v;
    if (in->enabled.set) {
        u->c.enabled = in->enabled.v;
        u->c.disabled_reason = NULL; /* whoever sets it knows better than the notifier */
    }
    if (in->config.set)
        TRY(merge_config(u));
    return channels_update(db, r->arena, &u->c);
}

static enum status channel_update(struct req *r)
{
    struct update u = {.r = r};
    enum status st = db_transact(req_ctx(r)->db, update_in_transaction, &u);
    if (u.is_answered)
        return st;
    if (st == ST_NOT_FOUND)
        return not_found(r);
    if (st == ST_CONFLICT)
        return name_taken(r);
    TRY(st);
    reply_channel(r, 200, &u.c);
    return ST_OK;
}

static enum status channel_delete(struct req *r)
{
    struct channel c;
    TRY(get(r, &c));
    enum status st = channels_delete(req_ctx(r)->db, r->arena, &r->who->org_id, &c.id);
    if (st == ST_NOT_FOUND)
        return not_found(r);
    TRY(st);
    reply_empty(r, 204);
    return ST_OK;
}

/* Runs when the notifier told of the attempt, or when nobody did in time. */
static enum status channel_test_done(struct req *r)
{
    const struct uuid *id = r->state;
    struct delivery_row row;
    enum status st = outbox_get(req_ctx(r)->db, r->arena, &r->who->org_id, id, &row);
    if (st == ST_NOT_FOUND)
        return not_found(r); /* deleted meanwhile, with its deliveries */
    TRY(st);
    const bool was_tried = row.attempts > 0 || !str_eq(row.status, "pending");
    return reply_delivery(r, was_tried ? 200 : 202, &row);
}

static enum status insert_test(struct req *r, const struct channel *c, const struct uuid *id)
{
    char now[TIME_TEXT_BYTES];
    char channel[UUID_TEXT_BYTES];
    time_format_ms(clock_wall_ms(), now);
    uuid_format(&c->id, channel);
    AUTO_JSON payload = json_pack("{s:s, s:s, s:s, s:s}", "channel_id", channel, "channel_name",
                                  c->name, "message", "This is a test of the channel.", "at", now);
    AUTO_FREE char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    if (!text)
        return ST_NO_MEMORY;
    return outbox_insert_test(req_ctx(r)->db, r->arena, &r->who->org_id, &c->id, c->type, text, id);
}

/* 200 with the delivery once it was tried, whatever came of it (see its status); 202 when no
 * notifier tried it in time. A test is tried once. */
static enum status channel_test(struct req *r)
{
    struct channel c;
    TRY(get(r, &c));
    struct uuid *id = arena_alloc(r->arena, sizeof(*id));
    if (!id)
        return ST_NO_MEMORY;
    *id = idempotency_id(r, NULL); /* one test a key, however often it is asked for */
    r->state = id;
    TRY(req_park(r, id, TEST_WAIT_MS, channel_test_done));
    enum status st = insert_test(r, &c, id);
    if (st != ST_OK) {
        req_unpark(r);
        return st;
    }
    wake_notifiers(r);
    return ST_OK;
}

#define PATH "/api/v1/channels"
static const struct route routes[] = {
    {.method = M_GET,
     .path = PATH,
     .summary = "List channels",
     .scope = SCOPE_CHANNELS_READ,
     .query = &list_schema,
     .reply = &channel_schema,
     .list = "channels",
     .tag = "Channels",
     .reads = CACHED_DELIVERIES,
     .handler = channel_list},
    {.method = M_POST,
     .path = PATH,
     .summary = "Create a channel",
     .scope = SCOPE_CHANNELS_WRITE,
     .body = &create_schema,
     .reply = &channel_schema,
     .tag = "Channels",
     .ok = 201,
     .errors = ERRORS("CHANNEL_NAME_TAKEN"),
     .flags = ROUTE_ATOMIC,
     .handler = channel_create},
    {.method = M_GET,
     .path = PATH "/{id}",
     .summary = "Get a channel",
     .scope = SCOPE_CHANNELS_READ,
     .reply = &channel_schema,
     .tag = "Channels",
     .errors = ERRORS("CHANNEL_NOT_FOUND"),
     .handler = channel_get},
    {.method = M_PUT,
     .path = PATH "/{id}",
     .summary = "Change a channel",
     .scope = SCOPE_CHANNELS_WRITE,
     .body = &update_schema,
     .reply = &channel_schema,
     .tag = "Channels",
     .errors = ERRORS("CHANNEL_NOT_FOUND", "CHANNEL_NAME_TAKEN"),
     .handler = channel_update},
    {.method = M_PATCH,
     .path = PATH "/{id}",
     .summary = "Change a channel",
     .scope = SCOPE_CHANNELS_WRITE,
     .body = &update_schema,
     .reply = &channel_schema,
     .tag = "Channels",
     .errors = ERRORS("CHANNEL_NOT_FOUND", "CHANNEL_NAME_TAKEN"),
     .handler = channel_update},
    {.method = M_DELETE,
     .path = PATH "/{id}",
     .summary = "Delete a channel and what waits to be sent through it",
     .scope = SCOPE_CHANNELS_WRITE,
     .tag = "Channels",
     .ok = 204,
     .errors = ERRORS("CHANNEL_NOT_FOUND"),
     .handler = channel_delete},
    {.method = M_POST,
     .path = PATH "/{id}/test",
     .summary = "Send a test message and wait for it",
     .scope = SCOPE_CHANNELS_WRITE,
     .reply = &delivery_schema,
     .tag = "Channels",
     .errors = ERRORS("CHANNEL_NOT_FOUND"),
     .description = "The reply waits until a notifier tried; its status tells what came of it.",
     .more = MORE_REPLIES(
         {.status = 202, .help = "No notifier tried it in time", .reply = &delivery_schema}),
     .flags = ROUTE_REPEATABLE,
     .handler = channel_test},
};
const struct route_set channels_routes = {routes, ARRAY_LEN(routes)};
