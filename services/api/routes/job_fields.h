/* How a job is shown, by itself and in lists. */
#ifndef TOCSIN_API_ROUTES_JOB_FIELDS_H
#define TOCSIN_API_ROUTES_JOB_FIELDS_H

#include "net/http.h"
#include "queue/inspect.h"

struct job_out {
    struct uuid id;
    const char *queue, *task, *state;
    int64_t priority, attempt, max_attempts;
    const char *worker, *error, *tenant, *key, *group;
    struct uuid group_id;
    struct out_list chain;
    struct uuid awaits_job, awaits_group;
    bool is_cancel_wanted;
    int64_t enqueued_us, due_us, expires_us, started_us, finished_us;
    double running_s;
    const char *args, *result;
};
extern const struct schema job_schema;
/* In lists a job comes without its arguments and its result. */
extern const struct schema job_item_schema;

/* Of what says of a job only where to find it: the members `id` and `queue` of a struct. */
#define JOB_PLACE_FIELDS(type_)                                               \
    {.name = "id",                                                            \
     .type = FT_UUID,                                                         \
     .offset = offsetof(type_, id),                                           \
     .help = "As in GET /api/v1/jobs/{id}"},                                  \
    {                                                                         \
        .name = "queue", .type = FT_STRING, .offset = offsetof(type_, queue), \
        .example = "\"default\""                                              \
    }
/* … and how it is, its member `state`: `more` are states that no other job has. */
#define JOB_STATE_FIELD(type_, more, example_)                                                           \
    {                                                                                                    \
        .name = "state", .type = FT_STRING, .flags = F_NULLABLE, .offset = offsetof(type_, state),       \
        .help = more                                                                                     \
            "queued, delayed, running, succeeded, dead, cancelled or expired; null: not known any more", \
        .example = (example_)                                                                            \
    }

NODISCARD enum status job_to_out(struct req *r, const char *queue, const struct job_view *v,
                                 struct job_out *out);
NODISCARD enum status reply_job(struct req *r, int status, const char *queue,
                                const struct job_view *v);

#endif
