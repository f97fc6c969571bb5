/* What running one check and running several share. */
#ifndef TOCSIN_API_ROUTES_CHECK_RUNS_H
#define TOCSIN_API_ROUTES_CHECK_RUNS_H

#include "net/http.h"
#include "queue/queue.h"
#include "store/results.h"

/* Answers for a job that could not be enqueued. */
enum status run_queue_failed(struct req *r, enum status st);
/* Makes the job the caller's organisation's: organisations take turns, and each sees its own. */
NODISCARD enum status run_tenant(struct req *r, struct job *job);
/* Where jobs of this task go; the caller frees it. */
NODISCARD enum status run_queue(const char *task, struct queue **out);
/* The first of `count` microseconds in a row that no other run by hand of this process has, now or
 * a little later: a stored result of such a run is known by its check and this. */
int64_t run_slots_us(int64_t count);

/* A check that is not stored, as callers describe it. */
struct adhoc_check_in {
    struct in_str plugin_type;
    struct in_json config;
    struct in_f64 timeout;
};
extern const struct schema adhoc_check_schema;
/* Writes the arguments of its job; its kind and configuration have been found valid. *shown: the
 * configuration without secrets, valid as long as the request; *timeout_ms: its time limit. */
NODISCARD enum status run_adhoc_encode(struct req *r, const struct adhoc_check_in *in,
                                       const struct uuid *job_id, struct buf *args,
                                       const char **shown, int64_t *timeout_ms);
/* The result in a worker's message about an ad hoc run; its strings go to the arena. ST_INVALID: it
 * is none. */
NODISCARD enum status run_adhoc_read(const json_t *done, struct arena *arena, struct result *out);

#endif
