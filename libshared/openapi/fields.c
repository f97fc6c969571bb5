/* Fields and schemas as JSON Schema (draft 2020-12), and examples of them. */
#include <stdio.h>

#include "openapi/internal.h"

static void write_type(struct jw *w, const char *type, bool or_null)
{
    jw_key(w, "type");
    if (!or_null) {
        jw_str(w, type);
        return;
    }
    jw_array(w);
    jw_str(w, type);
    jw_str(w, "null");
    jw_end(w);
}

static const char *type_of(enum field_type t)
{
    switch (t) {
    case FT_STRING:
    case FT_UUID:
    case FT_TIME:
        return "string";
    case FT_INT:
        return "integer";
    case FT_NUMBER:
        return "number";
    case FT_BOOL:
        return "boolean";
    case FT_MAP:
    case FT_OBJECT:
        return "object";
    case FT_LIST:
        return "array";
    case FT_JSON:
        break;
    }
    return NULL; /* anything */
}

static const char *format_of(enum field_type t)
{
    switch (t) {
    case FT_UUID:
        return "uuid";
    case FT_TIME:
        return "date-time";
    case FT_INT:
        return "int64";
    case FT_NUMBER:
        return "double";
    case FT_STRING:
    case FT_BOOL:
    case FT_JSON:
    case FT_MAP:
    case FT_OBJECT:
    case FT_LIST:
        break;
    }
    return NULL;
}

static void write_number(struct jw *w, const char *key, double v, bool is_whole)
{
    jw_key(w, key);
    if (is_whole)
        jw_i64(w, (int64_t)v);
    else
        jw_f64(w, v);
}

/* Only of what comes in: what goes out is as long as it is. */
static void write_bounds(struct jw *w, const struct field *f)
{
    if (f->min == 0 && f->max == 0) {
        if (f->type == FT_INT) { /* more digits than 64 bits have are no number to us */
            jw_kv_i64(w, "minimum", INT64_MIN);
            jw_kv_i64(w, "maximum", INT64_MAX);
        }
        return;
    }
    switch (f->type) {
    case FT_STRING:
        if (f->min > 0)
            write_number(w, "minLength", f->min, true);
        if (f->max > 0)
            write_number(w, "maxLength", f->max, true);
        break;
    case FT_LIST:
        if (f->min > 0)
            write_number(w, "minItems", f->min, true);
        if (f->max > 0)
            write_number(w, "maxItems", f->max, true);
        break;
    case FT_INT:
    case FT_NUMBER:
        write_number(w, "minimum", f->min, f->type == FT_INT);
        write_number(w, "maximum", f->max, f->type == FT_INT);
        break;
    case FT_BOOL:
    case FT_UUID:
    case FT_TIME:
    case FT_JSON:
    case FT_MAP:
    case FT_OBJECT:
        break;
    }
}

static void write_choices(struct jw *w, const struct field *f, bool or_null)
{
    jw_key(w, "enum");
    jw_array(w);
    for (const char *const *c = f->choices; *c; c++)
        jw_str(w, *c);
    if (or_null)
        jw_null(w);
    jw_end(w);
}

static void write_element(struct jw *w, const struct field *f, enum direction direction)
{
    if (f->sub) {
        write_ref(w, "schemas", f->sub->name);
        return;
    }
    jw_object(w);
    if (type_of(f->element))
        write_type(w, type_of(f->element), false);
    const char *format = f->format ? f->format : format_of(f->element);
    if (format)
        jw_kv_str(w, "format", format);
    if (f->choices)
        write_choices(w, f, false);
    if (direction == DIR_IN && f->pattern)
        jw_kv_str(w, "pattern", f->pattern);
    if (direction == DIR_IN && f->element_max > 0)
        write_number(w, "maxLength", f->element_max, true);
    jw_end(w);
}

static void write_about(struct jw *w, const struct field *f, enum direction direction)
{
    if (f->help)
        jw_kv_str(w, "description", f->help);
    if (f->example && !(f->flags & F_SECRET)) {
        jw_key(w, "examples");
        jw_array(w);
        jw_raw(w, f->example);
        jw_end(w);
    }
    if (direction == DIR_IN && (f->flags & F_SECRET))
        jw_kv_bool(w, "writeOnly", true);
}

/* Beside a reference other keywords are allowed in this draft. */
static void write_object_field(struct jw *w, const struct field *f, bool or_null)
{
    if (!or_null) {
        char ref[160];
        (void)snprintf(ref, sizeof(ref), "#/components/schemas/%s", f->sub->name);
        jw_kv_str(w, "$ref", ref);
        return;
    }
    jw_key(w, "oneOf");
    jw_array(w);
    write_ref(w, "schemas", f->sub->name);
    jw_object(w);
    jw_kv_str(w, "type", "null");
    jw_end(w);
    jw_end(w);
}

static void write_value_field(struct jw *w, const struct field *f, bool or_null,
                              enum direction direction)
{
    if (type_of(f->type))
        write_type(w, type_of(f->type), or_null);
    const char *format = f->format && f->type != FT_LIST ? f->format : format_of(f->type);
    if (!format && f->type == FT_STRING && (f->flags & F_SECRET))
        format = "password";
    if (format)
        jw_kv_str(w, "format", format);
    if (f->type == FT_STRING && f->choices)
        write_choices(w, f, or_null);
    if (direction == DIR_IN && f->type == FT_STRING && f->pattern)
        jw_kv_str(w, "pattern", f->pattern);
    if (direction == DIR_IN && f->type == FT_TIME) /* none before 1970: time_parse_us */
        jw_kv_str(w, "pattern", "^(19[7-9]|[2-9][0-9]{2})[0-9]-");
    if (f->type == FT_LIST)
        jw_key(w, "items");
    else if (f->type == FT_MAP && f->sub)
        jw_key(w, "additionalProperties");
    else
        return;
    write_element(w, f, direction);
}

void write_field_schema(struct jw *w, const struct field *f, enum direction direction)
{
    const bool or_null = (f->flags & F_NULLABLE) != 0;
    jw_object(w);
    if (f->type == FT_OBJECT)
        write_object_field(w, f, or_null);
    else
        write_value_field(w, f, or_null, direction);
    if (direction == DIR_IN) {
        write_bounds(w, f);
        write_rules(w, f->rules);
    }
    write_about(w, f, direction);
    jw_end(w);
}

/* Whether the member is there at all. */
static bool is_shown(const struct field *f, enum direction direction)
{
    return direction == DIR_IN || !(f->flags & F_SECRET);
}

static bool is_required(const struct field *f, enum direction direction)
{
    return direction == DIR_IN ? (f->flags & F_REQUIRED) != 0 : !(f->flags & F_OMIT_NULL);
}

static void write_required(struct jw *w, const struct schema *s, enum direction direction)
{
    bool has_any = false;
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        if (!is_shown(f, direction) || !is_required(f, direction))
            continue;
        if (!has_any) {
            jw_key(w, "required");
            jw_array(w);
        }
        has_any = true;
        jw_str(w, f->name);
    }
    if (has_any)
        jw_end(w);
}

void write_object_schema(struct jw *w, const struct schema *s, enum direction direction)
{
    jw_object(w);
    jw_kv_str(w, "type", "object");
    jw_key(w, "properties");
    jw_object(w);
    for (size_t i = 0; i < s->count; i++) {
        if (!is_shown(&s->fields[i], direction))
            continue;
        jw_key(w, s->fields[i].name);
        write_field_schema(w, &s->fields[i], direction);
    }
    jw_end(w);
    write_required(w, s, direction);
    if (direction == DIR_IN) {
        if (!s->is_open)
            jw_kv_bool(w, "additionalProperties", false);
        write_variants(w, s);
        write_rules(w, s->rules);
    }
    jw_end(w);
}

/* --- examples --- */

static void write_example_value(struct jw *w, const struct field *f, enum direction direction);

static void write_scalar_example(struct jw *w, const struct field *f, enum field_type type)
{
    switch (type) {
    case FT_UUID:
        jw_str(w, "123e4567-e89b-12d3-a456-426614174000");
        return;
    case FT_TIME:
        jw_str(w, "2026-01-31T03:24:42Z");
        return;
    case FT_INT:
        jw_i64(w, f->min > 0 ? (int64_t)f->min : 1);
        return;
    case FT_NUMBER:
        jw_f64(w, f->min > 0 ? f->min : 1.5);
        return;
    case FT_BOOL:
        jw_bool(w, true);
        return;
    case FT_STRING:
        jw_str(w, f->choices ? f->choices[0] : f->name);
        return;
    case FT_JSON:
    case FT_MAP:
    case FT_OBJECT:
    case FT_LIST:
        break;
    }
    jw_object(w);
    jw_end(w);
}

/* Goes down as deep as schemas lie in schemas, which is a few levels. */
static void write_example_value(struct jw *w, const struct field *f, enum direction direction)
{
    if (f->example) {
        jw_raw(w, f->example);
    } else if (direction == DIR_OUT && (f->flags & F_NULLABLE)) {
        jw_null(w);
    } else if (f->type == FT_OBJECT) {
        write_example(w, f->sub, direction);
    } else if (f->type == FT_LIST) {
        jw_array(w);
        if (f->sub)
            write_example(w, f->sub, direction);
        else
            write_scalar_example(w, f, f->element);
        jw_end(w);
    } else {
        write_scalar_example(w, f, f->type);
    }
}

void write_example(struct jw *w, const struct schema *s, enum direction direction)
{
    jw_object(w);
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        if (!is_shown(f, direction))
            continue;
        if (direction == DIR_IN && !f->example && !is_required(f, direction))
            continue;
        jw_key(w, f->name);
        write_example_value(w, f, direction);
    }
    jw_end(w);
}
