/* How a result is shown: by its own routes and by those that run a check. */
#ifndef TOCSIN_API_ROUTES_RESULTS_H
#define TOCSIN_API_ROUTES_RESULTS_H

#include "net/http.h"
#include "store/results.h"

extern const struct schema result_schema; /* of struct result */

/* What a run brought, as rows of the schema table of a struct with message, response_s, raw_data.
 */
#define RUN_FIELDS(type_)                                                       \
    {.name = "message",                                                         \
     .type = FT_STRING,                                                         \
     .offset = offsetof(type_, message),                                        \
     .example = "\"Website responded with status 200\""},                       \
        {.name = "response_time",                                               \
         .type = FT_NUMBER,                                                     \
         .flags = F_NULLABLE,                                                   \
         .offset = offsetof(type_, response_s),                                 \
         .help = "Seconds; null when nothing was measured",                     \
         .example = "0.342"},                                                   \
    {                                                                           \
        .name = "raw_data", .type = FT_MAP, .offset = offsetof(type_, raw_data) \
    }

#endif
