/*
 * The egress guard. Ranges are those of the IANA special-purpose address registries (RFC 6890 and
 * its updates), seen once as a table; everything an attacker can hide an IPv4 address in is
 * unwrapped before it is looked up.
 */
#include "net/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/vec.h"
#include "net/cidr.h"

enum range_class { RANGE_PUBLIC, RANGE_PRIVATE, RANGE_DENIED };
enum { OWN_MAX = 256 };

/* First match wins, so narrow ranges come before the wide ones that hold them. */
static const struct special {
    const char *cidr;
    enum range_class class;
    const char *name;
} special[] = {
    {"169.254.169.254/32", RANGE_DENIED, "cloud metadata"},
    {"169.254.170.2/32", RANGE_DENIED, "cloud metadata"},   /* AWS ECS task credentials */
    {"169.254.170.23/32", RANGE_DENIED, "cloud metadata"},  /* AWS EKS pod identity */
    {"169.254.0.23/32", RANGE_DENIED, "cloud metadata"},    /* Tencent */
    {"100.100.100.200/32", RANGE_DENIED, "cloud metadata"}, /* Alibaba */
    {"192.0.0.192/32", RANGE_DENIED, "cloud metadata"},     /* Oracle */
    {"168.63.129.16/32", RANGE_DENIED, "cloud metadata"},   /* Azure's wire server */
    {"0.0.0.0/32", RANGE_DENIED, "unspecified"},
    {"0.0.0.0/8", RANGE_DENIED, "reserved"},
    {"10.0.0.0/8", RANGE_PRIVATE, "private"},
    {"100.64.0.0/10", RANGE_PRIVATE, "shared (carrier NAT)"},
    {"127.0.0.0/8", RANGE_DENIED, "loopback"},
    {"169.254.0.0/16", RANGE_DENIED, "link-local"},
    {"172.16.0.0/12", RANGE_PRIVATE, "private"},
    {"192.0.0.0/24", RANGE_DENIED, "reserved"},
    {"192.0.2.0/24", RANGE_DENIED, "reserved (documentation)"},
    {"192.88.99.0/24", RANGE_DENIED, "reserved (6to4 relay)"},
    {"192.168.0.0/16", RANGE_PRIVATE, "private"},
    {"198.18.0.0/15", RANGE_DENIED, "reserved (benchmarking)"},
    {"198.51.100.0/24", RANGE_DENIED, "reserved (documentation)"},
    {"203.0.113.0/24", RANGE_DENIED, "reserved (documentation)"},
    {"224.0.0.0/4", RANGE_DENIED, "multicast"},
    {"255.255.255.255/32", RANGE_DENIED, "broadcast"},
    {"240.0.0.0/4", RANGE_DENIED, "reserved"},
    {"fd00:ec2::/32", RANGE_DENIED, "cloud metadata"},          /* AWS */
    {"fd20:ce::254/128", RANGE_DENIED, "cloud metadata"},       /* Google */
    {"fd00:c1::a9fe:a9fe/128", RANGE_DENIED, "cloud metadata"}, /* Oracle */
    {"::/128", RANGE_DENIED, "unspecified"},
    {"::1/128", RANGE_DENIED, "loopback"},
    {"64:ff9b:1::/48", RANGE_DENIED, "reserved (local NAT64)"}, /* may hide any IPv4 (RFC 8215) */
    {"100::/64", RANGE_DENIED, "reserved (discard)"},
    {"2001::/23", RANGE_DENIED, "reserved"},
    {"2001:db8::/32", RANGE_DENIED, "reserved (documentation)"},
    {"3fff::/20", RANGE_DENIED, "reserved (documentation)"},
    {"5f00::/16", RANGE_DENIED, "reserved (segment routing)"},
    {"fc00::/7", RANGE_PRIVATE, "private"},
    {"fe80::/10", RANGE_DENIED, "link-local"},
    {"fec0::/10", RANGE_DENIED, "reserved (site-local)"},
    {"ff00::/8", RANGE_DENIED, "multicast"},
    {"2000::/3", RANGE_PUBLIC, "public"},
    {"::/0", RANGE_DENIED, "reserved"},
    {"0.0.0.0/0", RANGE_PUBLIC, "public"},
};

struct own {
    struct cidr_address address;
    uint16_t port; /* network order */
};

struct egress {
    bool is_strict;
    struct cidr special[ARRAY_LEN(special)];
    struct cidr_list allow;
    struct cidr_list deny;
    VEC(struct own) own;
};

static enum status fill(struct egress *e, const char *preset, const char *allow, const char *deny,
                        struct errbuf *err)
{
    e->is_strict = str_eq(preset, "strict");
    if (!e->is_strict && !str_eq(preset, "internal"))
        return err_set(err, ST_INVALID, "egress preset is neither internal nor strict: %.40s",
                       preset ? preset : "");
    for (size_t i = 0; i < ARRAY_LEN(special); i++) {
        if (cidr_parse(special[i].cidr, &e->special[i]) != ST_OK)
            return err_set(err, ST_INTERNAL, "range table: %s", special[i].cidr);
    }
    TRY(cidr_list_parse(allow, "egress allow list", &e->allow, err));
    return cidr_list_parse(deny, "egress deny list", &e->deny, err);
}

enum status egress_new(const char *preset, const char *allow, const char *deny, struct egress **out,
                       struct errbuf *err)
{
    struct egress *e = calloc(1, sizeof(*e));
    if (!e)
        return ST_NO_MEMORY;
    enum status st = fill(e, preset, allow ? allow : "", deny ? deny : "", err);
    if (st != ST_OK) {
        egress_free(e);
        return st;
    }
    *out = e;
    return ST_OK;
}

void egress_free(struct egress *e)
{
    if (!e)
        return;
    cidr_list_done(&e->allow);
    cidr_list_done(&e->deny);
    vec_done(&e->own);
    free(e);
}

/* Where an IPv6 address carries an IPv4 one. */
static const struct wrapping {
    size_t prefix_len;
    uint8_t prefix[12];
    unsigned at;  /* byte of the IPv4 address */
    uint8_t mask; /* it is stored exclusive-or'ed with this */
} wrappings[] = {
    {12, {[10] = 0xff, [11] = 0xff}, 12, 0}, /* mapped, RFC 4291 */
    {12, {[8] = 0xff, [9] = 0xff}, 12, 0},   /* translated, RFC 2765 */
    {12, {0x00, 0x64, 0xff, 0x9b}, 12, 0},   /* NAT64, RFC 6052 */
    {2, {0x20, 0x02}, 2, 0},                 /* 6to4, RFC 3056 */
    {4, {0x20, 0x01}, 12, 0xff},             /* Teredo, RFC 4380 */
};

static void take_v4(const struct cidr_address *a, unsigned at, uint8_t mask,
                    struct cidr_address *out)
{
    *out = (struct cidr_address){.is_v4 = true};
    for (unsigned i = 0; i < 4; i++)
        out->b[i] = a->b[at + i] ^ mask;
}

/* The IPv4 address inside, if there is one. */
static bool unwrap(const struct cidr_address *a, struct cidr_address *out)
{
    static const uint8_t zeros[15];
    if (a->is_v4)
        return false;
    /* IPv4-compatible (RFC 4291), but for :: and ::1, which are addresses of their own. */
    if (memcmp(a->b, zeros, 12) == 0 && (memcmp(a->b, zeros, 15) != 0 || a->b[15] > 1)) {
        take_v4(a, 12, 0, out);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(wrappings); i++) {
        const struct wrapping *w = &wrappings[i];
        if (memcmp(w->prefix, a->b, w->prefix_len) != 0)
            continue;
        take_v4(a, w->at, w->mask, out);
        return true;
    }
    return false;
}

static const struct special *class_of(const struct egress *e, const struct cidr_address *a)
{
    for (size_t i = 0; i < ARRAY_LEN(special); i++) {
        if (cidr_has(&e->special[i], a))
            return &special[i];
    }
    return NULL; /* the table ends with both wildcards */
}

static bool is_this_machine(const struct egress *e, const struct cidr_address *a)
{
    const struct special *s = class_of(e, a);
    return s && (str_eq(s->name, "loopback") || str_eq(s->name, "unspecified"));
}

enum status egress_deny_own(struct egress *e, const struct sockaddr *addr)
{
    struct own own = {0};
    struct cidr_address inner;
    if (addr->sa_family == AF_UNIX)
        return ST_OK;
    if (!cidr_address_of(addr, &own.address, &own.port))
        return ST_INVALID;
    if (unwrap(&own.address, &inner))
        own.address = inner;
    if (e->own.count >= OWN_MAX)
        return ST_OVERLOADED;
    return vec_push(&e->own, own);
}

static bool is_own(const struct egress *e, const struct cidr_address *a, uint16_t port)
{
    for (size_t i = 0; i < e->own.count; i++) {
        const struct own *own = &e->own.at[i];
        if (own->port != port)
            continue;
        if (cidr_address_eq(&own->address, a) ||
            (is_this_machine(e, &own->address) && is_this_machine(e, a)))
            return true;
    }
    return false;
}

static enum status refuse(struct errbuf *err, const char *what, const struct cidr_address *inner,
                          const struct cidr_address *given)
{
    char text[INET6_ADDRSTRLEN];
    char wrapped[INET6_ADDRSTRLEN];
    if (!inet_ntop(inner->is_v4 ? AF_INET : AF_INET6, inner->b, text, sizeof(text)))
        text[0] = '\0';
    if (cidr_address_eq(inner, given) ||
        !inet_ntop(given->is_v4 ? AF_INET : AF_INET6, given->b, wrapped, sizeof(wrapped)))
        return err_set(err, ST_EGRESS_DENIED, "%s address %s is not allowed", what, text);
    return err_set(err, ST_EGRESS_DENIED, "%s address %s (inside %s) is not allowed", what, text,
                   wrapped);
}

enum status egress_check(const struct egress *e, const struct sockaddr *addr, struct errbuf *err)
{
    struct cidr_address given;
    struct cidr_address inner;
    uint16_t port = 0;
    if (!cidr_address_of(addr, &given, &port))
        return err_set(err, ST_EGRESS_DENIED, "address family %d is not allowed",
                       (int)addr->sa_family);
    if (!unwrap(&given, &inner))
        inner = given;
    if (is_own(e, &inner, port))
        return refuse(err, "own store's", &inner, &given);
    if (cidr_list_has(&e->deny, &inner) || cidr_list_has(&e->deny, &given))
        return refuse(err, "denied", &inner, &given);
    if (cidr_list_has(&e->allow, &inner))
        return ST_OK;
    const struct special *s = class_of(e, &inner);
    if (!s)
        return refuse(err, "unknown", &inner, &given);
    if (s->class == RANGE_DENIED || (e->is_strict && s->class != RANGE_PUBLIC))
        return refuse(err, s->name, &inner, &given);
    return ST_OK;
}
