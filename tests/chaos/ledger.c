/* Ledgers of what happened, and what can be read from them. */
#include "tests/chaos/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

static void give_up(const char *what)
{
    perror(what);
    abort();
}

int ledger_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        give_up(path);
    return fd;
}

void ledger_write(int fd, enum ledger_event event, int worker, int32_t job, int attempt)
{
    const struct ledger_record r = {.at_ms = clock_mono_ms(),
                                    .job = job,
                                    .worker = (int16_t)worker,
                                    .event = (char)event,
                                    .attempt = (char)attempt};
    if (write(fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
        give_up("ledger");
}

int64_t ledger_count(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        give_up("ledger");
    return st.st_size / (int64_t)sizeof(struct ledger_record);
}

struct ledger_record *ledger_read(const char *path, size_t *count)
{
    int fd = ledger_open(path);
    size_t n = (size_t)ledger_count(fd);
    struct ledger_record *records = calloc(n + 1, sizeof(*records));
    if (!records)
        give_up("ledger");
    for (size_t i = 0; i < n; i++) {
        if (read(fd, &records[i], sizeof(records[i])) != (ssize_t)sizeof(records[i]))
            give_up(path);
    }
    (void)close(fd);
    *count = n;
    return records;
}

void ledger_print_job(const struct ledger_record *records, size_t count, int32_t job)
{
    printf("# job %d:", job);
    for (size_t i = 0; i < count; i++) {
        const struct ledger_record *r = &records[i];
        if (r->job == job && r->event != LEDGER_BEAT && r->event != LEDGER_KILLED)
            printf(" %c worker %d attempt %d at %lld ms;", r->event, r->worker, r->attempt,
                   (long long)r->at_ms);
    }
    printf("\n");
}

/* --- orphans --- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct tables {
    int64_t *beat_ms; /* by worker: its last heartbeat */
    bool *is_killed;  /* by worker */
    int16_t *holder;  /* by job: who fetched it last, while nothing came of it; -1 */
    int64_t *waits;
    size_t wait_count;
};

/* One more fetch of a job: a wait, when the one before was by a worker that was killed. */
static void fetched(struct tables *t, const struct ledger_record *r, int64_t lease_ms)
{
    int16_t before = t->holder[r->job];
    if (before >= 0 && before != r->worker && t->is_killed[before])
        t->waits[t->wait_count++] = MAX_OF(r->at_ms - (t->beat_ms[before] + lease_ms), 0);
    t->holder[r->job] = r->worker;
}

static void replay(struct tables *t, const struct ledger_record *records, size_t count,
                   int64_t lease_ms)
{
    for (size_t i = 0; i < count; i++) {
        const struct ledger_record *r = &records[i];
        if (r->event == LEDGER_BEAT)
            t->beat_ms[r->worker] = r->at_ms;
        else if (r->event == LEDGER_KILLED)
            t->is_killed[r->worker] = true;
        else if (r->event == LEDGER_FETCHED)
            fetched(t, r, lease_ms);
        else
            t->holder[r->job] = -1;
    }
}

struct ledger_orphans ledger_orphans_of(const struct ledger_record *records, size_t count,
                                        int64_t lease_ms)
{
    int32_t jobs = 0;
    for (size_t i = 0; i < count; i++)
        jobs = MAX_OF(jobs, records[i].job);
    AUTO_FREE int64_t *beat_ms = calloc(INT16_MAX, sizeof(*beat_ms));
    AUTO_FREE bool *is_killed = calloc(INT16_MAX, sizeof(*is_killed));
    AUTO_FREE int16_t *holder = calloc((size_t)jobs + 1, sizeof(*holder));
    AUTO_FREE int64_t *waits = calloc(count + 1, sizeof(*waits));
    if (!beat_ms || !is_killed || !holder || !waits)
        give_up("ledger");
    for (int32_t i = 0; i <= jobs; i++)
        holder[i] = -1;
    struct tables t = {
        .beat_ms = beat_ms, .is_killed = is_killed, .holder = holder, .waits = waits};
    replay(&t, records, count, lease_ms);
    if (t.wait_count == 0)
        return (struct ledger_orphans){0};
    qsort(waits, t.wait_count, sizeof(*waits), compare);
    return (struct ledger_orphans){.count = t.wait_count,
                                   .p50_ms = waits[t.wait_count / 2],
                                   .p99_ms = waits[t.wait_count - 1 - t.wait_count / 100],
                                   .max_ms = waits[t.wait_count - 1]};
}
