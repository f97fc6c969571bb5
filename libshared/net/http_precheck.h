/*
 * What a request must satisfy before anything looks at its meaning: pure checks of the raw target
 * and header fields (RFC 9112). libmicrohttpd lets through much of what these refuse.
 */
#ifndef TOCSIN_NET_HTTP_PRECHECK_H
#define TOCSIN_NET_HTTP_PRECHECK_H

#include "base/defs.h"
#include "base/status.h"

/* A header line as it stands in the connection's buffer. */
struct http_field {
    const char *name, *value;
    size_t name_len, value_len;
};

/* The raw request target: ST_URI_TOO_LONG; ST_MALFORMED for anything but an origin-form target of
 * visible ASCII whose escapes are whole, without %00, and whose path has no encoded slash or
 * backslash, no control character and no "." or ".." segment, escaped or not. */
NODISCARD enum status http_precheck_target(const char *target, struct errbuf *err);

/* ST_HEADERS_TOO_LARGE; ST_MALFORMED for a name that is no token, a control character in a value, a
 * repeated Content-Length, Host, Transfer-Encoding, Content-Type or Authorization, a length that is
 * no number, a transfer coding other than chunked, or both framings at once. */
NODISCARD enum status http_precheck_fields(const struct http_field *fields, size_t count,
                                           bool is_http11, struct errbuf *err);

/*
 * Whether the lines stand one after the other with exactly CR LF between them. libmicrohttpd takes
 * a bare LF, a bare CR, a NUL inside a line and folded lines for fine; as it ends strings in place,
 * all of them show in the distance between a value's end and the next name. `version` is the end of
 * the request line. The end of the last line cannot be seen.
 */
bool http_fields_are_crlf(const char *version, const struct http_field *fields, size_t count);

/*
 * Whether the lines end with an empty one. libmicrohttpd takes a line that begins with a colon for
 * that, and what follows it for the next request. It ends lines in place, so that after the last
 * value two line ends are four zeros; a lone colon leaves a fifth, and the line after it. Reads up
 * to six bytes behind the last value: within the connection's memory, which is larger than all that
 * http_precheck_fields lets pass, and zeroed.
 */
bool http_fields_are_ended(const char *version, const struct http_field *fields, size_t count);

/* The value of the first field of that name (any case), or NULL. Its length in *len. */
const char *http_field_find(const struct http_field *fields, size_t count, const char *name,
                            size_t *len);

/* Decodes %XX (and + as a space, in queries) into out, which holds at least len + 1 bytes. false
 * for a broken escape, a control character, or what is not UTF-8. */
bool http_unescape(const char *text, size_t len, bool plus_is_space, char *out);

#endif
