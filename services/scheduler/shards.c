/* What shards need beside ticking: read from the database, taken over in Redis, kept up to date. */
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "log/log.h"
#include "services/scheduler/internal.h"
#include "zone/zone.h"

enum {
    RETRY_MS = 100,
    POLL_MS = 800,
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

/* The text was accepted when it was written, perhaps by a newer version than this one. */
static bool item_of(const struct schedule_row *row, struct sched_item *out)
{
    struct errbuf err;
    *out = (struct sched_item){.id = row->id,
                               .shard = row->shard,
                               .settled_ms = row->settled_ms,
                               .is_fresh = row->is_fresh,
                               .is_task = row->task != NULL,
                               .plan = {.jitter_ms = row->jitter_ms,
                                        .catch_up = row->skips_late ? SCHED_SKIP : SCHED_RUN_ONCE}};
    if (schedule_read(row->schedule, &out->plan.schedule, &err) == ST_OK)
        return true;
    log_error("schedule_not_understood", kv_uuid("check", row->id), kv_str("error", err.text));
    return false;
}

static bool knows_task(struct scheduler *s, const struct schedule_row *row)
{
    return !row->task || tasks_put(s->run.tasks, row) == ST_OK;
}

static void load_row(struct scheduler *s, const struct schedule_row *row)
{
    struct sched_item item;
    if (row->shard < 0 || row->shard >= SCHED_SHARDS || !s->run.load.shards[row->shard] ||
        sched_is_running(s->run.sched, row->shard) || !item_of(row, &item) || !knows_task(s, row))
        return;
    if (sched_load(s->run.sched, &item) != ST_OK)
        log_error("schedule_not_loaded", kv_uuid("check", row->id), kv_status(ST_NO_MEMORY));
}

/* The log is read from a moment before the first page on, so that no change falls between. */
static enum status begin_cursor(struct dispatching *run)
{
    if (run->has_cursor)
        return ST_OK;
    TRY(schedules_cursor_init(&run->cursor, run->db));
    run->has_cursor = true;
    return ST_OK;
}

/* The next page, which may be the pass's last one. */
static enum status load_page(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    struct pass *p = &run->load;
    struct schedule_row *rows = NULL;
    size_t count = 0;
    TRY(begin_cursor(run));
    arena_reset(run->arena);
    TRY((p->in_tasks ? schedules_tasks_page : schedules_page)(run->db, run->arena, p->shards,
                                                              &p->after, &rows, &count));
    for (size_t i = 0; i < count; i++)
        load_row(s, &rows[i]);
    if (count == SCHEDULES_PAGE) {
        p->after = rows[count - 1].id;
        return ST_OK;
    }
    /* After the checks the tasks' schedules. */
    p->is_active = !p->in_tasks;
    p->in_tasks = true;
    p->after = (struct uuid){0};
    return ST_OK;
}

bool scheduler_warm_up(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    if (clock_mono_ms() < run->db_after)
        return false;
    if (!run->load.is_active) {
        run->load = (struct pass){.is_active = true};
        memset(run->load.shards, true, sizeof(run->load.shards));
    }
    enum status st = load_page(s);
    metric_set(&scheduler_kept_metric, (int64_t)sched_count(run->sched));
    health_set(&scheduler_db_health, st == ST_OK);
    if (st != ST_OK) {
        db_failed(s);
        return false;
    }
    run->is_warm = !run->load.is_active;
    run->warm_at = clock_mono_ms();
    return true;
}

/* All shards that wait go together, as a pass costs the same for one as for all. */
static void begin_pass(struct dispatching *run)
{
    struct pass p = {0};
    for (int i = 0; i < SCHED_SHARDS; i++) {
        if (run->shards[i].phase != SHARD_STALE)
            continue;
        run->shards[i].phase = SHARD_READING;
        p.shards[i] = p.is_active = true;
    }
    run->load = p;
}

static bool read_stale(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    if (clock_mono_ms() < run->db_after)
        return false;
    if (!run->load.is_active)
        begin_pass(run);
    if (!run->load.is_active)
        return false;
    if (load_page(s) != ST_OK) {
        db_failed(s);
        return false;
    }
    for (int i = 0; i < SCHED_SHARDS && !run->load.is_active; i++) {
        if (run->shards[i].phase == SHARD_READING)
            run->shards[i].phase = SHARD_READY;
    }
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

/* One shard, so that those before it tick meanwhile. */
static bool run_next(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    for (int i = 0; i < SCHED_SHARDS; i++) {
        struct shard_work *w = &run->shards[i];
        if (w->phase != SHARD_READY)
            continue;
        sched_run(run->sched, i, w->mark_ms, run->timeline.now_ms);
        w->phase = SHARD_RUNNING;
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
    if (!row->is_enabled || !item_of(row, &item) || !knows_task(s, row)) {
        sched_remove(run->sched, &row->id);
        tasks_remove(run->tasks, &row->id);
        return;
    }
    if (row->shard < 0 || row->shard >= SCHED_SHARDS)
        return;
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
    if (run->has_cursor && mono_ms >= run->db_after) {
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
