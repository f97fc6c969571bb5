/* Counters and histograms of a process that runs jobs, a set of them for each task. */
#include "queue/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "queue/internal.h"

enum { LABELS_BYTES = 96 };

/* One task's; the last set is that of tasks the table does not know. */
struct task_metrics {
    char labels[LABELS_BYTES];
    struct metric count[QUEUE_COUNTER_COUNT_];
    struct metric wait, duration;
};
static struct task_metrics *sets; /* of the process, as its registry of metrics is */
static size_t set_count;

static const struct {
    const char *name, *help;
} counters[] = {
    [QUEUE_PROCESSED] = {"tocsin_task_processed_total",
                         "Attempts that came to an end, failed ones included"},
    [QUEUE_FAILED] = {"tocsin_task_failed_total", "Attempts that failed"},
    [QUEUE_RETRIED] = {"tocsin_task_retried_total", "Failed attempts that are followed by another"},
    [QUEUE_DEAD] = {"tocsin_task_dead_total", "Jobs set aside as dead letters"},
    [QUEUE_REDELIVERED] = {"tocsin_task_redelivered_total",
                           "Jobs taken over from workers that died"},
    [QUEUE_EXPIRED] = {"tocsin_task_expired_total", "Jobs dropped because they had expired"},
    [QUEUE_CANCELLED] = {"tocsin_task_cancelled_total", "Jobs cancelled"},
};
_Static_assert(ARRAY_LEN(counters) == QUEUE_COUNTER_COUNT_, "a name for every counter");

struct metric queue_reaped_metric = {.name = "tocsin_queue_reaped_total",
                                     .help = "Jobs taken from workers whose lease ended",
                                     .type = METRIC_COUNTER};

static void set_init(struct task_metrics *m, const char *task)
{
    (void)snprintf(m->labels, sizeof(m->labels), "task=\"%.64s\"", task);
    for (size_t i = 0; i < QUEUE_COUNTER_COUNT_; i++)
        m->count[i] = (struct metric){
            .name = counters[i].name, .help = counters[i].help, .labels = m->labels};
    m->wait = (struct metric){
        .name = "tocsin_task_wait_seconds",
        .help = "From a job's enqueueing, or its due time, to its first delivery to a worker",
        .labels = m->labels,
        .type = METRIC_HISTOGRAM};
    m->duration = (struct metric){.name = "tocsin_task_duration_seconds",
                                  .help = "Time that attempts took, from start to end",
                                  .labels = m->labels,
                                  .type = METRIC_HISTOGRAM};
}

static void add_all(void)
{
    size_t tasks = 0;
    while (task_at(tasks))
        tasks++;
    struct task_metrics *list = calloc(tasks + 1, sizeof(*list));
    if (!list)
        return; /* not counting is better than not running */
    for (size_t i = 0; i <= tasks; i++)
        set_init(&list[i], i < tasks ? task_at(i)->name : "other");
    for (size_t k = 0; k < QUEUE_COUNTER_COUNT_; k++) {
        for (size_t i = 0; i <= tasks; i++)
            metrics_add(&list[i].count[k]);
    }
    for (size_t i = 0; i <= tasks; i++)
        metrics_add(&list[i].wait);
    for (size_t i = 0; i <= tasks; i++)
        metrics_add(&list[i].duration);
    metrics_add(&queue_reaped_metric);
    set_count = tasks + 1;
    sets = list;
}

void queue_metrics_add(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, add_all);
}

static struct task_metrics *set_of(const char *task)
{
    if (!sets)
        return NULL;
    size_t i = 0;
    while (i + 1 < set_count && !(task && str_eq(task_at(i)->name, task)))
        i++;
    return &sets[i];
}

void queue_metrics_ran(const char *task, int64_t took_us)
{
    struct task_metrics *m = set_of(task);
    if (m)
        metric_observe_us(&m->duration, MAX_OF(took_us, (int64_t)0));
}

void queue_count(const char *task, enum queue_counter what)
{
    struct task_metrics *m = set_of(task);
    if (m)
        metric_inc(&m->count[what]);
}

void queue_count_end(const char *task, enum job_state state)
{
    static const enum queue_counter ends[JOB_STATE_COUNT_] = {
        [JOB_DEAD] = QUEUE_DEAD,
        [JOB_CANCELLED] = QUEUE_CANCELLED,
        [JOB_EXPIRED] = QUEUE_EXPIRED,
    };
    if (state == JOB_SUCCEEDED)
        queue_count(task, QUEUE_PROCESSED);
    else if (ends[state] != QUEUE_PROCESSED)
        queue_count(task, ends[state]);
}

void queue_count_deliveries(const struct job *jobs, size_t count, int64_t now_ms)
{
    for (size_t i = 0; sets && i < count; i++) {
        const struct job *job = &jobs[i];
        struct task_metrics *m = set_of(job->task);
        if (job->deliveries > 1)
            metric_inc(&m->count[QUEUE_REDELIVERED]);
        /* Later ones waited for something else than a worker. */
        if (job->attempt > 1 || job->deliveries > 1 || job->granted_at_ms > 0)
            continue;
        int64_t since_ms = MAX_OF(job->enqueued_at_ms, job->not_before_ms);
        metric_observe_us(&m->wait, MAX_OF(now_ms - since_ms, (int64_t)0) * 1000);
    }
}
