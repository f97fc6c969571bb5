/* The encodings of a mail: what may stand in a header, a body, a piece of HTML. */
#ifndef TOCSIN_NOTIFIER_MAIL_ENCODE_H
#define TOCSIN_NOTIFIER_MAIL_ENCODE_H

#include "base/buf.h"

/* "Name: value\r\n"; a value beyond printable ASCII becomes encoded words (RFC 2047, base64,
 * UTF-8), folded between characters. Control characters become blanks: a header cannot be split. */
void mail_header(struct buf *out, const char *name, const char *value);
/* "Name: Display <address>\r\n" and the like; `display` may be "". */
void mail_header_mailbox(struct buf *out, const char *name, const char *display,
                         const char *address);
/* Quoted-printable (RFC 2045, section 6.7) with CR LF line ends; a lone LF ends a line too. */
void mail_quoted_printable(struct buf *out, const char *text, size_t len);
/* The text with & < > " ' escaped. */
void mail_html_escape(struct buf *out, const char *text);

#endif
