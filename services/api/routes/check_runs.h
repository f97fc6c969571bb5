/* What running one check and running several share. */
#ifndef TOCSIN_API_ROUTES_CHECK_RUNS_H
#define TOCSIN_API_ROUTES_CHECK_RUNS_H

#include "net/http.h"
#include "store/results.h"

/* Answers for a job that could not be enqueued. */
enum status run_queue_failed(struct req *r, enum status st);
/* The result in a worker's message about an ad hoc run; its strings go to the arena. ST_INVALID: it
 * is none. */
NODISCARD enum status run_adhoc_read(const json_t *done, struct arena *arena, struct result *out);

#endif
