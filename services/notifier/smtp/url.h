/* The mail server as the setting SMTP_URL names it. */
#ifndef TOCSIN_NOTIFIER_SMTP_URL_H
#define TOCSIN_NOTIFIER_SMTP_URL_H

#include "base/defs.h"
#include "base/status.h"

enum smtp_starttls { SMTP_STARTTLS_REQUIRED, SMTP_STARTTLS_OPTIONAL, SMTP_STARTTLS_NEVER };

struct smtp_url {
    char host[256]; /* lower case; IPv6 without brackets */
    bool is_ip;
    uint16_t port;
    bool is_implicit_tls; /* smtps: TLS from the first byte */
    enum smtp_starttls starttls;
    char user[256]; /* "": no authentication */
    char password[256];
};

/* smtp://[user:password@]host[:port][/][?starttls=required|optional|never] (port 587), or smtps://…
 * (port 465). User and password are percent-decoded; control characters are refused. ST_INVALID
 * with why; the text itself is never part of it. */
NODISCARD enum status smtp_url_parse(const char *text, struct smtp_url *out, struct errbuf *err);

#endif
