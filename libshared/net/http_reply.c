/* Replies and problem documents (RFC 9457), and turning them into libmicrohttpd's responses. */
#include "net/http_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "log/log.h"
#include "net/errors.h"
#include "net/gzip.h"

struct jw *reply_json(struct req *r, int status)
{
    buf_reset(&r->out);
    r->status = status;
    r->content_type = "application/json";
    jw_init(&r->jw, &r->out);
    return &r->jw;
}

/* The version is that of the row behind the object, as its schema shows it. */
static void note_version(struct req *r, const struct schema *schema, const void *object)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct field *f = &schema->fields[i];
        if (f->type != FT_TIME || !str_eq(f->name, "updated_at"))
            continue;
        memcpy(&r->version, (const char *)object + f->offset, sizeof(r->version));
        return;
    }
}

void reply_object(struct req *r, int status, const struct schema *schema, const void *object)
{
    schema_write(reply_json(r, status), schema, object);
    note_version(r, schema, object);
}

void reply_empty(struct req *r, int status)
{
    buf_reset(&r->out);
    r->status = status;
    r->content_type = NULL;
}

void reply_text(struct req *r, int status, const char *content_type, const char *text, size_t len)
{
    buf_reset(&r->out);
    buf_append(&r->out, text, len);
    r->status = status;
    r->content_type = content_type;
}

void reply_header(struct req *r, const char *name, const char *value)
{
    if (!value || str_has_control(value) || r->reply_header_count >= ARRAY_LEN(r->reply_headers)) {
        log_warn("http_reply_header_dropped", kv_str("name", name));
        return;
    }
    const char *copy = arena_strdup(r->arena, value);
    if (copy)
        r->reply_headers[r->reply_header_count++] = (struct http_reply_header){name, copy};
}

void reply_header_i64(struct req *r, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    reply_header(r, name, text);
}

static bool has_header(const struct req *r, const char *name)
{
    for (size_t i = 0; i < r->reply_header_count; i++) {
        const char *set = r->reply_headers[i].name;
        if ((set[0] | 0x20) == (name[0] | 0x20) && strcasecmp(set, name) == 0)
            return true;
    }
    return false;
}

static void header_unless_set(struct req *r, const char *name, const char *value)
{
    if (!has_header(r, name))
        reply_header(r, name, value);
}

/* "body.name: field required; …": the errors as the text that `detail` and `details` must be. */
static const char *errors_text(struct req *r, const struct field_errors *errors)
{
    AUTO_BUF text;
    buf_init(&text, 2048);
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach (errors->list, i, item) {
        size_t j = 0;
        json_t *part = NULL;
        buf_str(&text, i > 0 ? "; " : "");
        json_array_foreach (json_object_get(item, "loc"), j, part) {
            buf_str(&text, j > 0 ? "." : "");
            if (json_is_integer(part))
                buf_i64(&text, json_integer_value(part));
            else
                buf_str(&text, json_string_value(part));
        }
        const char *msg = json_string_value(json_object_get(item, "msg"));
        buf_printf(&text, ": %s", msg ? msg : "invalid");
    }
    return arena_strdup(r->arena, buf_cstr(&text));
}

static void problem_headers(struct req *r, enum status st)
{
    int http = status_http(st);
    if (http == 401)
        header_unless_set(r, "WWW-Authenticate", "Bearer realm=\"tocsin\"");
    if (http == 429 || http == 503)
        header_unless_set(r, "Retry-After", st == ST_STOPPED ? "5" : "1");
}

/* A client must never meet a code that it cannot look up. */
static const char *known_code(enum status st, const char *code)
{
    if (!code)
        return status_code(st);
    const struct error_code *known = error_code_find(code);
    if (known && status_http(known->st) == status_http(st))
        return code;
    log_error("http_error_code_unknown", kv_str("code", code), kv_str("status", status_name(st)));
    return status_code(st);
}

static enum status problem(struct req *r, enum status st, const char *code, const char *detail,
                           const struct field_errors *errors)
{
    code = known_code(st, code);
    struct jw *w = reply_json(r, status_http(st));
    r->code = code;
    r->content_type = "application/problem+json";
    r->version = 0;
    r->etag[0] = '\0';
    char type[128];
    (void)snprintf(type, sizeof(type), "urn:tocsin:problem:%s", code);
    jw_object(w);
    jw_kv_str(w, "type", type);
    jw_kv_str(w, "title", status_title(st));
    jw_kv_i64(w, "status", r->status);
    jw_kv_str(w, "detail", detail);
    jw_kv_str(w, "code", code);
    jw_kv_str(w, "request_id", r->request_id);
    jw_key(w, "error");
    jw_object(w);
    jw_kv_str(w, "code", code);
    jw_kv_str(w, "message", errors ? status_title(st) : detail);
    jw_kv_str(w, "details", errors ? detail : status_title(st));
    jw_end(w);
    if (errors) {
        jw_key(w, "errors");
        jw_json(w, errors->list);
    }
    jw_end(w);
    problem_headers(r, st);
    return st;
}

enum status req_fail(struct req *r, enum status st, const char *code, const char *fmt, ...)
{
    if (st == ST_OK)
        st = ST_INTERNAL; /* a failure that says it is none */
    char detail[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    return problem(r, st, code, detail, NULL);
}

enum status req_invalid(struct req *r, const struct field_errors *errors)
{
    if (!errors->list)
        return problem(r, ST_INVALID, NULL, "the request is not valid", NULL);
    const char *detail = errors_text(r, errors);
    return problem(r, ST_INVALID, NULL, detail ? detail : "the request is not valid", errors);
}

enum status req_invalid_field(struct req *r, const char *name, const char *type, const char *fmt,
                              ...)
{
    char msg[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    AUTO_FIELD_ERRORS errors = {0};
    field_errors_add(&errors, "body", name, type, "%s", msg);
    return req_invalid(r, &errors);
}

/* What a failure without a reply of its own says. Nothing internal is shown. */
static const char *generic_detail(enum status st)
{
    switch (status_http(st)) {
    case 500:
        return "something went wrong on our side; the request id finds it in the logs";
    case 502:
    case 504:
        return "something that this needs did not answer properly; trying again may help";
    case 503:
        return "this is not available at the moment; try again shortly";
    default:
        return status_title(st);
    }
}

static bool is_text(const char *type)
{
    return type && (str_starts(type, "application/json") || str_starts(type, "text/") ||
                    str_ends(type, "+json") || str_starts(type, "application/javascript"));
}

/* Compresses what is worth it; on any failure the plain reply goes out. */
void reply_encode(struct req *r)
{
    if (r->out.len < LIMIT_HTTP_GZIP_MIN_BYTES || !is_text(r->content_type) ||
        has_header(r, "Content-Encoding"))
        return;
    r->vary |= VARY_ENCODING;
    if (!http_accepts_gzip(req_header(r, "Accept-Encoding")))
        return;
    struct buf packed;
    buf_init(&packed, r->out.len);
    if (gzip_deflate(r->out.data, r->out.len, &packed) != ST_OK) {
        buf_done(&packed);
        return;
    }
    buf_done(&r->out);
    r->out = packed;
    reply_header(r, "Content-Encoding", "gzip");
    if (r->etag[0] != '\0')
        etag_of_gzip(r->etag);
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        log_warn("http_reply_header_refused", kv_str("name", name));
}

/* A page has more to load than an answer to a program. */
static const char page_policy[] =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

static void policy_headers(struct exchange *ex)
{
    struct req *r = &ex->req;
    /* What a GET found may be kept, and asked for again; what a write said may not. */
    const bool is_kept = r->etag[0] != '\0' && (r->method == M_GET || r->method == M_HEAD);
    const bool is_page = r->content_type && str_starts(r->content_type, "text/html");
    header_unless_set(r, "X-Content-Type-Options", "nosniff");
    header_unless_set(r, "Referrer-Policy", "no-referrer");
    header_unless_set(r, "X-Frame-Options", "DENY");
    header_unless_set(r, "Content-Security-Policy",
                      is_page ? page_policy : "default-src 'none'; frame-ancestors 'none'");
    header_unless_set(r, "Cache-Control", is_kept ? "private, no-cache" : "no-store");
    if (ex->server->config.hsts_s > 0)
        reply_header(r, "Strict-Transport-Security",
                     arena_printf(r->arena, "max-age=%lld", (long long)ex->server->config.hsts_s));
}

static void vary_header(struct req *r)
{
    static const char *const names[] = {
        "Accept-Encoding", "Origin",
        "Access-Control-Request-Method, Access-Control-Request-Headers"};
    const char *text = "";
    for (size_t i = 0; i < ARRAY_LEN(names) && text; i++) {
        if (r->vary & (1u << i))
            text = arena_printf(r->arena, "%s%s%s", text, text[0] ? ", " : "", names[i]);
    }
    if (text && text[0] != '\0')
        header_unless_set(r, "Vary", text);
}

/* What makes this reply different from any other one. */
static void add_own(struct exchange *ex, struct MHD_Response *response)
{
    const struct req *r = &ex->req;
    for (size_t i = 0; i < r->reply_header_count; i++)
        add(response, r->reply_headers[i].name, r->reply_headers[i].value);
    add(response, "X-Request-Id", ex->request_id);
    add(response, "Server", ex->server->config.server_name);
    if (r->content_type)
        add(response, "Content-Type", r->content_type);
    if (atomic_load(&ex->server->is_stopping) && !has_header(r, "Connection"))
        add(response, "Connection", "close");
}

/* Replies that show something: what a GET found, and what became of a write. */
static void tag_reply(struct req *r)
{
    const bool is_get = r->method == M_GET || r->method == M_HEAD;
    if (!r->route || (r->route->flags & ROUTE_INLINE) || r->out.len == 0 || r->etag[0] != '\0')
        return;
    if ((is_get && r->status == 200 && is_text(r->content_type)) ||
        (r->version != 0 && (r->status == 200 || r->status == 201)))
        etag_make(r->out.data, r->out.len, r->version, r->etag);
}

/* 304 for what the client has already. Returns the length that the body would have had: the only
 * one that may be told (RFC 9110, section 8.6). */
static size_t answer_condition(struct req *r)
{
    const bool is_get = r->method == M_GET || r->method == M_HEAD;
    if (!is_get || r->status != 200 || r->etag[0] == '\0')
        return 0;
    const char *known = req_header(r, "If-None-Match");
    if (!known || !etag_list_has(known, r->etag))
        return 0;
    reply_encode(r);
    const size_t length = r->out.len;
    buf_reset(&r->out);
    r->status = 304;
    r->content_type = NULL;
    return length;
}

void http_reply_settle(struct exchange *ex, enum status st)
{
    struct req *r = &ex->req;
    if (st == ST_OK && r->status == 0) {
        log_error("http_no_reply", kv_str("path", ex->path));
        st = ST_INTERNAL;
    }
    if (st == ST_OK && buf_status(&r->out) != ST_OK) {
        log_error("http_reply_too_large", kv_str("path", ex->path));
        st = ST_INTERNAL;
        r->status = 0;
    }
    if (st != ST_OK && r->status < 400)
        (void)problem(r, st, NULL, generic_detail(st), NULL);
    tag_reply(r);
}

static struct MHD_Response *make_response(struct req *r)
{
    if (r->out.len == 0)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response = MHD_create_response_from_buffer(r->out.len, r->out.data,
                                                                    MHD_RESPMEM_MUST_FREE);
    if (response)
        r->out = (struct buf){.limit = r->out.limit}; /* the response owns it */
    return response;
}

static ssize_t no_body(void *cls, uint64_t at, char *buf, size_t max)
{
    (void)cls, (void)at, (void)buf, (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd never asks for the body of a 304, and announces its length. */
static struct MHD_Response *make_bodyless(size_t length)
{
    return MHD_create_response_from_callback(length, 1, no_body, NULL, NULL);
}

void http_reply_finish(struct exchange *ex, enum status st)
{
    struct req *r = &ex->req;
    http_reply_settle(ex, st);
    const size_t untold = answer_condition(r);
    http_traffic_note(ex);
    reply_encode(r);
    if (r->etag[0] != '\0')
        reply_header(r, "ETag", r->etag);
    http_cors_headers(ex);
    vary_header(r);
    policy_headers(ex);

    ex->reply_status = r->status;
    ex->reply_bytes = r->out.len;
    ex->response = untold > 0 ? make_bodyless(untold) : make_response(r);
    if (ex->response) /* else no memory: the connection is closed */
        add_own(ex, ex->response);
}
