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

#include "net/page.h"
#include "queue/inspect.h"

/* Whether the caller's is the first organisation; *is_operator: and he is admin or owner there. */
NODISCARD enum status jobs_access(struct req *r, bool *is_first, bool *is_operator);
struct jobs_viewer {
    const char *tenant; /* his organisation's id */
    bool is_operator;
};
NODISCARD enum status jobs_viewer_of(struct req *r, struct jobs_viewer *out);
/* What is this tenant's (NULL: nobody's); the job. */
bool jobs_are_seen(const struct jobs_viewer *who, const char *tenant);
bool jobs_may_see(const struct jobs_viewer *who, const struct job_view *v);
/* 403 unless he is. */
NODISCARD enum status jobs_need_operator(struct req *r);
/* Writes what was done with a queue to the audit log: "queue.pause"; `after` is a JSON object,
 * NULL. */
NODISCARD enum status jobs_record(struct req *r, const char *action, const char *queue,
                                  const char *after);
/* Passes a status of the queue on; when Redis did not do its work, with 503 QUEUE_UNAVAILABLE; when
 * a key of the queue is not the queue's, with 500 QUEUE_BROKEN. */
enum status queue_said(struct req *r, enum status st);
/* The queue of that name, the caller's to free; 404 QUEUE_NOT_FOUND when nothing ever went to it
 * and no task of the table does. */
NODISCARD enum status queue_open(struct req *r, const char *name, struct queue **out);
#define QUEUE_OF_PATH \
    PATH_PARAMS({.name = "name", .help = "Name of the queue", .example = "checks"})

/* The members of a query that every list of jobs has. */
struct jobs_in {
    struct in_str task, tenant, after;
    struct page_in page;
};
#define JOBS_FIELDS(in_type, member)                                                             \
    {.name = "task",                                                                             \
     .type = FT_STRING,                                                                          \
     .offset = offsetof(in_type, member.task),                                                   \
     .min = 1,                                                                                   \
     .max = 64,                                                                                  \
     .help = "Only jobs of this task"},                                                          \
        {.name = "tenant",                                                                       \
         .type = FT_STRING,                                                                      \
         .offset = offsetof(in_type, member.tenant),                                             \
         .min = 1,                                                                               \
         .max = 256,                                                                             \
         .help = "Only jobs of this organisation"},                                              \
        PAGE_WINDOW(in_type, member.page, "Jobs", LIMIT_JOB_COUNT, 100, LIMIT_JOB_COUNT),        \
    {                                                                                            \
        .name = "after", .type = FT_STRING, .offset = offsetof(in_type, member.after), .min = 1, \
        .max = 128, .help = "next_cursor of the page before"                                     \
    }
#define JOBS_DESCRIPTION                                                                  \
    "In pages, or from cursor to cursor. What moves between two requests may come twice " \
    "or not at all. A request looks at 5,000 jobs; when there are more, `total` is what " \
    "it found, `total_is_exact` is false, and a page may be short though it has a next."

struct jobs_wanted {
    const char *queue, *state, *task, *tenant; /* NULL: any */
    const char *after;                         /* where the last page ended, NULL */
    const struct page_in *page;
};
/* What the query asks for: queue and state are the caller's to add. */
struct jobs_wanted jobs_wanted_of(const struct jobs_in *in);
/* Replies with a page of the jobs that the caller may see. */
NODISCARD enum status reply_jobs(struct req *r, const struct jobs_wanted *wanted);

/* What the list has beside a page's members. */
extern const struct schema jobs_more_schema;

#endif
