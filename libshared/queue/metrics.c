/* Shows the queue's counters. */
#include "queue/internal.h"

void queue_metrics_add(void)
{
    metrics_add(&queue_dead_metric);
    metrics_add(&queue_expired_metric);
    metrics_add(&queue_reaped_metric);
}
