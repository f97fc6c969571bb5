/* One operation: its name, words, parameters, body, credentials. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "auth/scopes.h"
#include "base/str.h"
#include "openapi/internal.h"

/* --- its name --- */

static void put_words(struct buf *out, const char *text, size_t len)
{
    bool is_start = true;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i])) {
            is_start = true;
            continue;
        }
        buf_char(out, is_start ? (char)toupper((unsigned char)text[i]) : text[i]);
        is_start = false;
    }
}

/* Made of method and path, so that it is unique without a thought and does not change with a
 * text: GET /api/v1/checks/{id}/history is getChecksByIdHistory, GET /health getRootHealth. */
void put_operation_id(struct buf *out, const struct route *r)
{
    static const char base[] = "/api/v1/";
    const char *method = http_method_name(r->method);
    for (const char *c = method; *c; c++)
        buf_char(out, (char)tolower((unsigned char)*c));
    const char *at = r->path;
    if (str_starts(at, base))
        at += strlen(base);
    else
        buf_str(out, "Root");
    while (*at) {
        at += strspn(at, "/");
        const size_t len = strcspn(at, "/");
        if (*at == '{')
            buf_str(out, "By");
        put_words(out, at, len);
        at += len;
    }
}

/* --- its words --- */

static const char *scope_of(const struct route *r)
{
    if (r->scope == SCOPE_PUBLIC)
        return "public";
    return r->scope == SCOPE_SELF ? "self" : scope_name((enum scope)r->scope);
}

static void write_words(struct jw *w, const struct route *r)
{
    AUTO_BUF text;
    buf_init(&text, 16384);
    put_operation_id(&text, r);
    jw_kv_str(w, "operationId", buf_cstr(&text));
    jw_key(w, "tags");
    jw_array(w);
    jw_str(w, r->tag);
    jw_end(w);
    jw_kv_str(w, "summary", r->summary);

    buf_reset(&text);
    if (r->description)
        buf_printf(&text, "%s\n\n", r->description);
    if (r->scope == SCOPE_PUBLIC)
        buf_str(&text, "Needs no credentials.");
    else if (r->scope == SCOPE_SELF)
        buf_str(&text, "For every signed-in caller.");
    else
        buf_printf(&text, "Needs the scope `%s`.", scope_of(r));
    jw_kv_str(w, "description", buf_cstr(&text));
    jw_kv_str(w, "x-required-scope", scope_of(r));
    if (r->flags & ROUTE_DEPRECATED)
        jw_kv_bool(w, "deprecated", true);
}

/* --- its parameters --- */

static const struct path_param *described(const struct route *r, const char *name, size_t len)
{
    for (const struct path_param *p = r->params; p && p->name; p++) {
        if (strlen(p->name) == len && strncmp(p->name, name, len) == 0)
            return p;
    }
    return NULL;
}

static bool is_id(const char *name, size_t len)
{
    return (len == 2 && strncmp(name, "id", 2) == 0) ||
           (len > 3 && strncmp(name + len - 3, "_id", 3) == 0);
}

static enum status write_path_param(struct doc *d, const struct route *r, const char *name,
                                    size_t len)
{
    struct jw *w = &d->w;
    const struct path_param *p = described(r, name, len);
    if (!p && !is_id(name, len))
        return err_set(d->err, ST_INVALID, "%s: nobody described {%.*s}", r->path, (int)len, name);
    jw_object(w);
    jw_key(w, "name");
    jw_strn(w, name, len);
    jw_kv_str(w, "in", "path");
    jw_kv_bool(w, "required", true);
    jw_kv_str(w, "description", p ? p->help : "Its id");
    jw_key(w, "schema");
    jw_object(w);
    jw_kv_str(w, "type", "string");
    if (!p)
        jw_kv_str(w, "format", "uuid");
    if (p) /* http_precheck refuses these in any path, and . and .. */
        jw_kv_str(
            w, "pattern",
            p->pattern
                ? p->pattern
                : "^[^/\\\\\\x00-\\x1f\\x7f]*[^./\\\\\\x00-\\x1f\\x7f][^/\\\\\\x00-\\x1f\\x7f]*$");
    jw_end(w);
    if (p && p->example)
        jw_kv_str(w, "example", p->example);
    jw_end(w);
    return ST_OK;
}

static enum status write_path_params(struct doc *d, const struct route *r)
{
    for (const char *at = strchr(r->path, '{'); at; at = strchr(at, '{')) {
        at++;
        TRY(write_path_param(d, r, at, strcspn(at, "}")));
    }
    return ST_OK;
}

static void write_query_param(struct jw *w, const struct field *f)
{
    jw_object(w);
    jw_kv_str(w, "name", f->name);
    jw_kv_str(w, "in", "query");
    if (f->flags & F_REQUIRED)
        jw_kv_bool(w, "required", true);
    AUTO_BUF text;
    buf_init(&text, 4096);
    if (f->help)
        buf_str(&text, f->help);
    else
        buf_printf(&text, "Filter by %s", f->name);
    if (f->alias)
        buf_printf(&text, " (also called `%s`)", f->alias);
    jw_kv_str(w, "description", buf_cstr(&text));
    struct field plain = *f;
    plain.help = NULL;
    plain.flags &= ~(unsigned)F_NULLABLE;
    jw_key(w, "schema");
    write_field_schema(w, &plain, DIR_IN);
    jw_end(w);
}

/* Those that the server itself understands, on every route of their kind. */
static void write_header_params(struct doc *d, const struct route *r)
{
    struct jw *w = &d->w;
    if (r->method == M_GET && !(r->flags & ROUTE_INLINE))
        write_ref(w, "parameters", "If-None-Match");
    if (route_is_change(d, r))
        write_ref(w, "parameters", "If-Match");
    if (route_is_keyed(d, r))
        write_ref(w, "parameters", "Idempotency-Key");
}

static enum status write_params(struct doc *d, const struct route *r)
{
    jw_key(&d->w, "parameters");
    jw_array(&d->w);
    TRY(write_path_params(d, r));
    for (size_t i = 0; r->query && i < r->query->count; i++)
        write_query_param(&d->w, &r->query->fields[i]);
    write_header_params(d, r);
    jw_end(&d->w);
    return ST_OK;
}

/* --- its body --- */

static void write_body_type(struct jw *w, const struct route *r, const char *type)
{
    jw_key(w, type);
    jw_object(w);
    jw_key(w, "schema");
    if (!r->body) {
        jw_object(w);
        jw_end(w);
    } else {
        write_ref(w, "schemas", r->body->name);
        jw_key(w, "example");
        write_example(w, r->body, DIR_IN);
    }
    jw_end(w);
}

static void write_body(struct jw *w, const struct route *r)
{
    if (!route_has_body(r))
        return;
    const char *types = r->consumes ? r->consumes : "application/json";
    char type[96];
    jw_key(w, "requestBody");
    jw_object(w);
    jw_kv_bool(w, "required", !(r->flags & ROUTE_OPTIONAL_BODY));
    jw_key(w, "content");
    jw_object(w);
    while (next_type(&types, type, sizeof(type)))
        write_body_type(w, r, type);
    if (r->flags & ROUTE_FORM)
        write_body_type(w, r, "application/x-www-form-urlencoded");
    jw_end(w);
    jw_end(w);
}

/* --- who may --- */

static void write_requirement(struct jw *w, const char *scheme, const char *scope)
{
    jw_object(w);
    jw_key(w, scheme);
    jw_array(w);
    if (scope)
        jw_str(w, scope);
    jw_end(w);
    jw_end(w);
}

static void write_credentials(struct doc *d, const struct route *r)
{
    struct jw *w = &d->w;
    const char *scope = r->scope > SCOPE_SELF ? scope_name((enum scope)r->scope) : NULL;
    jw_key(w, "security");
    jw_array(w);
    if (r->scope != SCOPE_PUBLIC) {
        if (d->about->has_sign_in) {
            write_requirement(w, "password", scope);
            write_requirement(w, "bearer", scope);
        }
        write_requirement(w, "apiKey", scope);
    }
    jw_end(w);
}

enum status operation_write(struct doc *d, const struct route *r)
{
    char method[16];
    (void)str_copy(method, sizeof(method), http_method_name(r->method));
    for (char *c = method; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    jw_key(&d->w, method);
    jw_object(&d->w);
    write_words(&d->w, r);
    write_credentials(d, r);
    TRY(write_params(d, r));
    write_body(&d->w, r);
    TRY(replies_write(d, r));
    jw_end(&d->w);
    return ST_OK;
}
