/*
 * Questions to the DNS, asked over the HTTP client's loop (net/httpc.h) by c-ares: UDP first, TCP
 * when the answer was cut. Unlike a lookup of a host's addresses, a question has a type, may go to
 * servers of the caller's choice, and its answer is seen whole.
 */
#ifndef TOCSIN_NET_DNSQ_H
#define TOCSIN_NET_DNSQ_H

#include "net/dns_message.h"
#include "net/httpc.h"

enum { DNSQ_SERVERS_MAX = 8, DNSQ_SERVER_BYTES = 64 };

enum dnsq_failure {
    DNSQ_OK, /* an answer came; its rcode may be an error */
    DNSQ_BAD_NAME,
    DNSQ_TIMEOUT,
    DNSQ_UNREACHABLE,
    DNSQ_PROTOCOL, /* what came is no answer */
    DNSQ_CANCELLED,
    DNSQ_INTERNAL
};
/* "timeout" …: stable words for results. */
const char *dnsq_failure_name(enum dnsq_failure f);

struct dnsq_request {
    struct dns_question question;
    /* "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:53"; tried in turn; none: this machine's
     * own. The caller has asked the egress guard about them (dnsq_server_parse). */
    const char *const *servers;
    size_t server_count;
    int64_t timeout_ms;
};

struct dnsq_reply {
    enum dnsq_failure failure;
    char error[160]; /* for a person; "" when an answer came */
    struct dns_answer answer;
    int64_t took_us;
};
/* On the client's thread; must not block. The reply lives till it returns. */
typedef void dnsq_done_fn(const struct dnsq_reply *reply, void *arg);

/* Copies what it needs. done is called exactly once if this returned ST_OK, after it returned.
 * ST_STOPPED, ST_NO_MEMORY. From any thread. *id for dnsq_cancel. */
NODISCARD enum status dnsq_submit(struct httpc *c, const struct dnsq_request *request,
                                  dnsq_done_fn *done, void *arg, uint64_t *id);
/* done comes with DNSQ_CANCELLED, unless it was called already. From any thread. */
void dnsq_cancel(struct httpc *c, uint64_t id);

/* An address with or without a port (53). ST_INVALID. */
NODISCARD enum status dnsq_server_parse(const char *text, struct sockaddr_storage *out);

#endif
