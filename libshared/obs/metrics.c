/* The registry and Prometheus' text format, version 0.0.4. */
#include "obs/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

/* Upper bounds of the buckets in µs, from half a millisecond to a minute; the last one is +Inf. */
static const int64_t bounds_us[METRIC_BUCKETS] = {
    500,    1000,   2500,    5000,    10000,   25000,    50000,    100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

/* The list is only appended to; the lock makes that safe against a scrape. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *first;
static struct metric **last = &first;
enum { COLLECTORS_MAX = 8 };
static void (*collectors[COLLECTORS_MAX])(struct buf *out);
static size_t collector_count;

void metrics_add(struct metric *m)
{
    (void)pthread_mutex_lock(&lock);
    m->next = NULL;
    *last = m;
    last = &m->next;
    (void)pthread_mutex_unlock(&lock);
}

void metrics_collector_add(void (*write)(struct buf *out))
{
    (void)pthread_mutex_lock(&lock);
    if (collector_count == COLLECTORS_MAX)
        abort(); /* a bug: they are the program's own */
    collectors[collector_count++] = write;
    (void)pthread_mutex_unlock(&lock);
}

void metric_observe_us(struct metric *m, int64_t us)
{
    size_t i = 0;
    while (i < METRIC_BUCKETS && us > bounds_us[i])
        i++;
    (void)atomic_fetch_add_explicit(&m->bucket[i], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&m->value, us, memory_order_relaxed);
}

static void put_name(struct buf *out, const struct metric *m, const char *suffix, const char *le)
{
    buf_str(out, m->name);
    buf_str(out, suffix);
    if (m->labels || le) {
        buf_char(out, '{');
        buf_str(out, m->labels ? m->labels : "");
        if (le)
            buf_printf(out, "%sle=\"%s\"", m->labels ? "," : "", le);
        buf_char(out, '}');
    }
    buf_char(out, ' ');
}

static void put_seconds(struct buf *out, int64_t us)
{
    buf_printf(out, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

static void put_histogram(struct buf *out, struct metric *m)
{
    int64_t count = 0;
    char le[32];
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        count += atomic_load_explicit(&m->bucket[i], memory_order_relaxed);
        if (i < METRIC_BUCKETS)
            (void)snprintf(le, sizeof(le), "%g", (double)bounds_us[i] / 1e6);
        put_name(out, m, "_bucket", i < METRIC_BUCKETS ? le : "+Inf");
        buf_i64(out, count);
        buf_char(out, '\n');
    }
    put_name(out, m, "_sum", NULL);
    put_seconds(out, atomic_load_explicit(&m->value, memory_order_relaxed));
    buf_char(out, '\n');
    put_name(out, m, "_count", NULL);
    buf_i64(out, count);
    buf_char(out, '\n');
}

void metrics_write_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_metric(struct buf *out, struct metric *m)
{
    if (m->type == METRIC_HISTOGRAM) {
        put_histogram(out, m);
        return;
    }
    put_name(out, m, "", NULL);
    buf_i64(out, m->read ? m->read(m->arg) : atomic_load_explicit(&m->value, memory_order_relaxed));
    buf_char(out, '\n');
}

/* Resident bytes and start time come from /proc; 0 when it cannot be read. */
static int64_t resident_bytes(void)
{
    int64_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*d %" SCNd64, &pages) != 1)
        pages = 0;
    (void)fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_fds(void)
{
    int64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n - 1; /* the directory itself */
}

static int64_t cpu_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Set when the program starts: process_start_time_seconds is asked for much later. */
static int64_t started_at_us;
__attribute__((constructor)) static void note_start(void)
{
    started_at_us = clock_wall_us();
}

static void put_process(struct buf *out)
{
    metrics_write_head(out, "process_resident_memory_bytes", "gauge", "Resident memory");
    buf_printf(out, "process_resident_memory_bytes %" PRId64 "\n", resident_bytes());
    metrics_write_head(out, "process_cpu_seconds_total", "counter", "User and system CPU time");
    buf_str(out, "process_cpu_seconds_total ");
    put_seconds(out, cpu_us());
    buf_char(out, '\n');
    metrics_write_head(out, "process_start_time_seconds", "gauge",
                       "When the process began, since 1970");
    buf_str(out, "process_start_time_seconds ");
    put_seconds(out, started_at_us);
    buf_char(out, '\n');
    metrics_write_head(out, "process_open_fds", "gauge", "Open file descriptors");
    buf_printf(out, "process_open_fds %" PRId64 "\n", open_fds());
}

void metrics_write(struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *name = NULL;
    (void)pthread_mutex_lock(&lock);
    for (struct metric *m = first; m; m = m->next) {
        if (!str_eq(name, m->name))
            metrics_write_head(out, m->name, types[m->type], m->help);
        name = m->name;
        put_metric(out, m);
    }
    for (size_t i = 0; i < collector_count; i++)
        collectors[i](out);
    (void)pthread_mutex_unlock(&lock);
    put_process(out);
}
