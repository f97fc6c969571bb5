/* Parameters of a request against a schema table: texts, that may be given more than once. */
#include <string.h>

#include "base/str.h"
#include "json/schema_internal.h"

/* A text as the JSON value that the field wants, so that both doors share one set of rules. */
static json_t *value_of_text(enum field_type type, const char *text)
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
        json_t *v = value_of_text(f->element, item);
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
        if (schema_find_field(all->schema, all->v[i].name) == f &&
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
            binder_fail(b, "value_error.duplicate", "given more than once");
        return;
    }
    json_t *v = f->type == FT_LIST ? list_of_texts(f, all, b->arena) : value_of_text(f->type, text);
    if (!v) {
        binder_fail(b, "value_error.str", "not valid UTF-8");
        return;
    }
    binder_bind_field(b, f, v, member);
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
            binder_push_name(b, f->name);
            binder_fail(b, "value_error.missing", "field required");
            binder_pop(b);
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
        const struct field *f = schema_find_field(schema, params[i].name);
        if (!f)
            continue;
        binder_push_name(&b, f->name);
        bind_param(&b, f, &all, params[i].value, (char *)out + f->offset);
        binder_pop(&b);
    }
    check_required_params(&b, schema, params, count);
    return binder_outcome(&b);
}
