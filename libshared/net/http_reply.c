/* Replies and problem documents (RFC 9457), and turning them into libmicrohttpd's responses. */
#include "net/http_internal.h"

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

void reply_object(struct req *r, int status, const struct schema *schema, const void *object)
{
    schema_write(reply_json(r, status), schema, object);
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

static bool has_header(const struct req *r, const char *name)
{
    for (size_t i = 0; i < r->reply_header_count; i++) {
        if (strcasecmp(r->reply_headers[i].name, name) == 0)
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
    r->content_type = "application/problem+json";
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

static bool client_takes_gzip(const struct req *r)
{
    const char *accept = req_header(r, "Accept-Encoding");
    if (!accept)
        return false;
    const char *at = strcasestr(accept, "gzip");
    if (!at)
        return false;
    at += strlen("gzip");
    at += strspn(at, " \t");
    /* "gzip;q=0", "gzip;q=0.0": not wanted */
    if (*at == ';') {
        const char *q = strcasestr(at, "q=");
        return !q || strspn(q + 2, "0.") < strcspn(q + 2, ", \t");
    }
    return *at == '\0' || *at == ',';
}

static bool is_text(const char *type)
{
    return type && (str_starts(type, "application/json") || str_starts(type, "text/") ||
                    str_ends(type, "+json") || str_starts(type, "application/javascript"));
}

/* Compresses what is worth it; on any failure the plain reply goes out. */
static void compress_reply(struct req *r)
{
    if (r->out.len < LIMIT_HTTP_GZIP_MIN_BYTES || !is_text(r->content_type) ||
        has_header(r, "Content-Encoding"))
        return;
    reply_header(r, "Vary", "Accept-Encoding");
    if (!client_takes_gzip(r))
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
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        log_warn("http_reply_header_refused", kv_str("name", name));
}

/* Headers that every reply has unless the handler set its own. */
static void add_defaults(struct exchange *ex, struct MHD_Response *response)
{
    static const struct http_reply_header defaults[] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Frame-Options", "DENY"},
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
        {"Cache-Control", "no-store"},
    };
    const struct req *r = &ex->req;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        if (!has_header(r, defaults[i].name))
            add(response, defaults[i].name, defaults[i].value);
    }
    add(response, "X-Request-Id", ex->request_id);
    add(response, "Server", ex->server->config.server_name);
    if (r->content_type)
        add(response, "Content-Type", r->content_type);
    if (atomic_load(&ex->server->is_stopping) && !has_header(r, "Connection"))
        add(response, "Connection", "close");
}

void http_reply_finish(struct exchange *ex, enum status st)
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
    compress_reply(r);

    ex->reply_status = r->status;
    ex->reply_bytes = r->out.len;
    ex->response = r->out.len > 0
                       ? MHD_create_response_from_buffer(r->out.len, r->out.data,
                                                         MHD_RESPMEM_MUST_FREE)
                       : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!ex->response)
        return; /* no memory: the connection is closed */
    if (r->out.len > 0)
        r->out = (struct buf){.limit = r->out.limit}; /* the response owns it */
    for (size_t i = 0; i < r->reply_header_count; i++)
        add(ex->response, r->reply_headers[i].name, r->reply_headers[i].value);
    add_defaults(ex, ex->response);
}
