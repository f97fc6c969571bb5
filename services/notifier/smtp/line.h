/*
 * The wire between libesmtp and the mail server. libesmtp connects and waits as long as it likes,
 * knows no implicit TLS, and takes whatever follows the answer to STARTTLS in clear text for the
 * server's words. So it gets a connection to ourselves, and a thread of ours carries the bytes: it
 * connects in bounded time, speaks TLS where the URL says smtps, cuts the line at the deadline or
 * when told to, and when anything but one answer follows STARTTLS before TLS begins.
 */
#ifndef TOCSIN_NOTIFIER_SMTP_LINE_H
#define TOCSIN_NOTIFIER_SMTP_LINE_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/defs.h"
#include "base/status.h"
#include "services/notifier/smtp/url.h"

struct smtp_line;

struct smtp_line_config {
    const struct smtp_url *url;     /* borrowed till close */
    SSL_CTX *tls;                   /* checks the certificate and the name; used for smtps */
    int64_t deadline_mono_ms;       /* for everything */
    const _Atomic bool *is_aborted; /* looked at while waiting; may be NULL */
};
/* Connects to the server (and shakes hands, for smtps), then listens on a loopback port for
 * the one connection of libesmtp. ST_UNAVAILABLE, ST_TIMEOUT, ST_STOPPED with why. */
NODISCARD enum status smtp_line_open(const struct smtp_line_config *config, struct smtp_line **out,
                                     struct errbuf *err);
/* The loopback port. */
uint16_t smtp_line_port(const struct smtp_line *l);
/* Cuts the line and waits for the thread. NULL is fine. */
void smtp_line_close(struct smtp_line *l);
/* Why the line was cut before its end; "" when it was not. After close is too late. */
const char *smtp_line_error(struct smtp_line *l);

/* The guard of STARTTLS by itself, for tests: bytes of either side as they pass. False: cut. */
struct starttls_guard {
    enum { GUARD_OFF, GUARD_ASKED, GUARD_ANSWERED } state;
    size_t line; /* bytes of the answer's current line */
    char head[4];
};
void starttls_guard_client(struct starttls_guard *g, const char *data, size_t len);
NODISCARD bool starttls_guard_server(struct starttls_guard *g, const char *data, size_t len);

#endif
