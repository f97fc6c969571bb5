/* The one task table. A new kind of work is one row here and its handler in the worker. */
#include "base/str.h"
#include "queue/queue.h"

/* A job of due checks is done when its slowest check is; the probe's own time limit ends that one.
 */
enum { CHECK_LIMIT_MS = LIMIT_PROBE_TIMEOUT_MS + 30000 };

static const struct task tasks[] = {
    {.name = "check.scheduled",
     .queue = "checks",
     .priority = 1,
     .max_attempts = 3,
     .retry_base_ms = 1000,
     .retry_cap_ms = 30000,
     .time_limit_ms = CHECK_LIMIT_MS},
    /* Somebody waits for these two: a second attempt would come too late. */
    {.name = "check.run",
     .queue = "checks",
     .priority = 0,
     .max_attempts = 1,
     .retry_base_ms = 1000,
     .retry_cap_ms = 1000,
     .time_limit_ms = CHECK_LIMIT_MS},
    {.name = "check.adhoc",
     .queue = "checks",
     .priority = 0,
     .max_attempts = 1,
     .retry_base_ms = 1000,
     .retry_cap_ms = 1000,
     .time_limit_ms = CHECK_LIMIT_MS},
    /* Work that does nothing: for benches, for tests, and to see whether a queue is served. */
    {.name = "queue.noop",
     .queue = "default",
     .priority = QUEUE_DEFAULT_PRIORITY,
     .max_attempts = 3,
     .retry_base_ms = 1000,
     .retry_cap_ms = 60000,
     .time_limit_ms = 60000},
};

const struct task *task_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        if (str_eq(tasks[i].name, name))
            return &tasks[i];
    }
    return NULL;
}
