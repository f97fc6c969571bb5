/* A mail server that does as it is told: every reply can be scripted, and what it took is kept. */
#ifndef TOCSIN_TESTS_KIT_SMTP_PEER_H
#define TOCSIN_TESTS_KIT_SMTP_PEER_H

#include <stdbool.h>
#include <stddef.h>

struct smtp_peer;

/* Replies without line end, NULL for the friendly one; "hang" answers nothing till the client goes,
 * "drop" closes. A recipient whose address begins with "refused" gets 550, with "busy" 450. */
struct smtp_script {
    const char *greeting, *ehlo, *auth, *mail, *data, *end;
    bool offers_starttls;
    bool is_implicit_tls;
    const char *starttls; /* instead of "220 go": no TLS follows */
    bool injects;         /* clear text behind the 220 of STARTTLS */
    bool trickles;        /* after the message: a byte now and then, for ever */
};

struct smtp_peer *smtp_peer_start(const struct smtp_script *script);
void smtp_peer_stop(struct smtp_peer *p);
int smtp_peer_port(const struct smtp_peer *p);
/* For the next connections. */
void smtp_peer_script(struct smtp_peer *p, const struct smtp_script *script);
/* The certificate of "localhost" and 127.0.0.1, signed by itself, as a PEM file in kit_dir. */
const char *smtp_peer_ca_file(const struct smtp_peer *p);
/* Messages taken, connections made. */
size_t smtp_peer_mails(struct smtp_peer *p);
size_t smtp_peer_connections(struct smtp_peer *p);
/* Of the last message: its text, its envelope ("from > to, to"), and what AUTH PLAIN said (base64);
 * valid till the next message. */
const char *smtp_peer_text(struct smtp_peer *p);
const char *smtp_peer_envelope(struct smtp_peer *p);
const char *smtp_peer_auth(struct smtp_peer *p);
bool smtp_peer_had_tls(struct smtp_peer *p);

#endif
