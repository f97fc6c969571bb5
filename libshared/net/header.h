/* Header fields that somebody configured (checks, webhooks): what may be sent at all. */
#ifndef TOCSIN_NET_HEADER_H
#define TOCSIN_NET_HEADER_H

#include "json/schema.h"

/* A token of RFC 9110, section 5.6.2. */
bool header_name_is_valid(const char *name);
/* Tests an object of header names and texts; what would split or forge a request is added to the
 * errors at `loc` ("config.headers"). `reserved` (may be NULL) ends with NULL: names, compared
 * without case, that the caller sets itself; one that ends with '-' is a prefix. */
void headers_check(const char *loc, json_t *headers, const char *const *reserved,
                   struct field_errors *errors);

#endif
