/* Metrics of all HTTP servers of the process. */
#include "net/http_internal.h"

#define CLASS(code)                                                                            \
    {                                                                                          \
        .name = "tocsin_http_requests_total", .help = "Requests answered, by class of status", \
        .labels = "code=\"" code "\"", .type = METRIC_COUNTER                                  \
    }
static struct metric by_class[] = {CLASS("1xx"), CLASS("2xx"), CLASS("3xx"), CLASS("4xx"),
                                   CLASS("5xx")};
#undef CLASS

struct metric http_metric_duration = {
    .name = "tocsin_http_request_duration_seconds",
    .help = "From the request line to the end of the reply, parked time included",
    .type = METRIC_HISTOGRAM};
struct metric http_metric_in_flight = {.name = "tocsin_http_requests_in_flight",
                                       .help = "Requests that have no complete reply yet",
                                       .type = METRIC_GAUGE};
struct metric http_metric_queued = {.name = "tocsin_http_queue_length",
                                    .help = "Requests that wait for a handler thread",
                                    .type = METRIC_GAUGE};
struct metric http_metric_refused = {.name = "tocsin_http_refused_total",
                                     .help = "Requests refused because the queue was full",
                                     .type = METRIC_COUNTER};
struct metric http_metric_parked = {.name = "tocsin_http_parked",
                                    .help = "Requests that wait for an event without a thread",
                                    .type = METRIC_GAUGE};
struct metric http_metric_connections = {
    .name = "tocsin_http_connections", .help = "Client connections open", .type = METRIC_GAUGE};

struct metric http_metric_unlogged = {
    .name = "tocsin_http_unlogged_total",
    .help = "Requests left out of the access log because nobody read it",
    .type = METRIC_COUNTER};

static void add_all(void)
{
    for (size_t i = 0; i < ARRAY_LEN(by_class); i++)
        metrics_add(&by_class[i]);
    metrics_add(&http_metric_duration);
    metrics_add(&http_metric_in_flight);
    metrics_add(&http_metric_queued);
    metrics_add(&http_metric_refused);
    metrics_add(&http_metric_parked);
    metrics_add(&http_metric_connections);
    metrics_add(&http_metric_unlogged);
}

void http_metrics_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, add_all);
}

void http_metrics_count(int status)
{
    size_t class = (size_t)status / 100;
    if (class >= 1 && class <= ARRAY_LEN(by_class))
        metric_inc(&by_class[class - 1]);
}
