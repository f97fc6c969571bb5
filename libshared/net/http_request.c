/* From complete headers to a handler's outcome: checks, routing, decoding, binding, running. */
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "log/log.h"
#include "net/gzip.h"

const char *req_header(const struct req *r, const char *name)
{
    const struct exchange *ex = container_of((struct req *)(uintptr_t)r, struct exchange, req);
    size_t len = 0;
    return http_field_find(ex->fields, ex->field_count, name, &len);
}

const struct route *req_sibling(const struct req *r, enum http_method m)
{
    const struct exchange *ex = container_of((struct req *)(uintptr_t)r, struct exchange, req);
    return ex->match.by_method[m];
}

size_t req_header_count(const struct req *r, const char *name)
{
    const struct exchange *ex = container_of((struct req *)(uintptr_t)r, struct exchange, req);
    const size_t len = strlen(name);
    size_t count = 0;
    for (size_t i = 0; i < ex->field_count; i++) {
        const struct http_field *f = &ex->fields[i];
        count += f->name_len == len && strncasecmp(f->name, name, len) == 0;
    }
    return count;
}

const char *req_peer_text(struct req *r)
{
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_storage *a = &r->peer;
    if (a->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text, sizeof(text));
    } else if (a->ss_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6))
            (void)inet_ntop(AF_INET, in6->s6_addr + 12, text, sizeof(text));
        else
            (void)inet_ntop(AF_INET6, in6, text, sizeof(text));
    }
    const char *copy = arena_strdup(r->arena, text);
    return copy ? copy : "";
}

static bool method_parse(const char *text, enum http_method *out)
{
    for (int m = 0; m < M_COUNT_; m++) {
        if (str_eq(text, http_method_name((enum http_method)m))) {
            *out = (enum http_method)m;
            return true;
        }
    }
    return false;
}

static void choose_request_id(struct exchange *ex)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = 0;
    const char *given = http_field_find(ex->fields, ex->field_count, "X-Request-Id", &len);
    if (given && len > 0 && len <= LIMIT_HTTP_REQUEST_ID_BYTES && strspn(given, good) == len) {
        (void)str_copy(ex->request_id, sizeof(ex->request_id), given);
        return;
    }
    struct uuid id = uuid_new_plain();
    uuid_format(&id, ex->request_id);
}

/* The body's size and coding, as far as the headers tell, so that what is hopeless is refused
 * before it is read. */
static enum status check_body_headers(struct exchange *ex)
{
    struct req *r = &ex->req;
    size_t len = 0;
    size_t limit = r->route->max_body_bytes ? r->route->max_body_bytes : LIMIT_HTTP_BODY_BYTES;
    buf_init(&ex->body, limit);
    const char *coding = http_field_find(ex->fields, ex->field_count, "Content-Encoding", &len);
    ex->is_gzip = coding && (strcasecmp(coding, "gzip") == 0 || strcasecmp(coding, "x-gzip") == 0);
    if (coding && strcasecmp(coding, "identity") != 0 &&
        !(ex->is_gzip && (r->route->flags & ROUTE_GZIP_BODY)))
        return req_fail(r, ST_MEDIA_TYPE, NULL, "this Content-Encoding is not taken here");
    const char *length = http_field_find(ex->fields, ex->field_count, "Content-Length", &len);
    uint64_t announced = 0;
    if (length && str_to_u64(length, &announced) == ST_OK && announced > limit)
        return req_fail(r, ST_TOO_LARGE, NULL, "the body may have at most %zu bytes", limit);
    return ST_OK;
}

static enum status find_route(struct exchange *ex, const char *method)
{
    struct req *r = &ex->req;
    char allow[ROUTE_ALLOW_BYTES];
    bool is_known = method_parse(method, &r->method);
    if (!route_table_find(ex->server->routes, ex->path, strlen(ex->path), &ex->match))
        return req_fail(r, ST_NOT_FOUND, NULL, "there is nothing at this path");
    route_match_allow(&ex->match, allow);
    r->route = is_known ? route_match_method(&ex->match, r->method) : NULL;
    if (r->route)
        return ST_OK;
    reply_header(r, "Allow", allow);
    if (is_known && r->method == M_OPTIONS) {
        http_cors_preflight(ex, allow);
        reply_empty(r, 204);
        return ST_OK;
    }
    return req_fail(r, ST_METHOD, NULL, "this path takes %s", allow);
}

enum status http_request_begin(struct exchange *ex, const char *method, const char *version)
{
    struct req *r = &ex->req;
    struct errbuf err = {0};
    choose_request_id(ex);
    r->request_id = ex->request_id;
    enum status st = http_precheck_target(ex->target, &err);
    if (st == ST_OK)
        st = http_precheck_fields(ex->fields, ex->field_count, str_eq(version, "HTTP/1.1"), &err);
    if (st == ST_OK && (!http_fields_are_crlf(version, ex->fields, ex->field_count) ||
                        !http_fields_are_ended(version, ex->fields, ex->field_count)))
        st = err_set(&err, ST_MALFORMED, "header lines must end in CR LF, unfolded, without NUL");
    if (st != ST_OK) {
        reply_header(r, "Connection",
                     "close"); /* where the next request begins is anyone's guess */
        return req_fail(r, st, NULL, "%s", err.text);
    }
    ex->is_framed = true;
    if (atomic_load(&ex->server->is_stopping))
        return req_fail(r, ST_STOPPED, NULL, "this server is shutting down");
    TRY(find_route(ex, method));
    return r->route ? check_body_headers(ex) : ST_OK;
}

static char *unescape(struct req *r, const char *at, size_t len, bool plus_is_space)
{
    char *out = arena_alloc(r->arena, len + 1);
    return out && http_unescape(at, len, plus_is_space, out) ? out : NULL;
}

static enum status decode_path(struct exchange *ex)
{
    struct req *r = &ex->req;
    for (int i = 0; i < ex->match.param_count; i++) {
        const struct route_param *p = &ex->match.param[i];
        r->param[i] = unescape(r, p->at, p->len, false);
        if (!r->param[i])
            return req_fail(r, ST_MALFORMED, NULL, "the path is no valid text");
    }
    r->param_count = ex->match.param_count;
    return ST_OK;
}

/* name=value&… (a query or a form) decoded into the arena. ST_MALFORMED, ST_NO_MEMORY. */
static enum status decode_pairs(struct req *r, const char *text, size_t len,
                                const struct query_param **out, size_t *count)
{
    struct query_param *list = arena_array(r->arena, LIMIT_HTTP_QUERY_PARAMS,
                                           sizeof(struct query_param));
    size_t n = 0;
    if (!list)
        return ST_NO_MEMORY;
    for (size_t at = 0; at < len;) {
        const char *start = text + at;
        const char *end = memchr(start, '&', len - at);
        size_t size = end ? (size_t)(end - start) : len - at;
        at += size + 1;
        if (size == 0)
            continue;
        if (n == LIMIT_HTTP_QUERY_PARAMS)
            return ST_MALFORMED;
        const char *eq = memchr(start, '=', size);
        size_t name_len = eq ? (size_t)(eq - start) : size;
        list[n].name = unescape(r, start, name_len, true);
        list[n].value = eq ? unescape(r, eq + 1, size - name_len - 1, true) : "";
        if (!list[n].name || !list[n].value)
            return ST_MALFORMED;
        n++;
    }
    *out = list;
    *count = n;
    return ST_OK;
}

static enum status decode_query(struct exchange *ex)
{
    struct req *r = &ex->req;
    const char *query = strchr(ex->target, '?');
    if (!query || query[1] == '\0')
        return ST_OK;
    enum status st = decode_pairs(r, query + 1, strlen(query + 1), &r->query, &r->query_count);
    if (st == ST_MALFORMED)
        return req_fail(r, st, NULL, "the query is no valid text, or has more than %d parameters",
                        LIMIT_HTTP_QUERY_PARAMS);
    return st;
}

static enum status bind_query(struct req *r)
{
    AUTO_FIELD_ERRORS errors = {0};
    if (!r->route->query)
        return ST_OK;
    r->query_in = arena_alloc(r->arena, r->route->query->size);
    if (!r->query_in)
        return ST_NO_MEMORY;
    enum status st = schema_bind_params(r->route->query, "query", r->query, r->query_count,
                                        r->arena, r->query_in, &errors);
    return st == ST_INVALID ? req_invalid(r, &errors) : st;
}

static enum status inflate_body(struct exchange *ex)
{
    struct req *r = &ex->req;
    struct buf plain;
    buf_init(&plain, ex->body.limit);
    enum status st = gzip_inflate(ex->body.data, ex->body.len, &plain);
    if (st != ST_OK) {
        buf_done(&plain);
        if (st == ST_TOO_LARGE)
            return req_fail(r, st, NULL, "the body may have at most %zu bytes when decompressed",
                            plain.limit);
        return st == ST_MALFORMED ? req_fail(r, st, NULL, "the body is no valid gzip") : st;
    }
    (void)atomic_fetch_sub(&ex->server->bodies_bytes, ex->body.len);
    buf_done(&ex->body);
    ex->body = plain;
    (void)atomic_fetch_add(&ex->server->bodies_bytes, ex->body.len);
    return ST_OK;
}

enum body_kind { BODY_JSON, BODY_FORM, BODY_OTHER };

static enum body_kind body_kind(const struct req *r)
{
    const char *type = req_header(r, "Content-Type");
    if (!type)
        return BODY_JSON;
    size_t len = strcspn(type, "; \t");
    if (len == 16 && strncasecmp(type, "application/json", len) == 0)
        return BODY_JSON;
    if (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0)
        return BODY_JSON;
    if (len == 33 && strncasecmp(type, "application/x-www-form-urlencoded", len) == 0)
        return BODY_FORM;
    return BODY_OTHER;
}

static enum status bind_form(struct req *r, struct field_errors *errors)
{
    const struct query_param *params = NULL;
    size_t count = 0;
    enum status st = decode_pairs(r, r->body, r->body_len, &params, &count);
    if (st == ST_MALFORMED)
        return req_fail(r, st, NULL, "the form is no valid text, or has more than %d fields",
                        LIMIT_HTTP_QUERY_PARAMS);
    TRY(st);
    return schema_bind_params(r->route->body, "body", params, count, r->arena, r->in, errors);
}

static enum status bind_json(struct req *r, struct field_errors *errors)
{
    struct errbuf err = {0};
    const char *text = r->body;
    size_t len = r->body_len;
    if (len == 0 && (r->route->flags & ROUTE_OPTIONAL_BODY)) {
        text = "{}";
        len = 2;
    }
    if (len == 0)
        return req_fail(r, ST_MALFORMED, NULL, "a JSON body is needed");
    enum status st = json_parse(text, len, &r->json, &err);
    if (st != ST_OK)
        return req_fail(r, st, NULL, "the body is no valid JSON: %s", err.text);
    return schema_bind(r->route->body, r->json, r->arena, r->in, errors);
}

static enum status bind_body(struct exchange *ex)
{
    struct req *r = &ex->req;
    AUTO_FIELD_ERRORS errors = {0};
    if (ex->is_gzip && ex->body.len > 0)
        TRY(inflate_body(ex));
    r->body = buf_cstr(&ex->body);
    r->body_len = ex->body.len;
    if (!r->route->body || (r->route->flags & ROUTE_RAW_BODY))
        return ST_OK;

    r->in = arena_alloc(r->arena, r->route->body->size);
    if (!r->in)
        return ST_NO_MEMORY;
    enum body_kind kind = r->body_len > 0 ? body_kind(r) : BODY_JSON;
    enum status st = ST_MEDIA_TYPE;
    if (kind == BODY_JSON)
        st = bind_json(r, &errors);
    else if (kind == BODY_FORM && (r->route->flags & ROUTE_FORM))
        st = bind_form(r, &errors);
    if (st == ST_MEDIA_TYPE)
        return req_fail(r, st, NULL, "the body must be application/json%s",
                        r->route->flags & ROUTE_FORM ? " or a form" : "");
    return st == ST_INVALID && r->status == 0 ? req_invalid(r, &errors) : st;
}

enum status http_request_admit(struct exchange *ex, void *ctx)
{
    struct req *r = &ex->req;
    r->ctx = ctx;
    if (atomic_load(&ex->server->is_over))
        return req_fail(r, ST_STOPPED, NULL, "this server is shutting down");
    TRY(decode_path(ex));
    TRY(decode_query(ex));
    if (ex->server->config.authenticate && !(r->route->flags & ROUTE_INLINE))
        TRY(ex->server->config.authenticate(r));
    TRY(bind_query(r));
    TRY(bind_body(ex));
    ex->is_admitted = true;
    return ST_OK;
}

static enum status begin_handler(struct exchange *ex, void *ctx)
{
    struct req *r = &ex->req;
    r->ctx = ctx;
    if (!ex->is_admitted)
        TRY(http_request_admit(ex, ctx));
    if (ex->server->config.before && !(r->route->flags & ROUTE_INLINE))
        TRY(ex->server->config.before(r));
    return r->status != 0 ? ST_OK : r->route->handler(r);
}

static enum status resume_handler(struct exchange *ex)
{
    struct req *r = &ex->req;
    if (ex->wake_stopped)
        return req_fail(r, ST_STOPPED, NULL, "this server is shutting down");
    r->timed_out = ex->wake_timed_out;
    r->wake_data = ex->wake_data ? ex->wake_data : "";
    r->wake_len = ex->wake_len;
    return ex->resume(r);
}

void http_request_finish(struct exchange *ex, enum status st)
{
    const struct http_config *config = &ex->server->config;
    http_reply_settle(ex, st);
    st = ST_OK;
    if (config->after && !(ex->req.route->flags & ROUTE_INLINE))
        st = config->after(&ex->req);
    http_reply_finish(ex, st);
}

bool http_request_run(struct exchange *ex, void *ctx)
{
    ex->req.ctx = ctx;
    enum status st = ST_OK;
    if (http_park_take_queued(ex))
        st = resume_handler(ex);
    else
        st = begin_handler(ex, ctx);
    for (;;) {
        switch (http_park_settle(ex, st)) {
        case PARK_WAITING:
            return false;
        case PARK_WOKEN:
            st = resume_handler(ex);
            break;
        case PARK_NONE:
        case PARK_ARMED:
        case PARK_QUEUED:
            http_request_finish(ex, st);
            return true;
        }
    }
}
