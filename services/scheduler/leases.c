/* Which shards are ours: renewed in one statement, shared evenly among the schedulers alive. */
#include "base/clock.h"
#include "log/log.h"
#include "services/scheduler/internal.h"

enum {
    RETRY_MS = 50,
    LACKING_MS = 50 /* how often to ask for what others are about to give back */
};

bool scheduler_has_lease(const struct scheduler *s)
{
    return clock_mono_ms() < s->run.lease_until;
}

static void note_owner(struct scheduler *s, int shard, bool is_mine)
{
    (void)pthread_mutex_lock(&s->owned.lock);
    s->owned.is_mine[shard] = is_mine;
    (void)pthread_mutex_unlock(&s->owned.lock);
}

void scheduler_rest_shard(struct scheduler *s, int shard)
{
    struct shard_work *w = &s->run.shards[shard];
    if (w->phase == SHARD_RESTING)
        return;
    *w = (struct shard_work){.phase = SHARD_RESTING};
    sched_rest(s->run.sched, shard);
    note_owner(s, shard, false);
}

static void open_shard(struct scheduler *s, int shard, int64_t epoch)
{
    s->run.shards[shard] = (struct shard_work){.phase = SHARD_CLAIMING, .epoch = epoch};
    note_owner(s, shard, true);
}

static int count_mine(const struct lease_view *view)
{
    int n = 0;
    for (int i = 0; i < SCHED_SHARDS; i++)
        n += view->is_mine[i];
    return n;
}

/* Gives up what is more than the share: first here, then in the database. */
static enum status give_back(struct scheduler *s, struct lease_view *view, int share)
{
    bool give[SCHED_SHARDS] = {false};
    int extra = count_mine(view) - share;
    if (extra <= 0)
        return ST_OK;
    for (int i = SCHED_SHARDS - 1; i >= 0 && extra > 0; i--) {
        if (!view->is_mine[i])
            continue;
        give[i] = true;
        view->is_mine[i] = false;
        scheduler_rest_shard(s, i);
        extra--;
    }
    return lease_release(s->run.db, s->owner, give);
}

static enum status take_free(struct scheduler *s, struct lease_view *view, int share)
{
    bool want[SCHED_SHARDS] = {false};
    int lacking = share - count_mine(view);
    bool any = false;
    for (int i = 0; i < SCHED_SHARDS && lacking > 0; i++) {
        if (!view->is_free[i])
            continue;
        want[i] = any = true;
        lacking--;
    }
    if (!any)
        return ST_OK;
    return lease_acquire(s->run.db, s->owner, s->conf->scheduler_lease, want, view);
}

/* Makes the shards here what the database says of them. */
static void follow(struct scheduler *s, const struct lease_view *view)
{
    for (int i = 0; i < SCHED_SHARDS; i++) {
        const struct shard_work *w = &s->run.shards[i];
        bool is_open = w->phase != SHARD_RESTING;
        if (is_open && view->is_mine[i] && w->epoch == view->epoch[i])
            continue;
        if (is_open) {
            log_warn("shard_lost", kv_i64("shard", i), kv_i64("epoch", w->epoch));
            scheduler_rest_shard(s, i);
        }
        if (view->is_mine[i])
            open_shard(s, i, view->epoch[i]);
    }
}

static int share_of(const struct lease_view *view)
{
    return (int)((SCHED_SHARDS + view->alive - 1) / view->alive);
}

/* Others have more than their share, and give it back when they see us. */
static bool lacks(const struct lease_view *view)
{
    return count_mine(view) < SCHED_SHARDS - (view->alive - 1) * share_of(view);
}

static enum status turn(struct scheduler *s, struct lease_view *view)
{
    int64_t lease_ms = s->conf->scheduler_lease;
    int64_t asked_us = clock_mono_us();
    TRY(lease_renew(s->run.db, s->owner, lease_ms, view));
    /* All schedulers live on the clock of their leases. */
    clock_follow(view->now_us, asked_us, clock_mono_us());
    int share = share_of(view);
    TRY(give_back(s, view, share));
    return take_free(s, view, share);
}

void scheduler_turn_leases(struct scheduler *s, int64_t mono_ms)
{
    int64_t lease_ms = s->conf->scheduler_lease;
    struct lease_view view = {0};
    enum status st = turn(s, &view);
    health_set(&scheduler_db_health, st == ST_OK);
    if (st != ST_OK) {
        s->run.renew_at = clock_mono_ms() + RETRY_MS;
        return;
    }
    /* Counted from before the statement was sent, and a little less than the database counts, so
     * that we stop before another may start. */
    s->run.lease_until = mono_ms + lease_ms - lease_ms / 10;
    follow(s, &view);
    metric_set(&scheduler_shards_metric, count_mine(&view));

    int64_t wait_ms = lease_ms / 3;
    if (lacks(&view))
        wait_ms = MIN_OF(wait_ms, (int64_t)LACKING_MS);
    if (view.next_free_ms >= 0)
        wait_ms = MIN_OF(wait_ms, view.next_free_ms + 1);
    s->run.renew_at = mono_ms + wait_ms;
}
