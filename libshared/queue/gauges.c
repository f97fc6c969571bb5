/* The numbers of all queues as Prometheus shows them, kept from one look at Redis to the next. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "queue/inspect.h"
#include "queue/internal.h"
#include "queue/metrics.h"

enum { FRESH_MS = 30 * 1000, ARENA_BYTES = 1 << 20 };

struct shown {
    char name[QUEUE_NAME_BYTES];
    struct queue_info info; /* without its texts */
};

/* The process's, as its registry of metrics is. */
static struct {
    pthread_mutex_t lock;
    struct shown queues[QUEUE_GAUGES_MAX];
    size_t count, left_out;
    int64_t at_mono_ms; /* 0: nothing to show */
    bool is_up;
} gauges = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- what is shown --- */

enum unit { UNIT_ONE, UNIT_SECONDS /* of milliseconds */ };

#define AT(member) offsetof(struct queue_info, member)
static const struct {
    const char *name, *type, *help;
    size_t offset[3]; /* added up, as far as they are given */
    size_t parts;
    enum unit unit;
} rows[] = {
    {"lag", "gauge", "Jobs in the streams that no worker was given yet", {AT(lag)}, 1, UNIT_ONE},
    {"in_flight", "gauge", "Jobs that workers have", {AT(in_flight)}, 1, UNIT_ONE},
    {"delayed", "gauge", "Jobs that wait for their time", {AT(delayed)}, 1, UNIT_ONE},
    {"dead", "gauge", "Dead letters", {AT(dead)}, 1, UNIT_ONE},
    {"oldest_age_seconds",
     "gauge",
     "How long the first of the jobs that wait has waited",
     {AT(oldest_age_ms)},
     1,
     UNIT_SECONDS},
    {"late_seconds",
     "gauge",
     "How long the most overdue delayed job is overdue",
     {AT(late_ms)},
     1,
     UNIT_SECONDS},
    {"workers", "gauge", "Workers that serve the queue", {AT(workers)}, 1, UNIT_ONE},
    {"enqueued_total", "counter", "Jobs added", {AT(enqueued)}, 1, UNIT_ONE},
    {"processed_total",
     "counter",
     "Attempts that came to an end, failed ones included",
     {AT(succeeded), AT(retried), AT(died)},
     3,
     UNIT_ONE},
    {"failed_total",
     "counter",
     "Attempts that failed, and jobs set aside unread",
     {AT(retried), AT(died)},
     2,
     UNIT_ONE},
    {"retried_total",
     "counter",
     "Failed attempts that are followed by another",
     {AT(retried)},
     1,
     UNIT_ONE},
    {"dead_total", "counter", "Jobs set aside as dead letters", {AT(died)}, 1, UNIT_ONE},
    {"redelivered_total",
     "counter",
     "Jobs taken over from workers that died",
     {AT(redelivered)},
     1,
     UNIT_ONE},
    {"expired_total",
     "counter",
     "Jobs dropped because they had expired",
     {AT(expired)},
     1,
     UNIT_ONE},
    {"cancelled_total", "counter", "Jobs cancelled", {AT(cancelled)}, 1, UNIT_ONE},
};
#undef AT

static void put_value(struct buf *out, int64_t v, enum unit unit)
{
    if (unit == UNIT_SECONDS)
        buf_printf(out, "%" PRId64 ".%03" PRId64 "\n", v / 1000, v % 1000);
    else
        buf_printf(out, "%" PRId64 "\n", v);
}

static int64_t number_at(const struct queue_info *info, size_t offset)
{
    return *(const int64_t *)(const void *)((const char *)info + offset);
}

static void put_row(struct buf *out, size_t row)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "tocsin_queue_%s", rows[row].name);
    metrics_write_head(out, name, rows[row].type, rows[row].help);
    for (size_t i = 0; i < gauges.count; i++) {
        int64_t v = 0;
        for (size_t k = 0; k < rows[row].parts; k++)
            v += number_at(&gauges.queues[i].info, rows[row].offset[k]);
        buf_printf(out, "%s{queue=\"%s\"} ", name, gauges.queues[i].name);
        put_value(out, v, rows[row].unit);
    }
}

static void put_depths(struct buf *out)
{
    static const char name[] = "tocsin_queue_depth";
    metrics_write_head(out, name, "gauge", "Jobs that wait, those in tenants' lines included");
    for (size_t i = 0; i < gauges.count; i++) {
        for (int p = 0; p < QUEUE_PRIORITIES; p++)
            buf_printf(out, "%s{queue=\"%s\",priority=\"%d\"} %" PRId64 "\n", name,
                       gauges.queues[i].name, p, gauges.queues[i].info.waiting[p]);
    }
}

/* Whether something is so: 0 or 1 a queue. */
static void put_flags(struct buf *out, const char *name, const char *help,
                      bool (*is)(const struct queue_info *info))
{
    metrics_write_head(out, name, "gauge", help);
    for (size_t i = 0; i < gauges.count; i++)
        buf_printf(out, "%s{queue=\"%s\"} %d\n", name, gauges.queues[i].name,
                   is(&gauges.queues[i].info));
}

static bool is_paused(const struct queue_info *info)
{
    return info->is_paused;
}

static bool is_broken(const struct queue_info *info)
{
    return info->is_broken;
}

static void write_all(struct buf *out)
{
    (void)pthread_mutex_lock(&gauges.lock);
    if (gauges.at_mono_ms != 0) {
        const bool is_fresh = clock_mono_ms() - gauges.at_mono_ms < FRESH_MS;
        metrics_write_head(out, "tocsin_queue_up", "gauge", "Whether Redis answers this process");
        buf_printf(out, "tocsin_queue_up %d\n", gauges.is_up && is_fresh);
        if (is_fresh) {
            put_depths(out);
            for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                put_row(out, i);
            put_flags(out, "tocsin_queue_paused", "Whether the queue is paused", is_paused);
            put_flags(out, "tocsin_queue_broken",
                      "Whether keys of the queue hold what is not the queue's", is_broken);
            metrics_write_head(out, "tocsin_queue_left_out", "gauge",
                               "Queues that are not shown here because there are too many");
            buf_printf(out, "tocsin_queue_left_out %zu\n", gauges.left_out);
        }
    }
    (void)pthread_mutex_unlock(&gauges.lock);
}

void queue_gauges_add(void)
{
    metrics_collector_add(write_all);
}

/* --- where it comes from --- */

static enum status look(struct redis *r, int64_t now_ms, struct arena *arena, struct shown *list,
                        size_t *count, size_t *left_out)
{
    const char **names = NULL;
    size_t found = 0;
    TRY(queue_names(r, arena, &names, &found));
    *count = MIN_OF(found, (size_t)QUEUE_GAUGES_MAX);
    *left_out = found - *count;
    for (size_t i = 0; i < *count; i++) {
        struct queue *q = NULL;
        if (queue_new(names[i], 0, &q) != ST_OK)
            return ST_NO_MEMORY;
        (void)str_copy(list[i].name, sizeof(list[i].name), names[i]);
        enum status st = queue_info_get(q, r, now_ms, arena, &list[i].info);
        queue_free(q);
        TRY(st);
        list[i].info.paused_by = NULL;
        list[i].info.broken = NULL;
    }
    return ST_OK;
}

enum status queue_gauges_refresh(struct redis *r, int64_t now_ms)
{
    size_t count = 0, left_out = 0;
    AUTO_ARENA arena = arena_new(ARENA_BYTES);
    AUTO_FREE struct shown *list = calloc(QUEUE_GAUGES_MAX, sizeof(*list));
    if (!arena || !list)
        return ST_NO_MEMORY;
    enum status st = look(r, now_ms, arena, list, &count, &left_out);
    (void)pthread_mutex_lock(&gauges.lock);
    gauges.is_up = st == ST_OK;
    if (st == ST_OK) {
        memcpy(gauges.queues, list, count * sizeof(*list));
        gauges.count = count;
        gauges.left_out = left_out;
    }
    if (st == ST_OK || gauges.at_mono_ms == 0)
        gauges.at_mono_ms = clock_mono_ms();
    (void)pthread_mutex_unlock(&gauges.lock);
    return st;
}

void queue_gauges_clear(void)
{
    (void)pthread_mutex_lock(&gauges.lock);
    gauges.at_mono_ms = 0;
    gauges.count = 0;
    (void)pthread_mutex_unlock(&gauges.lock);
}
