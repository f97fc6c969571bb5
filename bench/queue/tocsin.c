/*
 * Tocsin's side of bench/queue: a producer and a worker over libshared/queue, as a daemon would use
 * it. The worker looks each job's handler up by its task, calls it, acknowledges in batches after
 * the handlers returned, and renews its lease meanwhile; killed at any moment it loses nothing.
 *
 *     tocsin enqueue URL JOBS [RATE]   RATE jobs a second, 0 or none: as fast as it goes
 *     tocsin single URL JOBS [RATE]    the same, a call a job
 *     tocsin work URL                  until SIGTERM; then says what it saw as JSON
 *
 * Three threads work, each with its own connection: fetch and run, acknowledge, lease.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bqueue.h"
#include "base/clock.h"
#include "base/stage.h"
#include "base/str.h"
#include "bench/common/sample.h"
#include "queue/queue.h"

enum {
    FETCH_BATCH = 500,
    BATCHES = 4, /* in hand: one is run while others are acknowledged */
    ENQUEUE_BATCH = 500,
    BLOCK_MS = 1000,
    TIMEOUT_MS = 10000,
    LEASE_MS = 15000,
    MAINTAIN_MS = 1000,
    ARENA_BYTES = 16 << 20,
    PACE_US = 100 /* the producer looks that often whether the next jobs are due */
};

static const char task_name[] = "queue.noop";
/* What the producer sends along to have the time until the start measured. */
static const char stamp_prefix[] = "{\"at_us\":";

static void check(enum status st, const char *what)
{
    if (st == ST_OK)
        return;
    (void)fprintf(stderr, "tocsin: %s: %s\n", what, status_name(st));
    exit(1);
}

static struct redis *connect_to(const char *url)
{
    struct redis *redis = NULL;
    struct errbuf err = {0};
    check(redis_new(url, TIMEOUT_MS, &redis, &err), "redis");
    check(redis_ping(redis), "ping");
    return redis;
}

static struct queue *open_queue(void)
{
    struct queue *q = NULL;
    const struct task *task = task_find(task_name);
    check(task ? ST_OK : ST_NOT_FOUND, "task");
    check(queue_new(task->queue, 0, &q), "queue");
    return q;
}

/* --- the producer --- */

static void enqueue_batch(struct queue *q, struct redis *r, size_t count, bool is_stamped,
                          bool is_single)
{
    struct job jobs[ENQUEUE_BATCH];
    char args[64] = "{}";
    int64_t now_us = clock_wall_us();
    if (is_stamped)
        (void)snprintf(args, sizeof(args), "%s%lld}", stamp_prefix, (long long)now_us);
    for (size_t i = 0; i < count; i++)
        check(job_init(&jobs[i], task_name, args, now_us / 1000), "job");
    if (!is_single)
        check(queue_enqueue_many(q, r, jobs, count, NULL), "enqueue");
    for (size_t i = 0; is_single && i < count; i++)
        check(queue_enqueue(q, r, &jobs[i]), "enqueue");
}

static int enqueue(const char *url, int64_t jobs, int64_t rate, bool is_single)
{
    struct queue *q = open_queue();
    struct redis *r = connect_to(url);
    int64_t began_us = clock_wall_us();
    int64_t sent = 0;
    while (sent < jobs) {
        int64_t due = jobs;
        if (rate > 0)
            due = MIN_OF(jobs, (clock_wall_us() - began_us) * rate / 1000000);
        int64_t count = MIN_OF(due - sent, (int64_t)ENQUEUE_BATCH);
        if (count > 0)
            enqueue_batch(q, r, (size_t)count, rate > 0, is_single);
        else
            (void)usleep(PACE_US);
        sent += count;
    }
    int64_t ended_us = clock_wall_us();
    (void)printf("{\"began\":%.6f,\"ended\":%.6f,\"jobs\":%lld}\n", (double)began_us / 1e6,
                 (double)ended_us / 1e6, (long long)jobs);
    redis_free(r);
    queue_free(q);
    return 0;
}

/* --- the worker --- */

struct batch {
    struct job_batch fetched; /* in an arena of its own */
    struct job done[FETCH_BATCH];
    struct job_outcome outcomes[FETCH_BATCH];
    size_t done_count;
};

struct worker {
    const char *url;
    char consumer[100];
    struct bqueue *idle, *to_ack;
    struct batch batches[BATCHES];
    int64_t run; /* jobs */
    struct sample latency_us;
};

/* The table of handlers, by task. */
static enum status run_noop(struct worker *w, const struct job *job)
{
    int64_t at_us = 0;
    w->run++;
    if (!str_starts(job->args, stamp_prefix))
        return ST_OK;
    at_us = strtoll(job->args + sizeof(stamp_prefix) - 1, NULL, 10);
    sample_add(&w->latency_us, clock_wall_us() - at_us);
    return ST_OK;
}

static const struct handler {
    const char *task;
    enum status (*run)(struct worker *w, const struct job *job);
} handlers[] = {
    {task_name, run_noop},
};

static enum status run_job(struct worker *w, const struct job *job)
{
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (str_eq(handlers[i].task, job->task))
            return handlers[i].run(w, job);
    }
    return ST_NOT_FOUND;
}

static void run_batch(struct worker *w, struct queue *q, struct redis *r, struct batch *b)
{
    int64_t now_ms = clock_wall_ms();
    b->done_count = 0;
    for (size_t i = 0; i < b->fetched.count; i++) {
        const struct job *job = &b->fetched.jobs[i];
        enum status st = run_job(w, job);
        if (st == ST_OK) {
            b->outcomes[b->done_count] = (struct job_outcome){
                .state = JOB_SUCCEEDED, .started_at_ms = now_ms, .finished_at_ms = now_ms};
            b->done[b->done_count++] = *job;
        } else
            check(queue_retry(q, r, w->consumer, job, status_name(st), now_ms), "retry");
    }
}

static void fetch_stage(struct stage *stage, void *arg)
{
    struct worker *w = arg;
    struct queue *q = open_queue();
    struct redis *r = connect_to(w->url);
    while (!stage_is_stopping(stage)) {
        void *item = NULL;
        if (bqueue_take(w->idle, &item, 1, BLOCK_MS) == 0)
            continue;
        struct batch *b = item;
        arena_reset(b->fetched.arena);
        check(queue_fetch(q, r, w->consumer, FETCH_BATCH, BLOCK_MS, &b->fetched), "fetch");
        run_batch(w, q, r, b);
        check(bqueue_try_put(b->done_count > 0 ? w->to_ack : w->idle, b), "put");
    }
    bqueue_close(w->to_ack);
    redis_free(r);
    queue_free(q);
}

static void ack_stage(struct stage *stage, void *arg)
{
    (void)stage; /* ends when the fetching stage closed the way here */
    struct worker *w = arg;
    struct queue *q = open_queue();
    struct redis *r = connect_to(w->url);
    void *item = NULL;
    while (bqueue_take(w->to_ack, &item, 1, -1) == 1) {
        struct batch *b = item;
        check(queue_finish(q, r, w->consumer, b->done, b->outcomes, b->done_count), "finish");
        check(bqueue_try_put(w->idle, b), "put");
    }
    redis_free(r);
    queue_free(q);
}

static void lease_stage(struct stage *stage, void *arg)
{
    struct worker *w = arg;
    struct queue *q = open_queue();
    struct redis *r = connect_to(w->url);
    int64_t beat_at_ms = clock_mono_ms() + LEASE_MS / 3;
    while (stage_sleep(stage, MAINTAIN_MS)) {
        if (clock_mono_ms() >= beat_at_ms) {
            beat_at_ms += LEASE_MS / 3;
            check(queue_heartbeat(q, r, w->consumer, "{}", LEASE_MS), "heartbeat");
        }
        check(queue_maintain(q, r, clock_wall_ms(), NULL), "maintain");
    }
    redis_free(r);
    queue_free(q);
}

/* A lease first: what is fetched without one is taken away again. */
static void begin(struct worker *w)
{
    char uuid[UUID_TEXT_BYTES];
    struct uuid id = uuid_new();
    uuid_format(&id, uuid);
    (void)snprintf(w->consumer, sizeof(w->consumer), "bench:%d:%s", getpid(), uuid);
    struct queue *q = open_queue();
    struct redis *r = connect_to(w->url);
    check(queue_heartbeat(q, r, w->consumer, "{}", LEASE_MS), "heartbeat");
    redis_free(r);
    queue_free(q);
    w->idle = bqueue_new(BATCHES);
    w->to_ack = bqueue_new(BATCHES);
    check(w->idle && w->to_ack ? ST_OK : ST_NO_MEMORY, "queues");
    for (size_t i = 0; i < BATCHES; i++) {
        w->batches[i].fetched.arena = arena_new(ARENA_BYTES);
        check(w->batches[i].fetched.arena ? ST_OK : ST_NO_MEMORY, "arena");
        check(bqueue_try_put(w->idle, &w->batches[i]), "put");
    }
}

static void end(struct worker *w)
{
    struct queue *q = open_queue();
    struct redis *r = connect_to(w->url);
    check(queue_leave(q, r, w->consumer), "leave");
    redis_free(r);
    queue_free(q);
    (void)printf("LATENCY {\"run\":%lld,\"count\":%zu,\"p50_us\":%lld,\"p99_us\":%lld}\n",
                 (long long)w->run, w->latency_us.count,
                 (long long)sample_quantile(&w->latency_us, 0.5),
                 (long long)sample_quantile(&w->latency_us, 0.99));
    for (size_t i = 0; i < BATCHES; i++)
        arena_free(w->batches[i].fetched.arena);
    bqueue_free(w->idle);
    bqueue_free(w->to_ack);
    sample_done(&w->latency_us);
}

static int work(const char *url)
{
    struct worker *w = calloc(1, sizeof(*w));
    check(w ? ST_OK : ST_NO_MEMORY, "worker");
    w->url = url;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    begin(w);
    struct stage *fetcher = NULL, *acker = NULL, *leaser = NULL;
    check(stage_start("ack", ack_stage, w, &acker), "thread");
    check(stage_start("lease", lease_stage, w, &leaser), "thread");
    check(stage_start("fetch", fetch_stage, w, &fetcher), "thread");
    int sig = 0;
    (void)sigwait(&set, &sig);
    stage_join(fetcher);
    stage_join(acker);
    stage_join(leaser);
    end(w);
    free(w);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t jobs = 0, rate = 0;
    if (argc == 3 && str_eq(argv[1], "work"))
        return work(argv[2]);
    const bool is_single = argc > 1 && str_eq(argv[1], "single");
    if ((argc == 4 || argc == 5) && (is_single || str_eq(argv[1], "enqueue")) &&
        str_to_i64(argv[3], &jobs) == ST_OK && (argc == 4 || str_to_i64(argv[4], &rate) == ST_OK))
        return enqueue(argv[2], jobs, rate, is_single);
    (void)fputs("usage: tocsin enqueue|single URL JOBS [RATE] | tocsin work URL\n", stderr);
    return 2;
}
