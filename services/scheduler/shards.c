/* What shards need beside ticking: read from the database, taken over in Redis, kept up to date. */
#include "base/clock.h"
#include "log/log.h"
#include "services/scheduler/internal.h"

enum {
    RETRY_MS = 100,
    POLL_MS = 800,
    RUN_MS = 100,       /* of planning in a turn; a shard of 60,000 items takes a quarter of that */
    JUST_READ_MS = 5000 /* what was read so recently is not read again */
};

static void redis_failed(struct scheduler *s)
{
    health_set(&scheduler_redis_health, false);
    s->run.redis_after = clock_mono_ms() + RETRY_MS;
}

static void db_failed(struct scheduler *s)
{
    health_set(&scheduler_db_health, false);
    s->run.db_after = clock_mono_ms() + RETRY_MS;
}

/* A newer owner is in Redis: our lease is not worth a thing. If it is, because the database lost
 * its memory, giving it back and taking it again raises the epoch. */
static void fenced(struct scheduler *s, int shard)
{
    bool give[SCHED_SHARDS] = {false};
    give[shard] = true;
    log_warn("shard_fenced", kv_i64("shard", shard), kv_i64("epoch", s->run.shards[shard].epoch));
    scheduler_rest_shard(s, shard);
    if (lease_release(s->run.db, s->owner, give) != ST_OK)
        s->run.lease_until = 0;
    s->run.renew_at = 0;
}

void scheduler_shard_failed(struct scheduler *s, int shard, enum status st)
{
    if (st == ST_CONFLICT)
        fenced(s, shard);
    else
        redis_failed(s);
}

/* --- claiming --- */

static void note_gap(struct scheduler *s, int shard, int64_t mark_ms, int64_t now_ms)
{
    (void)pthread_mutex_lock(&s->owned.lock);
    s->owned.gap_from_ms[shard] = mark_ms == SCHED_NEVER ? now_ms : mark_ms;
    s->owned.gap_to_ms[shard] = now_ms;
    (void)pthread_mutex_unlock(&s->owned.lock);
}

/* Redis knows nothing of use: what has results decides, and the mark begins anew, before everything
 * that is published late, slot by slot. */
static enum status begin_anew(struct scheduler *s, int shard)
{
    struct dispatching *run = &s->run;
    struct shard_work *w = &run->shards[shard];
    int64_t mark_ms = run->timeline.now_ms - SCHED_LATE_MS - 1;
    TRY(dispatcher_rewind(run->dispatcher, shard, w->epoch, mark_ms));
    bool is_read = !w->is_lost && clock_mono_ms() < run->warm_at + JUST_READ_MS;
    w->phase = is_read ? SHARD_READY : SHARD_STALE;
    w->mark_ms = SCHED_NEVER;
    w->known_ms = mark_ms;
    w->is_lost = false;
    return ST_OK;
}

static enum status take_over(struct scheduler *s, int shard)
{
    struct dispatching *run = &s->run;
    struct shard_work *w = &run->shards[shard];
    int64_t mark_ms = SCHED_NEVER;
    TRY(dispatcher_claim(run->dispatcher, shard, w->epoch, &mark_ms));
    bool is_known = mark_ms != SCHED_NEVER && !w->is_lost;
    if (is_known && !timeline_raise(&run->timeline, mark_ms)) {
        log_error("watermark_void", kv_i64("shard", shard), kv_i64("mark_ms", mark_ms));
        is_known = false;
    }
    note_gap(s, shard, is_known ? mark_ms : SCHED_NEVER, run->timeline.now_ms);
    if (!is_known)
        return begin_anew(s, shard);
    w->phase = SHARD_READY;
    w->mark_ms = w->known_ms = mark_ms;
    return ST_OK;
}

static bool claim(struct scheduler *s, int shard)
{
    const struct shard_work *w = &s->run.shards[shard];
    enum status st = take_over(s, shard);
    if (st != ST_OK) {
        scheduler_shard_failed(s, shard, st);
        return false;
    }
    health_set(&scheduler_redis_health, true);
    log_info("shard_taken", kv_i64("shard", shard), kv_i64("epoch", w->epoch),
             kv_bool("fresh", w->mark_ms == SCHED_NEVER));
    return true;
}

/* --- reading --- */

static bool read_on(struct scheduler *s)
{
    enum status st = scheduler_pass_on(s);
    metric_set(&scheduler_kept_metric, (int64_t)sched_count(s->run.sched));
    health_set(&scheduler_db_health, st == ST_OK);
    if (st != ST_OK)
        db_failed(s);
    return st == ST_OK;
}

bool scheduler_warm_up(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    if (clock_mono_ms() < run->db_after)
        return false;
    if (run->pass.step == PASS_NONE && scheduler_pass_begin(s, PASS_CHECKS) != ST_OK) {
        db_failed(s);
        return false;
    }
    if (!read_on(s))
        return false;
    run->is_warm = run->pass.step == PASS_NONE;
    run->warm_at = clock_mono_ms();
    return true;
}

/* From one phase to another, all shards that are in it; whether there are any. */
static bool advance(struct dispatching *run, enum shard_phase from, enum shard_phase to)
{
    bool any = false;
    for (int i = 0; i < SCHED_SHARDS; i++) {
        if (run->shards[i].phase != from)
            continue;
        run->shards[i].phase = to;
        any = true;
    }
    return any;
}

/* All shards that wait go together, as a pass costs the same for one as for all. What is there is
 * known by the log of changes: only where it stands is read. */
static bool read_stale(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    if (clock_mono_ms() < run->db_after)
        return false;
    if (run->pass.step == PASS_NONE) {
        /* A pass that failed begins anew, with those that came since. */
        (void)advance(run, SHARD_READING, SHARD_STALE);
        if (!advance(run, SHARD_STALE, SHARD_READING))
            return false;
        if (scheduler_pass_begin(s, PASS_STATES) != ST_OK) {
            db_failed(s);
            return false;
        }
    }
    if (!read_on(s))
        return false;
    if (run->pass.step == PASS_NONE)
        (void)advance(run, SHARD_READING, SHARD_READY);
    return true;
}

/* --- after Redis lost its memory --- */

void scheduler_redis_lost(struct scheduler *s)
{
    log_warn("queue_lost");
    for (int i = 0; i < SCHED_SHARDS; i++) {
        struct shard_work *w = &s->run.shards[i];
        if (w->phase != SHARD_RUNNING)
            continue;
        sched_rest(s->run.sched, i);
        w->phase = SHARD_CLAIMING;
        w->is_lost = true;
    }
}

/* --- the loop's steps --- */

/* A few shards, so that those before them tick meanwhile. */
static bool run_next(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    const int64_t until_ms = clock_mono_ms() + RUN_MS;
    for (int i = 0; i < SCHED_SHARDS; i++) {
        struct shard_work *w = &run->shards[i];
        if (w->phase != SHARD_READY)
            continue;
        sched_run(run->sched, i, w->mark_ms, run->timeline.now_ms);
        w->phase = SHARD_RUNNING;
        if (clock_mono_ms() >= until_ms)
            return true;
    }
    return false;
}

bool scheduler_work_shards(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    bool is_busy = false;
    for (int i = 0; i < SCHED_SHARDS && clock_mono_ms() >= run->redis_after; i++) {
        if (run->shards[i].phase == SHARD_CLAIMING)
            is_busy |= claim(s, i);
    }
    is_busy |= read_stale(s);
    is_busy |= run_next(s);
    metric_set(&scheduler_checks_metric, (int64_t)sched_count_running(run->sched));
    return is_busy;
}

static void apply(struct scheduler *s, const struct schedule_row *row)
{
    struct dispatching *run = &s->run;
    struct sched_item item;
    if (!row->is_enabled || !scheduler_item_of(s, row, &item)) {
        sched_remove(run->sched, &row->id);
        tasks_remove(run->tasks, &row->id);
        return;
    }
    if (sched_put(run->sched, &item, run->timeline.now_ms) != ST_OK)
        log_error("schedule_not_loaded", kv_uuid("check", row->id), kv_status(ST_NO_MEMORY));
}

/* Whether Redis still knows us is asked of one shard: it forgets all or none. */
static void probe_redis(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    for (int i = 0; i < SCHED_SHARDS; i++) {
        if (run->shards[i].phase != SHARD_RUNNING)
            continue;
        enum status st = dispatcher_probe(run->dispatcher, i);
        if (st == ST_NOT_FOUND)
            scheduler_redis_lost(s);
        else if (st != ST_OK)
            redis_failed(s);
        health_set(&scheduler_redis_health, st == ST_OK || st == ST_NOT_FOUND);
        return;
    }
    /* Standing by: still worth knowing. */
    health_set(&scheduler_redis_health, redis_ping(run->redis) == ST_OK);
}

bool scheduler_poll(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    int64_t mono_ms = clock_mono_ms();
    if (mono_ms < run->poll_at)
        return false;
    bool more = false;
    if (run->has_cursor && run->pass.step == PASS_NONE && mono_ms >= run->db_after) {
        struct schedule_row *rows = NULL;
        size_t count = 0;
        arena_reset(run->arena);
        enum status st = schedules_changed(run->db, run->arena, &run->cursor, &rows, &count, &more);
        if (st != ST_OK)
            db_failed(s);
        for (size_t i = 0; st == ST_OK && i < count; i++)
            apply(s, &rows[i]);
        metric_set(&scheduler_kept_metric, (int64_t)sched_count(run->sched));
    }
    if (more)
        return true;
    if (mono_ms >= run->redis_after)
        probe_redis(s);
    run->poll_at = mono_ms + POLL_MS;
    return false;
}
