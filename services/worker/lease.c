/*
 * The lease stage: says that this worker lives (a third of the lease apart), lets delayed jobs and
 * those of dead workers be run again (each second), and watches over the probes. A probe loop that
 * has stopped turning must not be covered by a heartbeat: its jobs go to other workers then.
 */
#include "services/worker/worker.h"

#include <unistd.h>

#include "daemon/daemon.h"
#include "json/write.h"
#include "log/log.h"

enum { MAINTAIN_MS = 1000, STUCK_MS = 15000, HOPELESS_MS = 60000 };

struct leaser {
    struct worker *worker;
    struct redis *redis;
    int64_t beat_at_ms, maintain_at_ms, leased_at_ms;
    int64_t started_at_us;
};

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
    jw_kv_i64(&w, "concurrency", worker->conf->worker_concurrency);
    jw_kv_i64(&w, "running", (int64_t)atomic_load(&worker->unprobed));
    jw_kv_i64(&w, "open", (int64_t)atomic_load(&worker->open));
    jw_end(&w);
}

static enum status beat(struct leaser *l)
{
    struct worker *w = l->worker;
    AUTO_BUF info;
    buf_init(&info, 2048);
    write_info(l, &info);
    for (size_t i = 0; i < w->lane_count; i++)
        TRY(queue_heartbeat(w->lanes[i].leasing, l->redis, w->consumer, buf_cstr(&info),
                            w->conf->worker_lease));
    return ST_OK;
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

static void maintain(struct leaser *l, int64_t now)
{
    struct worker *w = l->worker;
    l->maintain_at_ms = now + MAINTAIN_MS;
    for (size_t i = 0; i < w->lane_count; i++) {
        size_t moved = 0;
        enum status st = queue_maintain(w->lanes[i].leasing, l->redis, clock_wall_ms(), &moved);
        if (st != ST_OK)
            log_debug("maintain_failed", kv_status(st), kv_str("error", redis_error(l->redis)));
        else if (moved > 0)
            log_debug("jobs_moved", kv_str("queue", w->lanes[i].name),
                      kv_i64("jobs", (int64_t)moved));
    }
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
        if (probes_turn(w, now) && now >= l.beat_at_ms)
            renew(&l, now);
        if (now >= l.maintain_at_ms)
            maintain(&l, now);
    } while (stage_sleep(stage, MIN_OF(w->conf->worker_lease / 10, (int64_t)250)));
    for (size_t i = 0; i < w->lane_count; i++) {
        enum status st = queue_leave(w->lanes[i].leasing, redis, w->consumer);
        if (st != ST_OK)
            log_warn("leave_failed", kv_status(st), kv_str("queue", w->lanes[i].name));
    }
}
