/* URLs of checks and webhooks, taken apart once (RFC 3986, the http and https subset). */
#ifndef TOCSIN_NET_URL_H
#define TOCSIN_NET_URL_H

#include "base/arena.h"
#include "base/defs.h"
#include "base/limits.h"
#include "base/status.h"

struct url {
    char scheme[16];    /* lower case */
    char userinfo[256]; /* as written, "" if none */
    char host[256];     /* lower case; IPv6 without brackets */
    bool is_ipv6;
    bool is_ip;    /* a literal address, IPv4 or IPv6 */
    uint16_t port; /* the scheme's default when absent */
    bool has_port;
    char target[LIMIT_URL_BYTES + 2]; /* path and query, at least "/" */
};

/* http or https, absolute, at most LIMIT_URL_BYTES, no control characters, spaces, backslashes or
 * non-ASCII bytes, a host, port 1–65535. Odd IPv4 notations (0x7f.1, 2130706433, 017.0.0.1) are
 * refused. ST_INVALID with the reason. A fragment is dropped. */
NODISCARD enum status url_parse(const char *text, struct url *out, struct errbuf *err);
/* For schema tables: NULL when url_parse accepts it, else why not. */
const char *url_check_http(const char *text);
/* Resolves a Location header against the URL it came from (RFC 3986 section 5.2); text in the
 * arena, without a fragment. Spaces and bytes above ASCII, which servers do send, are
 * percent-encoded. ST_INVALID when url_parse refuses the base, or the outcome is too
 * long. */
NODISCARD enum status url_resolve(const char *base, const char *reference, struct arena *arena,
                                  const char **out);
/* Same scheme, host and port: whether credentials may follow a redirect. */
bool url_same_origin(const struct url *a, const struct url *b);

#endif
