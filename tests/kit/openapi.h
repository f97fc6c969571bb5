/* The description of a service's real routes can be written: each tag, code and parameter is known,
 * and there are as many operations as routes. */
#ifndef TOCSIN_TESTS_KIT_OPENAPI_H
#define TOCSIN_TESTS_KIT_OPENAPI_H

#include "net/http.h"

void kit_must_describe(enum status (*describe)(struct buf *out, struct errbuf *err),
                       const struct route_set *(*sets_of)(size_t *count));

#endif
