/* What schemas say beyond their fields: which members go with which, and what one is made of. */
#include "base/str.h"
#include "json/parse.h"
#include "openapi/internal.h"

void write_rules(struct jw *w, const char *rules)
{
    if (!rules)
        return;
    AUTO_BUF text;
    buf_init(&text, 16384);
    buf_printf(&text, "{%s}", rules);
    AUTO_JSON all = json_loads(buf_cstr(&text), 0, NULL);
    if (!all)
        abort(); /* a slip of a table: the first start of its daemon finds it */
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach (all, name, value) {
        jw_key(w, name);
        jw_json(w, value);
    }
}

static const struct field *field_of(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq(s->fields[i].name, name))
            return &s->fields[i];
    }
    return NULL;
}

static bool needs_any(const struct schema *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->fields[i].flags & F_REQUIRED)
            return true;
    }
    return false;
}

static void write_variant(struct jw *w, const struct schema_variants *all,
                          const struct schema_variant *v, bool is_new)
{
    jw_object(w);
    jw_kv_str(w, "title", v->name);
    jw_key(w, "properties");
    jw_object(w);
    jw_key(w, all->by);
    jw_object(w);
    jw_key(w, "enum");
    jw_array(w);
    jw_str(w, v->name);
    for (const char *const *alias = v->aliases; alias && *alias; alias++)
        jw_str(w, *alias);
    jw_end(w);
    jw_end(w);
    jw_key(w, all->of);
    write_ref(w, "schemas", v->schema->name);
    jw_end(w);
    if (is_new && needs_any(v->schema)) {
        jw_key(w, "required");
        jw_array(w);
        jw_str(w, all->of);
        jw_end(w);
    }
    jw_end(w);
}

/* What is made has exactly one variant. Of a change only the member may be given, and which one
 * counts is known to the store alone: it fits one of them. */
void write_variants(struct jw *w, const struct schema *s)
{
    const struct schema_variants *all = s->variants;
    if (!all)
        return;
    const struct field *by = field_of(s, all->by);
    const bool is_new = by && (by->flags & F_REQUIRED);
    struct schema_variant v;
    jw_key(w, is_new ? "oneOf" : "anyOf");
    jw_array(w);
    for (size_t i = 0; all->at(i, &v); i++)
        write_variant(w, all, &v, is_new);
    jw_end(w);
}
