/* The table of check kinds. */
#include "kinds/kind.h"

#include "base/str.h"

#define KIND(name) extern const struct check_kind kind_##name;
#include "kinds/kinds.def"
#undef KIND

static const struct check_kind *const kinds[] = {
#define KIND(name) &kind_##name,
#include "kinds/kinds.def"
#undef KIND
};

const struct check_kind *check_kind_at(size_t index)
{
    return index < ARRAY_LEN(kinds) ? kinds[index] : NULL;
}

const struct check_kind *check_kind_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq(kinds[i]->name, name))
            return kinds[i];
        for (const char *const *alias = kinds[i]->aliases; alias && *alias; alias++) {
            if (str_eq(*alias, name))
                return kinds[i];
        }
    }
    return NULL;
}

enum status check_kind_bind(const struct check_kind *kind, json_t *config, struct arena *arena,
                            void **out, struct field_errors *errors)
{
    void *bound = arena_alloc(arena, kind->config->size);
    if (!bound)
        return ST_NO_MEMORY;
    TRY(schema_bind_at(kind->config, "config", config, arena, bound, errors));
    if (kind->check) {
        kind->check(bound, errors);
        if (errors->list)
            return ST_INVALID;
    }
    if (out)
        *out = bound;
    return ST_OK;
}

static bool variant_at(size_t index, struct schema_variant *out)
{
    const struct check_kind *kind = check_kind_at(index);
    if (kind)
        *out = (struct schema_variant){kind->name, kind->aliases, kind->config};
    return kind != NULL;
}

const struct schema_variants check_kind_variants = {"plugin_type", "config", variant_at};
