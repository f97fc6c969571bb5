/* The house-keeping thread: the sweep for missed slots, which is most needed when there are no
 * workers; what of the housekeeping is not left to tasks; and the numbers of the queues for
 * /metrics. Its work is paced,
 * so that it takes a tenth of a connection's time at most. */
#include <string.h>

#include "base/clock.h"
#include "log/log.h"
#include "queue/metrics.h"
#include "services/scheduler/internal.h"
#include "store/housekeeping.h"
#include "store/sweep.h"

enum {
    HOUSE_MS = 60 * 1000,
    SWEEP_MAX_MS = 10 * 1000, /* from the end of a pass to the next one */
    PACE = 10,                /* times as long as a step took */
    PACE_MIN_MS = 50,
    RETRY_MS = 1000,
    QUEUES_MS = 5000, /* how old the numbers of the queues may be */
    REDIS_MS = 1000
};

/* What the pass works with, taken from the other thread. */
struct view {
    bool is_mine[SCHED_SHARDS];
    int64_t gap_from_ms[SCHED_SHARDS], gap_to_ms[SCHED_SHARDS];
    bool has_any;
};

static void look(struct scheduler *s, struct view *v)
{
    v->has_any = false;
    (void)pthread_mutex_lock(&s->owned.lock);
    memcpy(v->is_mine, s->owned.is_mine, sizeof(v->is_mine));
    memcpy(v->gap_from_ms, s->owned.gap_from_ms, sizeof(v->gap_from_ms));
    memcpy(v->gap_to_ms, s->owned.gap_to_ms, sizeof(v->gap_to_ms));
    (void)pthread_mutex_unlock(&s->owned.lock);
    for (int i = 0; i < SCHED_SHARDS; i++)
        v->has_any |= v->is_mine[i];
}

/* One step; returns how long to wait before the next. */
static int64_t sweep_once(struct scheduler *s, struct db *db, struct sweep *sweep)
{
    struct view v;
    int64_t pass_ms = MIN_OF(s->conf->missed_grace / 3, (int64_t)SWEEP_MAX_MS);
    look(s, &v);
    if (!v.has_any) {
        sweep->after = (struct uuid){0};
        return pass_ms;
    }
    sweep->shards = v.is_mine;
    sweep->gap_from_ms = v.gap_from_ms;
    sweep->gap_to_ms = v.gap_to_ms;
    size_t missed = 0;
    bool done = false;
    int64_t began_ms = clock_mono_ms();
    enum status st = sweep_step(db, sweep, clock_wall_ms(), &missed, &done);
    if (st != ST_OK) {
        log_warn("sweep_failed", kv_status(st), kv_str("error", db_error(db)));
        return RETRY_MS;
    }
    if (missed > 0) {
        metric_add(&scheduler_missed_metric, (int64_t)missed);
        log_warn("slots_missed", kv_i64("count", (int64_t)missed));
    }
    int64_t pace_ms = MAX_OF((clock_mono_ms() - began_ms) * PACE, (int64_t)PACE_MIN_MS);
    return done ? MAX_OF(pass_ms, pace_ms) : pace_ms;
}

static void keep_house(struct scheduler *s, struct db *db)
{
    const struct housekeeping h = housekeeping_settings(s->conf);
    int ran = 0;
    enum status st = housekeeping_run(db, &h, &ran);
    if (st != ST_OK)
        log_warn("housekeeping_stopped", kv_status(st), kv_str("error", db_error(db)));
}

/* The queues are everybody's: the owner of the first shard alone shows their numbers. */
static void show_queues(struct scheduler *s, struct redis *redis)
{
    struct view v;
    look(s, &v);
    if (!v.is_mine[0])
        queue_gauges_clear();
    else if (queue_gauges_refresh(redis, clock_wall_ms()) != ST_OK)
        log_debug("queue_numbers_failed", kv_str("error", redis_error(redis)));
}

void scheduler_keeper_loop(struct stage *stage, void *arg)
{
    struct scheduler *s = arg;
    AUTO_DB db = NULL;
    AUTO_REDIS redis = NULL;
    struct errbuf err;
    if (db_new(s->conf->database_url, "tocsin-scheduler-keeper", &db, &err) != ST_OK ||
        redis_new(s->conf->redis_url, REDIS_MS, &redis, &err) != ST_OK) {
        log_error("keeper_not_started", kv_str("error", err.text));
        return;
    }
    struct sweep sweep = {.grace_ms = s->conf->missed_grace};
    int64_t house_at = 0, sweep_at = 0, queues_at = 0;
    while (!stage_is_stopping(stage)) {
        int64_t now_ms = clock_mono_ms();
        if (now_ms >= house_at) {
            keep_house(s, db);
            house_at = clock_mono_ms() + HOUSE_MS;
        }
        if (now_ms >= sweep_at)
            sweep_at = clock_mono_ms() + sweep_once(s, db, &sweep);
        if (now_ms >= queues_at) {
            show_queues(s, redis);
            queues_at = now_ms + QUEUES_MS;
        }
        int64_t next_at = MIN_OF(MIN_OF(house_at, sweep_at), queues_at);
        (void)stage_sleep(stage, MAX_OF(next_at - clock_mono_ms(), 1));
    }
    queue_gauges_clear();
}
