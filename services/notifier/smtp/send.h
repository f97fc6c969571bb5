/* One mail through one SMTP session of libesmtp, in bounded time. Blocks: for the mail threads. */
#ifndef TOCSIN_NOTIFIER_SMTP_SEND_H
#define TOCSIN_NOTIFIER_SMTP_SEND_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "services/notifier/smtp/url.h"

struct smtp_server {
    struct smtp_url url;
    SSL_CTX *tls;
};
/* The server and the TLS it must speak: at least 1.2, a certificate that verifies against `ca_file`
 * ("": the system's) and bears the configured name. The caller's storage; must stay where it is.
 * ST_INVALID. */
NODISCARD enum status smtp_server_init(struct smtp_server *s, const char *url, const char *ca_file,
                                       struct errbuf *err);
void smtp_server_done(struct smtp_server *s);

struct smtp_mail {
    const char *from; /* addresses that passed mail_address_check */
    const char *const *to;
    size_t to_count;
    const char *message;            /* with CR LF line ends */
    int64_t timeout_ms;             /* for everything */
    const _Atomic bool *is_aborted; /* may be NULL */
};

enum smtp_verdict {
    SMTP_SENT,    /* to at least one recipient; `error` names those refused */
    SMTP_RETRY,   /* 4xx, no connection, no TLS, refused credentials, time */
    SMTP_REFUSED, /* 5xx */
    SMTP_ABORTED
};
struct smtp_outcome {
    enum smtp_verdict verdict;
    int code; /* the server's; 0: none */
    char error[LIMIT_NOTIFY_ERROR_BYTES];
};
void smtp_send(const struct smtp_server *s, const struct smtp_mail *mail, struct smtp_outcome *out);

#endif
