/* Validating and binding what comes in: schema tables against jansson values. */
#include "json/schema_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static json_t *loc_json(const struct loc *loc)
{
    json_t *list = json_array();
    (void)json_array_append_new(list, json_string(loc->root));
    for (int i = 0; i < loc->depth; i++) {
        json_t *step = loc->at[i].name ? json_string(loc->at[i].name)
                                       : json_integer((json_int_t)loc->at[i].index);
        /* A name from outside is valid UTF-8 (json_parse saw to it), a query name may not be. */
        (void)json_array_append_new(list, step ? step : json_string("?"));
    }
    return list;
}

void binder_fail(struct binder *b, const char *type, const char *fmt, ...)
{
    char msg[384];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    field_errors_put(b->errors, loc_json(&b->loc), type, msg);
    b->failed = true;
}

void binder_push_name(struct binder *b, const char *name)
{
    if (b->loc.depth < LOC_MAX)
        b->loc.at[b->loc.depth].name = name;
    b->loc.depth = MIN_OF(b->loc.depth + 1, (int)LOC_MAX);
}

static void push_index(struct binder *b, size_t index)
{
    if (b->loc.depth < LOC_MAX) {
        b->loc.at[b->loc.depth].name = NULL;
        b->loc.at[b->loc.depth].index = index;
    }
    b->loc.depth = MIN_OF(b->loc.depth + 1, (int)LOC_MAX);
}

void binder_pop(struct binder *b)
{
    b->loc.depth--;
}

static void check_string(struct binder *b, const struct field *f, const char *s)
{
    const size_t len = str_utf8_length(s);
    if (f->max > 0 && (double)len > f->max) {
        binder_fail(b, "value_error.any_str.max_length",
                    "ensure this value has at most %.0f characters", f->max);
        return;
    }
    if ((double)len < f->min) {
        binder_fail(b, "value_error.any_str.min_length",
                    "ensure this value has at least %.0f characters", f->min);
        return;
    }
    if (f->choices) {
        char all[320] = "";
        for (size_t i = 0; f->choices[i]; i++) {
            if (str_eq(f->choices[i], s))
                return;
            size_t used = strlen(all);
            (void)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", f->choices[i]);
        }
        binder_fail(b, "value_error.enum", "must be one of: %s", all);
        return;
    }
    const char *wrong = f->check ? f->check(s) : NULL;
    if (wrong)
        binder_fail(b, "value_error", "%s", wrong);
}

static void check_number(struct binder *b, const struct field *f, double v)
{
    if (f->min == 0 && f->max == 0)
        return;
    if (v < f->min)
        binder_fail(b, "value_error.number.not_ge", "ensure this value is at least %g", f->min);
    else if (v > f->max)
        binder_fail(b, "value_error.number.not_le", "ensure this value is at most %g", f->max);
}

/* One scalar from JSON into its plain C place; false (with an error) when the type is wrong. */
static void bind_scalar(struct binder *b, const struct field *f, enum field_type type, json_t *v,
                        void *out)
{
    switch (type) {
    case FT_STRING:
        if (!json_is_string(v)) {
            binder_fail(b, "type_error.str", "str type expected");
            return;
        }
        check_string(b, f, json_string_value(v));
        *(const char **)out = json_string_value(v);
        return;
    case FT_INT:
        if (json_is_integer(v)) {
            *(int64_t *)out = json_integer_value(v);
        } else if (json_is_real(v) && fabs(json_real_value(v)) < 9e15 &&
                   json_real_value(v) - trunc(json_real_value(v)) == 0.0) {
            *(int64_t *)out = (int64_t)json_real_value(v); /* 5.0 is an integer in JSON */
        } else {
            binder_fail(b, "type_error.integer", "value is not a valid integer");
            return;
        }
        check_number(b, f, (double)*(int64_t *)out);
        return;
    case FT_NUMBER:
        if (!json_is_number(v)) {
            binder_fail(b, "type_error.float", "value is not a valid number");
            return;
        }
        *(double *)out = json_number_value(v);
        check_number(b, f, *(double *)out);
        return;
    case FT_BOOL:
        if (!json_is_boolean(v)) {
            binder_fail(b, "type_error.bool", "value is not a valid boolean");
            return;
        }
        *(bool *)out = json_is_true(v);
        return;
    case FT_UUID:
        if (!json_is_string(v) || uuid_parse(json_string_value(v), out) != ST_OK)
            binder_fail(b, "type_error.uuid", "value is not a valid uuid");
        return;
    case FT_TIME:
        if (!json_is_string(v) || time_parse_us(json_string_value(v), out) != ST_OK)
            binder_fail(b, "value_error.datetime", "not an RFC 3339 date and time");
        return;
    case FT_JSON:
    case FT_MAP:
    case FT_OBJECT:
    case FT_LIST:
        abort(); /* not scalars: the callers tell them apart */
    }
}

static size_t scalar_size(enum field_type type)
{
    switch (type) {
    case FT_STRING:
        return sizeof(const char *);
    case FT_INT:
    case FT_TIME:
        return sizeof(int64_t);
    case FT_NUMBER:
        return sizeof(double);
    case FT_BOOL:
        return sizeof(bool);
    case FT_UUID:
        return sizeof(struct uuid);
    case FT_JSON:
    case FT_MAP:
        return sizeof(json_t *);
    case FT_OBJECT:
    case FT_LIST:
        break;
    }
    abort();
}

static void bind_object(struct binder *b, const struct schema *schema, json_t *body, void *out);

static void bind_list(struct binder *b, const struct field *f, json_t *v, struct in_list *out)
{
    if (!json_is_array(v)) {
        binder_fail(b, "type_error.list", "value is not a valid list");
        return;
    }
    size_t count = json_array_size(v);
    if (f->max > 0 && (double)count > f->max) {
        binder_fail(b, "value_error.list.max_items", "ensure this value has at most %.0f items",
                    f->max);
        return;
    }
    if ((double)count < f->min) {
        binder_fail(b, "value_error.list.min_items", "ensure this value has at least %.0f items",
                    f->min);
        return;
    }
    size_t size = f->sub ? f->sub->size : scalar_size(f->element);
    char *items = arena_array(b->arena, count, size);
    if (!items) {
        b->no_memory = true;
        return;
    }
    /* The bounds of the field are the list's; its elements have none of their own. */
    const struct field element = {
        .name = f->name, .max = f->element_max, .choices = f->choices, .check = f->check};
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(v, i);
        push_index(b, i);
        if (f->sub)
            bind_object(b, f->sub, item, items + i * size);
        else if (f->element == FT_JSON || f->element == FT_MAP)
            memcpy(items + i * size, &item, sizeof(item));
        else
            bind_scalar(b, &element, f->element, item, items + i * size);
        binder_pop(b);
    }
    out->count = count;
    out->v = items;
}

/* Where the value proper lies in an in_* member: each begins with {set, null}. */
static void *value_place(const struct field *f, void *member)
{
    switch (f->type) {
    case FT_STRING:
        return &((struct in_str *)member)->v;
    case FT_INT:
        return &((struct in_i64 *)member)->v;
    case FT_NUMBER:
        return &((struct in_f64 *)member)->v;
    case FT_BOOL:
        return &((struct in_bool *)member)->v;
    case FT_UUID:
        return &((struct in_uuid *)member)->v;
    case FT_TIME:
        return &((struct in_time *)member)->v;
    case FT_JSON:
    case FT_MAP:
        return &((struct in_json *)member)->v;
    case FT_OBJECT:
        return &((struct in_obj *)member)->v;
    case FT_LIST:
        break;
    }
    return NULL;
}

void binder_bind_field(struct binder *b, const struct field *f, json_t *v, void *member)
{
    struct in_bool *mark = member; /* all in_* structs begin alike */
    if (json_is_null(v) && f->type != FT_JSON) {
        if (!(f->flags & F_NULLABLE)) {
            binder_fail(b, "type_error.none.not_allowed", "none is not an allowed value");
            return;
        }
        mark->set = true;
        mark->null = true;
        return;
    }
    mark->set = true;
    if (f->type == FT_LIST) {
        bind_list(b, f, v, member);
    } else if (f->type == FT_OBJECT) {
        void *object = arena_alloc(b->arena, f->sub->size);
        if (!object) {
            b->no_memory = true;
            return;
        }
        bind_object(b, f->sub, v, object);
        ((struct in_obj *)member)->v = object;
    } else if (f->type == FT_JSON || f->type == FT_MAP) {
        if (f->type == FT_MAP && !json_is_object(v)) {
            binder_fail(b, "type_error.dict", "value is not a valid dict");
            return;
        }
        ((struct in_json *)member)->v = v;
    } else {
        bind_scalar(b, f, f->type, v, value_place(f, member));
    }
}

const struct field *schema_find_field(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        if (str_eq(f->name, name) || str_eq(f->alias, name))
            return f;
    }
    return NULL;
}

/* `given` is the object itself, so that a field of the wrong type counts as given: one error each.
 */
static void check_required(struct binder *b, const struct schema *schema, const json_t *given)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        bool is_there = json_object_get(given, f->name) ||
                        (f->alias && json_object_get(given, f->alias));
        if ((f->flags & F_REQUIRED) && !is_there) {
            binder_push_name(b, f->name);
            binder_fail(b, "value_error.missing", "field required");
            binder_pop(b);
        }
    }
}

static void bind_object(struct binder *b, const struct schema *schema, json_t *body, void *out)
{
    if (!json_is_object(body)) {
        binder_fail(b, "type_error.dict", "value is not a valid dict");
        return;
    }
    const char *name = NULL;
    json_t *v = NULL;
    json_object_foreach (body, name, v) {
        const struct field *f = schema_find_field(schema, name);
        if (!f && schema->is_open)
            continue;
        binder_push_name(b, name);
        if (!f)
            binder_fail(b, "value_error.extra", "extra fields not permitted");
        else if (((struct in_bool *)(void *)((char *)out + f->offset))->set)
            binder_fail(b, "value_error.duplicate", "given under two names");
        else
            binder_bind_field(b, f, v, (char *)out + f->offset);
        binder_pop(b);
    }
    check_required(b, schema, body);
}

enum status binder_outcome(const struct binder *b)
{
    if (b->no_memory)
        return ST_NO_MEMORY;
    return b->failed ? ST_INVALID : ST_OK;
}

enum status schema_bind_at(const struct schema *schema, const char *under, json_t *value,
                           struct arena *arena, void *out, struct field_errors *errors)
{
    struct binder b = {.arena = arena, .errors = errors, .loc = {.root = "body"}};
    memset(out, 0, schema->size);
    if (under)
        binder_push_name(&b, under);
    bind_object(&b, schema, value, out);
    return binder_outcome(&b);
}

enum status schema_bind(const struct schema *schema, json_t *body, struct arena *arena, void *out,
                        struct field_errors *errors)
{
    return schema_bind_at(schema, NULL, body, arena, out, errors);
}
