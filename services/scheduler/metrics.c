/* What the scheduler shows of itself. */
#include "queue/metrics.h"
#include "services/scheduler/internal.h"

struct metric scheduler_checks_metric = {.name = "tocsin_scheduler_checks",
                                         .help = "Enabled checks of the shards owned",
                                         .type = METRIC_GAUGE};
struct metric scheduler_kept_metric = {.name = "tocsin_scheduler_checks_kept",
                                       .help = "Enabled checks in memory, those of others included",
                                       .type = METRIC_GAUGE};
struct metric scheduler_shards_metric = {.name = "tocsin_scheduler_shards_owned",
                                         .help = "Shards of schedules that this scheduler owns",
                                         .type = METRIC_GAUGE};
struct metric scheduler_dispatched_metric = {.name = "tocsin_scheduler_dispatched_total",
                                             .help = "Due checks put into the job queue",
                                             .type = METRIC_COUNTER};
struct metric scheduler_ticks_metric = {.name = "tocsin_scheduler_ticks_total",
                                        .help = "Batches put into the job queue",
                                        .type = METRIC_COUNTER};
struct metric scheduler_lag_metric = {.name = "tocsin_scheduler_dispatch_lag_seconds",
                                      .help = "From a slot's time to its being in the job queue",
                                      .type = METRIC_HISTOGRAM};
struct metric scheduler_missed_metric = {.name = "tocsin_scheduler_missed_total",
                                         .help = "Slots recorded as missed",
                                         .type = METRIC_COUNTER};
struct metric scheduler_tasks_metric = {.name = "tocsin_scheduler_tasks_total",
                                        .help = "Runs of tasks' schedules put into the job queue",
                                        .type = METRIC_COUNTER};
struct metric scheduler_overlaps_metric = {
    .name = "tocsin_scheduler_overlaps_total",
    .help = "Runs of tasks' schedules left out because the one before had not ended",
    .type = METRIC_COUNTER};

struct health_item scheduler_db_health = {.name = "database", .is_required = true};
struct health_item scheduler_redis_health = {.name = "redis", .is_required = true};
/* Leading its shards, or standing by with the leases in sight. */
struct health_item scheduler_lease_health = {.name = "leases", .is_required = true};

void scheduler_metrics_add(void)
{
    static bool is_done;
    if (is_done)
        return;
    is_done = true;
    metrics_add(&scheduler_checks_metric);
    metrics_add(&scheduler_kept_metric);
    metrics_add(&scheduler_shards_metric);
    metrics_add(&scheduler_dispatched_metric);
    metrics_add(&scheduler_ticks_metric);
    metrics_add(&scheduler_lag_metric);
    metrics_add(&scheduler_missed_metric);
    queue_gauges_add();
    metrics_add(&scheduler_tasks_metric);
    metrics_add(&scheduler_overlaps_metric);
    scheduler_relay_metrics_add();
    health_add(&scheduler_db_health);
    health_add(&scheduler_redis_health);
    health_add(&scheduler_lease_health);
}
