/* The egress guard of a daemon, as its settings say. */
#ifndef TOCSIN_NET_EGRESS_CONF_H
#define TOCSIN_NET_EGRESS_CONF_H

#include "conf/conf.h"
#include "net/egress.h"

/* EGRESS_PRESET, _ALLOW and _DENY, with the addresses of PostgreSQL and Redis denied. A store whose
 * name does not resolve now is logged and not guarded by address: its port is on no list. Blocks
 * while names are resolved. ST_INVALID with the setting at fault. */
NODISCARD enum status egress_from_conf(const struct conf *conf, struct egress **out,
                                       struct errbuf *err);

#endif
