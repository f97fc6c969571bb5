/* What an operation answers when all went well: documents, and lists in their envelopes. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "openapi/internal.h"

bool next_type(const char **types, char *out, size_t size)
{
    const char *at = *types;
    at += strspn(at, ", ");
    if (*at == '\0')
        return false;
    size_t len = strcspn(at, ",");
    *types = at + len;
    len = MIN_OF(len, size - 1);
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}

static const char *success_text(const struct route *r, int status)
{
    switch (status) {
    case 201:
        return "Created";
    case 202:
        return "Accepted: it will be done";
    case 204:
        return "Done; there is no body";
    default:
        return r->method == M_GET ? "What was asked for" : "Done";
    }
}

static void write_array(struct jw *w, const struct schema *s)
{
    jw_object(w);
    jw_kv_str(w, "type", "array");
    jw_key(w, "items");
    write_ref(w, "schemas", s->name);
    jw_end(w);
}

static const struct schema *envelope_of(const struct route *r)
{
    return r->shape == REPLY_ITEMS ? &items_schema : &page_schema;
}

bool has_member(const struct schema *s, const char *name)
{
    for (size_t i = 0; s && i < s->count; i++) {
        if (str_eq(s->fields[i].name, name))
            return true;
    }
    return false;
}

/* What the shape adds: by reference, or without the members that the route describes itself. */
static void write_shape(struct jw *w, const struct route *r)
{
    const struct schema *shape = envelope_of(r);
    struct field rest[16];
    struct schema own = {.name = shape->name, .fields = rest, .is_open = true};
    for (size_t i = 0; i < shape->count && own.count < ARRAY_LEN(rest); i++) {
        if (!has_member(r->extra, shape->fields[i].name))
            rest[own.count++] = shape->fields[i];
    }
    if (own.count == shape->count)
        write_ref(w, "schemas", shape->name);
    else
        write_object_schema(w, &own, DIR_OUT);
}

/* All of: the named array, what the shape adds, what the route adds. */
static void write_envelope(struct jw *w, const struct route *r)
{
    jw_object(w);
    jw_key(w, "allOf");
    jw_array(w);
    jw_object(w);
    jw_kv_str(w, "type", "object");
    jw_key(w, "properties");
    jw_object(w);
    jw_key(w, r->list);
    write_array(w, r->reply);
    jw_end(w);
    jw_key(w, "required");
    jw_array(w);
    jw_str(w, r->list);
    jw_end(w);
    jw_end(w);
    write_shape(w, r);
    if (r->extra)
        write_ref(w, "schemas", r->extra->name);
    jw_end(w);
    jw_end(w);
}

/* The members of all parts, each once: an extra may say more of one that the page has. */
static void write_envelope_example(struct jw *w, const struct route *r)
{
    const struct schema *parts[] = {envelope_of(r), r->extra};
    AUTO_JSON all = json_object();
    for (size_t i = 0; i < ARRAY_LEN(parts) && parts[i]; i++) {
        AUTO_BUF text;
        struct jw inner;
        buf_init(&text, LIMIT_HTTP_REPLY_BYTES);
        jw_init(&inner, &text);
        write_example(&inner, parts[i], DIR_OUT);
        AUTO_JSON members = json_loads(buf_cstr(&text), 0, NULL);
        (void)json_object_update(all, members); /* no memory: the example lacks something */
    }
    jw_object(w);
    jw_key(w, r->list);
    jw_array(w);
    write_example(w, r->reply, DIR_OUT);
    jw_end(w);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach (all, name, value) {
        jw_key(w, name);
        jw_json(w, value);
    }
    jw_end(w);
}

static void write_json_content(struct jw *w, const struct route *r, const struct schema *reply,
                               bool is_more)
{
    const bool is_array = !is_more && r->shape == REPLY_ARRAY;
    const bool is_list = !is_more && r->list && !is_array;
    jw_key(w, "application/json");
    jw_object(w);
    if (reply) {
        jw_key(w, "schema");
        if (is_list)
            write_envelope(w, r);
        else if (is_array)
            write_array(w, reply);
        else
            write_ref(w, "schemas", reply->name);
        jw_key(w, "example");
        if (is_array)
            jw_array(w);
        if (is_list)
            write_envelope_example(w, r);
        else
            write_example(w, reply, DIR_OUT);
        if (is_array)
            jw_end(w);
    }
    jw_end(w);
}

static void write_other_content(struct jw *w, const char *types)
{
    char type[96];
    while (next_type(&types, type, sizeof(type))) {
        jw_key(w, type);
        jw_object(w);
        jw_key(w, "schema");
        jw_object(w);
        if (str_starts(type, "text/"))
            jw_kv_str(w, "type", "string");
        jw_end(w);
        jw_end(w);
    }
}

static void write_success_headers(struct doc *d, const struct route *r, int status)
{
    struct jw *w = &d->w;
    jw_key(w, "headers");
    jw_object(w);
    write_header(w, "X-Request-Id");
    if (status == 201)
        write_header(w, "Location");
    if ((r->list && r->shape == REPLY_PLAIN) || r->shape == REPLY_ARRAY)
        write_header(w, "Link");
    if (r->shape == REPLY_ARRAY)
        write_header(w, "X-Total-Count");
    if (r->method == M_GET && status == 200 && !(r->flags & ROUTE_INLINE))
        write_header(w, "ETag");
    if (r->reads != 0)
        write_header(w, "X-Cache");
    if (route_is_keyed(d, r))
        write_header(w, "Idempotency-Replayed");
    if (!(r->flags & ROUTE_NO_RATE))
        write_rate_headers(w);
    jw_end(w);
}

void success_write(struct doc *d, const struct route *r, const struct success *s)
{
    struct jw *w = &d->w;
    char key[16];
    (void)snprintf(key, sizeof(key), "%d", s->status);
    jw_key(w, key);
    jw_object(w);
    jw_kv_str(w, "description", s->help ? s->help : success_text(r, s->status));
    write_success_headers(d, r, s->status);
    if (s->reply || s->produces) {
        jw_key(w, "content");
        jw_object(w);
        if (s->reply)
            write_json_content(w, r, s->reply, s->is_more);
        if (s->produces)
            write_other_content(w, s->produces);
        jw_end(w);
    }
    if (!s->is_more)
        write_links(d, r, s->status);
    jw_end(w);
}
