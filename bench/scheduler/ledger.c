/*
 * The ledger of bench/scheduler: a consumer that drains the stream of due checks and writes down
 * every slot of every check. A check's number is the last 6 bytes of its id, its shard that number
 * modulo 16, its interval a minute. How late a check was comes from the ids of the stream's
 * entries, which are Redis's own clock: it does not matter when the ledger gets to read them.
 *
 *     ledger URL CHECKS        commands on standard input:
 *         mark   begin a new window of measurements
 *         show   one line of JSON: the window, and the whole ledger
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stage.h"
#include "base/str.h"
#include "bench/common/sample.h"
#include "queue/check_jobs.h"
#include "queue/queue.h"

enum {
    SHARDS = 16,
    INTERVAL_MS = 60000,
    OVERDUE_MS = 3000, /* beyond its slot, a check that did not come is missing */
    BATCH = 250,
    BLOCK_MS = 200,
    TIMEOUT_MS = 10000,
    LEASE_MS = 30000,
    ARENA_BYTES = 32 << 20
};

struct ledger {
    const char *url;
    pthread_mutex_t lock;
    size_t checks;
    int64_t *last_slot_ms; /* by number; 0: never seen */
    int64_t dispatched, doubled, missed, odd;
    /* the window */
    struct sample lag_ms;
    int64_t shard_at_ms[SHARDS]; /* newest entry */
    int64_t silence_ms[SHARDS];
};

static void check(enum status st, const char *what)
{
    if (st == ST_OK)
        return;
    (void)fprintf(stderr, "ledger: %s: %s\n", what, status_name(st));
    exit(1);
}

static size_t number_of(const struct uuid *id)
{
    size_t n = 0;
    for (size_t i = 10; i < sizeof(id->b); i++)
        n = n << 8 | id->b[i];
    return n;
}

static void note_slot(struct ledger *l, size_t number, int64_t slot_ms)
{
    int64_t last_ms = l->last_slot_ms[number];
    l->dispatched++;
    if (last_ms == 0 || slot_ms == last_ms + INTERVAL_MS)
        l->last_slot_ms[number] = slot_ms;
    else if (slot_ms <= last_ms)
        l->doubled++;
    else {
        l->missed += (slot_ms - last_ms) / INTERVAL_MS - 1;
        l->odd += (slot_ms - last_ms) % INTERVAL_MS != 0;
        l->last_slot_ms[number] = slot_ms;
    }
}

static void note_job(struct ledger *l, const struct job *job)
{
    struct check_scheduled due;
    check(check_scheduled_decode(job->args, &due, NULL), "job");
    int64_t at_ms = strtoll(job->entry, NULL, 10);
    for (size_t i = 0; i < due.count; i++) {
        size_t number = number_of(&due.due[i].check_id);
        check(number < l->checks ? ST_OK : ST_CORRUPT, "check");
        if (due.due[i].prev_ms == 0)
            continue; /* a new check's first run, beside its slots */
        note_slot(l, number, due.due[i].slot_ms);
        sample_add(&l->lag_ms, at_ms - due.due[i].slot_ms);
        size_t shard = number % SHARDS;
        if (l->shard_at_ms[shard] != 0)
            l->silence_ms[shard] = MAX_OF(l->silence_ms[shard], at_ms - l->shard_at_ms[shard]);
        l->shard_at_ms[shard] = at_ms;
    }
}

static void drain_stage(struct stage *stage, void *arg)
{
    struct ledger *l = arg;
    struct redis *r = NULL;
    struct queue *q = NULL;
    struct errbuf err = {0};
    struct job_batch batch = {.arena = arena_new(ARENA_BYTES)};
    char consumer[64];
    int64_t beat_at_ms = 0;
    (void)snprintf(consumer, sizeof(consumer), "ledger:%d", getpid());
    check(batch.arena ? ST_OK : ST_NO_MEMORY, "arena");
    check(redis_new(l->url, TIMEOUT_MS, &r, &err), "redis");
    check(queue_new("checks", 0, &q), "queue");
    while (!stage_is_stopping(stage)) {
        if (clock_mono_ms() >= beat_at_ms) {
            check(queue_heartbeat(q, r, consumer, "{}", LEASE_MS), "heartbeat");
            beat_at_ms = clock_mono_ms() + LEASE_MS / 3;
        }
        arena_reset(batch.arena);
        check(queue_fetch(q, r, consumer, BATCH, BLOCK_MS, &batch), "fetch");
        (void)pthread_mutex_lock(&l->lock);
        for (size_t i = 0; i < batch.count; i++)
            note_job(l, &batch.jobs[i]);
        (void)pthread_mutex_unlock(&l->lock);
        if (batch.count > 0)
            check(queue_ack(q, r, batch.jobs, batch.count), "ack");
    }
    queue_free(q);
    redis_free(r);
    arena_free(batch.arena);
}

static void mark(struct ledger *l)
{
    l->lag_ms.count = 0;
    memset(l->silence_ms, 0, sizeof(l->silence_ms));
}

static void show(struct ledger *l)
{
    int64_t now_ms = clock_wall_ms();
    int64_t silence_ms = 0;
    size_t seen = 0, overdue = 0;
    for (size_t i = 0; i < l->checks; i++) {
        seen += l->last_slot_ms[i] != 0;
        overdue += l->last_slot_ms[i] != 0 &&
                   l->last_slot_ms[i] + INTERVAL_MS + OVERDUE_MS < now_ms;
    }
    for (size_t i = 0; i < SHARDS; i++)
        silence_ms = MAX_OF(silence_ms, l->silence_ms[i]);
    (void)printf("{\"window\":%zu,\"lag_p50_ms\":%lld,\"lag_p99_ms\":%lld,\"lag_max_ms\":%lld,"
                 "\"silence_ms\":%lld,\"dispatched\":%lld,\"seen\":%zu,\"overdue\":%zu,"
                 "\"missed\":%lld,\"doubled\":%lld,\"odd\":%lld}\n",
                 l->lag_ms.count, (long long)sample_quantile(&l->lag_ms, 0.5),
                 (long long)sample_quantile(&l->lag_ms, 0.99),
                 (long long)sample_quantile(&l->lag_ms, 1), (long long)silence_ms,
                 (long long)l->dispatched, seen, overdue, (long long)l->missed,
                 (long long)l->doubled, (long long)l->odd);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    int64_t checks = 0;
    if (argc != 3 || str_to_i64(argv[2], &checks) != ST_OK || checks <= 0) {
        (void)fputs("usage: ledger URL CHECKS\n", stderr);
        return 2;
    }
    struct ledger l = {.url = argv[1], .checks = (size_t)checks, .lock = PTHREAD_MUTEX_INITIALIZER};
    l.last_slot_ms = calloc(l.checks, sizeof(*l.last_slot_ms));
    check(l.last_slot_ms ? ST_OK : ST_NO_MEMORY, "ledger");
    struct stage *stage = NULL;
    check(stage_start("drain", drain_stage, &l, &stage), "thread");
    char line[32];
    while (fgets(line, sizeof(line), stdin)) {
        (void)pthread_mutex_lock(&l.lock);
        if (str_starts(line, "show"))
            show(&l);
        else
            mark(&l);
        (void)pthread_mutex_unlock(&l.lock);
    }
    stage_join(stage);
    sample_done(&l.lag_ms);
    free(l.last_slot_ms);
    return 0;
}
