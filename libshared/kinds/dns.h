/* Configuration of a DNS check. */
#ifndef TOCSIN_KINDS_DNS_H
#define TOCSIN_KINDS_DNS_H

#include "kinds/kind.h"

enum { DNS_RESOLVERS_MAX = 32, DNS_EXPECTED_MAX = 32 };

struct dns_config {
    struct in_str domain, record_type, subdomain;
    struct in_json expected_value; /* a string or an array of strings */
    struct in_bool exact;
    struct in_json nameserver; /* the same; addresses, perhaps with a port */
    struct in_f64 timeout;     /* s */
    struct in_bool check_authoritative, check_dnssec, check_propagation;
    struct in_list resolvers;            /* addresses */
    struct in_f64 propagation_threshold; /* percent */
    struct in_i64 max_workers;
};

/* A string or an array of them as an array: its length, and the i-th text (borrowed). */
size_t dns_texts_count(const struct in_json *value);
const char *dns_texts_at(const struct in_json *value, size_t i);

#endif
