/*
 * The description of an HTTP API (OpenAPI 3.1), written from the same rows and schema tables that
 * the server runs on: https://spec.openapis.org/oas/v3.1.0
 *
 * Nothing is written by hand but what no table can know: the texts of routes, fields, tags and
 * error codes. What a row does not say is not in the description, so tests compare the replies that
 * are really given with it.
 */
#ifndef TOCSIN_OPENAPI_OPENAPI_H
#define TOCSIN_OPENAPI_OPENAPI_H

#include "base/buf.h"
#include "net/http.h"

struct openapi_about {
    const char *title;
    const char *description; /* Markdown */
    const char *version;
    const struct route_set *sets;
    size_t set_count;
    bool takes_conditions; /* If-Match, and Idempotency-Key */
    bool has_sign_in;      /* there is a POST /api/v1/auth/token: tokens beside API keys */
};

/* Writes the document as JSON without white space. ST_INVALID, naming the culprit: a tag that is
 * not in net/tags.def, a code that is not in net/errors.def, two schemas of one name, a path
 * parameter that nobody described. ST_NO_MEMORY; ST_TOO_LARGE when it does not fit the buffer. */
NODISCARD enum status openapi_write(const struct openapi_about *about, struct buf *out,
                                    struct errbuf *err);

#endif
