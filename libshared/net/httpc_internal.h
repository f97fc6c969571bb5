/*
 * What the files of the HTTP client share: httpc.c (the thread and its loop), httpc_inbox.c (what
 * other threads ask of it), httpc_call.c (one request over its hops), httpc_hop.c (one hop as
 * libcurl sees it), httpc_dns.c (c-ares). Everything here belongs to the client's thread, but for
 * what `lock` guards.
 */
#ifndef TOCSIN_NET_HTTPC_INTERNAL_H
#define TOCSIN_NET_HTTPC_INTERNAL_H

#include <ares.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/heap.h"
#include "base/map.h"
#include "base/stage.h"
#include "base/vec.h"
#include "net/httpc.h"
#include "net/url.h"

enum { HTTPC_ADDRESSES = 8, HTTPC_POOL = 256 };

enum call_state { CALL_WAITING, CALL_RESOLVING, CALL_RUNNING, CALL_DONE };

struct call;

/* A name's addresses, in the order in which they are to be tried. */
struct addresses {
    struct sockaddr_storage at[HTTPC_ADDRESSES];
    size_t count;
};

/* One question to c-ares, which cannot be taken back: a call that ends first only lets go of it. */
struct lookup {
    struct httpc *client;
    struct call *call; /* NULL: nobody waits any more */
    char name[256];
};

/* Something due on the loop: a call's deadline or a httpc_later. */
struct timer {
    struct heap_node node; /* at: µs of uv_hrtime */
    struct call *call;
    void (*fn)(void *);
    void *arg;
    struct timer *next; /* while in the inbox */
};

/* A position in call->head, which may move while it grows. */
struct header_at {
    size_t name, value;
};

struct call {
    struct httpc *client;
    uint64_t id;
    enum call_state state;
    struct call *next; /* while in the inbox */
    bool cancel_asked;
    struct call *cancel_next;
    httpc_done_fn *done;
    void *arg;
    struct arena *arena; /* the request's copies and what redirects add */
    /* the request, as redirects leave it */
    const char *method;
    const char *url;      /* without credentials: what libcurl is given */
    const char *username; /* decoded, NULL: none */
    const char *password;
    struct httpc_header *headers;
    size_t header_count;
    const char *body;
    size_t body_len;
    int64_t timeout_ms;
    int max_redirects;
    size_t max_body_bytes;
    bool insecure_tls;
    /* where it stands */
    struct timer deadline;
    int64_t started_us;
    int redirects;
    char host[256]; /* of the hop */
    uint16_t port;
    bool is_tls;
    struct lookup *lookup;
    int64_t hop_started_us;
    int64_t dns_us;
    int64_t connect_started_us; /* handed to libcurl */
    int64_t tls_started_us;     /* 0: not yet */
    /* the hop in libcurl */
    struct handle *handle;
    struct curl_slist *header_list, *resolve_list;
    char curl_error[CURL_ERROR_SIZE];
    struct errbuf denied;     /* why the guard refused; "" if it did not */
    enum httpc_failure limit; /* HTTPC_TOO_LARGE when a bound was met */
    const char *limit_text;
    int status;
    bool will_redirect;
    struct buf head; /* name\0value\0 … */
    VEC(struct header_at) header_places;
    struct buf kept;
    int64_t body_total;
    int64_t cert_expires_at_us;
};

/* A pooled easy handle with a DNS cache of its own: CURLOPT_RESOLVE writes into the cache, and two
 * requests for one name may have been given different addresses. */
struct handle {
    CURL *easy;
    CURLSH *share;
    struct handle *next;
};

struct httpc {
    struct egress const *egress;
    size_t max_requests;
    char *user_agent;
    char *ca_file;
    char *nameservers; /* "" or those to ask */
    struct stage *stage;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t multi_timer, dns_timer, clock;
    int64_t clock_at_us; /* when `clock` fires; 0: not set */
    CURLM *multi;
    ares_channel dns;
    struct dns_socket *dns_sockets;
    size_t lookups;
    struct dnsq *questions; /* dnsq.c's */
    struct heap timers;
    struct handle *pool;
    size_t pooled;
    atomic_size_t running;
    pthread_mutex_t lock;
    /* under lock */
    bool is_stopping;
    uint64_t next_id;
    struct map *calls; /* by id, while not done */
    struct call *inbox, **inbox_end;
    struct call *cancels;
    struct timer *laters;
};

/* --- httpc.c --- */
int64_t httpc_now_us(void);
/* Puts the timer on the loop's clock, or moves it; µs of httpc_now_us. */
NODISCARD enum status httpc_timer_set(struct httpc *c, struct timer *t, int64_t at_us);
void httpc_timer_clear(struct httpc *c, struct timer *t);

/* --- httpc_inbox.c --- */
/* What other threads left, taken over by the loop in one go. */
struct httpc_mail {
    struct call *calls;
    struct timer *laters;
    bool is_stopping;
};
struct httpc_mail httpc_take_mail(struct httpc *c);
/* One at a time: a call that ends takes itself from the list (httpc_forget). NULL: none left. */
struct call *httpc_take_cancel(struct httpc *c);
bool httpc_is_cancelled(struct httpc *c, const struct call *call);
bool httpc_is_stopping(struct httpc *c);
/* Takes the call out of the client's books; after this only the call's owner knows it. */
void httpc_forget(struct httpc *c, struct call *call);

/* --- httpc_call.c --- */
NODISCARD enum status call_new(struct httpc *c, const struct httpc_request *request,
                               struct call **out);
void call_free(struct call *call);
void call_start(struct call *call);
/* Ends the call: tells its owner, frees it. `fmt` NULL: no text. */
void call_fail(struct call *call, enum httpc_failure failure, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void call_timed_out(struct call *call);
/* From httpc_dns.c: the name's addresses, or why there are none. */
void call_resolved(struct call *call, const struct addresses *addresses, const char *error);
/* From httpc.c: libcurl is through with the hop. */
void call_hop_done(struct call *call, CURLcode code);

/* --- httpc_hop.c --- */
/* Hands the hop over to libcurl; addresses is NULL when the host is an address itself. */
NODISCARD enum status hop_start(struct call *call, const struct addresses *addresses);
/* Takes it from libcurl; the handle stays readable till hop_release. */
void hop_stop(struct call *call);
void hop_release(struct call *call);
void hop_phases(const struct call *call, struct httpc_phases *out);
void hop_remote(const struct call *call, char *out, size_t cap);
/* What a failed transfer means, and in words. */
enum httpc_failure hop_failure(const struct call *call, CURLcode code, char *text, size_t cap);
/* The value of a header of the answer (last one wins), or NULL; borrowed. */
const char *hop_header(const struct call *call, const char *name);
void handle_free(struct handle *h);

/* --- httpc_dns.c --- */
NODISCARD enum status dns_open(struct httpc *c, struct errbuf *err);
/* Answers by call_resolved, perhaps before it returns. ST_OVERLOADED, ST_NO_MEMORY. */
NODISCARD enum status dns_ask(struct call *call);
void dns_close(struct httpc *c);

#endif
