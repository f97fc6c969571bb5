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
            success_write(d, r, &usual);
            is_written = true;
        }
        for (const struct route_reply *m = r->more; m && m->status && !is_written; m++) {
            if (m->status != status)
                continue;
            success_write(d, r,
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
