/* The one task table. A new kind of work is one row here and its handler in the worker. */
#include <string.h>

#include "base/str.h"
#include "queue/queue.h"
#include "queue/tasks.h"

/* A job of due checks is done when its slowest check is; the probe's own time limit ends that one.
 */
enum { CHECK_LIMIT_MS = LIMIT_PROBE_TIMEOUT_MS + 30000, RESULT_MS = 24 * 3600 * 1000 };

/* --- arguments --- */

struct check_args {
    struct in_uuid check_id;
};
static const struct field check_fields[] = {
    {.name = "check_id",
     .type = FT_UUID,
     .flags = F_REQUIRED,
     .offset = offsetof(struct check_args, check_id),
     .help = "The check to run"},
};
static const struct schema check_args = SCHEMA("TaskArgsCheckRun", struct check_args, check_fields);
static const struct schema any_args = {.name = "TaskArgsAny", .is_open = true};

static const struct field sleep_fields[] = {
    {.name = "seconds",
     .type = FT_NUMBER,
     .flags = F_REQUIRED,
     .offset = offsetof(struct queue_sleep_args, seconds),
     .min = 0,
     .max = 86400,
     .help = "How long it takes"},
};
static const struct schema sleep_args = SCHEMA("TaskArgsSleep", struct queue_sleep_args,
                                               sleep_fields);

#define AT(member) offsetof(struct queue_fail_args, member)
static const struct field fail_fields[] = {
    {.name = "times",
     .type = FT_INT,
     .offset = AT(times),
     .min = 1,
     .max = 1000,
     .help = "Attempts that fail; without it, all"},
    {.name = "final", .type = FT_BOOL, .offset = AT(is_final), .help = "Without another try"},
    {.name = "message",
     .type = FT_STRING,
     .offset = AT(message),
     .max = 200,
     .help = "What it says of itself"},
};
#undef AT
static const struct schema fail_args = SCHEMA("TaskArgsFail", struct queue_fail_args, fail_fields);

/* --- the table --- */

#define HOUSE_TASK(name_)                                                                         \
    {                                                                                             \
        .name = (name_), .queue = "default", .priority = QUEUE_PRIORITIES - 1, .max_attempts = 3, \
        .retry_base_ms = 10000, .retry_cap_ms = 300000, .time_limit_ms = 1800000,                 \
        .soft_limit_ms = 1700000, .audience = TASK_SYSTEM                                         \
    }

static const struct task tasks[] = {
    {.name = "check.scheduled",
     .queue = "checks",
     .priority = 1,
     .max_attempts = 3,
     .retry_base_ms = 1000,
     .retry_cap_ms = 30000,
     .time_limit_ms = CHECK_LIMIT_MS},
    /* By hand, perhaps thousands at once: after what is due. A caller who waits for his one asks
     * for QUEUE_WAITED_PRIORITY. A second attempt would come too late. */
    {.name = "check.run",
     .queue = "checks",
     .priority = 2,
     .max_attempts = 1,
     .retry_base_ms = 1000,
     .retry_cap_ms = 1000,
     .time_limit_ms = CHECK_LIMIT_MS,
     .audience = TASK_USER,
     .args = &check_args,
     .takes_slot = true},
    {.name = "check.adhoc",
     .queue = "checks",
     .priority = QUEUE_WAITED_PRIORITY,
     .max_attempts = 1,
     .retry_base_ms = 1000,
     .retry_cap_ms = 1000,
     .time_limit_ms = CHECK_LIMIT_MS},
    /* To try a deployment with. Work that does nothing: to see whether a queue is served. */
    {.name = "queue.noop",
     .queue = "default",
     .priority = QUEUE_DEFAULT_PRIORITY,
     .max_attempts = 3,
     .retry_base_ms = 1000,
     .retry_cap_ms = 60000,
     .time_limit_ms = 60000,
     .audience = TASK_USER,
     .args = &any_args},
    /* Says where it ran. */
    {.name = "queue.echo",
     .queue = "default",
     .priority = QUEUE_DEFAULT_PRIORITY,
     .max_attempts = 3,
     .retry_base_ms = 1000,
     .retry_cap_ms = 60000,
     .time_limit_ms = 60000,
     .result_ttl_ms = RESULT_MS,
     .audience = TASK_SYSTEM,
     .args = &any_args},
    /* Takes its time: for limits, cancelling, drains. */
    {.name = "queue.sleep",
     .queue = "default",
     .priority = QUEUE_DEFAULT_PRIORITY,
     .max_attempts = 3,
     .retry_base_ms = 1000,
     .retry_cap_ms = 60000,
     .time_limit_ms = 3600000,
     .soft_limit_ms = 3590000,
     .result_ttl_ms = RESULT_MS,
     .audience = TASK_SYSTEM,
     .args = &sleep_args},
    /* Fails: for retries, dead letters, and what watches them. */
    {.name = "queue.fail",
     .queue = "default",
     .priority = QUEUE_DEFAULT_PRIORITY,
     .max_attempts = 3,
     .retry_base_ms = 1000,
     .retry_cap_ms = 60000,
     .time_limit_ms = 60000,
     .result_ttl_ms = RESULT_MS,
     .audience = TASK_SYSTEM,
     .args = &fail_args},
    /* Housekeeping (store/housekeeping.h): by schedules of the installation. */
    HOUSE_TASK("system.partitions"),
    HOUSE_TASK("system.retention"),
    HOUSE_TASK("system.cleanup"),
};

/* Global because they are part of the program: set once, before there are threads. */
static const struct task *more;
static size_t more_count;

void tasks_add(const struct task *rows, size_t count)
{
    more = rows;
    more_count = count;
}

const struct task *task_at(size_t i)
{
    if (i < ARRAY_LEN(tasks))
        return &tasks[i];
    return i - ARRAY_LEN(tasks) < more_count ? &more[i - ARRAY_LEN(tasks)] : NULL;
}

const struct task *task_find(const char *name)
{
    const struct task *task = NULL;
    for (size_t i = 0; (task = task_at(i)) != NULL; i++) {
        if (str_eq(task->name, name))
            return task;
    }
    return NULL;
}

/* --- routes --- */

enum { ROUTES_MAX = 64, PATTERN_MAX = 64, QUEUE_NAME_BYTES = 41 };

/* Global because they are the process's configuration: set once, before there are threads. */
static struct {
    char pattern[PATTERN_MAX];
    char queue[QUEUE_NAME_BYTES];
} routes[ROUTES_MAX];
static size_t route_count;

static bool fits(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, name, len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

const char *task_queue(const struct task *task)
{
    for (size_t i = 0; i < route_count; i++) {
        if (fits(routes[i].pattern, task->name))
            return routes[i].queue;
    }
    return task->queue;
}

static bool is_check(const struct task *task)
{
    return str_starts(task->name, "check.");
}

bool task_fits_queue(const struct task *task, const char *queue)
{
    if (is_check(task) || str_eq(task_queue(task), queue))
        return true;
    const struct task *other = task_at(0);
    for (size_t i = 1; other; other = task_at(i++)) {
        if (is_check(other) && str_eq(task_queue(other), queue))
            return false;
    }
    return true;
}

static enum status route_add(const char *part, size_t len, struct errbuf *err)
{
    const char *eq = memchr(part, '=', len);
    size_t left = eq ? (size_t)(eq - part) : 0;
    size_t right = eq ? len - left - 1 : 0;
    if (left == 0 || left >= PATTERN_MAX || right == 0 || right >= QUEUE_NAME_BYTES ||
        strspn(eq + 1, "abcdefghijklmnopqrstuvwxyz0123456789_-.") < right)
        return err_set(err, ST_INVALID, "\"%.*s\" is not task=queue", (int)MIN_OF(len, 100), part);
    if (route_count == ROUTES_MAX)
        return err_set(err, ST_TOO_LARGE, "more than %d routes", ROUTES_MAX);
    memcpy(routes[route_count].pattern, part, left);
    routes[route_count].pattern[left] = '\0';
    memcpy(routes[route_count].queue, eq + 1, right);
    routes[route_count].queue[right] = '\0';
    route_count++;
    return ST_OK;
}

enum status task_routes_set(const char *text, struct errbuf *err)
{
    route_count = 0;
    while (*text) {
        size_t len = strcspn(text, ",");
        if (len > 0)
            TRY(route_add(text, len, err));
        text += len + (text[len] == ',');
    }
    return ST_OK;
}
