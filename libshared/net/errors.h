/*
 * The codes of problem documents: one table (errors.def) that req_fail looks into, that the routes
 * refer to, and that docs/errors.md is written from. A code is stable; its texts are not.
 */
#ifndef TOCSIN_NET_ERRORS_H
#define TOCSIN_NET_ERRORS_H

#include "base/status.h"

struct error_code {
    const char *code; /* "CHECK_NOT_FOUND" */
    enum status st;   /* its HTTP status is the status of the reply */
    const char *help; /* what it means, and what to do */
};

/* NULL: there is no such code. */
const struct error_code *error_code_find(const char *code);
/* By number, in the order of the table; NULL after the last one. */
const struct error_code *error_code_at(size_t i);

#endif
