/*
 * The lease stage: says that this worker lives (a third of the lease apart), lets delayed jobs and
 * those of dead workers be run again (each second), and watches over the probes. A probe loop that
 * has stopped turning must not be covered by a heartbeat: its jobs go to other workers then.
 */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/str.h"
#include "daemon/daemon.h"
#include "log/log.h"
#include "services/worker/pool.h"

enum {
    MAINTAIN_MS = 1000,
    LOOK_MS = 250,
    IDLE_LOOK_MS = 500,
    STUCK_MS = 15000,
    HOPELESS_MS = 60000,
    INFO_BYTES = 32 << 10, /* of a heartbeat: WORKS_SHOWN jobs fit */
    RATE_S = 60,
    NEWS_MS = 1000,
    ASK_MS = 5000 /* for cancelled jobs, however it looks */
};

/* A wish to cancel that was seen: the newest one, and how many there are. */
struct wish {
    char newest[UUID_TEXT_BYTES + 32];
    int64_t count, asked_at_ms;
};

struct leaser {
    struct worker *worker;
    struct redis *redis;
    int64_t beat_at_ms, maintain_at_ms, leased_at_ms;
    int64_t started_at_us;
    /* of the last look: for rates */
    int64_t looked_at_ms, processed, failed;
    double processed_s, failed_s;
    struct scaling scaling;
    struct watch watches[WORKER_LANES];
    struct wish wishes[WORKER_LANES];
};

/* Jobs a second, over the last minute or so. */
static void count_rates(struct leaser *l, int64_t now_ms)
{
    const int64_t processed = atomic_load(&l->worker->processed);
    const int64_t failed = atomic_load(&l->worker->failed);
    const double took_s = (double)(now_ms - l->looked_at_ms) / 1000;
    if (l->looked_at_ms != 0 && took_s > 0) {
        const double weight = 1 - exp(-took_s / RATE_S);
        l->processed_s += weight * ((double)(processed - l->processed) / took_s - l->processed_s);
        l->failed_s += weight * ((double)(failed - l->failed) / took_s - l->failed_s);
    }
    l->looked_at_ms = now_ms;
    l->processed = processed;
    l->failed = failed;
}

static void write_bounds(struct jw *out, const char *key, const struct bounds *b)
{
    jw_key(out, key);
    jw_array(out);
    jw_i64(out, (int64_t)b->min);
    jw_i64(out, (int64_t)b->max);
    jw_end(out);
}

static void write_work(const struct leaser *l, struct jw *out)
{
    struct worker *w = l->worker;
    jw_kv_i64(out, "concurrency", (int64_t)atomic_load(&w->probe_limit));
    write_bounds(out, "concurrency_bounds", &w->probes);
    jw_kv_i64(out, "executors", (int64_t)pool_executors(w->pool));
    write_bounds(out, "executor_bounds", &w->executors);
    jw_kv_i64(out, "open", (int64_t)atomic_load(&w->open));
    jw_kv_i64(out, "processed", l->processed);
    jw_kv_i64(out, "failed", l->failed);
    jw_kv_f64(out, "processed_rate", round(l->processed_s * 100) / 100);
    jw_kv_f64(out, "failed_rate", round(l->failed_s * 100) / 100);
    jw_key(out, "jobs");
    works_write(w, out);
}

static void write_info(const struct leaser *l, struct buf *out)
{
    char host[65] = "";
    struct jw w;
    const struct worker *worker = l->worker;
    (void)gethostname(host, sizeof(host) - 1);
    jw_init(&w, out);
    jw_object(&w);
    jw_kv_str(&w, "host", host);
    jw_kv_i64(&w, "pid", getpid());
    jw_kv_str(&w, "version", tocsin_version);
    jw_kv_time_us(&w, "started_at", l->started_at_us);
    jw_kv_str(&w, "location", worker->conf->location);
    jw_kv_i64(&w, "running", (int64_t)works_running(l->worker));
    write_work(l, &w);
    jw_end(&w);
}

static enum status beat(struct leaser *l)
{
    struct worker *w = l->worker;
    AUTO_BUF info;
    count_rates(l, clock_mono_ms());
    buf_init(&info, INFO_BYTES);
    write_info(l, &info);
    TRY(buf_status(&info));
    for (size_t i = 0; i < w->lane_count; i++)
        TRY(queue_heartbeat(w->lanes[i].leasing, l->redis, w->consumer, buf_cstr(&info),
                            w->conf->worker_lease));
    return ST_OK;
}

/* Renewed in time, and sooner when there is news for those who look. */
static bool is_due(const struct leaser *l, int64_t now_ms)
{
    const struct worker *w = l->worker;
    const bool has_news = atomic_load(&w->open) > 0 || atomic_load(&w->processed) != l->processed;
    return now_ms >= l->beat_at_ms || (has_news && now_ms - l->leased_at_ms >= NEWS_MS);
}

static void renew(struct leaser *l, int64_t now)
{
    struct worker *w = l->worker;
    enum status st = beat(l);
    l->beat_at_ms = now + w->conf->worker_lease / 3;
    worker_health(WORKER_REDIS, st == ST_OK);
    if (st == ST_OK) {
        l->leased_at_ms = now;
        atomic_store(&w->is_leased, true);
        return;
    }
    l->beat_at_ms = now + MIN_OF(w->conf->worker_lease / 10, (int64_t)1000);
    if (atomic_load(&w->is_leased))
        log_warn("heartbeat_failed", kv_status(st), kv_str("error", redis_error(l->redis)));
    if (now - l->leased_at_ms >= w->conf->worker_lease)
        atomic_store(&w->is_leased, false);
}

/* Asks for cancelled jobs only when there are wishes that were not there before. */
static enum status look_for_wishes(struct leaser *l, size_t i, int64_t now_ms)
{
    struct lane *lane = &l->worker->lanes[i];
    struct wish *seen = &l->wishes[i];
    struct wish now = {.asked_at_ms = now_ms};
    AUTO_REPLY count = NULL;
    AUTO_REPLY newest = NULL;
    TRY(redis_do(l->redis, &count, "ZCARD", lane->cancelled_key));
    now.count = count->integer;
    if (now.count > 0) {
        TRY(redis_do(l->redis, &newest, "ZREVRANGE", lane->cancelled_key, "0", "0", "WITHSCORES"));
        if (newest->type == REDIS_REPLY_ARRAY && newest->elements == 2)
            (void)snprintf(now.newest, sizeof(now.newest), "%.40s %.24s", newest->element[0]->str,
                           newest->element[1]->str);
    }
    const bool is_same = now.count == seen->count && str_eq(now.newest, seen->newest);
    if (now.count == 0 || (is_same && now_ms - seen->asked_at_ms < ASK_MS)) {
        seen->count = now.count;
        return ST_OK;
    }
    TRY(works_cancel(lane, l->redis));
    *seen = now;
    return ST_OK;
}

static void cancel_and_watch(struct leaser *l, int64_t now_ms)
{
    struct worker *w = l->worker;
    enum status st = ST_OK;
    for (size_t i = 0; i < w->lane_count && st == ST_OK; i++) {
        if (atomic_load(&w->lanes[i].open) > 0)
            st = look_for_wishes(l, i, now_ms);
        if (st == ST_OK)
            st = watch_lane(&w->lanes[i], &l->watches[i], l->redis, now_ms);
    }
    if (st != ST_OK)
        log_debug("look_failed", kv_status(st), kv_str("error", redis_error(l->redis)));
}

static void maintain(struct leaser *l, int64_t now)
{
    struct worker *w = l->worker;
    size_t all = 0;
    for (size_t i = 0; i < w->lane_count; i++) {
        size_t moved = 0;
        enum status st = queue_maintain(w->lanes[i].leasing, l->redis, clock_wall_ms(), &moved);
        if (st != ST_OK)
            log_debug("maintain_failed", kv_status(st), kv_str("error", redis_error(l->redis)));
        else if (moved > 0)
            log_debug("jobs_moved", kv_str("queue", w->lanes[i].name),
                      kv_i64("jobs", (int64_t)moved));
        all += moved;
    }
    /* Where some were moved others may wait for their turn: those after a worker's death. */
    l->maintain_at_ms = now + (all > 0 ? 0 : MAINTAIN_MS);
}

/* false: the probe loop hangs. */
static bool probes_turn(struct worker *w, int64_t now)
{
    int64_t silent_ms = now - atomic_load(&w->engine_beat_ms);
    bool turns = silent_ms < STUCK_MS;
    worker_health(WORKER_PROBES, turns);
    if (turns)
        return true;
    log_error("probe_loop_stuck", kv_i64("silent_ms", silent_ms));
    if (silent_ms > HOPELESS_MS)
        abort(); /* a bug; the supervisor starts a new one, the jobs are pending still */
    return false;
}

/* Who has nothing in hand has nothing to be cancelled. */
static int64_t pause_of(const struct worker *w)
{
    const int64_t ms = atomic_load(&w->open) > 0 ? LOOK_MS : IDLE_LOOK_MS;
    return MIN_OF(w->conf->worker_lease / 10, ms);
}

void lease_stage(struct stage *stage, void *arg)
{
    struct worker *w = arg;
    struct errbuf err = {0};
    AUTO_REDIS redis = NULL;
    if (redis_new(w->conf->redis_url, LIMIT_REDIS_COMMAND_MS, &redis, &err) != ST_OK) {
        log_error("lease_stage", kv_str("error", err.text));
        abort();
    }
    struct leaser l = {.worker = w, .redis = redis, .started_at_us = clock_wall_us()};
    do {
        int64_t now = clock_mono_ms();
        engine_watch(w);
        scale_probes(w, &l.scaling, now);
        cancel_and_watch(&l, now);
        if (probes_turn(w, now) && is_due(&l, now))
            renew(&l, now);
        if (now >= l.maintain_at_ms)
            maintain(&l, now);
    } while (stage_sleep(stage, pause_of(w)));
    for (size_t i = 0; i < w->lane_count; i++) {
        enum status st = queue_leave(w->lanes[i].leasing, redis, w->consumer);
        if (st != ST_OK)
            log_warn("leave_failed", kv_status(st), kv_str("queue", w->lanes[i].name));
    }
}
