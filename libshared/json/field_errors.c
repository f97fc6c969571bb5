/* What is wrong with what came in: a list of {"loc": …, "msg": …, "type": …}. */
#include <stdio.h>
#include <string.h>

#include "json/schema_internal.h"

void field_errors_done(struct field_errors *errors)
{
    json_decref(errors->list);
    errors->list = NULL;
}

void field_errors_put(struct field_errors *errors, json_t *loc, const char *type, const char *msg)
{
    if (!errors->list)
        errors->list = json_array();
    if (!errors->list || json_array_size(errors->list) >= LIMIT_VALIDATION_ERRORS) {
        json_decref(loc);
        return;
    }
    json_t *item = json_pack("{s:o, s:s, s:s}", "loc", loc, "msg", msg, "type", type);
    if (item)
        (void)json_array_append_new(errors->list, item);
}

void field_errors_add(struct field_errors *errors, const char *root, const char *name,
                      const char *type, const char *fmt, ...)
{
    char msg[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    json_t *loc = json_pack("[s]", root);
    for (const char *at = name; at && *at;) {
        size_t len = strcspn(at, ".");
        (void)json_array_append_new(loc, json_stringn(at, len));
        at += len + (at[len] == '.');
    }
    field_errors_put(errors, loc, type, msg);
}

/* With `has_index` under an element of the member. */
static enum status nest(struct field_errors *into, const char *member, bool has_index, size_t index,
                        struct field_errors *from)
{
    size_t at = 0;
    json_t *error = NULL;
    json_array_foreach (from->list, at, error) {
        json_t *loc = json_object_get(error, "loc");
        if (json_array_insert_new(loc, 1, json_string(member)) != 0 ||
            (has_index && json_array_insert_new(loc, 2, json_integer((json_int_t)index)) != 0))
            return ST_NO_MEMORY;
        if (!into->list)
            into->list = json_array();
        if (!into->list)
            return ST_NO_MEMORY;
        if (json_array_size(into->list) < LIMIT_VALIDATION_ERRORS &&
            json_array_append(into->list, error) != 0)
            return ST_NO_MEMORY;
    }
    field_errors_done(from);
    return ST_OK;
}

enum status field_errors_nest(struct field_errors *into, const char *list, size_t index,
                              struct field_errors *from)
{
    return nest(into, list, true, index, from);
}

enum status field_errors_nest_in(struct field_errors *into, const char *member,
                                 struct field_errors *from)
{
    return nest(into, member, false, 0, from);
}
