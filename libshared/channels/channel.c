/* The table of channel types, and the parting of secrets from what may be read back. */
#include "channels/channel.h"

#include "base/str.h"

#define CHANNEL(name) extern const struct channel_type channel_type_##name;
#include "channels/channels.def"
#undef CHANNEL

static const struct channel_type *const types[] = {
#define CHANNEL(name) &channel_type_##name,
#include "channels/channels.def"
#undef CHANNEL
};

const struct channel_type *channel_type_at(size_t index)
{
    return index < ARRAY_LEN(types) ? types[index] : NULL;
}

const struct channel_type *channel_type_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq(types[i]->name, name))
            return types[i];
    }
    return NULL;
}

enum status channel_type_bind(const struct channel_type *type, json_t *config, struct arena *arena,
                              void **out, struct field_errors *errors)
{
    void *bound = arena_alloc(arena, type->config->size);
    if (!bound)
        return ST_NO_MEMORY;
    TRY(schema_bind_at(type->config, "config", config, arena, bound, errors));
    if (type->check) {
        type->check(bound, errors);
        if (errors->list)
            return ST_INVALID;
    }
    if (out)
        *out = bound;
    return ST_OK;
}

enum status channel_type_complete(const struct channel_type *type, json_t *config)
{
    return type->complete ? type->complete(config) : ST_OK;
}

static bool is_secret(const struct channel_type *type, const char *name)
{
    for (size_t i = 0; i < type->config->count; i++) {
        const struct field *f = &type->config->fields[i];
        if ((f->flags & F_SECRET) && (str_eq(f->name, name) || str_eq(f->alias, name)))
            return true;
    }
    return false;
}

enum status channel_type_split(const struct channel_type *type, const json_t *config, json_t **open,
                               json_t **secret)
{
    json_t *plain = json_object();
    json_t *hidden = json_object();
    const char *name = NULL;
    json_t *value = NULL;
    bool ok = plain && hidden;
    json_object_foreach ((json_t *)config, name, value) {
        ok = ok && json_object_set(is_secret(type, name) ? hidden : plain, name, value) == 0;
    }
    if (!ok) {
        json_decref(plain);
        json_decref(hidden);
        return ST_NO_MEMORY;
    }
    *open = plain;
    *secret = hidden;
    return ST_OK;
}

enum status channel_type_join(const json_t *open, const json_t *secret, json_t **out)
{
    json_t *all = json_object();
    /* jansson takes the source as not const, but only reads it. */
    bool ok = all && (!open || json_object_update(all, (json_t *)open) == 0) &&
              (!secret || json_object_update(all, (json_t *)secret) == 0);
    if (!ok) {
        json_decref(all);
        return ST_NO_MEMORY;
    }
    *out = all;
    return ST_OK;
}
