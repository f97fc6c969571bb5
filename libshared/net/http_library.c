/*
 * What libmicrohttpd says by itself. Some requests it refuses before it shows them to us: no Host,
 * a length that is no number, broken chunk sizes, headers beyond a connection's memory, other
 * versions of HTTP. No option of 0.9.75 changes its pages, and some go out with their head twice,
 * so that the client reads a part of the second head as the body. It queues them, however, by its
 * own exported MHD_queue_response, and a program's symbols go before those of its libraries: so
 * ours is asked. It sends a problem document, and says that nothing could be queued: then the
 * library closes the connection, as it does after its pages. Where a library was linked to its own
 * symbols (-Bsymbolic) the pages come as before.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "log/log.h"
#include "net/http_internal.h"

typedef enum MHD_Result queue_fn(struct MHD_Connection *connection, unsigned status,
                                 struct MHD_Response *response);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static queue_fn *library_queue; /* the library's own; set once */

static void find_library(void)
{
    /* POSIX: a pointer from dlsym may be one to a function. */
    *(void **)&library_queue = dlsym(RTLD_NEXT, "MHD_queue_response");
    if (!library_queue)
        abort(); /* the program cannot have been linked */
}

static queue_fn *library(void)
{
    (void)pthread_once(&once, find_library);
    return library_queue;
}

enum MHD_Result http_library_queue(struct MHD_Connection *connection, int status,
                                   struct MHD_Response *response)
{
    return library()(connection, (unsigned)status, response);
}

struct refusal {
    unsigned http;
    enum status st;
    const char *detail;
};

static const struct refusal *refusal_of(unsigned http)
{
    static const struct refusal refusals[] = {
        {413, ST_TOO_LARGE, "the body is announced as larger than any that is taken"},
        {414, ST_URI_TOO_LONG, "the request line is too long"},
        {431, ST_HEADERS_TOO_LARGE, "the request line and headers are too large"},
        {505, ST_HTTP_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
        {400, ST_MALFORMED,
         "not valid HTTP: the request line, Host, Content-Length, a header or a chunk"},
    };
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (refusals[i].http == http)
            return &refusals[i];
    }
    return NULL;
}

static void write_problem(struct jw *w, const struct refusal *why, const char *request_id)
{
    const enum status st = why->st;
    char type[96];
    (void)snprintf(type, sizeof(type), "urn:tocsin:problem:%s", status_code(st));
    jw_object(w);
    jw_kv_str(w, "type", type);
    jw_kv_str(w, "title", status_title(st));
    jw_kv_i64(w, "status", why->http);
    jw_kv_str(w, "detail", why->detail);
    jw_kv_str(w, "code", status_code(st));
    jw_kv_str(w, "request_id", request_id);
    jw_key(w, "error");
    jw_object(w);
    jw_kv_str(w, "code", status_code(st));
    jw_kv_str(w, "message", why->detail);
    jw_kv_str(w, "details", status_title(st));
    jw_end(w);
    jw_end(w);
}

/* The whole reply. It is the last one of its connection. */
static enum status write_reply(struct buf *out, const struct http_server *s,
                               const struct refusal *why, const char *request_id)
{
    AUTO_BUF body;
    struct jw w;
    char date[40];
    struct tm tm;
    const time_t now = (time_t)(clock_wall_ms() / 1000);
    buf_init(&body, 2048);
    jw_init(&w, &body);
    write_problem(&w, why, request_id);
    TRY(buf_status(&body));
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    buf_printf(out,
               "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\n"
               "Content-Type: application/problem+json\r\nContent-Length: %zu\r\n"
               "X-Request-Id: %s\r\nServer: %s\r\nX-Content-Type-Options: nosniff\r\n"
               "Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"
               "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
               "Cache-Control: no-store\r\n",
               why->http, status_title(why->st), date, body.len, request_id, s->config.server_name);
    if (s->config.hsts_s > 0)
        buf_printf(out, "Strict-Transport-Security: max-age=%lld\r\n", (long long)s->config.hsts_s);
    buf_str(out, "\r\n");
    buf_append(out, body.data, body.len);
    return buf_status(out);
}

/* Whether the client was told. Nothing of ours is on its way: the library reads a request only when
 * the reply to the one before has gone, and a few hundred bytes find room in the socket. */
static bool tell(struct client *client, const struct refusal *why, const char *request_id)
{
    AUTO_BUF reply;
    buf_init(&reply, 4096);
    if (write_reply(&reply, client->server, why, request_id) != ST_OK ||
        send(client->fd, reply.data, reply.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)reply.len)
        return false;
    http_traffic_note_refusal(client->server, (int)why->http, status_code(why->st));
    client->lingers = true;
    return true;
}

static bool refuse(struct client *client, const struct refusal *why)
{
    char request_id[UUID_TEXT_BYTES];
    const struct uuid id = uuid_new();
    uuid_format(&id, request_id);
    if (!tell(client, why, request_id))
        return false;
    http_metrics_count((int)why->http);
    if (client->server->config.logs_access)
        log_info("http_refused", kv_i64("status", why->http), kv_str("request_id", request_id));
    return true;
}

void http_library_interrupt(struct exchange *ex)
{
    static const struct refusal why = {413, ST_TOO_LARGE,
                                       "the body is larger than any that is taken"};
    if (ex->client && tell(ex->client, &why, ex->request_id))
        ex->reply_status = (int)why.http;
}

/* Only the library calls this: we call http_library_queue. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status_code,
                                   struct MHD_Response *response)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info ? info->socket_context : NULL;
    const struct refusal *why = refusal_of(status_code);
    if (client && why && refuse(client, why))
        return MHD_NO; /* closes the connection */
    return library()(connection, status_code, response);
}
