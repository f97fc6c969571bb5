/* What an operation can answer: the successes of its row, and the errors that follow from it. */
#include <stdio.h>
#include <string.h>

#include "auth/scopes.h"
#include "base/str.h"
#include "net/errors.h"
#include "openapi/internal.h"

/* --- errors that routes share --- */

enum when {
    ON_ALL = 1,
    ON_SIGNED_IN = 2, /* not of public routes */
    ON_BODY = 4,
    ON_INPUT = 8, /* a body or a query */
    ON_COUNTED = 16,
    ON_HANDLED = 32, /* not answered on the I/O thread */
    ON_KEYED = 64,   /* takes an Idempotency-Key */
    ON_CHANGE = 128  /* takes If-Match */
};

/* Of the rows with one status the first whose occasion it is. */
static const struct shared {
    int status;
    unsigned when;
    const char *name, *help;
    const char *codes[6];
} shared[] = {
    {400,
     ON_KEYED,
     "BadKeyedRequest",
     "The request, or its Idempotency-Key, cannot be read.",
     {"MALFORMED_REQUEST", "IDEMPOTENCY_KEY_MALFORMED"}},
    {400, ON_ALL, "BadRequest", "The request cannot be read.", {"MALFORMED_REQUEST"}},
    {401,
     ON_SIGNED_IN,
     "Unauthenticated",
     "No credentials, or none that are valid.",
     {"UNAUTHENTICATED", "INVALID_CREDENTIALS"}},
    {403,
     ON_SIGNED_IN,
     "Forbidden",
     "The caller lacks the scope.",
     {"INSUFFICIENT_SCOPE", "FORBIDDEN"}},
    {409,
     ON_KEYED,
     "KeyInUse",
     "A request with this Idempotency-Key has no known reply, yet or for good.",
     {"IDEMPOTENCY_KEY_IN_USE", "IDEMPOTENCY_INDETERMINATE"}},
    {412,
     ON_CHANGE,
     "PreconditionFailed",
     "What is there is no version that If-Match names.",
     {"PRECONDITION_FAILED"}},
    {413, ON_BODY, "TooLarge", "The body is too large.", {"TOO_LARGE"}},
    {415,
     ON_BODY,
     "UnsupportedMediaType",
     "The body is of a type or coding that is not taken here.",
     {"UNSUPPORTED_MEDIA_TYPE"}},
    {422,
     ON_KEYED,
     "InvalidOrKeyReused",
     "The request is not valid, or its Idempotency-Key came with another one.",
     {"VALIDATION_ERROR", "IDEMPOTENCY_KEY_REUSED"}},
    {422,
     ON_INPUT,
     "Invalid",
     "The request can be read and is not valid; `errors` says where.",
     {"VALIDATION_ERROR"}},
    {429,
     ON_COUNTED,
     "TooManyRequests",
     "Too many requests; Retry-After says when to go on.",
     {"RATE_LIMITED"}},
    {500, ON_HANDLED, "InternalError", "Our fault.", {"INTERNAL", "CORRUPT"}},
    {503,
     ON_HANDLED,
     "Unavailable",
     "Overload, or a store that does not answer; Retry-After says when to come back.",
     {"OVERLOADED", "UNAVAILABLE", "STOPPING", "OUT_OF_MEMORY", "NOT_SET_UP"}},
};

static unsigned occasions(const struct doc *d, const struct route *r)
{
    unsigned when = ON_ALL;
    if (r->scope != SCOPE_PUBLIC) /* an agent's key may not even ask who it is */
        when |= ON_SIGNED_IN | ON_COUNTED;
    if (route_has_body(r))
        when |= ON_BODY | ON_INPUT;
    if (r->query)
        when |= ON_INPUT;
    if (!(r->flags & ROUTE_NO_RATE))
        when |= ON_COUNTED;
    if (!(r->flags & ROUTE_INLINE))
        when |= ON_HANDLED;
    if (route_is_keyed(d, r))
        when |= ON_KEYED;
    if (route_is_change(d, r))
        when |= ON_CHANGE;
    return when;
}

static const struct shared *shared_of(int status, unsigned when)
{
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        if (shared[i].status == status && (shared[i].when & when))
            return &shared[i];
    }
    return NULL;
}

/* --- headers --- */

static const struct {
    const char *name, *type, *help;
} headers[] = {
    {"RateLimit-Limit", "integer", "Requests a minute"},
    {"RateLimit-Remaining", "integer", "Requests that are left of them"},
    {"RateLimit-Reset", "integer", "Seconds until all of them are there again"},
    {"Retry-After", "integer", "Seconds to wait before trying again"},
    {"WWW-Authenticate", "string", "How to sign in"},
    {"Location", "string", "The path of what was made"},
    {"Link", "string", "The first, previous, next and last page (RFC 8288)"},
    {"X-Total-Count", "integer", "How many there are on all pages"},
    {"ETag", "string", "The version of what was read, for If-None-Match and If-Match"},
    {"X-Request-Id", "string", "The request's id: the client's own, or ours"},
    {"X-Cache", "string", "hit: kept from before, and nothing has changed since; miss: just read"},
    {"Idempotency-Replayed", "string",
     "true: the reply that the first request with this Idempotency-Key got"},
};

void shared_headers_write(struct doc *d)
{
    struct jw *w = &d->w;
    jw_key(w, "headers");
    jw_object(w);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        jw_key(w, headers[i].name);
        jw_object(w);
        jw_kv_str(w, "description", headers[i].help);
        jw_key(w, "schema");
        jw_object(w);
        jw_kv_str(w, "type", headers[i].type);
        jw_end(w);
        jw_end(w);
    }
    jw_end(w);
}

static void write_header(struct jw *w, const char *name)
{
    jw_key(w, name);
    write_ref(w, "headers", name);
}

static void write_rate_headers(struct jw *w)
{
    write_header(w, "RateLimit-Limit");
    write_header(w, "RateLimit-Remaining");
    write_header(w, "RateLimit-Reset");
}

/* --- problems --- */

struct codes {
    const char *code[24];
    size_t count;
};

static void add_code(struct codes *c, const char *code)
{
    for (size_t i = 0; i < c->count; i++) {
        if (str_eq(c->code[i], code))
            return;
    }
    if (c->count < ARRAY_LEN(c->code))
        c->code[c->count++] = code;
}

static void add_shared(struct codes *c, const struct shared *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->codes) && s->codes[i]; i++)
        add_code(c, s->codes[i]);
}

static void write_problem_headers(struct jw *w, int status)
{
    jw_key(w, "headers");
    jw_object(w);
    write_header(w, "X-Request-Id");
    if (status == 401)
        write_header(w, "WWW-Authenticate");
    if (status == 429 || status == 503)
        write_header(w, "Retry-After");
    if (status == 429)
        write_rate_headers(w);
    jw_end(w);
}

/* {"$ref": Problem, "properties": {"code": {"enum": […]}}} */
static void write_problem_type(struct jw *w, const struct codes *codes)
{
    jw_key(w, "application/problem+json");
    jw_object(w);
    jw_key(w, "schema");
    jw_object(w);
    jw_kv_str(w, "$ref", "#/components/schemas/Problem");
    jw_key(w, "properties");
    jw_object(w);
    jw_key(w, "code");
    jw_object(w);
    jw_key(w, "enum");
    jw_array(w);
    for (size_t i = 0; i < codes->count; i++)
        jw_str(w, codes->code[i]);
    jw_end(w);
    jw_end(w);
    jw_end(w);
    jw_end(w);
    jw_end(w);
}

static void write_problem(struct jw *w, int status, const char *help, const struct codes *codes)
{
    AUTO_BUF text;
    buf_init(&text, 16384);
    buf_str(&text, help ? help : "");
    for (size_t i = 0; i < codes->count; i++) {
        const struct error_code *e = error_code_find(codes->code[i]);
        buf_printf(&text, "%s- `%s`: %s", text.len > 0 ? "\n" : "", codes->code[i],
                   e ? e->help : "");
    }
    jw_object(w);
    jw_kv_str(w, "description", buf_cstr(&text));
    write_problem_headers(w, status);
    jw_key(w, "content");
    jw_object(w);
    write_problem_type(w, codes);
    jw_end(w);
    jw_end(w);
}

void shared_replies_write(struct doc *d)
{
    jw_key(&d->w, "responses");
    jw_object(&d->w);
    jw_key(&d->w, "NotModified");
    jw_object(&d->w);
    jw_kv_str(&d->w, "description", "What If-None-Match names is what there is");
    jw_end(&d->w);
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        struct codes codes = {.count = 0};
        add_shared(&codes, &shared[i]);
        char help[256];
        (void)snprintf(help, sizeof(help), "%s\n", shared[i].help);
        jw_key(&d->w, shared[i].name);
        write_problem(&d->w, shared[i].status, help, &codes);
    }
    jw_end(&d->w);
}

/* --- successes --- */

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
    switch (r->shape) {
    case REPLY_ITEMS:
        return &items_schema;
    case REPLY_CURSOR:
        return &cursor_schema;
    case REPLY_PLAIN:
    case REPLY_ARRAY:
        break;
    }
    return &page_schema;
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

struct success {
    int status;
    const char *help, *produces;
    const struct schema *reply;
    bool is_more;
};

static void write_success(struct doc *d, const struct route *r, const struct success *s)
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

/* --- all of them, by status --- */

static enum status codes_of(struct doc *d, const struct route *r, int status, struct codes *out)
{
    for (const char *const *code = r->errors; code && *code; code++) {
        const struct error_code *e = error_code_find(*code);
        if (!e)
            return err_set(d->err, ST_INVALID, "%s names the unknown error code %s", r->path,
                           *code);
        if (status_http(e->st) == status)
            add_code(out, *code);
    }
    return ST_OK;
}

static enum status write_failure(struct doc *d, const struct route *r, int status)
{
    struct codes codes = {.count = 0};
    const struct shared *s = shared_of(status, occasions(d, r));
    TRY(codes_of(d, r, status, &codes));
    if (codes.count == 0 && !s)
        return ST_OK;
    char key[16];
    (void)snprintf(key, sizeof(key), "%d", status);
    jw_key(&d->w, key);
    if (codes.count == 0) {
        write_ref(&d->w, "responses", s->name);
        return ST_OK;
    }
    if (s)
        add_shared(&codes, s);
    write_problem(&d->w, status, NULL, &codes);
    return ST_OK;
}

enum status replies_write(struct doc *d, const struct route *r)
{
    const struct success usual = {
        .status = route_ok(r), .reply = r->reply, .produces = r->produces};
    jw_key(&d->w, "responses");
    jw_object(&d->w);
    for (int status = 200; status < 600; status++) {
        bool is_written = false;
        if (status == usual.status) {
            write_success(d, r, &usual);
            is_written = true;
        }
        for (const struct route_reply *m = r->more; m && m->status && !is_written; m++) {
            if (m->status != status)
                continue;
            write_success(d, r,
                          &(struct success){.status = status,
                                            .help = m->help,
                                            .reply = m->reply,
                                            .produces = m->produces,
                                            .is_more = true});
            is_written = true;
        }
        if (status == 304 && r->method == M_GET && !(r->flags & ROUTE_INLINE)) {
            jw_key(&d->w, "304");
            write_ref(&d->w, "responses", "NotModified");
        }
        if (status >= 400 && !is_written)
            TRY(write_failure(d, r, status));
    }
    jw_end(&d->w);
    return ST_OK;
}
