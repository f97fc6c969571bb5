/* The parting of secrets from what may be read back. */
#include "json/secrets.h"

#include "base/str.h"

/* The secret field of that name or alias, or NULL. */
static const struct field *secret_field(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        if ((f->flags & F_SECRET) && (str_eq(f->name, name) || str_eq(f->alias, name)))
            return f;
    }
    return NULL;
}

enum status secrets_split(const struct schema *schema, const json_t *config, json_t **open,
                          json_t **secret)
{
    json_t *plain = json_object();
    json_t *hidden = json_object();
    const char *name = NULL;
    json_t *value = NULL;
    bool ok = plain && hidden;
    json_object_foreach ((json_t *)config, name, value) {
        ok = ok && json_object_set(secret_field(schema, name) ? hidden : plain, name, value) == 0;
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

enum status secrets_join(const json_t *open, const json_t *secret, json_t **out)
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

static bool is_given(const json_t *config, const struct field *f)
{
    return json_object_get(config, f->name) || (f->alias && json_object_get(config, f->alias));
}

enum status secrets_merge(const struct schema *schema, const json_t *given, const json_t *kept,
                          json_t **out)
{
    json_t *all = json_object();
    const char *name = NULL;
    json_t *value = NULL;
    bool ok = all != NULL;
    json_object_foreach ((json_t *)given, name, value) {
        if (!(json_is_null(value) && secret_field(schema, name)))
            ok = ok && json_object_set(all, name, value) == 0;
    }
    json_object_foreach ((json_t *)kept, name, value) {
        const struct field *f = secret_field(schema, name);
        /* What is kept under a name that is no secret any more is no part of the configuration. */
        if (f && !is_given(given, f))
            ok = ok && json_object_set(all, name, value) == 0;
    }
    if (!ok) {
        json_decref(all);
        return ST_NO_MEMORY;
    }
    *out = all;
    return ST_OK;
}
