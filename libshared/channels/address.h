/*
 * Mail addresses: the part of RFC 5321 that people use. A local part of dot-atoms, a domain of host
 * labels. No quoted strings, comments, address literals or bytes above ASCII; above all, nothing
 * that could end a line or a path of SMTP.
 */
#ifndef TOCSIN_CHANNELS_ADDRESS_H
#define TOCSIN_CHANNELS_ADDRESS_H

#include "base/defs.h"
#include "base/status.h"

enum { MAIL_LOCAL_MAX = 64, MAIL_ADDRESS_MAX = 254, MAIL_NAME_MAX = 128 };

/* For schema tables: NULL when the text is an address, else why not. */
const char *mail_address_check(const char *text);

struct mailbox {
    char name[MAIL_NAME_MAX + 1]; /* UTF-8, "" when there is none */
    char address[MAIL_ADDRESS_MAX + 1];
};
/* `ann@example.org`, `Ann <ann@example.org>` or `"Ann" <ann@example.org>`. ST_INVALID with why. */
NODISCARD enum status mailbox_parse(const char *text, struct mailbox *out, struct errbuf *err);
/* The part after the @. */
const char *mailbox_domain(const struct mailbox *m);

#endif
