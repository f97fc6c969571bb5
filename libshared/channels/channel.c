/* The table of channel types. */
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

static bool variant_at(size_t index, struct schema_variant *out)
{
    const struct channel_type *type = channel_type_at(index);
    if (type)
        *out = (struct schema_variant){type->name, NULL, type->config};
    return type != NULL;
}

const struct schema_variants channel_type_variants = {"type", "config", variant_at};
