/* One mail through libesmtp. */
#include "services/notifier/smtp/send.h"

#include <openssl/x509_vfy.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The library's headers want OpenSSL's first. */
#include <auth-client.h>
#include <libesmtp.h>

#include "base/clock.h"
#include "base/str.h"
#include "channels/address.h"
#include "services/notifier/smtp/line.h"

enum { REPLY_BYTES = 400 };

/* What the callbacks of one session know. */
struct session {
    const struct smtp_server *server;
    bool has_tls;
    bool is_answered;  /* the message got its whole reply: half a one leaves a code behind, too */
    char trouble[128]; /* with TLS, in words */
    /* The last reply that was an error, for the library forgets those before MAIL. */
    char line[REPLY_BYTES];
    size_t line_len;
    int code;
    char text[REPLY_BYTES];
    bool is_auth_failure;
};

static void trouble(struct session *s, const char *text)
{
    (void)str_copy(s->trouble, sizeof(s->trouble), text);
}

static void on_event(smtp_session_t session, int event, void *arg, ...)
{
    struct session *s = arg;
    (void)session;
    va_list ap;
    va_start(ap, arg);
    switch (event) {
    case SMTP_EV_STARTTLS_OK:
        s->has_tls = true;
        break;
    case SMTP_EV_MESSAGESENT:
        s->is_answered = true;
        break;
    case SMTP_EV_EXTNA_STARTTLS:
        trouble(s, "it does not offer STARTTLS");
        break;
    case SMTP_EV_INVALID_PEER_CERTIFICATE:
        trouble(s, X509_verify_cert_error_string(va_arg(ap, long)));
        break;
    case SMTP_EV_WRONG_PEER_CERTIFICATE: {
        /* It compared with the loopback address it is connected to. Ours (tls.c) compared with the
         * configured name, and failed the handshake otherwise. */
        int *ok = va_arg(ap, int *);
        (void)va_arg(ap, char *);
        const SSL *ssl = va_arg(ap, const SSL *);
        *ok = ssl && SSL_get_verify_result(ssl) == X509_V_OK;
        break;
    }
    case SMTP_EV_NO_PEER_CERTIFICATE:
        trouble(s, "it shows no certificate");
        break;
    default:
        break;
    }
    va_end(ap);
}

static void take_reply(struct session *s)
{
    s->line[s->line_len] = '\0';
    int64_t code = 0;
    char digits[4] = "";
    (void)str_copy(digits, sizeof(digits), s->line);
    if (str_to_i64(digits, &code) != ST_OK || code < 200 || code > 599)
        return;
    if (code < 400) {
        if (code != 221) { /* the goodbye says nothing about what was before */
            s->code = 0;
            s->is_auth_failure = false;
        }
        return;
    }
    s->code = (int)code;
    s->is_auth_failure = code == 530 || code == 534 || code == 535 || code == 538;
    (void)str_copy(s->text, sizeof(s->text), s->line);
}

/* Sees the session's clear text, both ways; what we write may hold the password and is not looked
 * at. */
static void on_traffic(const char *data, int len, int writing, void *arg)
{
    struct session *s = arg;
    if (writing)
        return;
    for (int i = 0; i < len; i++) {
        if (data[i] == '\n') {
            take_reply(s);
            s->line_len = 0;
        } else if (s->line_len + 1 < sizeof(s->line) && data[i] != '\r') {
            s->line[s->line_len++] = (unsigned char)data[i] < 0x20 ? ' ' : data[i];
        }
    }
}

static int on_credentials(auth_client_request_t request, char **result, int fields, void *arg)
{
    struct session *s = arg;
    const struct smtp_url *url = &s->server->url;
    /* A password goes over clear text only where the operator wrote so. */
    if (!s->has_tls && !url->is_implicit_tls && url->starttls != SMTP_STARTTLS_NEVER)
        return 0;
    for (int i = 0; i < fields; i++) {
        /* The library only reads them. */
        if (request[i].flags & AUTH_USER)
            result[i] = (char *)url->user;
        else if (request[i].flags & AUTH_PASS)
            result[i] = (char *)url->password;
        else
            result[i] = NULL;
    }
    return 1;
}

static bool has_bad_address(const struct smtp_mail *mail)
{
    if (mail_address_check(mail->from))
        return true;
    for (size_t i = 0; i < mail->to_count; i++) {
        if (mail_address_check(mail->to[i]))
            return true;
    }
    return mail->to_count == 0;
}

static void fail(struct smtp_outcome *out, enum smtp_verdict verdict, const char *text)
{
    out->verdict = verdict;
    (void)str_copy(out->error, sizeof(out->error), text);
}

/* From the library's status, or from what the wire said. */
static void from_reply(struct smtp_outcome *out, int code, const char *text, bool is_auth)
{
    out->code = code;
    out->verdict = code >= 500 && !is_auth ? SMTP_REFUSED : SMTP_RETRY;
    (void)str_copy(out->error, sizeof(out->error), text);
}

/* The texts of several lines have them joined by line ends, and end with one. */
static void make_one_line(char *text)
{
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    }
    for (size_t len = strlen(text); len > 0 && text[len - 1] == ' '; len--)
        text[len - 1] = '\0';
}

struct refusals {
    struct smtp_outcome *out;
    int count, worst; /* worst: a 4xx counts before a 5xx, for then trying again may help */
};

static void on_recipient(smtp_recipient_t recipient, const char *mailbox, void *arg)
{
    struct refusals *r = arg;
    const smtp_status_t *st = smtp_recipient_status(recipient);
    if (!st || st->code < 400)
        return;
    const size_t used = strlen(r->out->error);
    (void)snprintf(r->out->error + used, sizeof(r->out->error) - used, "%s%s refused: %d %.120s",
                   used ? "; " : "", mailbox, st->code, st->text ? st->text : "");
    make_one_line(r->out->error);
    if (r->worst == 0 || st->code < r->worst)
        r->worst = st->code;
    r->count++;
}

static void judge(smtp_message_t message, struct session *s, const struct smtp_mail *mail,
                  bool has_run, struct smtp_outcome *out)
{
    struct refusals refusals = {.out = out};
    const smtp_status_t *transfer = smtp_message_transfer_status(message);
    (void)smtp_enumerate_recipients(message, on_recipient, &refusals);
    /* With nobody left to get it, the library sends the message all the same. */
    const bool is_wanted = (size_t)refusals.count < mail->to_count;
    if (has_run && is_wanted && s->is_answered && transfer && transfer->code / 100 == 2) {
        out->verdict = SMTP_SENT;
        out->code = transfer->code;
        return;
    }
    if (refusals.count > 0) {
        out->code = refusals.worst;
        out->verdict = refusals.worst >= 500 ? SMTP_REFUSED : SMTP_RETRY;
        return;
    }
    if (s->trouble[0]) {
        fail(out, SMTP_RETRY, "the mail server: ");
        const size_t used = strlen(out->error);
        (void)str_copy(out->error + used, sizeof(out->error) - used, s->trouble);
        return;
    }
    if (s->code) {
        from_reply(out, s->code, s->text, s->is_auth_failure);
        return;
    }
    char buf[128];
    const char *why = smtp_strerror(smtp_errno(), buf, sizeof(buf));
    (void)snprintf(out->error, sizeof(out->error), "the mail was not accepted: %s",
                   why ? why : "the connection ended");
    out->verdict = SMTP_RETRY;
}

/* The line ends everything at the deadline and knows why. The library, which would call that a
 * dropped connection, must not come first: its own waits are there in case the line's thread hangs.
 */
static void set_timeouts(smtp_session_t session, int64_t timeout_ms)
{
    enum { LATER_MS = 30000 };
    static const int phases[] = {Timeout_GREETING, Timeout_ENVELOPE, Timeout_DATA, Timeout_TRANSFER,
                                 Timeout_DATA2};
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        (void)smtp_set_timeout(session, phases[i] | Timeout_OVERRIDE_RFC2822_MINIMUM,
                               (long)(timeout_ms + LATER_MS));
}

static bool prepare(smtp_session_t session, smtp_message_t message, struct session *s,
                    const struct smtp_mail *mail, uint16_t port)
{
    static const enum starttls_option options[] = {
        [SMTP_STARTTLS_REQUIRED] = Starttls_REQUIRED,
        [SMTP_STARTTLS_OPTIONAL] = Starttls_ENABLED,
        [SMTP_STARTTLS_NEVER] = Starttls_DISABLED,
    };
    const struct smtp_url *url = &s->server->url;
    char at[32];
    (void)snprintf(at, sizeof(at), "127.0.0.1:%u", port);
    bool ok = smtp_set_server(session, at) && smtp_set_eventcb(session, on_event, s) &&
              smtp_set_monitorcb(session, on_traffic, s, 0) &&
              smtp_starttls_set_ctx(session, s->server->tls) &&
              smtp_starttls_enable(session, url->is_implicit_tls ? Starttls_DISABLED
                                                                 : options[url->starttls]) &&
              smtp_set_reverse_path(message, mail->from) &&
              smtp_set_message_str(message, (void *)(uintptr_t)mail->message);
    for (size_t i = 0; ok && i < mail->to_count; i++)
        ok = smtp_add_recipient(message, mail->to[i]) != NULL;
    set_timeouts(session, mail->timeout_ms);
    return ok;
}

static void run_session(struct session *s, const struct smtp_mail *mail, uint16_t port,
                        struct smtp_outcome *out)
{
    smtp_session_t session = smtp_create_session();
    smtp_message_t message = session ? smtp_add_message(session) : NULL;
    auth_context_t auth = NULL;
    bool ok = message && prepare(session, message, s, mail, port);
    if (ok && s->server->url.user[0]) {
        auth = auth_create_context();
        ok = auth && auth_set_mechanism_flags(auth, AUTH_PLUGIN_PLAIN, 0) &&
             auth_set_interact_cb(auth, on_credentials, s) && smtp_auth_set_context(session, auth);
    }
    if (ok)
        judge(message, s, mail, smtp_start_session(session) != 0, out);
    else
        fail(out, SMTP_RETRY, "out of memory");
    if (session)
        (void)smtp_destroy_session(session);
    if (auth)
        (void)auth_destroy_context(auth);
}

void smtp_send(const struct smtp_server *server, const struct smtp_mail *mail,
               struct smtp_outcome *out)
{
    *out = (struct smtp_outcome){.verdict = SMTP_RETRY};
    if (has_bad_address(mail)) {
        fail(out, SMTP_REFUSED, "not a mail address");
        return;
    }
    const struct smtp_line_config config = {
        .url = &server->url,
        .tls = server->tls,
        .deadline_mono_ms = clock_mono_ms() + mail->timeout_ms,
        .is_aborted = mail->is_aborted,
    };
    struct smtp_line *line = NULL;
    struct errbuf err = {0};
    enum status st = smtp_line_open(&config, &line, &err);
    if (st != ST_OK) {
        fail(out, st == ST_STOPPED ? SMTP_ABORTED : SMTP_RETRY,
             err.text[0] ? err.text : status_title(st));
        return;
    }
    struct session s = {.server = server};
    run_session(&s, mail, smtp_line_port(line), out);
    const char *cut = smtp_line_error(line);
    if (out->verdict == SMTP_RETRY && cut[0] && out->code == 0)
        fail(out, mail->is_aborted && atomic_load(mail->is_aborted) ? SMTP_ABORTED : SMTP_RETRY,
             cut);
    smtp_line_close(line);
}
