/* The mail about an event: multipart/alternative, a text and a page of HTML. Pure. */
#ifndef TOCSIN_NOTIFIER_MAIL_MESSAGE_H
#define TOCSIN_NOTIFIER_MAIL_MESSAGE_H

#include "base/buf.h"
#include "channels/address.h"
#include "services/notifier/event.h"

struct mail_about {
    const struct event_view *event;
    const char *key; /* delivery key: names the Message-ID */
    const struct mailbox *from;
    const char *const *to; /* addresses that passed mail_address_check */
    size_t to_count;
    const char *subject_prefix; /* "" */
    int64_t now_s;              /* for Date */
};
/* Appends the whole message, headers first, with CR LF line ends. Failures mark the buffer. */
void mail_message(struct buf *out, const struct mail_about *mail);

#endif
