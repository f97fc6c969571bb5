/* Where Redis is: the URL of the setting REDIS_URL in parts. */
#ifndef TOCSIN_REDIS_URL_H
#define TOCSIN_REDIS_URL_H

#include "base/defs.h"
#include "base/status.h"

struct redis_url {
    char host[256];
    int port;
    char path[108]; /* of a Unix socket (its address holds no more); "" for TCP */
    char user[128];
    char password[512];
    int db;
};

/* redis://[user:password@]host[:port][/db] or unix:///path[?db=n]; user and password
 * percent-encoded, an IPv6 address in brackets. ST_INVALID with a reason that does not show the
 * password. */
NODISCARD enum status redis_url_parse(const char *text, struct redis_url *out, struct errbuf *err);

#endif
