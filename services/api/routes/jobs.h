/*
 * Who may see and control what of the job queue, and what the routes of jobs, queues and workers
 * share.
 *
 * Queues, workers and jobs without a tenant are the installation's, not one organisation's. They
 * belong to those who run it: admins and owners of the first organisation, the one that `tocsin
 * bootstrap` made. Everybody else sees the jobs whose tenant is the id of his own organisation, and
 * no other: for him they do not exist. What is given to a job without a tenant, and what came of
 * it, is never shown, because it may hold the settings of any organisation's checks.
 */
#ifndef TOCSIN_API_ROUTES_JOBS_H
#define TOCSIN_API_ROUTES_JOBS_H

#include "net/http.h"
#include "queue/inspect.h"

static inline void queue_freep(struct queue **q)
{
    queue_free(*q);
}
#define AUTO_QUEUE CLEANUP(queue_freep) struct queue *

/* Whether the caller's is the first organisation; *is_operator: and he is admin or owner there. */
NODISCARD enum status jobs_access(struct req *r, bool *is_first, bool *is_operator);
/* 403 unless he is. */
NODISCARD enum status jobs_need_operator(struct req *r);
/* Passes a status of the queue on; when Redis did not do its work, with 503 QUEUE_UNAVAILABLE. */
enum status queue_said(struct req *r, enum status st);
/* The queue of that name, the caller's to free; 404 QUEUE_NOT_FOUND when nothing ever went to it
 * and no task of the table does. */
NODISCARD enum status queue_open(struct req *r, const char *name, struct queue **out);

struct jobs_wanted {
    const char *queue, *state, *task; /* NULL: any */
    const char *after;                /* where the last page ended, NULL */
    size_t limit;
};
/* Replies with a page of the jobs that the caller may see. */
NODISCARD enum status reply_jobs(struct req *r, const struct jobs_wanted *wanted);

/* Schema of an element of it. */
extern const struct schema job_item_schema;

#endif
