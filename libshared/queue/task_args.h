/* Arguments that a schedule gives to its task, against the task's row. */
#ifndef TOCSIN_QUEUE_TASK_ARGS_H
#define TOCSIN_QUEUE_TASK_ARGS_H

#include "queue/queue.h"

struct task_args {
    const char *text;           /* as one line of JSON */
    const struct uuid *checks;  /* those that "check_id" and "check_ids" name */
    const char *const *members; /* … and the member that names each */
    size_t check_count;
};

/* `args` NULL: none, {}. Everything lives in the arena. ST_INVALID with what is wrong in `errors`,
 * below "args"; ST_TOO_LARGE: more than LIMIT_JOB_ARGS_BYTES. */
NODISCARD enum status task_args_read(const struct task *task, json_t *args, struct arena *arena,
                                     struct task_args *out, struct field_errors *errors);

/* For descriptions: the `args` of each `task` that organisations may schedule. */
extern const struct schema_variants task_args_variants;

#endif
