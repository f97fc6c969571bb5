/* What a DNS check found out, and what it means. */
#ifndef TOCSIN_WORKER_KINDS_DNS_RESULT_H
#define TOCSIN_WORKER_KINDS_DNS_RESULT_H

#include "kinds/dns.h"
#include "net/dnsq.h"
#include "services/worker/kinds/kind.h"

/* What one server said to the question; texts live in the run's arena. */
struct dns_said {
    const char *server; /* NULL: the worker's own */
    enum dnsq_failure failure;
    char error[160];
    int rcode;
    bool is_authoritative, is_authenticated;
    const char **records; /* of the type that was asked for */
    size_t count;
    int64_t ttl_s; /* the smallest one */
    int64_t took_us;
};

struct dns_findings {
    const char *name;
    int type;
    struct dns_said main;
    bool has_owner; /* the domain's own name server was looked for */
    struct dns_said owner;
    struct dns_said *resolvers;
    size_t resolver_count;
};

/* Takes over what was said. */
NODISCARD enum status dns_said_set(struct dns_said *said, int type, const struct dnsq_reply *reply,
                                   struct arena *arena);
/* Whether the main answer is as it should be, so that asking others makes sense; else *out is set.
 */
bool dns_judge_main(const struct dns_config *config, const struct dns_findings *found,
                    struct probe_result *out);
/* The whole result; raw data included. */
void dns_judge(const struct dns_config *config, const struct dns_findings *found,
               struct probe_result *out);

#endif
