/* Header fields that somebody configured (checks, webhooks): what may be sent at all. */
#ifndef TOCSIN_NET_HEADER_H
#define TOCSIN_NET_HEADER_H

#include "json/schema.h"

/* Tests an object of header names and texts; what would split or forge a request is added to the
 * errors at `loc` ("config.headers"). `reserved` (may be NULL) ends with NULL: names, compared
 * without case, that the caller sets itself; one that ends with '-' is a prefix. */
void headers_check(const char *loc, json_t *headers, const char *const *reserved,
                   struct field_errors *errors);

/* The same for descriptions: the `rules` of a field. */
#define HEADERS_RULES                                                                           \
    "\"maxProperties\":32,\"propertyNames\":{\"pattern\":\"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$" \
    "\"},\"additionalProperties\":{\"type\":\"string\",\"maxLength\":4096,\"pattern\":"         \
    "\"^[^\\\\x00-\\\\x1f\\\\x7f]*$\"}"

#endif
