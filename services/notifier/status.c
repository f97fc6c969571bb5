/* Health and metrics of the notifier. */
#include "base/clock.h"
#include "base/str.h"
#include "obs/health.h"
#include "obs/metrics.h"
#include "services/notifier/notifier.h"

/* Health items and metrics live as long as the process: the registry never forgets them. */
static struct health_item database = {.name = "database", .is_required = true};
static struct health_item redis = {.name = "redis", .is_required = false};

#define ATTEMPTS(status_)                                                                         \
    {                                                                                             \
        .name = "tocsin_notifications_total",                                                     \
        .help = "Attempts to notify, by what became of them", .labels = "status=\"" status_ "\"", \
        .type = METRIC_COUNTER                                                                    \
    }
static const char *const statuses[] = {"delivered", "pending", "failed", "cancelled", "released"};
static struct metric attempts[] = {ATTEMPTS("delivered"), ATTEMPTS("retried"), ATTEMPTS("failed"),
                                   ATTEMPTS("cancelled"), ATTEMPTS("released")};
static struct metric duration = {.name = "tocsin_notification_seconds",
                                 .help = "From the claim of a notification to its record",
                                 .type = METRIC_HISTOGRAM};
static struct metric running = {.name = "tocsin_notifications_running",
                                .help = "Notifications under way",
                                .type = METRIC_GAUGE};
static struct metric circuits = {.name = "tocsin_notification_circuits_open",
                                 .help = "Endpoints that get nothing for a while after failures",
                                 .type = METRIC_GAUGE};

static int64_t read_running(void *arg)
{
    struct notifier *n = arg;
    (void)pthread_mutex_lock(&n->lock);
    const size_t count = n->claimed_count;
    (void)pthread_mutex_unlock(&n->lock);
    return (int64_t)count;
}

static int64_t read_circuits(void *arg)
{
    const struct notifier *n = arg;
    return (int64_t)endpoints_count_open(n->endpoints, clock_mono_ms());
}

void status_setup(struct notifier *n)
{
    health_add(&database);
    health_add(&redis);
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
        metrics_add(&attempts[i]);
    metrics_add(&duration);
    running.read = read_running;
    running.arg = n;
    metrics_add(&running);
    circuits.read = read_circuits;
    circuits.arg = n;
    metrics_add(&circuits);
}

void status_database(bool is_ok)
{
    health_set(&database, is_ok);
}

void status_redis(bool is_ok)
{
    health_set(&redis, is_ok);
}

void status_count(const struct delivery *d, const char *status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (str_eq(status, statuses[i]))
            metric_inc(&attempts[i]);
    }
    metric_observe_us(&duration, clock_mono_us() - d->started_mono_us);
}
