/* The dispatching thread: one loop over leases, shards, changes and ticks, and its start and end.
 */
#include "base/clock.h"
#include "log/log.h"
#include "services/scheduler/internal.h"

enum {
    TICK_MS = 20,      /* ticks closer than this are one: fuller jobs for the same lag */
    FULL_MS = 250,     /* the queue has no room: try again */
    BATCHES_A_TURN = 4 /* of one shard, before others get theirs */
};

static void observe(const struct sched_batch *b)
{
    int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < b->count; i++)
        metric_observe_us(&scheduler_lag_metric, MAX_OF(now_ms - b->due[i].slot_ms, 0) * 1000);
    metric_add(&scheduler_dispatched_metric, (int64_t)b->count);
    metric_inc(&scheduler_ticks_metric);
}

/* False when the shard has nothing more to give now. */
static bool publish(struct scheduler *s, int shard)
{
    struct dispatching *run = &s->run;
    struct shard_work *w = &run->shards[shard];
    const struct sched_batch *batch = NULL;
    if (sched_tick(run->sched, shard, run->timeline.now_ms, &batch) != ST_OK) {
        log_error("tick_failed", kv_status(ST_NO_MEMORY));
        run->redis_after = clock_mono_ms() + FULL_MS;
        return false;
    }
    if (!batch || !scheduler_has_lease(s))
        return false;
    /* Tasks first: the checks' script sets the mark, and with it all of the batch is done. */
    enum status st = tasks_publish(run->tasks, run->redis, run->db, batch);
    if (st == ST_OK)
        st = dispatcher_publish(run->dispatcher, shard, w->epoch, w->known_ms, batch);
    if (st == ST_OVERLOADED) {
        log_warn("queue_full", kv_i64("shard", shard), kv_i64("checks", (int64_t)batch->count));
        run->redis_after = clock_mono_ms() + FULL_MS;
        return false;
    }
    if (st == ST_NOT_FOUND) {
        scheduler_redis_lost(s);
        return false;
    }
    if (st != ST_OK) {
        scheduler_shard_failed(s, shard, st);
        return false;
    }
    health_set(&scheduler_redis_health, true);
    observe(batch);
    w->known_ms = batch->tick_ms;
    sched_done(run->sched, shard);
    return true;
}

static bool any_waits(const struct scheduler *s)
{
    for (int i = 0; i < SCHED_SHARDS; i++) {
        if (s->run.shards[i].phase == SHARD_READY)
            return true;
    }
    return false;
}

/* What those that run have to catch up with does not hold up those that do not run yet. */
static void tick(struct scheduler *s)
{
    const int batches = any_waits(s) ? 1 : BATCHES_A_TURN;
    for (int i = 0; i < SCHED_SHARDS; i++) {
        for (int n = 0; n < batches && clock_mono_ms() >= s->run.redis_after; n++) {
            if (!publish(s, i))
                break;
        }
    }
}

static void follow_clock(struct scheduler *s)
{
    if (!clock_is_following())
        return; /* nor is there a lease */
    enum timeline_event event = TIMELINE_STEADY;
    int64_t before_ms = s->run.timeline.now_ms;
    int64_t wall_ms = clock_wall_ms();
    int64_t now_ms = timeline_now(&s->run.timeline, wall_ms, clock_mono_ms(), &event);
    if (event == TIMELINE_STEADY)
        return;
    static const char *const names[] = {
        [TIMELINE_FORWARD] = "forward", [TIMELINE_BACK] = "back", [TIMELINE_RESET] = "reset"};
    log_warn("clock_stepped", kv_str("direction", names[event]), kv_i64("before_ms", before_ms),
             kv_i64("wall_ms", wall_ms), kv_i64("now_ms", now_ms));
    if (event != TIMELINE_RESET)
        return;
    /* Everything planned was planned for another time. */
    for (int i = 0; i < SCHED_SHARDS; i++) {
        struct shard_work *w = &s->run.shards[i];
        if (w->phase == SHARD_RESTING)
            continue;
        sched_rest(s->run.sched, i);
        *w = (struct shard_work){.phase = SHARD_CLAIMING, .epoch = w->epoch};
    }
}

/* How long the loop may sleep, from now and the last tick. */
static int64_t pause_ms(const struct scheduler *s, int64_t ticked_at)
{
    const struct dispatching *run = &s->run;
    int64_t mono_ms = clock_mono_ms();
    int64_t until = run->is_warm ? MIN_OF(run->renew_at, run->poll_at) : run->poll_at;
    int64_t due_ms = sched_deadline(run->sched);
    if (due_ms != SCHED_FOREVER) {
        int64_t at = mono_ms + MAX_OF(due_ms - run->timeline.now_ms, 0);
        at = MAX_OF(at, MAX_OF(ticked_at + TICK_MS, run->redis_after));
        until = MIN_OF(until, at);
    }
    if (run->redis_after > mono_ms)
        until = MIN_OF(until, run->redis_after);
    if (run->db_after > mono_ms)
        until = MIN_OF(until, run->db_after);
    return MAX_OF(until - mono_ms, 1);
}

static void rest_all(struct scheduler *s)
{
    for (int i = 0; i < SCHED_SHARDS; i++)
        scheduler_rest_shard(s, i);
    metric_set(&scheduler_shards_metric, 0);
}

static void leave(struct scheduler *s)
{
    rest_all(s);
    if (lease_leave(s->run.db, s->owner) != ST_OK)
        log_warn("leases_not_released", kv_str("error", db_error(s->run.db)));
}

void scheduler_dispatch_loop(struct stage *stage, void *arg)
{
    struct scheduler *s = arg;
    struct dispatching *run = &s->run;
    int64_t ticked_at = 0;
    while (!stage_is_stopping(stage)) {
        int64_t mono_ms = clock_mono_ms();
        bool is_busy = !run->is_warm && scheduler_warm_up(s);
        if (run->is_warm && mono_ms >= run->renew_at)
            scheduler_turn_leases(s, mono_ms);
        follow_clock(s);
        bool has_lease = scheduler_has_lease(s);
        health_set(&scheduler_lease_health, has_lease);
        if (!has_lease)
            rest_all(s);
        is_busy |= has_lease && scheduler_work_shards(s);
        is_busy |= scheduler_poll(s);
        if (has_lease && clock_mono_ms() >= ticked_at + TICK_MS &&
            sched_deadline(run->sched) <= run->timeline.now_ms) {
            tick(s);
            ticked_at = clock_mono_ms();
        }
        if (!is_busy)
            (void)stage_sleep(stage, pause_ms(s, ticked_at));
    }
    leave(s);
}
