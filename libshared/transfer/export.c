/* Checks in the words of a file. */
#include <math.h>

#include "auth/seal_json.h"
#include "base/str.h"
#include "json/parse.h"
#include "store/channels.h"
#include "transfer/transfer.h"

enum { VERSION = 1, CHANNELS_MAX = 10000 };

/* --- channels --- */

enum status channel_names_load(struct db *db, struct arena *arena, const struct uuid *org_id,
                               struct channel_names *out)
{
    const struct channel_filter all = {0};
    struct page page = {.limit = CHANNELS_MAX};
    struct channel *rows = NULL;
    size_t count = 0;
    TRY(channels_list(db, arena, org_id, &all, &page, &rows, &count));
    struct channel_names names = {
        .at = arena_array(arena, MAX_OF(count, (size_t)1), sizeof(*names.at)), .count = count};
    if (!names.at)
        return ST_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        names.at[i] = (struct channel_name){rows[i].id, rows[i].name};
    *out = names;
    return ST_OK;
}

/* NULL: there is none. */
static const char *name_of_channel(const struct channel_names *names, const struct uuid *id)
{
    for (size_t i = 0; i < names->count; i++) {
        if (uuid_eq(&names->at[i].id, id))
            return names->at[i].name;
    }
    return NULL;
}

const struct uuid *channel_id_of(const struct channel_names *names, const char *text)
{
    struct uuid id;
    bool is_id = uuid_parse(text, &id) == ST_OK;
    for (size_t i = 0; i < names->count; i++) {
        if (str_eq(names->at[i].name, text) || (is_id && uuid_eq(&names->at[i].id, &id)))
            return &names->at[i].id;
    }
    return NULL;
}

/* --- one check --- */

enum status check_secrets(const struct check *c, struct seal_keys *seal, struct arena *arena,
                          json_t **out)
{
    const struct seal_place place = check_seal_place(&c->id);
    const enum status st = seal_json_open(seal, &place, c->sealed, c->sealed_len, arena, out);
    return st == ST_UNAVAILABLE ? ST_CORRUPT : st; /* sealed with a key that is gone */
}

static enum status config_json(const struct check *c, struct seal_keys *seal, struct arena *arena,
                               json_t **out)
{
    AUTO_JSON config = NULL;
    AUTO_JSON secrets = NULL;
    const char *name = NULL;
    json_t *value = NULL;
    TRY(json_parse(c->config, strlen(c->config), &config, NULL));
    TRY(check_secrets(c, seal, arena, &secrets));
    json_object_foreach (secrets, name, value) {
        if (json_object_set_new(config, name, json_string(TRANSFER_SECRET)) != 0)
            return ST_NO_MEMORY;
    }
    *out = take(&config);
    return ST_OK;
}

static json_t *strings(const char *const *v, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(v[i]));
    return list;
}

static json_t *channels_json(const struct check *c, const struct channel_names *names)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->channel_count; i++) {
        const char *name = name_of_channel(names, &c->channels[i]);
        if (name)
            (void)json_array_append_new(list, json_string(name));
    }
    return list;
}

/* Seconds as people write them: a whole number where it is one. */
static json_t *seconds_json(int64_t ms)
{
    return ms % 1000 == 0 ? json_integer(ms / 1000) : json_real((double)ms / 1000);
}

enum status check_to_json(const struct check *c, const struct channel_names *names,
                          struct seal_keys *seal, struct arena *arena, json_t **out)
{
    AUTO_JSON config = NULL;
    TRY(config_json(c, seal, arena, &config));
    /* In the order in which people read. */
    AUTO_JSON check = json_pack(
        "{s:s, s:s?, s:s, s:O, s:b, s:s, s:o, s:I, s:s?, s:I, s:o, s:s?, s:o, s:s?}", "name",
        c->name, "external_id", c->external_id, "plugin_type", c->plugin_type, "config", config,
        "enabled", (int)c->enabled, "schedule", c->schedule, "timeout", seconds_json(c->timeout_ms),
        "retries", (json_int_t)c->retries, "retry_interval", c->retry_interval, "recoveries",
        (json_int_t)c->recoveries, "channels", channels_json(c, names), "webhook_url",
        c->webhook_url, "tags", strings(c->tags, c->tag_count), "group", c->group);
    if (!check)
        return ST_NO_MEMORY;
    *out = take(&check);
    return ST_OK;
}

static void drop_nulls(json_t *object)
{
    const char *name = NULL;
    json_t *value = NULL;
    void *next = NULL;
    json_object_foreach_safe (object, next, name, value) {
        if (json_is_null(value))
            (void)json_object_del(object, name);
    }
}

enum status export_checks(struct db *db, struct arena *arena, struct seal_keys *seal,
                          const struct uuid *org_id, const struct check *checks, size_t count,
                          json_t **out)
{
    struct channel_names names;
    TRY(channel_names_load(db, arena, org_id, &names));
    AUTO_JSON list = json_array();
    for (size_t i = 0; i < count; i++) {
        AUTO_JSON check = NULL;
        TRY(check_to_json(&checks[i], &names, seal, arena, &check));
        drop_nulls(check);
        if (json_array_append(list, check) != 0)
            return ST_NO_MEMORY;
    }
    *out = json_pack("{s:i,s:O}", "version", VERSION, "checks", list);
    return *out ? ST_OK : ST_NO_MEMORY;
}
