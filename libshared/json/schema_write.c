/* Writing what goes out, from the same schema tables. */
#include "json/schema.h"

static bool is_null(const struct field *f, const void *member)
{
    switch (f->type) {
    case FT_STRING:
    case FT_JSON:
    case FT_MAP:
    case FT_OBJECT:
        return *(const void *const *)member == NULL;
    case FT_NUMBER:
        return __builtin_isnan(*(const double *)member);
    case FT_UUID:
        return uuid_is_nil(member);
    case FT_TIME:
        return *(const int64_t *)member == 0;
    case FT_INT:
    case FT_BOOL:
    case FT_LIST:
        break;
    }
    return false;
}

static void write_scalar(struct jw *w, enum field_type type, const void *v)
{
    switch (type) {
    case FT_STRING:
        jw_str(w, *(const char *const *)v);
        break;
    case FT_INT:
        jw_i64(w, *(const int64_t *)v);
        break;
    case FT_NUMBER:
        jw_f64(w, *(const double *)v);
        break;
    case FT_BOOL:
        jw_bool(w, *(const bool *)v);
        break;
    case FT_UUID:
        jw_uuid(w, v);
        break;
    case FT_TIME:
        jw_time_us(w, *(const int64_t *)v);
        break;
    case FT_JSON:
    case FT_MAP:
        jw_raw(w, *(const char *const *)v);
        break;
    case FT_OBJECT:
    case FT_LIST:
        abort(); /* not scalars: write_field tells them apart */
    }
}

static size_t element_size(enum field_type type)
{
    switch (type) {
    case FT_INT:
    case FT_TIME:
        return sizeof(int64_t);
    case FT_NUMBER:
        return sizeof(double);
    case FT_BOOL:
        return sizeof(bool);
    case FT_UUID:
        return sizeof(struct uuid);
    case FT_STRING:
    case FT_JSON:
    case FT_MAP:
    case FT_OBJECT:
    case FT_LIST:
        break;
    }
    return sizeof(const char *);
}

static void write_field(struct jw *w, const struct field *f, const void *member)
{
    if (f->type == FT_OBJECT) {
        const void *object = *(const void *const *)member;
        if (object)
            schema_write(w, f->sub, object);
        else
            jw_null(w);
        return;
    }
    if (f->type != FT_LIST) {
        write_scalar(w, f->type, member);
        return;
    }
    const struct out_list *list = member;
    size_t size = f->sub ? f->sub->size : element_size(f->element);
    jw_array(w);
    for (size_t i = 0; i < list->count; i++) {
        const void *item = (const char *)list->v + i * size;
        if (f->sub)
            schema_write(w, f->sub, item);
        else
            write_scalar(w, f->element, item);
    }
    jw_end(w);
}

void schema_write_members(struct jw *w, const struct schema *schema, const void *object)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        const void *member = (const char *)object + f->offset;
        if (f->flags & F_SECRET)
            continue;
        if ((f->flags & F_OMIT_NULL) && is_null(f, member))
            continue;
        jw_key(w, f->name);
        write_field(w, f, member);
    }
}

void schema_write(struct jw *w, const struct schema *schema, const void *object)
{
    jw_object(w);
    schema_write_members(w, schema, object);
    jw_end(w);
}
