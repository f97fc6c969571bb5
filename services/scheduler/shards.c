/* What shards need beside ticking: taken over in Redis, loaded from the database, kept up to date.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "log/log.h"
#include "services/scheduler/internal.h"
#include "zone/zone.h"

enum { RETRY_MS = 100, POLL_MS = 800 };

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
    scheduler_close_shard(s, shard);
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

static bool claim(struct scheduler *s, int shard)
{
    struct dispatching *run = &s->run;
    struct shard_work *w = &run->shards[shard];
    struct dispatch_reply reply;
    enum status st = dispatcher_claim(run->dispatcher, shard, w->epoch, SCHED_NEVER, &reply);
    if (st != ST_OK) {
        scheduler_shard_failed(s, shard, st);
        return false;
    }
    health_set(&scheduler_redis_health, true);
    int64_t mark_ms = reply.mark_ms;
    if (mark_ms != SCHED_NEVER && !timeline_raise(&run->timeline, mark_ms)) {
        log_error("watermark_void", kv_i64("shard", shard), kv_i64("mark_ms", mark_ms));
        mark_ms = SCHED_NEVER;
        w->is_forced = true;
    }
    sched_open(run->sched, shard, mark_ms);
    note_gap(s, shard, mark_ms, run->timeline.now_ms);
    w->phase = SHARD_CLAIMED;
    log_info("shard_taken", kv_i64("shard", shard), kv_i64("epoch", w->epoch),
             kv_bool("fresh", mark_ms == SCHED_NEVER));
    return true;
}

/* --- loading --- */

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
    if (row->shard < 0 || row->shard >= SCHED_SHARDS ||
        s->run.shards[row->shard].phase != SHARD_LOADING || !item_of(row, &item) ||
        !knows_task(s, row))
        return;
    if (sched_load(s->run.sched, &item, s->run.timeline.now_ms) != ST_OK)
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

/* After the checks the tasks' schedules, if the pass is for both. */
static void end_table(struct pass *p)
{
    p->is_active = p->has_tasks && !p->in_tasks;
    p->in_tasks = p->is_active;
    p->after = (struct uuid){0};
}

/* The next page of a pass, which is over with the last one. */
static enum status turn_page(struct dispatching *run, struct pass *p, struct schedule_row **rows,
                             size_t *count)
{
    arena_reset(run->arena);
    TRY((p->in_tasks ? schedules_tasks_page : schedules_page)(run->db, run->arena, p->shards,
                                                              &p->after, rows, count));
    if (*count == SCHEDULES_PAGE)
        p->after = (*rows)[*count - 1].id;
    else
        end_table(p);
    return ST_OK;
}

/* All shards that wait go together, as a pass costs the same for one as for all. */
static void begin_load(struct dispatching *run)
{
    struct pass p = {.has_tasks = true};
    for (int i = 0; i < SCHED_SHARDS; i++) {
        if (run->shards[i].phase != SHARD_CLAIMED)
            continue;
        run->shards[i].phase = SHARD_LOADING;
        p.shards[i] = p.is_active = true;
    }
    run->load = p;
}

static enum status load_page(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    struct schedule_row *rows = NULL;
    size_t count = 0;
    TRY(begin_cursor(run));
    TRY(turn_page(run, &run->load, &rows, &count));
    for (size_t i = 0; i < count; i++)
        load_row(s, &rows[i]);
    for (int i = 0; i < SCHED_SHARDS && !run->load.is_active; i++) {
        if (run->shards[i].phase != SHARD_LOADING)
            continue;
        run->shards[i].phase = SHARD_RUNNING;
        sched_run(run->sched, i);
    }
    return ST_OK;
}

/* --- after Redis lost its memory --- */

static enum status republish_page(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    struct schedule_row *rows = NULL;
    size_t count = 0;
    TRY(turn_page(run, &run->republish, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        int shard = rows[i].shard;
        if (shard >= 0 && shard < SCHED_SHARDS && run->shards[shard].is_republishing)
            sched_republish(run->sched, &rows[i].id, run->shards[shard].lost_to_ms,
                            rows[i].settled_ms, run->timeline.now_ms);
    }
    for (int i = 0; i < SCHED_SHARDS && !run->republish.is_active; i++)
        run->shards[i].is_republishing = false;
    return ST_OK;
}

void scheduler_redis_lost(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    log_warn("queue_lost");
    run->republish = (struct pass){.has_tasks = true};
    for (int i = 0; i < SCHED_SHARDS; i++) {
        struct shard_work *w = &run->shards[i];
        int64_t mark_ms = sched_mark(run->sched, i);
        if (w->phase != SHARD_RUNNING)
            continue;
        w->is_republishing = mark_ms != SCHED_NEVER; /* else it has published nothing */
        w->lost_to_ms = mark_ms;
        run->republish.shards[i] = w->is_republishing;
        run->republish.is_active |= w->is_republishing;
        struct dispatch_reply reply;
        enum status st = dispatcher_claim(run->dispatcher, i, w->epoch, mark_ms, &reply);
        if (st != ST_OK)
            scheduler_shard_failed(s, i, st);
    }
}

/* --- the loop's steps --- */

static bool has_open_shard(const struct dispatching *run)
{
    for (int i = 0; i < SCHED_SHARDS; i++) {
        if (run->shards[i].phase != SHARD_CLOSED)
            return true;
    }
    return false;
}

/* One page, so that leases and ticks get their turn in between. */
static bool work_database(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    if (clock_mono_ms() < run->db_after)
        return false;
    if (!run->load.is_active)
        begin_load(run);
    if (!run->load.is_active && !run->republish.is_active)
        return false;
    enum status st = run->load.is_active ? load_page(s) : republish_page(s);
    if (st != ST_OK)
        db_failed(s);
    return st == ST_OK;
}

bool scheduler_work_shards(struct scheduler *s)
{
    struct dispatching *run = &s->run;
    bool is_busy = false;
    for (int i = 0; i < SCHED_SHARDS && clock_mono_ms() >= run->redis_after; i++) {
        if (run->shards[i].phase == SHARD_CLAIMING)
            is_busy |= claim(s, i);
    }
    is_busy |= work_database(s);
    metric_set(&scheduler_checks_metric, (int64_t)sched_count(run->sched));
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
    if (row->shard < 0 || row->shard >= SCHED_SHARDS || !sched_is_open(run->sched, row->shard))
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
    if (!has_open_shard(run)) {
        schedules_cursor_done(&run->cursor);
        run->has_cursor = false;
    }
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
    }
    if (more)
        return true;
    if (mono_ms >= run->redis_after)
        probe_redis(s);
    run->poll_at = mono_ms + POLL_MS;
    return false;
}
