/* What a worker counts, and how it says what it depends on. */
#include "services/worker/worker.h"

#include "obs/health.h"
#include "obs/metrics.h"
#include "queue/metrics.h"

static struct metric probes[] = {
    [RESULT_SUCCESS] = {.name = "tocsin_worker_probes_total",
                        .help = "Probes ended, by what they found",
                        .labels = "status=\"success\"",
                        .type = METRIC_COUNTER},
    [RESULT_WARNING] = {.name = "tocsin_worker_probes_total",
                        .help = "Probes ended, by what they found",
                        .labels = "status=\"warning\"",
                        .type = METRIC_COUNTER},
    [RESULT_ERROR] = {.name = "tocsin_worker_probes_total",
                      .help = "Probes ended, by what they found",
                      .labels = "status=\"error\"",
                      .type = METRIC_COUNTER},
};
static struct metric duration = {.name = "tocsin_worker_probe_duration_seconds",
                                 .help = "Time that probes took",
                                 .type = METRIC_HISTOGRAM};
static struct metric lag = {.name = "tocsin_worker_queue_lag_seconds",
                            .help = "Time from a check's slot to the start of its probe",
                            .type = METRIC_HISTOGRAM};
static struct metric recorded = {.name = "tocsin_worker_recorded_total",
                                 .help = "Results stored, repeated ones included",
                                 .type = METRIC_COUNTER};
static struct metric batches = {.name = "tocsin_worker_record_batches_total",
                                .help = "Transactions that stored results",
                                .type = METRIC_COUNTER};
static struct metric batch_size = {.name = "tocsin_worker_record_batch_size",
                                   .help = "Results in the newest transaction",
                                   .type = METRIC_GAUGE};
static struct metric batch_time = {.name = "tocsin_worker_record_duration_seconds",
                                   .help = "Time of the transactions that stored results",
                                   .type = METRIC_HISTOGRAM};
static struct metric dropped = {.name = "tocsin_worker_record_refused_total",
                                .help = "Results that the store refused for good",
                                .type = METRIC_COUNTER};
static struct metric running = {
    .name = "tocsin_worker_running", .help = "Probes that run now", .type = METRIC_GAUGE};
static struct metric open_runs = {.name = "tocsin_worker_open",
                                  .help = "Checks in hand whose job is not acknowledged yet",
                                  .type = METRIC_GAUGE};

static struct metric executors = {
    .name = "tocsin_worker_executors", .help = "Processes that run tasks", .type = METRIC_GAUGE};
#define TASK_METRIC(how_, word)                               \
    [how_] = {.name = "tocsin_worker_attempts_total",         \
              .help = "Attempts of tasks, by how they ended", \
              .labels = "end=\"" word "\"",                   \
              .type = METRIC_COUNTER}
static struct metric attempts[] = {
    TASK_METRIC(TASK_SUCCEEDED, "succeeded"), TASK_METRIC(TASK_RETRY, "failed"),
    TASK_METRIC(TASK_FINAL, "final"),         TASK_METRIC(TASK_CANCELLED, "cancelled"),
    TASK_METRIC(TASK_EXPIRED, "expired"),     TASK_METRIC(TASK_HANDED_BACK, "handed_back"),
};
static struct health_item items[] = {
    [WORKER_DATABASE] = {.name = "database", .is_required = true},
    [WORKER_REDIS] = {.name = "redis", .is_required = true},
    [WORKER_EXECUTORS] = {.name = "executors", .is_required = true, .is_ok = true},
    [WORKER_PROBES] = {.name = "probes", .is_required = true, .is_ok = true},
};

static void add_all(void)
{
    struct metric *const all[] = {&probes[RESULT_SUCCESS],
                                  &probes[RESULT_WARNING],
                                  &probes[RESULT_ERROR],
                                  &duration,
                                  &lag,
                                  &recorded,
                                  &batches,
                                  &batch_size,
                                  &batch_time,
                                  &dropped,
                                  &running,
                                  &open_runs,
                                  &executors,
                                  &attempts[TASK_SUCCEEDED],
                                  &attempts[TASK_RETRY],
                                  &attempts[TASK_FINAL],
                                  &attempts[TASK_CANCELLED],
                                  &attempts[TASK_EXPIRED],
                                  &attempts[TASK_HANDED_BACK]};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metrics_add(all[i]);
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        health_add(&items[i]);
    queue_metrics_add();
}

/* The registry is the process's: a second worker in one process (a test) shares it. */
void worker_metrics_add(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, add_all);
}

void worker_metrics_running(size_t n)
{
    metric_set(&running, (int64_t)n);
}

void worker_metrics_open(size_t n)
{
    metric_set(&open_runs, (int64_t)n);
}

void worker_metrics_probe(enum result_status status, int64_t took_us)
{
    if ((size_t)status < ARRAY_LEN(probes))
        metric_inc(&probes[status]);
    if (took_us >= 0)
        metric_observe_us(&duration, took_us);
}

void worker_metrics_batch(size_t records, int64_t took_us)
{
    metric_add(&recorded, (int64_t)records);
    metric_inc(&batches);
    metric_set(&batch_size, (int64_t)records);
    metric_observe_us(&batch_time, took_us);
}

void worker_metrics_lag(int64_t lag_us)
{
    metric_observe_us(&lag, MAX_OF(lag_us, (int64_t)0));
}

void worker_metrics_dropped(size_t records)
{
    metric_add(&dropped, (int64_t)records);
}

void worker_metrics_executors(size_t n)
{
    metric_set(&executors, (int64_t)n);
}

void worker_metrics_attempt(enum task_how how)
{
    if (how != TASK_RUNNING && (size_t)how < ARRAY_LEN(attempts))
        metric_inc(&attempts[how]);
}

void worker_health(enum worker_dependency what, bool ok)
{
    health_set(&items[what], ok);
}
