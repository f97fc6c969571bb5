/* What people say of a check, as tables of fields, and what it does to a check. */
#include "transfer/check_input.h"

#include <string.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "json/parse.h"
#include "json/patterns.h"
#include "net/url.h"
#include "transfer/kept_config.h"
#include "zone/zone.h"

enum { TAGS_MAX = 32, CHANNELS_MAX = 64 };
static const char default_schedule[] = "every 5 minutes";

const char *check_label(const char *text)
{
    if (str_has_control(text))
        return "control characters are not allowed";
    return text[strspn(text, " ")] == '\0' ? "must not be blank" : NULL;
}

#define AT(member) offsetof(struct check_in, member)
#define CHECK_IN_FIELDS(required)                                                                 \
    {.name = "name",                                                                              \
     .type = FT_STRING,                                                                           \
     .flags = (required),                                                                         \
     .offset = AT(name),                                                                          \
     .min = 1,                                                                                    \
     .max = LIMIT_CHECK_NAME,                                                                     \
     .check = check_label,                                                                        \
     .pattern = PATTERN_LABEL,                                                                    \
     .example = "\"New Website Check\""},                                                         \
        {.name = "plugin_type",                                                                   \
         .type = FT_STRING,                                                                       \
         .flags = (required),                                                                     \
         .offset = AT(plugin_type),                                                               \
         .max = 64,                                                                               \
         .help = "One of GET /api/v1/plugins",                                                    \
         .example = "\"website\""},                                                               \
        {.name = "config",                                                                        \
         .type = FT_MAP,                                                                          \
         .flags = (required),                                                                     \
         .offset = AT(config),                                                                    \
         .help = "As the plugin asks for; on a change, a secret that is not given stays",         \
         .example = "{\"url\":\"https://example.com\",\"expected_status\":200}"},                 \
        {.name = "enabled", .type = FT_BOOL, .offset = AT(enabled), .help = "Default: true"},     \
        {.name = "schedule",                                                                      \
         .type = FT_STRING,                                                                       \
         .offset = AT(schedule),                                                                  \
         .min = 1,                                                                                \
         .max = LIMIT_SCHEDULE_TEXT,                                                              \
         .check = schedule_check,                                                                 \
         .format = "schedule",                                                                    \
         .help = "\"every 5 minutes\" (default), minutes, ISO 8601 duration, @hourly …",          \
         .example = "\"every 5 minutes\""},                                                       \
        {.name = "timeout",                                                                       \
         .type = FT_NUMBER,                                                                       \
         .offset = AT(timeout),                                                                   \
         .min = 0.1,                                                                              \
         .max = LIMIT_PROBE_TIMEOUT_MS / 1000.0,                                                  \
         .help = "Time limit in seconds (default: 10)"},                                          \
        {.name = "retries",                                                                       \
         .type = FT_INT,                                                                          \
         .offset = AT(retries),                                                                   \
         .min = 1,                                                                                \
         .max = 100,                                                                              \
         .help = "Failures in a row before the check is down (default: 2)"},                      \
        {.name = "retry_interval",                                                                \
         .type = FT_STRING,                                                                       \
         .flags = F_NULLABLE,                                                                     \
         .offset = AT(retry_interval),                                                            \
         .min = 1,                                                                                \
         .max = LIMIT_SCHEDULE_TEXT,                                                              \
         .check = schedule_check_interval,                                                        \
         .format = "schedule-interval",                                                           \
         .help = "Schedule text while a failure is not confirmed"},                               \
        {.name = "recoveries",                                                                    \
         .type = FT_INT,                                                                          \
         .offset = AT(recoveries),                                                                \
         .min = 1,                                                                                \
         .max = 100,                                                                              \
         .help = "Successes in a row before the check is up again (default: 1)"},                 \
        {.name = "channels",                                                                      \
         .type = FT_LIST,                                                                         \
         .element = FT_UUID,                                                                      \
         .flags = F_NULLABLE,                                                                     \
         .offset = AT(channels),                                                                  \
         .max = CHANNELS_MAX,                                                                     \
         .help = "Ids of the channels that it alerts; none: the default ones"},                   \
        {.name = "webhook_url",                                                                   \
         .type = FT_STRING,                                                                       \
         .flags = F_NULLABLE,                                                                     \
         .offset = AT(webhook_url),                                                               \
         .min = 1,                                                                                \
         .max = LIMIT_URL_BYTES,                                                                  \
         .check = url_check_http,                                                                 \
         .format = "http-url",                                                                    \
         .help = "Alerted besides the channels"},                                                 \
        {.name = "tags",                                                                          \
         .type = FT_LIST,                                                                         \
         .element = FT_STRING,                                                                    \
         .flags = F_NULLABLE,                                                                     \
         .offset = AT(tags),                                                                      \
         .max = TAGS_MAX,                                                                         \
         .element_max = CHECK_TAG_CHARS,                                                          \
         .check = check_label,                                                                    \
         .pattern = PATTERN_LABEL,                                                                \
         .help = "Words to find it by",                                                           \
         .example = "[\"production\"]"},                                                          \
        {.name = "group",                                                                         \
         .type = FT_STRING,                                                                       \
         .flags = F_NULLABLE,                                                                     \
         .offset = AT(group),                                                                     \
         .min = 1,                                                                                \
         .max = CHECK_GROUP_CHARS,                                                                \
         .check = check_label,                                                                    \
         .pattern = PATTERN_LABEL},                                                               \
    {                                                                                             \
        .name = "external_id", .type = FT_STRING, .flags = F_NULLABLE, .offset = AT(external_id), \
        .min = 1, .max = CHECK_EXTERNAL_ID_CHARS, .check = check_label, .pattern = PATTERN_LABEL, \
        .help = "What another system calls it; unlike names no two checks have the same"          \
    }
static const struct field create_fields[] = {CHECK_IN_FIELDS(F_REQUIRED)};
static const struct field update_fields[] = {CHECK_IN_FIELDS(0)};
#undef AT
const struct schema check_create_schema = {
    .name = "CheckCreate",
    .fields = create_fields,
    .count = ARRAY_LEN(create_fields),
    .size = sizeof(struct check_in),
    .variants = &check_kind_variants,
};
/* What a client sends back of the object it read is not refused. */
const struct schema check_update_schema = {
    .name = "CheckUpdate",
    .fields = update_fields,
    .count = ARRAY_LEN(update_fields),
    .size = sizeof(struct check_in),
    .is_open = true,
    .variants = &check_kind_variants,
};

struct check check_input_default(void)
{
    return (struct check){
        .id = uuid_new(),
        .enabled = true,
        .schedule = default_schedule,
        .timeout_ms = CHECK_TIMEOUT_DEFAULT_MS,
        .retries = 2,
        .recoveries = 1,
    };
}

int64_t check_timeout_ms(const struct in_f64 *timeout, const json_t *config, int64_t fallback_ms)
{
    const json_t *own = json_object_get(config, "timeout");
    double s = timeout->set ? timeout->v : json_number_value(own);
    /* Bounds were checked: of `timeout` by our schema, of the configuration's by its kind. */
    if (!timeout->set && !json_is_number(own))
        return fallback_ms;
    return MIN_OF(MAX_OF((int64_t)(s * 1000), (int64_t)1), (int64_t)LIMIT_PROBE_TIMEOUT_MS);
}

/* Kind and configuration belong together: when either changes, both are judged. */
static enum status apply_config(const struct check_in *in, struct seal_keys *seal,
                                struct arena *arena, struct check *c, struct field_errors *errors)
{
    if (in->plugin_type.set)
        c->plugin_type = in->plugin_type.v;
    const struct check_kind *kind = check_kind_find(c->plugin_type);
    if (!kind) {
        field_errors_add(errors, "body", "plugin_type", "value_error.enum",
                         "unknown plugin %.64s; GET /api/v1/plugins lists them", c->plugin_type);
        return ST_INVALID;
    }
    AUTO_JSON given = in->config.set ? json_incref(in->config.v) : json_load_kept(c->config);
    if (!given)
        return ST_NO_MEMORY;
    const struct seal_place place = check_seal_place(&c->id);
    struct kept_config kept = {0};
    /* Another kind's secrets are not this one's. */
    if (str_eq(c->kind, kind->name))
        kept = (struct kept_config){c->config, c->sealed, c->sealed_len};
    AUTO_JSON config = NULL;
    TRY(kept_config_merge(seal, kind->config, &place, given, &kept, arena, &config));
    TRY(check_kind_bind(kind, config, arena, NULL, errors));
    TRY(kept_config_make(seal, kind->config, &place, config, arena, &kept));
    c->config = kept.open;
    c->sealed = kept.sealed;
    c->sealed_len = kept.sealed_len;
    c->kind = kind->name;
    c->timeout_ms = check_timeout_ms(&in->timeout, in->config.set ? config : NULL, c->timeout_ms);
    return ST_OK;
}

static void apply_values(const struct check_in *in, struct check *c)
{
    if (in->name.set)
        c->name = in->name.v;
    if (in->enabled.set)
        c->enabled = in->enabled.v;
    if (in->schedule.set)
        c->schedule = in->schedule.v;
    if (in->retries.set)
        c->retries = in->retries.v;
    if (in->retry_interval.set)
        c->retry_interval = in->retry_interval.v;
    if (in->recoveries.set)
        c->recoveries = in->recoveries.v;
    if (in->webhook_url.set)
        c->webhook_url = in->webhook_url.v;
    if (in->group.set)
        c->group = in->group.v;
    if (in->external_id.set)
        c->external_id = in->external_id.v;
    if (in->channels.set) {
        c->channels = in->channels.v;
        c->channel_count = in->channels.count;
    }
}

/* Each once, in their order. */
static enum status apply_tags(const struct in_list *given, struct arena *arena, struct check *c)
{
    const char *const *from = given->v;
    const char **tags = arena_array(arena, MAX_OF(given->count, (size_t)1), sizeof(*tags));
    size_t count = 0;
    if (!tags)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < given->count; i++) {
        size_t k = 0;
        while (k < count && !str_eq(tags[k], from[i]))
            k++;
        if (k == count)
            tags[count++] = from[i];
    }
    c->tags = tags;
    c->tag_count = count;
    return ST_OK;
}

enum status check_input_apply(const struct check_in *in, struct seal_keys *seal,
                              struct arena *arena, struct check *c, struct field_errors *errors)
{
    if (in->plugin_type.set || in->config.set || in->timeout.set)
        TRY(apply_config(in, seal, arena, c, errors));
    apply_values(in, c);
    return in->tags.set ? apply_tags(&in->tags, arena, c) : ST_OK;
}

enum status check_input_copy(const struct check *of, struct seal_keys *seal, struct arena *arena,
                             struct check *out)
{
    const struct uuid id = uuid_new();
    const struct seal_place from = check_seal_place(&of->id), to = check_seal_place(&id);
    AUTO_JSON secret = NULL;
    struct check c = *of;
    TRY(seal_json_open(seal, &from, of->sealed, of->sealed_len, arena, &secret));
    TRY(seal_json_close(seal, &to, secret, arena, &c.sealed, &c.sealed_len));
    c.id = id;
    c.external_id = NULL;
    *out = c;
    return ST_OK;
}
