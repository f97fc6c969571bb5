/*
 * The one decision whether an outgoing connection of a check, webhook or redirect may go to an
 * address. It is taken on the resolved address, at the moment of connecting. See design:
 * section 10.
 *
 * Preset "internal": public and private ranges allowed; loopback, link-local (with cloud metadata),
 * multicast, unspecified, reserved ranges denied. "strict": public only. IPv4 inside IPv6 (mapped,
 * compatible, 6to4, NAT64, Teredo) is unwrapped first. `deny` beats `allow` beats the preset;
 * Tocsin's own stores are denied by egress_deny_own whatever `allow` says.
 */
#ifndef TOCSIN_NET_EGRESS_H
#define TOCSIN_NET_EGRESS_H

#include <sys/socket.h>

#include "base/defs.h"
#include "base/status.h"

struct egress;

/* Lists are matched on the unwrapped address; `deny` on the address as given too.
 * preset "internal" or "strict"; lists as "10.0.0.0/8, ::1/128". ST_INVALID with the bad entry. */
NODISCARD enum status egress_new(const char *preset, const char *allow, const char *deny,
                                 struct egress **out, struct errbuf *err);
void egress_free(struct egress *e);
/* Denies one address and port of ours (PostgreSQL, Redis): call for each resolved store address,
 * before the guard is used. A loopback address stands for all of them; AF_UNIX needs no guard. */
NODISCARD enum status egress_deny_own(struct egress *e, const struct sockaddr *addr);
/* ST_OK or ST_EGRESS_DENIED with the range's name ("loopback address 127.0.0.1 is not allowed"). */
NODISCARD enum status egress_check(const struct egress *e, const struct sockaddr *addr,
                                   struct errbuf *err);

#endif
