/* What a client says it can take (RFC 9110, section 12.5.3). */
#ifndef TOCSIN_NET_HTTP_ACCEPT_H
#define TOCSIN_NET_HTTP_ACCEPT_H

#include "base/defs.h"

/* Whether gzip is to be used for a client with this Accept-Encoding (NULL: none given): it is
 * acceptable, and not less welcome than no coding. */
bool http_accepts_gzip(const char *accept_encoding);

#endif
