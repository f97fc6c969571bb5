/* How a result is shown: by its own routes and by those that run a check. */
#ifndef TOCSIN_API_ROUTES_RESULTS_H
#define TOCSIN_API_ROUTES_RESULTS_H

#include "net/http.h"
#include "store/results.h"

extern const struct schema result_schema; /* of struct result */

#endif
