/*
 * The asynchronous HTTP client of checks and webhooks: one thread, a libuv loop driving libcurl's
 * multi_socket interface, names resolved by c-ares. Each request is a fresh connection unless it
 * says otherwise. Redirects are walked here, hop by hop, each hop guarded and timed by itself
 * (libcurl would sum the phases). The egress guard decides on the resolved address in the socket
 * callback, for every hop.
 */
#ifndef TOCSIN_NET_HTTPC_H
#define TOCSIN_NET_HTTPC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/defs.h"
#include "base/status.h"
#include "net/egress.h"

struct httpc;

struct httpc_config {
    const struct egress *egress; /* borrowed for the client's life */
    size_t max_requests;         /* in flight; more are refused */
    const char *user_agent;      /* "Tocsin/0.1" */
    const char *ca_file;         /* NULL: the system's */
    const char *nameservers;     /* "192.0.2.53,192.0.2.54:5353"; NULL or "": the system's */
};

struct httpc_header {
    const char *name;
    const char *value;
};

struct httpc_request {
    const char *method; /* "GET" … */
    const char *url;
    const struct httpc_header *headers;
    size_t header_count;
    const void *body;
    size_t body_len;
    int64_t timeout_ms;    /* for everything, redirects included */
    int max_redirects;     /* 0: a 3xx is the answer */
    size_t max_body_bytes; /* what is kept; the rest is read and counted up to 16 MiB, or 16 times
                              that */
    bool insecure_tls;     /* take any certificate */
};

enum httpc_failure {
    HTTPC_OK,
    HTTPC_BAD_URL,
    HTTPC_DENIED, /* the egress guard */
    HTTPC_DNS,
    HTTPC_CONNECT,
    HTTPC_TLS,
    HTTPC_SEND,
    HTTPC_RECEIVE,
    HTTPC_TIMEOUT,
    HTTPC_TOO_MANY_REDIRECTS,
    HTTPC_TOO_LARGE,
    HTTPC_PROTOCOL,
    HTTPC_CANCELLED,
    HTTPC_INTERNAL
};
/* "dns", "connect" …: stable words for results. */
const char *httpc_failure_name(enum httpc_failure f);

/* Times in µs from the start of the (last) hop's phase; -1: not reached. */
struct httpc_phases {
    int64_t dns_us, connect_us, tls_us, wait_us, transfer_us;
};

struct httpc_reply {
    enum httpc_failure failure;
    char error[256];            /* for a person; "" when failure is HTTPC_OK */
    int status;                 /* 0 when none came */
    struct httpc_phases phases; /* of the last hop */
    int64_t total_us;           /* all hops */
    int redirects;
    const char *final_url;
    const struct httpc_header *headers; /* of the last hop */
    size_t header_count;
    const char *body; /* kept part, terminated */
    size_t body_len;
    int64_t body_total; /* bytes received */
    char remote_ip[64];
    int64_t cert_expires_at_us; /* wall time; 0 when not TLS */
};

/* Called on the client's thread; must not block; the reply lives till it returns. */
typedef void httpc_done_fn(const struct httpc_reply *reply, void *arg);

/* ST_INVALID: a name server that is none (logged). */
NODISCARD enum status httpc_start(const struct httpc_config *config, struct httpc **out);
/* Copies what it needs of the request. done is called exactly once if this returned ST_OK, perhaps
 * before this returns. ST_INVALID: a method or header that would break the request;
 * ST_OVERLOADED when max_requests run, ST_STOPPED. From any thread. *id (may be NULL) for cancel.
 */
NODISCARD enum status httpc_submit(struct httpc *c, const struct httpc_request *request,
                                   httpc_done_fn *done, void *arg, uint64_t *id);
/* done comes with HTTPC_CANCELLED, unless it was called already. */
void httpc_cancel(struct httpc *c, uint64_t id);
FOR_TESTS size_t httpc_running(struct httpc *c);
/* The guard it was started with. */
const struct egress *httpc_egress(const struct httpc *c);
/* Runs fn on the client's thread soon / after delay_ms: for retries without another thread. What
 * still waits when the client stops runs at that moment, so that it can free what it owns.
 * ST_STOPPED, ST_NO_MEMORY. */
NODISCARD enum status httpc_later(struct httpc *c, int64_t delay_ms, void (*fn)(void *), void *arg);
/* Cancels all, waits for the thread. */
void httpc_stop(struct httpc *c);

#endif
