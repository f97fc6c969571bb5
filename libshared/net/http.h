/*
 * Our HTTP server: libmicrohttpd's own epoll threads read requests and write replies; a bounded
 * queue hands each complete request to handler threads that may block; a full queue is 503. A
 * handler may park its request until something happens, without holding a thread.
 *
 * Before a handler runs, the wrapper has refused what no handler should see: TE with CL, unknown
 * transfer codings, duplicate Content-Length or Host, bad header names, %00, encoded slashes, "..",
 * oversized targets, headers and bodies, slow clients (limits.h); then routed, authenticated
 * through the service's callback, and validated query and body against the route's schemas.
 */
#ifndef TOCSIN_NET_HTTP_H
#define TOCSIN_NET_HTTP_H

#include <sys/socket.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/defs.h"
#include "base/status.h"
#include "base/uuid.h"
#include "json/parse.h"
#include "json/schema.h"
#include "json/write.h"

enum http_method { M_GET, M_POST, M_PUT, M_PATCH, M_DELETE, M_HEAD, M_OPTIONS, M_COUNT_ };
const char *http_method_name(enum http_method m);

struct req;
struct principal; /* auth/principal.h */
typedef enum status http_handler(struct req *r);
typedef enum status http_batch_handler(struct req **r, size_t count);

enum route_flags {
    ROUTE_FORM = 1,          /* also takes application/x-www-form-urlencoded for its body schema */
    ROUTE_RAW_BODY = 2,      /* body is not parsed: r->body as it came, any content type */
    ROUTE_NO_RATE = 4,       /* not counted by the rate limiter */
    ROUTE_OPTIONAL_BODY = 8, /* an absent body is validated as {} */
    ROUTE_DEPRECATED = 16,
    ROUTE_GZIP_BODY = 32, /* Content-Encoding: gzip is taken, bounded after decompression too */
    ROUTE_NO_STORE_NEEDED = 64, /* answers even when the database is down */
    ROUTE_INLINE = 128, /* public; answered on the I/O thread, so also under overload: must not
                          block, has no context, no schemas, no parking */
    ROUTE_ATOMIC = 256, /* all that a POST does is in the database, and it does not park: with an
                           Idempotency-Key it is one transaction with the record of its reply */
    ROUTE_COUNTS_FAILURES = 512, /* of an atomic one: what a failure wrote stays (attempts) */
    ROUTE_REPEATABLE = 1024      /* doing the POST again does what doing it once does: a repeat of
                                    one whose end nobody knows is done */
};

/* How `reply` and `list` make up a body. Each has its writer in net/page.h. */
enum reply_shape {
    REPLY_PLAIN, /* the object itself; with `list`: {"<list>": […], total, page, … next} */
    REPLY_ITEMS, /* {"<list>": […], total, count}: all there are */
    REPLY_ARRAY  /* a bare array */
};

/* What the description of the API says of a {parameter} of the path. Those that are not described
 * and are named id or …_id are UUIDs. */
struct path_param {
    const char *name, *help;
    const char *pattern; /* a regular expression, or NULL */
    const char *example; /* as it stands in the path */
};
#define PATH_PARAMS(...) ((const struct path_param[]){__VA_ARGS__, {0}})

/* A success beside the usual one. */
struct route_reply {
    int status;
    const char *help; /* when it comes */
    const struct schema *reply;
    const char *produces;
};
#define MORE_REPLIES(...) ((const struct route_reply[]){__VA_ARGS__, {0}})

/* Codes of net/errors.def: ERRORS("CHECK_NOT_FOUND", "CHECK_NAME_TAKEN"). */
#define ERRORS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct route {
    enum http_method method;
    const char *path; /* "/api/v1/checks/{id}"; a literal beats a parameter; trailing / optional */
    const char *summary; /* for the API description */
    int scope;           /* auth/scopes.h; 0 is refused at start */
    const struct schema *query;
    const struct schema *body;  /* bound into r->in; of a ROUTE_RAW_BODY it only documents */
    const struct schema *reply; /* one object; with `list`, the elements of that array */
    const char *list;           /* "checks": the reply is a page */
    const char *tag;            /* group in the documentation: net/tags.def */
    int ok;                     /* success status, 0: 200; 204: without a body */
    /* What the description of the API cannot see in the above. It must be complete: the tests
     * compare every reply they get with what is said here. */
    enum reply_shape shape;
    const struct schema *extra; /* more members of a list's envelope */
    const char *description;    /* Markdown, what the summary has no room for */
    const char *const *errors;  /* ERRORS(…): those with a code of their own */
    const struct path_param *params;
    const struct route_reply *more; /* MORE_REPLIES(…) */
    const char *produces;           /* content type of a reply that is not JSON */
    const char *consumes;           /* content type of a body that is not JSON */
    unsigned flags;
    unsigned reads; /* of a GET whose reply may be kept: what it depends on, the service's bits */
    size_t max_body_bytes; /* 0: LIMIT_HTTP_BODY_BYTES */
    http_handler *handler;
    /* Of a GET, or NULL: answers up to LIMIT_HTTP_BATCH requests at once, where a query for all of
     * them costs little more than one for one. Those that it leaves without a reply have failed
     * with what it returns. It must not park, and what it asks for must be quick: others wait. */
    http_batch_handler *batch;
};

struct route_set {
    const struct route *routes;
    size_t count;
};

struct http_reply_header {
    const char *name, *value;
};

/* What besides the target a reply depends on: becomes its Vary header. */
enum vary { VARY_ENCODING = 1, VARY_ORIGIN = 2, VARY_PREFLIGHT = 4 };

/* One request, alive until its reply was handed over. What a handler sees: */
struct req {
    struct arena *arena;
    const struct route *route; /* NULL only inside the fallback for unknown paths */
    enum http_method method;
    const char *target;                        /* raw path and query */
    const char *path;                          /* raw path */
    const char *param[LIMIT_HTTP_PATH_PARAMS]; /* decoded {…}, in order */
    int param_count;
    const struct query_param *query; /* decoded */
    size_t query_count;
    const char *body;
    size_t body_len;
    json_t *json;                        /* parsed body when the route has a body schema */
    void *in;                            /* bound body (struct of route->body) */
    void *query_in;                      /* bound query (struct of route->query) */
    const char *request_id;              /* the client's X-Request-Id when sane, else ours */
    struct sockaddr_storage peer;        /* the client; behind trusted proxies, whom they name */
    struct sockaddr_storage socket_peer; /* the other end of the socket */
    bool is_proxied;                     /* the other end is a trusted proxy */
    struct principal *who;         /* set by the authenticate callback, NULL for public routes */
    struct uuid log_org, log_user; /* for the access log: set with who */
    void *ctx;                     /* the handler thread's context */
    void *hook_state;              /* of the service's before and after (arena) */
    bool may_not_park;             /* set by `before`: its work ends with the handler's thread */
    struct http_server *server;
    int64_t received_mono_us;
    /* after a wake-up */
    bool timed_out;
    const char *wake_data; /* "" when woken without data */
    size_t wake_len;
    void *state; /* the handler's own, between park and resume (arena) */
    /* reply */
    int status;
    const char *code; /* of the problem that it is; static, NULL */
    const char *content_type;
    struct buf out;
    struct jw jw;
    struct http_reply_header reply_headers[32];
    size_t reply_header_count;
    unsigned vary;   /* enum vary */
    int64_t version; /* of the one row that is shown: 0 when unknown (net/http_etag.h) */
    char etag[64];   /* "" when the reply has none */
};

/* A request header's value, or NULL. Borrowed. */
const char *req_header(const struct req *r, const char *name);
/* The route of another method at the same path, or NULL. */
const struct route *req_sibling(const struct req *r, enum http_method m);
/* How many headers of that name there are. */
size_t req_header_count(const struct req *r, const char *name);
/* The client's address as text in the arena. */
const char *req_peer_text(struct req *r);

/* Replies. Each may be called once; a handler that returns a status other than ST_OK without a
 * reply gets the generic problem document of that status. */
struct jw *reply_json(struct req *r, int status); /* write one value to it */
/* A member "updated_at" becomes the reply's version. */
void reply_object(struct req *r, int status, const struct schema *schema, const void *object);
void reply_empty(struct req *r, int status);
void reply_text(struct req *r, int status, const char *content_type, const char *text, size_t len);
/* Compresses the body now if the client takes it, rather than at the end. */
void reply_encode(struct req *r);
/* Copies value to the arena. CR, LF and NUL make it disappear (logged): never from outside
 * unchecked. */
void reply_header(struct req *r, const char *name, const char *value);
void reply_header_i64(struct req *r, const char *name, int64_t value);

/* problem+json with everything that api.md promises; returns st so that a handler can return it.
 * `code` is one of net/errors.def (with this status; another is logged and becomes the generic
 * one), NULL: the status's generic one. */
enum status req_fail(struct req *r, enum status st, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* 422 with `errors`. */
enum status req_invalid(struct req *r, const struct field_errors *errors);
/* 422 for one field of the body. */
enum status req_invalid_field(struct req *r, const char *name, const char *type, const char *fmt,
                              ...) PRINTF_LIKE(4, 5);

/*
 * Parking. Call before starting what will wake the request, so that a wake-up can't be missed; then
 * return ST_OK without a reply. `resume` runs later on a handler thread, with r->wake_data, or with
 * r->timed_out after timeout_ms. req_unpark takes it back when starting failed.
 */
NODISCARD enum status req_park(struct req *r, const struct uuid *key, int64_t timeout_ms,
                               http_handler *resume);
void req_unpark(struct req *r);
/* Wakes every request parked under the key; data is copied. From any thread. Returns how many. */
size_t http_wake(struct http_server *s, const struct uuid *key, const void *data, size_t len);

struct http_config {
    const char *listen; /* address; "::" takes IPv4 too */
    int port;           /* 0: any free one (http_port tells) */
    int io_threads;
    int handler_threads; /* 0: every route is ROUTE_INLINE */
    /* Threads for routes with a batch handler and, with before_batch, for those whose replies may
     * be kept; 0: the handler threads answer them one by one. */
    int batch_threads;
    int queue_max, connections_max, parked_max;
    const struct route_set *sets; /* borrowed */
    size_t set_count;
    /* Per handler thread: makes and frees r->ctx. May be NULL. */
    enum status (*ctx_new)(void *arg, void **out);
    void (*ctx_free)(void *ctx);
    /* Identifies the caller (sets r->who) and decides about r->route->scope, rate limit included.
     * A failure is answered with its problem document. NULL: everything is public. */
    http_handler *authenticate;
    /* Around every handler of a request that passed so far, on its thread; either may be NULL.
     * `before` runs when query and body are bound; when it replies, the handler is left out.
     * `after` runs once the reply stands, whoever made it, and may replace it by failing. */
    http_handler *before, *after;
    /* Instead of `before`, for requests that wait together; NULL: nothing. What it leaves without a
     * reply goes to its route's batch handler, or else to `before` and a handler thread. */
    void (*before_batch)(struct req **r, size_t count);
    void *arg;               /* for ctx_new, and http_arg */
    const char *server_name; /* Server: header, "Tocsin" */
    /* How long a client may take to send its headers and its body; 0: as limits.h says. */
    int64_t header_ms, body_ms;
    const char *cors_origins;    /* "https://a.example, …", "*", or NULL: none */
    const char *trusted_proxies; /* CIDR list whose X-Forwarded-For is believed, or NULL */
    int64_t hsts_s;              /* Strict-Transport-Security; 0: not sent */
    bool logs_access;            /* a line a request at level info */
    /* For tests: a file to append a line of JSON to for each reply, as of this service; "" or NULL:
     * none. */
    const char *traffic_file, *traffic_name;
};

struct http_server;
/* Refuses (ST_INVALID) a table with an unset scope, a bad pattern or two equal routes. */
NODISCARD enum status http_start(const struct http_config *config, struct http_server **out,
                                 struct errbuf *err);
FOR_TESTS int http_port(const struct http_server *s);
/* Stops accepting, answers what runs (parked requests with 503) up to grace_ms, closes. */
void http_stop(struct http_server *s, int64_t grace_ms);

/* Gauges and counters of all servers of the process are added to obs/metrics by http_start. */

#endif
