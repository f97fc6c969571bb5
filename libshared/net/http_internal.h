/*
 * What the parts of the HTTP server share. One `exchange` is one request with its reply. It belongs
 * to one thread at a time: the I/O thread while bytes move, a handler thread (or the park table)
 * while the connection is suspended. Handing over goes through a lock of the queue, the park table,
 * or libmicrohttpd.
 */
#ifndef TOCSIN_NET_HTTP_INTERNAL_H
#define TOCSIN_NET_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/bqueue.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/stage.h"
#include "net/cidr.h"
#include "net/http.h"
#include "net/http_accept.h"
#include "net/http_etag.h"
#include "net/http_precheck.h"
#include "net/http_route.h"
#include "obs/metrics.h"

/* A client's connection: what the reaper of slow clients looks at. */
struct client {
    struct http_server *server;
    int fd;
    _Atomic int64_t deadline_mono_ms; /* 0: nothing is expected of the client now */
    bool has_sent;                    /* a request came before; I/O thread only */
    bool lingers;                     /* it may still write what nobody reads; I/O thread only */
    struct client *prev, *next;
};

enum exchange_phase {
    EX_TARGET, /* the request line came */
    EX_BODY,   /* the headers came and were good */
    EX_WORK,   /* suspended: a handler's */
    EX_READY   /* the response waits to be sent */
};

enum park_state {
    PARK_NONE,
    PARK_ARMED, /* parked, its handler has not returned yet */
    PARK_WAITING,
    PARK_WOKEN, /* woken before its handler returned */
    PARK_QUEUED /* woken and in the handlers' queue */
};

struct exchange {
    struct req req;
    struct http_server *server;
    struct MHD_Connection *connection;
    struct client *client;
    enum exchange_phase phase;
    bool is_counted; /* in server->active */
    char *target;    /* heap: raw target, then the path cut off it */
    char *path;
    struct http_field *fields; /* arena; they point into the connection's memory */
    size_t field_count;
    struct route_match match;
    char request_id[LIMIT_HTTP_REQUEST_ID_BYTES + 1];
    bool is_framed; /* the headers passed: where the body ends is certain */
    struct buf body;
    size_t body_seen;
    size_t discarded;    /* of body_seen, since it was refused */
    enum status refusal; /* found while the body came in; answered when it has come */
    const char *refusal_text;
    bool is_gzip;
    struct MHD_Response *response;
    int reply_status;
    size_t reply_bytes;
    bool is_admitted; /* checked, authenticated and bound by a batch thread */
    bool has_parked;  /* the handler called req_park; whose thread's exchange it is may look */
    /* parking; under park.lock while state is not PARK_NONE */
    enum park_state park_state;
    struct uuid park_key;
    struct heap_node park_timer;
    struct exchange *park_next; /* of the same key */
    http_handler *resume;
    char *wake_data;
    size_t wake_len;
    bool wake_timed_out, wake_stopped;
};

struct park {
    pthread_mutex_t lock;
    struct map *by_key;
    struct heap timers;
    size_t count, max;
    bool is_stopping;
};

struct http_traffic;
struct http_linger;
struct http_server {
    struct http_config config;
    struct http_traffic *traffic; /* NULL but in tests */
    struct cidr_list proxies;
    struct MHD_Daemon *daemon;
    struct route_table *routes;
    int port;
    struct bqueue *queue;
    struct bqueue *batch_queue; /* NULL without batch threads */
    struct stage *timer;
    struct handler_thread *handlers, *batchers;
    int handler_count, batch_count;
    _Atomic int64_t active;      /* exchanges whose headers came and whose reply has not gone */
    _Atomic size_t bodies_bytes; /* request bodies in memory */
    atomic_bool is_stopping;
    atomic_bool is_over; /* the grace is over: what waits is refused */
    struct park park;
    pthread_mutex_t clients_lock;
    struct client *clients;
    struct http_linger *linger;
};

/* http_exchange.c: libmicrohttpd's callbacks, cls is the server. */
void *http_on_target(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_len, void **context);
void http_on_end(void *cls, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode why);
void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what);

/* http_library.c: queues a reply of ours; what libmicrohttpd queues by itself it turns into a
 * problem document. */
enum MHD_Result http_library_queue(struct MHD_Connection *connection, int status,
                                   struct MHD_Response *response);
/* Tells a client in the middle of its body, where the library takes no reply, that it is too long.
 * The connection must be closed then. */
void http_library_interrupt(struct exchange *ex);

/* http_linger.c: connections that are closed while their client writes. */
NODISCARD enum status http_linger_new(struct http_linger **out);
/* Ends all of them. NULL is fine. */
void http_linger_free(struct http_linger *l);
/* Shuts our side of the socket and reads on, so that what was said before arrives. The descriptor
 * remains the caller's, to be closed. Any thread. */
void http_linger_add(struct http_linger *l, int fd);

/* http_request.c: from complete headers to a handler's outcome. */
/* Checks and routes a request whose headers came; a failure has its problem document written. */
NODISCARD enum status http_request_begin(struct exchange *ex, const char *method,
                                         const char *version);
/* Everything before the hooks and the handler; ctx is the thread's. */
NODISCARD enum status http_request_admit(struct exchange *ex, void *ctx);
/* Makes the response of what the handler left, or of what st is. */
void http_request_finish(struct exchange *ex, enum status st);
/* Runs the handler (or resumes it) until it has a reply (true) or is parked (false: hands off). */
bool http_request_run(struct exchange *ex, void *ctx);

/* http_batch.c */
/* Whether requests of this route are the batch threads'. */
bool http_batch_takes(const struct http_server *s, const struct route *route);
/* Answers what comes in until the queue is closed. */
void http_batch_run(struct http_server *s, void *ctx);

/* http_client_address.c: sets req.peer and req.is_proxied. */
void http_client_address(struct exchange *ex);

/* http_cors.c */
void http_cors_preflight(struct exchange *ex, const char *methods);
void http_cors_headers(struct exchange *ex);

/* http_reply.c */
/* Sees to it that there is a reply: of the handler, or the problem that st is. */
void http_reply_settle(struct exchange *ex, enum status st);
/* Turns what the handler left into ex->response; st is what it returned. */
void http_reply_finish(struct exchange *ex, enum status st);

/* http_park.c */
NODISCARD enum status http_park_init(struct park *p, size_t max);
void http_park_done(struct park *p);
/* The handler returned st: PARK_NONE (answer now), PARK_WAITING (hands off), or PARK_WOKEN (call
 * ex->resume). */
enum park_state http_park_settle(struct exchange *ex, enum status st);
/* The exchange came out of the queue: whether it is to be resumed rather than begun. */
bool http_park_take_queued(struct exchange *ex);
/* Wakes what is due; returns the next deadline (monotonic ms), or INT64_MAX. */
int64_t http_park_tick(struct http_server *s, int64_t now_mono_ms);
/* Fails everything that is parked and refuses more. */
void http_park_stop(struct http_server *s);

/* http_traffic.c */
NODISCARD enum status http_traffic_open(const char *path, struct http_traffic **out);
void http_traffic_close(struct http_traffic *t);
/* Notes the reply that stands, before it is compressed. */
void http_traffic_note(const struct exchange *ex);
/* Notes what was said where there is no exchange. */
void http_traffic_note_refusal(const struct http_server *s, int status, const char *code);

/* http_metrics.c */
extern struct metric http_metric_duration, http_metric_in_flight, http_metric_queued,
    http_metric_refused, http_metric_parked, http_metric_connections, http_metric_unlogged;
void http_metrics_setup(void);
void http_metrics_count(int status);

#endif
