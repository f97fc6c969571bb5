/* Workers and producers that are there to be killed. */
#include "tests/chaos/roles.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/stage.h"
#include "db/db.h"
#include "log/log.h"
#include "tests/chaos/ledger.h"
#include "tests/kit/kit.h"

enum { RETRY_PAUSE_MS = 20, ARENA_BYTES = 4 << 20, HANDLER_US = 4000, BLOCK_MS = 200 };

struct worker {
    const struct chaos *c;
    int id, ledger;
    char consumer[64];
    struct queue *queue, *leasing;
    struct redis *redis, *lease_redis;
    struct db *db;
    atomic_bool is_leased;
    struct job_batch batch;
    size_t begun, acked; /* of the batch */
};

static volatile sig_atomic_t is_stopping;

static void on_term(int signal)
{
    (void)signal;
    is_stopping = 1;
}

static void pause_us(int64_t us)
{
    (void)nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
                    NULL);
}

/* What every role does first: it must neither outlive its parent nor act on its parent's signals.
 */
static void settle_in(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, on_term);
    is_stopping = 0;
    log_setup("chaos", LOG_LEVEL_ERROR, LOG_FORMAT_JSON);
}

static struct redis *open_redis(const struct chaos *c)
{
    struct redis *r = NULL;
    struct errbuf err = {{0}};
    if (redis_new(c->redis_url, CHAOS_CALL_MS, &r, &err) != ST_OK)
        abort();
    return r;
}

/* --- jobs --- */

enum status chaos_job(int32_t n, struct job *out)
{
    int64_t now_ms = clock_wall_ms();
    TRY(job_init(out, "check.scheduled", "{\"n\":1}", now_ms));
    out->id = (struct uuid){.b = {1}};
    for (size_t i = 0; i < 4; i++)
        out->id.b[12 + i] = (uint8_t)((uint32_t)n >> (24 - 8 * i));
    out->priority = n % QUEUE_PRIORITIES;
    if (n % 10 == 3)
        out->not_before_ms = now_ms + 1 + n % 700;
    return ST_OK;
}

static int32_t number_of(const struct job *job)
{
    uint32_t n = 0;
    for (size_t i = 0; i < 4; i++)
        n = n << 8 | job->id.b[12 + i];
    return (int32_t)n;
}

/* --- the producer --- */

static void wait_for_room(struct queue *q, struct redis *r)
{
    struct queue_stats s;
    while (queue_stats_get(q, r, &s) == ST_OK && s.waiting + s.delayed > CHAOS_BACKLOG)
        pause_us(5000);
}

void chaos_producer(const struct chaos *c)
{
    settle_in();
    int ledger = ledger_open(c->accepted_path);
    struct redis *r = open_redis(c);
    struct queue *q = NULL;
    if (queue_new(CHAOS_QUEUE, 0, &q) != ST_OK)
        abort();
    /* A job whose answer was lost is put again under the same id. */
    for (int32_t n = (int32_t)ledger_count(ledger);; n++) {
        struct job job;
        if (n % 20 == 0)
            wait_for_room(q, r);
        if (chaos_job(n, &job) != ST_OK)
            abort();
        while (queue_enqueue(q, r, &job) != ST_OK)
            pause_us(RETRY_PAUSE_MS * 1000);
        ledger_write(ledger, LEDGER_ACCEPTED, 0, n, 0);
    }
}

/* --- the worker's lease --- */

static void lease(struct stage *stage, void *arg)
{
    struct worker *w = arg;
    int64_t beat_at = 0, maintain_at = 0;
    int64_t leased_ms = clock_mono_ms();
    do {
        int64_t now = clock_mono_ms();
        if (now >= beat_at) {
            bool ok = queue_heartbeat(w->leasing, w->lease_redis, w->consumer, "{}",
                                      CHAOS_LEASE_MS) == ST_OK;
            beat_at = now + (ok ? CHAOS_LEASE_MS / 3 : RETRY_PAUSE_MS);
            if (ok) {
                leased_ms = now;
                ledger_write(w->ledger, LEDGER_BEAT, w->id, 0, 0);
            }
            if (ok || now - leased_ms >= CHAOS_LEASE_MS)
                atomic_store(&w->is_leased, ok);
        }
        if (now >= maintain_at) {
            /* What fails now is done at the next pass, by whichever worker. */
            if (queue_maintain(w->leasing, w->lease_redis, clock_wall_ms(), NULL) != ST_OK)
                pause_us(RETRY_PAUSE_MS * 1000);
            maintain_at = now + CHAOS_MAINTAIN_MS;
        }
    } while (stage_sleep(stage, RETRY_PAUSE_MS));
}

/* --- the worker's jobs --- */

/* The row says that the job was done, the total how often: both or neither. */
static const struct query take_effect = {
    .name = "chaos_effect",
    .sql = "WITH fresh AS (INSERT INTO effects (job) VALUES ($1::integer)"
           " ON CONFLICT DO NOTHING RETURNING job), counted AS"
           " (UPDATE totals SET effects = effects + 1 WHERE EXISTS (SELECT FROM fresh))"
           " SELECT count(*) AS fresh FROM fresh",
};

static void effect(struct worker *w, const struct job *job)
{
    int32_t n = number_of(job);
    struct db_args args;
    db_args_init(&args, w->batch.arena);
    db_arg_i64(&args, n);
    for (;;) {
        AUTO_RESULT r = NULL;
        if (db_query(w->db, &take_effect, &args, &r) == ST_OK) {
            bool is_new = row_i64(r, 0, "fresh") == 1;
            ledger_write(w->ledger, is_new ? LEDGER_EFFECT : LEDGER_AGAIN, w->id, n, job->attempt);
            return;
        }
        pause_us(RETRY_PAUSE_MS * 1000);
    }
}

/* Without an answer a job may be acknowledged or not: either way it is done. */
static void acknowledge(struct worker *w, const struct job *jobs, size_t count)
{
    while (!is_stopping && queue_ack(w->queue, w->redis, jobs, count) != ST_OK)
        pause_us(RETRY_PAUSE_MS * 1000);
}

static void fail_once(struct worker *w, const struct job *job)
{
    ledger_write(w->ledger, LEDGER_RETRY, w->id, number_of(job), job->attempt);
    /* ST_CONFLICT: somebody else has the job, or the answer to a first try was lost. */
    while (!is_stopping) {
        enum status st = queue_retry(w->queue, w->redis, w->consumer, job, "chaos",
                                     clock_wall_ms());
        if (st == ST_OK || st == ST_CONFLICT)
            return;
        pause_us(RETRY_PAUSE_MS * 1000);
    }
}

static void run_batch(struct worker *w)
{
    struct job done[CHAOS_ACK_BATCH];
    size_t count = 0;
    for (size_t i = 0; i < w->batch.count; i++)
        ledger_write(w->ledger, LEDGER_FETCHED, w->id, number_of(&w->batch.jobs[i]),
                     w->batch.jobs[i].attempt);
    for (w->begun = 0; w->begun < w->batch.count && !is_stopping;) {
        const struct job *job = &w->batch.jobs[w->begun++];
        int32_t n = number_of(job);
        uint64_t mix = ((uint64_t)n + w->c->seed) * 0x9e3779b97f4a7c15u;
        pause_us((int64_t)(mix >> 40) % HANDLER_US);
        if (n % 16 == 5 && job->attempt == 1) {
            fail_once(w, job);
            continue;
        }
        effect(w, job);
        done[count++] = *job;
        if (count == CHAOS_ACK_BATCH) {
            acknowledge(w, done, count);
            count = 0;
        }
    }
    if (count > 0)
        acknowledge(w, done, count);
}

static void hand_back(struct worker *w)
{
    for (size_t i = w->begun; i < w->batch.count; i++) {
        /* If not now, then when the lease is given up. */
        if (queue_hand_back(w->queue, w->redis, w->consumer, &w->batch.jobs[i]) == ST_UNAVAILABLE)
            return;
    }
}

static void work(struct worker *w)
{
    while (!is_stopping) {
        if (!atomic_load(&w->is_leased)) {
            pause_us(2000);
            continue;
        }
        arena_reset(w->batch.arena);
        if (queue_fetch(w->queue, w->redis, w->consumer, CHAOS_BATCH, BLOCK_MS, &w->batch) != ST_OK)
            pause_us(RETRY_PAUSE_MS * 1000);
        else
            run_batch(w);
    }
    hand_back(w);
}

void chaos_worker(const struct chaos *c, int incarnation, const char *crash_at)
{
    settle_in();
    crash_arm(crash_at);
    struct worker w = {.c = c, .id = incarnation, .ledger = ledger_open(c->events_path)};
    (void)snprintf(w.consumer, sizeof(w.consumer), "chaos:%d:%d", (int)getpid(), incarnation);
    w.redis = open_redis(c);
    w.lease_redis = open_redis(c);
    w.db = kit_db_open(c->conninfo);
    w.batch.arena = arena_new(ARENA_BYTES);
    struct stage *leaser = NULL;
    if (queue_new(CHAOS_QUEUE, 0, &w.queue) != ST_OK ||
        queue_new(CHAOS_QUEUE, 0, &w.leasing) != ST_OK || !w.batch.arena ||
        stage_start("lease", lease, &w, &leaser) != ST_OK)
        abort();
    work(&w);
    stage_join(leaser);
    int failed = queue_leave(w.leasing, w.lease_redis, w.consumer) != ST_OK;
    _exit(failed);
}
