/* What libmicrohttpd's threads call for each request: target, headers, body, reply, end. */
#include "net/http_internal.h"

#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"

static int64_t header_ms(const struct http_server *s)
{
    return s->config.header_ms ? s->config.header_ms : LIMIT_HTTP_HEADER_MS;
}

static int64_t body_ms(const struct http_server *s)
{
    return s->config.body_ms ? s->config.body_ms : LIMIT_HTTP_BODY_MS;
}

static void expect_within(struct client *c, int64_t ms)
{
    if (c)
        atomic_store(&c->deadline_mono_ms, ms > 0 ? clock_mono_ms() + ms : 0);
}

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void exchange_free(struct exchange *ex)
{
    if (ex->response)
        MHD_destroy_response(ex->response);
    (void)atomic_fetch_sub(&ex->server->bodies_bytes, ex->body.len);
    buf_done(&ex->body);
    buf_done(&ex->req.out);
    json_decref(ex->req.json);
    arena_free(ex->req.arena);
    free(ex->wake_data);
    free(ex->target);
    free(ex);
}

void *http_on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http_server *s = cls;
    struct exchange *ex = calloc(1, sizeof(*ex));
    if (!ex)
        return NULL;
    /* One byte over the limit is enough to see that it is over. */
    size_t len = strnlen(target, LIMIT_HTTP_TARGET_BYTES + 1);
    size_t path_len = strcspn(target, "?");
    path_len = MIN_OF(path_len, len);
    ex->server = s;
    ex->connection = connection;
    ex->client = client_of(connection);
    ex->req.arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
    ex->target = calloc(1, len + path_len + 2);
    if (!ex->req.arena || !ex->target) {
        exchange_free(ex);
        return NULL;
    }
    ex->path = ex->target + len + 1;
    memcpy(ex->target, target, len);
    memcpy(ex->path, target, path_len);
    ex->req.target = ex->target;
    ex->req.path = ex->path;
    ex->req.server = s;
    ex->req.method = M_GET;
    ex->req.received_mono_us = clock_mono_us();
    buf_init(&ex->req.out, LIMIT_HTTP_REPLY_BYTES);
    if (ex->client && ex->client->has_sent)
        expect_within(ex->client, header_ms(s));
    return ex;
}

static enum MHD_Result add_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    struct exchange *ex = cls;
    (void)kind;
    ex->fields[ex->field_count++] = (struct http_field){
        .name = name,
        .value = value ? value : "",
        .name_len = value ? name_len : 0, /* refused: its place is not known */
        .value_len = value_len};
    return MHD_YES;
}

static enum status collect_fields(struct exchange *ex)
{
    int count = MHD_get_connection_values_n(ex->connection, MHD_HEADER_KIND, NULL, NULL);
    ex->fields = arena_array(ex->req.arena, count > 0 ? (size_t)count : 1, sizeof(*ex->fields));
    if (!ex->fields)
        return ST_NO_MEMORY;
    (void)MHD_get_connection_values_n(ex->connection, MHD_HEADER_KIND, add_field, ex);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        ex->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr) {
        size_t len = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                              : sizeof(struct sockaddr_in);
        memcpy(&ex->req.socket_peer, info->client_addr, len);
        ex->req.peer = ex->req.socket_peer;
    }
    http_client_address(ex);
    return ST_OK;
}

static enum MHD_Result send_reply(struct exchange *ex)
{
    if (!ex->response)
        return MHD_NO;
    if (ex->phase == EX_TARGET && ex->client)
        ex->client->lingers = true; /* the library reads no more, and closes */
    ex->phase = EX_READY;
    expect_within(ex->client, 0);
    return http_library_queue(ex->connection, ex->reply_status, ex->response);
}

static enum MHD_Result fail(struct exchange *ex, enum status st)
{
    http_reply_finish(ex, st);
    return send_reply(ex);
}

/* Whether a refusal waits until the body was read and thrown away: then the connection goes on.
 * Answered before that it is closed, which is for a body that is too long even to be thrown away,
 * one whose end is not certain, and a client that asks before it sends one. */
static bool can_wait(const struct exchange *ex)
{
    size_t len = 0;
    uint64_t bytes = 0;
    if (!ex->is_framed || http_field_find(ex->fields, ex->field_count, "Expect", &len))
        return false;
    const char *length = http_field_find(ex->fields, ex->field_count, "Content-Length", &len);
    return !length || (str_to_u64(length, &bytes) == ST_OK && bytes <= LIMIT_HTTP_DISCARD_BYTES);
}

/* The first call: all headers are there, nothing of the body yet. */
static enum MHD_Result on_headers(struct exchange *ex, const char *method, const char *version)
{
    ex->is_counted = true;
    (void)atomic_fetch_add(&ex->server->active, 1);
    metric_add(&http_metric_in_flight, 1);
    enum status st = collect_fields(ex);
    if (st == ST_OK)
        st = http_request_begin(ex, method, version);
    if (st != ST_OK || !ex->req.route) {
        http_reply_finish(ex, st);
        if (!ex->response || !can_wait(ex))
            return send_reply(ex);
    }
    ex->phase = EX_BODY;
    expect_within(ex->client, body_ms(ex->server));
    return MHD_YES;
}

/* A part of a body that is refused. One of unknown length may be too long for this, too. */
static enum MHD_Result discard(struct exchange *ex, size_t len)
{
    ex->discarded += len;
    if (ex->discarded <= LIMIT_HTTP_DISCARD_BYTES)
        return MHD_YES;
    http_library_interrupt(ex);
    return MHD_NO;
}

/* A part of the body. The library takes a reply only before it or after it, so what is found wrong
 * here is remembered, and the rest thrown away. */
static enum MHD_Result on_body(struct exchange *ex, const char *data, size_t len)
{
    ex->body_seen += len;
    if (ex->response || ex->refusal != ST_OK)
        return discard(ex, len);
    size_t before = atomic_fetch_add(&ex->server->bodies_bytes, len);
    if (ex->body_seen > ex->body.limit) {
        ex->refusal = ST_TOO_LARGE;
        ex->refusal_text = "the body is larger than this path takes";
    } else if (before + len > LIMIT_HTTP_BODIES_BYTES) {
        ex->refusal = ST_OVERLOADED;
        ex->refusal_text = "too many request bodies are being read at the moment";
    } else {
        buf_append(&ex->body, data, len);
        if (!ex->body.failed)
            return MHD_YES;
        ex->refusal = ST_NO_MEMORY;
        ex->refusal_text = "out of memory";
    }
    (void)atomic_fetch_sub(&ex->server->bodies_bytes, len + ex->body.len);
    buf_done(&ex->body);
    return MHD_YES;
}

/* Hands the request over to a handler thread; a full queue is answered from here. */
static enum MHD_Result dispatch(struct exchange *ex)
{
    struct http_server *s = ex->server;
    struct bqueue *queue = http_batch_takes(s, ex->req.route) ? s->batch_queue : s->queue;
    if (bqueue_count(queue) >= (size_t)s->config.queue_max) {
        metric_inc(&http_metric_refused);
        return fail(ex, req_fail(&ex->req, ST_OVERLOADED, NULL,
                                 "too many requests are waiting; try again shortly"));
    }
    ex->phase = EX_WORK;
    MHD_suspend_connection(ex->connection);
    metric_add(&http_metric_queued, 1);
    enum status st = bqueue_try_put(queue, ex);
    if (st != ST_OK) {
        metric_add(&http_metric_queued, -1);
        http_reply_finish(ex, st);
        ex->phase = EX_READY;
        MHD_resume_connection(ex->connection);
    }
    return MHD_YES;
}

static enum MHD_Result on_complete(struct exchange *ex)
{
    expect_within(ex->client, 0);
    if (ex->response)
        return send_reply(ex);
    if (ex->refusal != ST_OK)
        return fail(ex, req_fail(&ex->req, ex->refusal, NULL, "%s", ex->refusal_text));
    if (!(ex->req.route->flags & ROUTE_INLINE))
        return dispatch(ex);
    (void)http_request_run(ex, NULL);
    return send_reply(ex);
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_len, void **context)
{
    struct exchange *ex = *context;
    (void)cls, (void)connection, (void)url;
    if (!ex)
        return MHD_NO; /* there was no memory for it */
    switch (ex->phase) {
    case EX_TARGET:
        return on_headers(ex, method, version);
    case EX_BODY:
        if (*data_len == 0)
            return on_complete(ex);
        size_t len = *data_len;
        *data_len = 0;
        return on_body(ex, data, len);
    case EX_READY:
        return send_reply(ex);
    case EX_WORK:
        break;
    }
    return MHD_NO;
}

static struct log_kv kv_id(const char *key, const struct uuid *id)
{
    return uuid_is_nil(id) ? kv_str(key, NULL) : kv_uuid(key, *id);
}

/* The route's pattern, never the target: paths and queries may hold what is nobody's business. */
static void log_access(struct exchange *ex, int64_t duration_us)
{
    const enum log_level usual = ex->server->config.logs_access ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
    const enum log_level level = ex->reply_status >= 500 ? LOG_LEVEL_WARN : usual;
    struct req *r = &ex->req;
    if (!log_is_on(level))
        return;
    /* A reader of logs that has stopped must not stop the service. */
    if (level == LOG_LEVEL_INFO && !log_is_flowing()) {
        metric_inc(&http_metric_unlogged);
        return;
    }
    LOG_AT(level, "http_request", kv_str("method", http_method_name(r->method)),
           kv_str("route", r->route ? r->route->path : NULL), kv_i64("status", ex->reply_status),
           kv_i64("bytes", (int64_t)ex->reply_bytes), kv_i64("duration_us", duration_us),
           kv_str("request_id", ex->request_id), kv_str("ip", req_peer_text(r)),
           kv_id("org_id", &r->log_org), kv_id("user_id", &r->log_user));
}

void http_on_end(void *cls, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode why)
{
    struct http_server *s = cls;
    struct exchange *ex = *context;
    (void)connection, (void)why;
    *context = NULL;
    if (!ex)
        return;
    if (ex->is_counted) {
        int64_t duration_us = clock_mono_us() - ex->req.received_mono_us;
        if (ex->reply_status != 0) {
            http_metrics_count(ex->reply_status);
            metric_observe_us(&http_metric_duration, duration_us);
            log_access(ex, duration_us);
        }
        metric_add(&http_metric_in_flight, -1);
        (void)atomic_fetch_sub(&s->active, 1);
    }
    if (ex->client) {
        ex->client->has_sent = true;
        expect_within(ex->client, (int64_t)LIMIT_HTTP_IDLE_S * 1000 + header_ms(s));
    }
    exchange_free(ex);
}

void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = cls;
    struct client *c = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        c = calloc(1, sizeof(*c));
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
            connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (!c || !info) {
            free(c);
            return; /* it is served all the same, only libmicrohttpd's own time-out guards it */
        }
        c->server = s;
        c->fd = info->connect_fd;
        expect_within(c, header_ms(s));
        metric_add(&http_metric_connections, 1);
        (void)pthread_mutex_lock(&s->clients_lock);
        c->next = s->clients;
        if (c->next)
            c->next->prev = c;
        s->clients = c;
        (void)pthread_mutex_unlock(&s->clients_lock);
        *context = c;
        return;
    }
    if (!c)
        return;
    if (c->lingers)
        http_linger_add(s->linger, c->fd);
    (void)pthread_mutex_lock(&s->clients_lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        s->clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    (void)pthread_mutex_unlock(&s->clients_lock);
    metric_add(&http_metric_connections, -1);
    *context = NULL;
    free(c);
}
