/* Networks in CIDR notation. */
#include "net/cidr.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"
#include "base/vec.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool cidr_has(const struct cidr *n, const struct cidr_address *a)
{
    if (n->base.is_v4 != a->is_v4)
        return false;
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8;
    if (memcmp(n->base.b, a->b, whole) != 0)
        return false;
    return rest == 0 || ((n->base.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}

bool cidr_address_eq(const struct cidr_address *a, const struct cidr_address *b)
{
    return a->is_v4 == b->is_v4 && memcmp(a->b, b->b, a->is_v4 ? 4 : 16) == 0;
}

static void clear_host_bits(struct cidr *n)
{
    size_t bytes = n->base.is_v4 ? 4 : 16;
    for (size_t i = 0; i < bytes; i++) {
        unsigned from = (unsigned)i * 8;
        if (from >= n->bits)
            n->base.b[i] = 0;
        else if (from + 8 > n->bits)
            n->base.b[i] &= (uint8_t)(0xffu << (8 - (n->bits - from)));
    }
}

enum status cidr_parse(const char *text, struct cidr *out)
{
    char address[64];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address))
        return ST_INVALID;
    memcpy(address, text, len);
    address[len] = '\0';
    struct cidr n = {0};
    n.base.is_v4 = inet_pton(AF_INET, address, n.base.b) == 1;
    if (!n.base.is_v4 && inet_pton(AF_INET6, address, n.base.b) != 1)
        return ST_INVALID;
    int64_t bits = n.base.is_v4 ? 32 : 128;
    int64_t max = bits;
    if (slash)
        TRY(str_to_i64(slash + 1, &bits));
    if (bits < 0 || bits > max)
        return ST_INVALID;
    n.bits = (unsigned)bits;
    if (!n.base.is_v4 && n.bits >= 96 && memcmp(n.base.b, mapped, 12) == 0) {
        memmove(n.base.b, n.base.b + 12, 4);
        n.base.is_v4 = true;
        n.bits -= 96;
    }
    clear_host_bits(&n);
    *out = n;
    return ST_OK;
}

enum status cidr_list_parse(const char *text, const char *what, struct cidr_list *list,
                            struct errbuf *err)
{
    AUTO_FREE char *copy = NULL;
    TRY(str_dup(text ? text : "", &copy));
    char *rest = copy;
    while (rest) {
        const char *entry = strsep(&rest, ", \t\n");
        struct cidr n;
        if (entry[0] == '\0')
            continue;
        if (cidr_parse(entry, &n) != ST_OK)
            return err_set(err, ST_INVALID, "%s: %.60s is no network like 10.0.0.0/8", what, entry);
        if (list->count >= CIDR_LIST_MAX)
            return err_set(err, ST_INVALID, "%s: more than %d networks", what, CIDR_LIST_MAX);
        TRY(vec_push(list, n));
    }
    return ST_OK;
}

void cidr_list_done(struct cidr_list *list)
{
    vec_done(list);
}

bool cidr_list_has(const struct cidr_list *list, const struct cidr_address *a)
{
    for (size_t i = 0; i < list->count; i++) {
        if (cidr_has(&list->at[i], a))
            return true;
    }
    return false;
}

bool cidr_address_of(const struct sockaddr *addr, struct cidr_address *out, in_port_t *port)
{
    struct cidr_address a = {0};
    in_port_t p = 0;
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, addr, sizeof(v4));
        a.is_v4 = true;
        memcpy(a.b, &v4.sin_addr, 4);
        p = v4.sin_port;
    } else if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, addr, sizeof(v6));
        memcpy(a.b, &v6.sin6_addr, 16);
        p = v6.sin6_port;
    } else {
        return false;
    }
    *out = a;
    if (port)
        *port = p;
    return true;
}

void cidr_address_unmap(struct cidr_address *a)
{
    if (a->is_v4 || memcmp(a->b, mapped, sizeof(mapped)) != 0)
        return;
    uint8_t v4[4];
    memcpy(v4, a->b + 12, 4);
    *a = (struct cidr_address){.is_v4 = true};
    memcpy(a->b, v4, 4);
}
