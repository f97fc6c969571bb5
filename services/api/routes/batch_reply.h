/* What a batch of runs answers: an item for each check that was asked for. */
#ifndef TOCSIN_API_ROUTES_BATCH_REPLY_H
#define TOCSIN_API_ROUTES_BATCH_REPLY_H

#include "json/schema.h"

struct run_out {
    const char *status, *message;
    double response_s;
    const char *raw_data;
    struct uuid id;
    int64_t executed_us;
};
struct error_out {
    const char *code, *message;
};
struct item_out {
    const char *check_id, *plugin_type, *config;
    const struct run_out *result;
    const struct error_out *error;
};
struct batch_out {
    struct out_list results;
    int64_t count, finished;
};

/* Of struct batch_out: for stored checks, and for those that are not. */
extern const struct schema batch_stored_schema, batch_adhoc_schema;

#endif
