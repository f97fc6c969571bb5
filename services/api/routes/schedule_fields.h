/* What of a schedule goes out and comes in over HTTP: shared with the handlers of schedules.c. */
#ifndef TOCSIN_API_ROUTES_SCHEDULE_FIELDS_H
#define TOCSIN_API_ROUTES_SCHEDULE_FIELDS_H

#include "net/http.h"
#include "store/task_schedules.h"

struct last_job_out;
struct schedule_out {
    struct uuid id;
    const char *name, *task, *args, *schedule, *time_zone, *queue;
    int64_t priority;
    double jitter_s;
    const char *catch_up, *overlap;
    double expires_s;
    bool enabled, is_system;
    int64_t next_run_us, last_run_us;
    const struct last_job_out *last_job;
    int64_t created_us, updated_us;
};
extern const struct schema schedule_schema;

struct schedule_in {
    struct in_str name, task;
    struct in_json args;
    struct in_str schedule, time_zone, queue;
    struct in_i64 priority;
    struct in_f64 jitter;
    struct in_str catch_up, overlap;
    struct in_f64 expires;
    struct in_bool enabled;
};
extern const struct schema schedule_create_schema, schedule_update_schema;

/* With what the queue says of its last job, unless *may_look is false; false afterwards when the
 * queue does not answer: what is stored will have to do. */
NODISCARD enum status schedule_to_out(struct req *r, const struct task_schedule *s, bool *may_look,
                                      struct schedule_out *out);
/* What is given, written over what is there. */
void schedule_apply(const struct schedule_in *in, struct task_schedule *s);

#endif
