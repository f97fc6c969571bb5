/* Validating and binding what comes in: schema tables against jansson values and query texts. */
#include "json/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

enum { LOC_MAX = 8 };

/* The path to the value at hand, for the `loc` of an error. */
struct loc {
    const char *root;
    int depth;
    struct {
        const char *name; /* NULL: an index */
        size_t index;
    } at[LOC_MAX];
};

struct binder {
    struct arena *arena;
    struct field_errors *errors;
    struct loc loc;
    bool failed;
    bool no_memory;
};

void field_errors_done(struct field_errors *errors)
{
    json_decref(errors->list);
    errors->list = NULL;
}

static void add_error(struct field_errors *errors, json_t *loc, const char *type, const char *msg)
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
    add_error(errors, loc, type, msg);
}

enum status field_errors_nest(struct field_errors *into, const char *list, size_t index,
                              struct field_errors *from)
{
    size_t at = 0;
    json_t *error = NULL;
    json_array_foreach (from->list, at, error) {
        json_t *loc = json_object_get(error, "loc");
        if (json_array_insert_new(loc, 1, json_string(list)) != 0 ||
            json_array_insert_new(loc, 2, json_integer((json_int_t)index)) != 0)
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

static void PRINTF_LIKE(3, 4) fail(struct binder *b, const char *type, const char *fmt, ...)
{
    char msg[384];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    add_error(b->errors, loc_json(&b->loc), type, msg);
    b->failed = true;
}

static void push_name(struct binder *b, const char *name)
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

static void pop(struct binder *b)
{
    b->loc.depth--;
}

static void check_string(struct binder *b, const struct field *f, const char *s)
{
    const size_t len = str_utf8_length(s);
    if (f->max > 0 && (double)len > f->max) {
        fail(b, "value_error.any_str.max_length", "ensure this value has at most %.0f characters",
             f->max);
        return;
    }
    if ((double)len < f->min) {
        fail(b, "value_error.any_str.min_length", "ensure this value has at least %.0f characters",
             f->min);
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
        fail(b, "value_error.enum", "must be one of: %s", all);
        return;
    }
    const char *wrong = f->check ? f->check(s) : NULL;
    if (wrong)
        fail(b, "value_error", "%s", wrong);
}

static void check_number(struct binder *b, const struct field *f, double v)
{
    if (f->min == 0 && f->max == 0)
        return;
    if (v < f->min)
        fail(b, "value_error.number.not_ge", "ensure this value is at least %g", f->min);
    else if (v > f->max)
        fail(b, "value_error.number.not_le", "ensure this value is at most %g", f->max);
}

/* One scalar from JSON into its plain C place; false (with an error) when the type is wrong. */
static void bind_scalar(struct binder *b, const struct field *f, enum field_type type, json_t *v,
                        void *out)
{
    switch (type) {
    case FT_STRING:
        if (!json_is_string(v)) {
            fail(b, "type_error.str", "str type expected");
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
            fail(b, "type_error.integer", "value is not a valid integer");
            return;
        }
        check_number(b, f, (double)*(int64_t *)out);
        return;
    case FT_NUMBER:
        if (!json_is_number(v)) {
            fail(b, "type_error.float", "value is not a valid number");
            return;
        }
        *(double *)out = json_number_value(v);
        check_number(b, f, *(double *)out);
        return;
    case FT_BOOL:
        if (!json_is_boolean(v)) {
            fail(b, "type_error.bool", "value is not a valid boolean");
            return;
        }
        *(bool *)out = json_is_true(v);
        return;
    case FT_UUID:
        if (!json_is_string(v) || uuid_parse(json_string_value(v), out) != ST_OK)
            fail(b, "type_error.uuid", "value is not a valid uuid");
        return;
    case FT_TIME:
        if (!json_is_string(v) || time_parse_us(json_string_value(v), out) != ST_OK)
            fail(b, "value_error.datetime", "not an RFC 3339 date and time");
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
        fail(b, "type_error.list", "value is not a valid list");
        return;
    }
    size_t count = json_array_size(v);
    if (f->max > 0 && (double)count > f->max) {
        fail(b, "value_error.list.max_items", "ensure this value has at most %.0f items", f->max);
        return;
    }
    if ((double)count < f->min) {
        fail(b, "value_error.list.min_items", "ensure this value has at least %.0f items", f->min);
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
        pop(b);
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

static void bind_field(struct binder *b, const struct field *f, json_t *v, void *member)
{
    struct in_bool *mark = member; /* all in_* structs begin alike */
    if (json_is_null(v) && f->type != FT_JSON) {
        if (!(f->flags & F_NULLABLE)) {
            fail(b, "type_error.none.not_allowed", "none is not an allowed value");
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
            fail(b, "type_error.dict", "value is not a valid dict");
            return;
        }
        ((struct in_json *)member)->v = v;
    } else {
        bind_scalar(b, f, f->type, v, value_place(f, member));
    }
}

static const struct field *find_field(const struct schema *schema, const char *name)
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
            push_name(b, f->name);
            fail(b, "value_error.missing", "field required");
            pop(b);
        }
    }
}

static void bind_object(struct binder *b, const struct schema *schema, json_t *body, void *out)
{
    if (!json_is_object(body)) {
        fail(b, "type_error.dict", "value is not a valid dict");
        return;
    }
    const char *name = NULL;
    json_t *v = NULL;
    json_object_foreach (body, name, v) {
        const struct field *f = find_field(schema, name);
        if (!f && schema->is_open)
            continue;
        push_name(b, name);
        if (!f)
            fail(b, "value_error.extra", "extra fields not permitted");
        else if (((struct in_bool *)(void *)((char *)out + f->offset))->set)
            fail(b, "value_error.duplicate", "given under two names");
        else
            bind_field(b, f, v, (char *)out + f->offset);
        pop(b);
    }
    check_required(b, schema, body);
}

static enum status outcome(const struct binder *b)
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
        push_name(&b, under);
    bind_object(&b, schema, value, out);
    return outcome(&b);
}

enum status schema_bind(const struct schema *schema, json_t *body, struct arena *arena, void *out,
                        struct field_errors *errors)
{
    return schema_bind_at(schema, NULL, body, arena, out, errors);
}

/* A text as the JSON value that the field wants, so that both doors share one set of rules. */
static json_t *value_of_text(const struct field *f, enum field_type type, const char *text)
{
    int64_t i = 0;
    double d = 0;
    bool yes = false;
    if (type == FT_INT && str_to_i64(text, &i) == ST_OK)
        return json_integer(i);
    if (type == FT_NUMBER && str_to_f64(text, &d) == ST_OK)
        return json_real(d);
    if (type == FT_BOOL && str_to_bool(text, &yes) == ST_OK)
        return json_boolean(yes);
    (void)f;
    return json_string(text); /* NULL when not UTF-8 */
}

/* Parameters of one request. */
struct params {
    const struct schema *schema;
    const struct query_param *v;
    size_t count;
};

static bool add_texts(json_t *list, const struct field *f, const char *text, struct arena *arena)
{
    char *rest = arena_strdup(arena, text);
    while (rest) {
        const char *item = strsep(&rest, ",");
        json_t *v = value_of_text(f, f->element, item);
        if (!v || json_array_append_new(list, v) != 0)
            return false;
    }
    return true;
}

/* All that is given for a list: a=1,2&a=3. */
static json_t *list_of_texts(const struct field *f, const struct params *all, struct arena *arena)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < all->count; i++) {
        if (find_field(all->schema, all->v[i].name) == f &&
            !add_texts(list, f, all->v[i].value, arena)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Bound values must outlive the temporary JSON: strings move to the arena. */
static bool keep_strings(struct arena *arena, const struct field *f, void *member)
{
    if (f->type == FT_STRING) {
        struct in_str *s = member;
        s->v = arena_strdup(arena, s->v ? s->v : "");
        return s->v != NULL;
    }
    if (f->type != FT_LIST || f->element != FT_STRING)
        return true;
    struct in_list *list = member;
    const char **items = list->v;
    for (size_t i = 0; i < list->count; i++) {
        items[i] = arena_strdup(arena, items[i] ? items[i] : "");
        if (!items[i])
            return false;
    }
    return true;
}

static void bind_param(struct binder *b, const struct field *f, const struct params *all,
                       const char *text, void *member)
{
    if (((struct in_bool *)member)->set) {
        if (f->type != FT_LIST) /* the first one took all of a list */
            fail(b, "value_error.duplicate", "given more than once");
        return;
    }
    json_t *v = f->type == FT_LIST ? list_of_texts(f, all, b->arena)
                                   : value_of_text(f, f->type, text);
    if (!v) {
        fail(b, "value_error.str", "not valid UTF-8");
        return;
    }
    bind_field(b, f, v, member);
    if (!b->failed && !keep_strings(b->arena, f, member))
        b->no_memory = true;
    json_decref(v);
}

static void check_required_params(struct binder *b, const struct schema *schema,
                                  const struct query_param *params, size_t count)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        bool is_there = !(f->flags & F_REQUIRED);
        for (size_t k = 0; k < count && !is_there; k++)
            is_there = str_eq(params[k].name, f->name) || str_eq(params[k].name, f->alias);
        if (!is_there) {
            push_name(b, f->name);
            fail(b, "value_error.missing", "field required");
            pop(b);
        }
    }
}

enum status schema_bind_params(const struct schema *schema, const char *root,
                               const struct query_param *params, size_t count, struct arena *arena,
                               void *out, struct field_errors *errors)
{
    struct binder b = {.arena = arena, .errors = errors, .loc = {.root = root}};
    const struct params all = {schema, params, count};
    memset(out, 0, schema->size);
    for (size_t i = 0; i < count; i++) {
        const struct field *f = find_field(schema, params[i].name);
        if (!f)
            continue;
        push_name(&b, f->name);
        bind_param(&b, f, &all, params[i].value, (char *)out + f->offset);
        pop(&b);
    }
    check_required_params(&b, schema, params, count);
    return outcome(&b);
}
