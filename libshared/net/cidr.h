/* Networks in CIDR notation, and lists of them as settings have them. */
#ifndef TOCSIN_NET_CIDR_H
#define TOCSIN_NET_CIDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/defs.h"
#include "base/status.h"

enum { CIDR_LIST_MAX = 1024 };

/* One address of either family; IPv4 in the first four bytes. */
struct cidr_address {
    uint8_t b[16];
    bool is_v4;
};

struct cidr {
    struct cidr_address base;
    unsigned bits;
};

struct cidr_list {
    struct cidr *at;
    size_t count;
    size_t cap;
};

/* "10.0.0.0/8", "::1", "2001:db8::/32"; bits below the mask are cleared, IPv4 inside a mapped
 * network is taken out. ST_INVALID. */
NODISCARD enum status cidr_parse(const char *text, struct cidr *out);
bool cidr_has(const struct cidr *n, const struct cidr_address *a);
bool cidr_address_eq(const struct cidr_address *a, const struct cidr_address *b);

/* Appends the networks of a text, separated by commas or spaces. ST_INVALID names the entry after
 * `what`; ST_NO_MEMORY. Free with cidr_list_done, also after a failure. */
NODISCARD enum status cidr_list_parse(const char *text, const char *what, struct cidr_list *list,
                                      struct errbuf *err);
void cidr_list_done(struct cidr_list *list);
bool cidr_list_has(const struct cidr_list *list, const struct cidr_address *a);

/* The address as it is given; false for another family. *port (may be NULL) in network order. */
bool cidr_address_of(const struct sockaddr *addr, struct cidr_address *out, in_port_t *port);
/* An IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d becomes one of four bytes. */
void cidr_address_unmap(struct cidr_address *a);

#endif
