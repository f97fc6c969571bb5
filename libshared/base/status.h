/*
 * The one enumeration of outcomes. A fallible function returns a status; details for a person go
 * into an optional errbuf. Each status knows the HTTP code that it becomes and whether trying the
 * same thing again can help.
 */
#ifndef TOCSIN_BASE_STATUS_H
#define TOCSIN_BASE_STATUS_H

#include "base/defs.h"

/* name, HTTP status, retryable, code in problem documents, title */
#define STATUS_TABLE(X)                                                                        \
    X(ST_OK, 200, false, "OK", "OK")                                                           \
    X(ST_MALFORMED, 400, false, "MALFORMED_REQUEST", "Malformed request")                      \
    X(ST_UNAUTHENTICATED, 401, false, "UNAUTHENTICATED", "Authentication required")            \
    X(ST_FORBIDDEN, 403, false, "FORBIDDEN", "Not permitted")                                  \
    X(ST_NOT_FOUND, 404, false, "NOT_FOUND", "Not found")                                      \
    X(ST_METHOD, 405, false, "METHOD_NOT_ALLOWED", "Method not allowed")                       \
    X(ST_CONFLICT, 409, false, "CONFLICT", "Conflict")                                         \
    X(ST_PRECONDITION, 412, false, "PRECONDITION_FAILED", "Precondition failed")               \
    X(ST_TOO_LARGE, 413, false, "TOO_LARGE", "Too large")                                      \
    X(ST_URI_TOO_LONG, 414, false, "URI_TOO_LONG", "URI too long")                             \
    X(ST_MEDIA_TYPE, 415, false, "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type")           \
    X(ST_INVALID, 422, false, "VALIDATION_ERROR", "Validation failed")                         \
    X(ST_RATE_LIMITED, 429, true, "RATE_LIMITED", "Too many requests")                         \
    X(ST_HEADERS_TOO_LARGE, 431, false, "HEADERS_TOO_LARGE", "Request headers too large")      \
    X(ST_INTERNAL, 500, false, "INTERNAL", "Internal error")                                   \
    X(ST_NO_MEMORY, 503, true, "OUT_OF_MEMORY", "Out of memory")                               \
    X(ST_OVERLOADED, 503, true, "OVERLOADED", "Overloaded")                                    \
    X(ST_UNAVAILABLE, 503, true, "UNAVAILABLE", "Service unavailable")                         \
    X(ST_STOPPED, 503, true, "STOPPING", "Shutting down")                                      \
    X(ST_TIMEOUT, 504, true, "TIMEOUT", "Timed out")                                           \
    X(ST_HTTP_VERSION, 505, false, "HTTP_VERSION_NOT_SUPPORTED", "HTTP version not supported") \
    X(ST_IO, 502, true, "IO_ERROR", "Input or output failed")                                  \
    X(ST_CORRUPT, 500, false, "CORRUPT", "Stored data is damaged")                             \
    X(ST_EGRESS_DENIED, 422, false, "EGRESS_DENIED", "Target not allowed")

enum status {
#define STATUS_ENUM(name, http, retryable, code, title) name,
    STATUS_TABLE(STATUS_ENUM)
#undef STATUS_ENUM
        STATUS_COUNT_
};

/* "ST_OK"; never NULL. */
const char *status_name(enum status st);
/* 200, 404 … */
int status_http(enum status st);
/* Whether the same call may succeed later. */
bool status_is_retryable(enum status st);
/* "NOT_FOUND": the generic stable code of a problem document. */
const char *status_code(enum status st);
/* "Not found" */
const char *status_title(enum status st);

/* Room for one line of detail; always terminated. A NULL errbuf is allowed everywhere. */
struct errbuf {
    char text[256];
};

/* Writes the detail (cut to fit) and returns `st`, so that `return err_set(err, ST_X, …)` reads. */
enum status err_set(struct errbuf *err, enum status st, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
