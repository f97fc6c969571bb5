/* Heaps of items by shard, one table of items by id over all, and the plans they share. */
#include "services/scheduler/core.h"

#include <string.h>

#include "base/heap.h"
#include "services/scheduler/plans.h"

enum { TABLE_START = 1024, FRESH_US = 1000000 / SCHED_FRESH_RATE };

/* One item: 64 bytes with the allocator's own, as there may be a million. */
struct entry {
    struct heap_node node; /* at: moment of the next dispatch */
    struct uuid id;
    const struct sched_plan *plan; /* of the pool */
    struct entry *next;            /* in its bucket */
    uint32_t fresh_s;              /* to run under the name of this second; 0: not */
    uint8_t shard;
    bool is_task;
};

struct shard {
    bool is_open, is_running;
    int64_t mark_ms;
    struct heap heap;
    struct sched_batch batch; /* current while is_pending */
    bool is_pending;
};

struct sched {
    struct shard shards[SCHED_SHARDS];
    struct plans *plans;
    int64_t fresh_us; /* when the next new check may run */
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

/* --- the table --- */

static struct entry **bucket_of(const struct sched *s, const struct uuid *id)
{
    return &s->buckets[uuid_hash(id) & (s->bucket_count - 1)];
}

static struct entry *find(const struct sched *s, const struct uuid *id)
{
    struct entry *e = *bucket_of(s, id);
    while (e && !uuid_eq(&e->id, id))
        e = e->next;
    return e;
}

static void link_entry(struct sched *s, struct entry *e)
{
    struct entry **bucket = bucket_of(s, &e->id);
    e->next = *bucket;
    *bucket = e;
}

static void unlink_entry(struct sched *s, struct entry *e)
{
    struct entry **at = bucket_of(s, &e->id);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    s->count--;
}

static enum status grow_table(struct sched *s)
{
    size_t count = s->bucket_count * 2;
    struct entry **buckets = calloc(count, sizeof(struct entry *));
    if (!buckets)
        return ST_NO_MEMORY;
    struct entry **old = s->buckets;
    size_t old_count = s->bucket_count;
    s->buckets = buckets;
    s->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct entry *e = old[i], *next; e; e = next) {
            next = e->next;
            link_entry(s, e);
        }
    }
    free(old);
    return ST_OK;
}

static void drop(struct sched *s, struct entry *e)
{
    heap_remove(&s->shards[e->shard].heap, &e->node);
    unlink_entry(s, e);
    plans_release(s->plans, e->plan);
    free(e);
}

static enum status make(struct sched *s, const struct sched_item *item, struct entry **out)
{
    if (s->count >= s->bucket_count)
        TRY(grow_table(s));
    struct entry *e = calloc(1, sizeof(*e));
    if (!e)
        return ST_NO_MEMORY;
    e->id = item->id;
    e->shard = (uint8_t)item->shard;
    e->is_task = item->is_task;
    link_entry(s, e);
    s->count++;
    *out = e;
    return ST_OK;
}

/* The entry of this item with its plan, made when there is none. */
static enum status obtain(struct sched *s, const struct sched_item *item, struct entry **out)
{
    const struct sched_plan *plan = NULL;
    struct entry *e = find(s, &item->id);
    if (e && e->shard != (uint8_t)item->shard) {
        drop(s, e); /* an item never moves, but if it does */
        e = NULL;
    }
    TRY(plans_obtain(s->plans, &item->plan, &plan));
    enum status st = e ? ST_OK : make(s, item, &e);
    if (st != ST_OK) {
        plans_release(s->plans, plan);
        return st;
    }
    plans_release(s->plans, e->plan);
    e->plan = plan;
    *out = e;
    return ST_OK;
}

/* Places an entry in its heap; one that cannot be placed is none. */
static enum status place(struct sched *s, struct entry *e, int64_t at_ms)
{
    enum status st = heap_put(&s->shards[e->shard].heap, &e->node, at_ms);
    if (st != ST_OK)
        drop(s, e);
    return st;
}

/* Moves an entry that is in its heap, for which no memory is needed. */
static void move(struct sched *s, struct entry *e, int64_t at_ms)
{
    enum status st = heap_put(&s->shards[e->shard].heap, &e->node, at_ms);
    if (st != ST_OK)
        abort();
}

/* --- life --- */

struct sched *sched_new(void)
{
    struct sched *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->bucket_count = TABLE_START;
    s->buckets = calloc(s->bucket_count, sizeof(struct entry *));
    s->plans = plans_new();
    if (!s->buckets || !s->plans) {
        sched_free(s);
        return NULL;
    }
    for (int i = 0; i < SCHED_SHARDS; i++)
        heap_init(&s->shards[i].heap);
    return s;
}

void sched_free(struct sched *s)
{
    if (!s)
        return;
    for (int i = 0; i < SCHED_SHARDS; i++)
        sched_close(s, i);
    plans_free(s->plans);
    free(s->buckets);
    free(s);
}

size_t sched_count(const struct sched *s)
{
    return s->count;
}

void sched_open(struct sched *s, int shard, int64_t mark_ms)
{
    sched_close(s, shard);
    s->shards[shard].is_open = true;
    s->shards[shard].mark_ms = mark_ms;
}

void sched_run(struct sched *s, int shard)
{
    s->shards[shard].is_running = s->shards[shard].is_open;
}

void sched_close(struct sched *s, int shard)
{
    struct shard *sh = &s->shards[shard];
    for (struct heap_node *n; (n = heap_top(&sh->heap));)
        drop(s, container_of(n, struct entry, node));
    heap_done(&sh->heap);
    free(sh->batch.due);
    *sh = (struct shard){.mark_ms = SCHED_NEVER};
}

bool sched_is_open(const struct sched *s, int shard)
{
    return s->shards[shard].is_open;
}

bool sched_is_running(const struct sched *s, int shard)
{
    return s->shards[shard].is_running;
}

int64_t sched_mark(const struct sched *s, int shard)
{
    return s->shards[shard].mark_ms;
}

/* --- planning --- */

static int64_t phase_of(const struct entry *e)
{
    return schedule_phase(&e->plan->schedule, uuid_hash(&e->id));
}

/* When a slot is due: never later than the next one, as a slot's jitter is below the gap. */
static int64_t due_of(const struct entry *e, int64_t slot_ms)
{
    int64_t jitter_ms = e->plan->jitter_ms;
    if (jitter_ms <= 0 || slot_ms == INT64_MIN || slot_ms == INT64_MAX)
        return slot_ms;
    int64_t gap_ms = schedule_gap_ms(&e->plan->schedule, phase_of(e), slot_ms);
    /* The finaliser of SplitMix64. */
    uint64_t h = uuid_hash(&e->id) ^ (uint64_t)slot_ms;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
    h ^= h >> 31;
    return slot_ms + (int64_t)(h % (uint64_t)MIN_OF(jitter_ms + 1, gap_ms));
}

static int64_t slot_before(const struct entry *e, int64_t slot_ms)
{
    if (slot_ms == INT64_MIN)
        return slot_ms;
    return schedule_slot_at(&e->plan->schedule, phase_of(e), slot_ms - 1);
}

static int64_t slot_after(const struct entry *e, int64_t slot_ms)
{
    return schedule_next(&e->plan->schedule, phase_of(e), slot_ms);
}

/* The newest slot that is due at or before a time. */
static int64_t slot_at(const struct entry *e, int64_t at_ms)
{
    int64_t slot = schedule_slot_at(&e->plan->schedule, phase_of(e), at_ms);
    return due_of(e, slot) <= at_ms ? slot : slot_before(e, slot);
}

/* When the first slot after that one is due. */
static int64_t due_after(const struct entry *e, int64_t at_ms)
{
    return due_of(e, slot_after(e, slot_at(e, at_ms)));
}

/* When to dispatch the newest slot, which is still owed: at once if it is recent, else at a moment
 * of the coming seconds that the item's id decides, so that a long sleep ends without a herd. */
static int64_t owed_at(const struct entry *e, int64_t now_ms)
{
    int64_t slot = slot_at(e, now_ms);
    int64_t due = due_of(e, slot);
    int64_t next = due_after(e, now_ms);
    if (due >= now_ms - SCHED_LATE_MS)
        return due;
    if (e->plan->catch_up == SCHED_SKIP)
        return next;
    int64_t gap_ms = schedule_gap_ms(&e->plan->schedule, phase_of(e), slot);
    int64_t window = MIN_OF(gap_ms / 2, (int64_t)SCHED_SPREAD_MS);
    /* Other bits than those of the phase, or neighbours in one would be neighbours in the other. */
    int64_t delay = (int64_t)((uuid_hash(&e->id) >> 20) % (uint64_t)window);
    return MIN_OF(now_ms + delay, next);
}

/* When a check that never ran does: one after the other, if its first slot does not come sooner.
 * After the moment it was made, so that the mark tells the next owner that it ran; the database's
 * clock may be ahead, but not by much. */
static int64_t fresh_at(struct sched *s, const struct entry *e, int64_t now_ms, int64_t made_ms)
{
    int64_t from_ms = MAX_OF(now_ms, MIN_OF(made_ms + 1, now_ms + SCHED_LATE_MS));
    int64_t at_us = MAX_OF(from_ms * 1000, s->fresh_us);
    int64_t next = due_after(e, now_ms);
    if (at_us / 1000 >= next)
        return next;
    s->fresh_us = at_us + FRESH_US;
    return at_us / 1000;
}

static void note_fresh(struct entry *e, const struct sched_item *item)
{
    int64_t at_s = item->settled_ms / 1000;
    bool is_fresh = item->is_fresh && at_s > 0 && at_s < UINT32_MAX;
    e->fresh_s = is_fresh ? (uint32_t)at_s : 0;
}

enum status sched_load(struct sched *s, const struct sched_item *item, int64_t now_ms)
{
    struct entry *e = NULL;
    int64_t mark_ms = s->shards[item->shard].mark_ms;
    TRY(obtain(s, item, &e));
    int64_t slot = slot_at(e, now_ms);
    bool is_owed = due_of(e, slot) > mark_ms && slot > item->settled_ms;
    /* Else the last owner ran it; or it ended just then, and the check waits for its first slot. */
    bool is_new = item->settled_ms > mark_ms;
    e->fresh_s = 0;
    if (!is_owed && is_new)
        note_fresh(e, item);
    if (e->fresh_s)
        return place(s, e, fresh_at(s, e, now_ms, item->settled_ms));
    return place(s, e, is_owed ? owed_at(e, now_ms) : due_after(e, now_ms));
}

enum status sched_put(struct sched *s, const struct sched_item *item, int64_t now_ms)
{
    struct entry *e = find(s, &item->id);
    if (e && e->shard == (uint8_t)item->shard && sched_plan_eq(e->plan, &item->plan))
        return ST_OK;
    TRY(obtain(s, item, &e));
    note_fresh(e, item);
    int64_t from_ms = MAX_OF(now_ms, s->shards[item->shard].mark_ms);
    return place(s, e,
                 e->fresh_s ? fresh_at(s, e, now_ms, item->settled_ms) : due_after(e, from_ms));
}

void sched_republish(struct sched *s, const struct uuid *id, int64_t lost_to_ms, int64_t settled_ms,
                     int64_t now_ms)
{
    struct entry *e = find(s, id);
    if (!e)
        return;
    int64_t slot = slot_at(e, now_ms);
    if (due_of(e, slot) > lost_to_ms || slot <= settled_ms)
        return;
    /* At `now` even if the slot is recent: its time lies before the watermark. */
    int64_t at = MAX_OF(owed_at(e, now_ms), now_ms);
    if (at < e->node.at)
        move(s, e, at);
}

void sched_remove(struct sched *s, const struct uuid *id)
{
    struct entry *e = find(s, id);
    if (e)
        drop(s, e);
}

/* --- ticking --- */

static enum status add_due(struct sched_batch *b, const struct sched_due *due)
{
    if (b->count == b->cap) {
        size_t cap = MAX_OF(b->cap * 2, (size_t)64);
        struct sched_due *grown = realloc(b->due, cap * sizeof(*grown));
        if (!grown)
            return ST_NO_MEMORY;
        b->due = grown;
        b->cap = cap;
    }
    b->due[b->count++] = *due;
    return ST_OK;
}

/* Moves the top entry instead of dispatching it, when it was overslept or a newer slot has come:
 * batches end at the time of their last slot, so slots must come in their order. */
static bool replan(struct sched *s, struct shard *sh, struct entry *e, int64_t now_ms)
{
    int64_t at = e->node.at;
    int64_t due = due_of(e, slot_at(e, now_ms));
    int64_t better = at;
    if (now_ms - at > SCHED_LATE_MS)
        better = owed_at(e, now_ms);
    else if (due > at)
        better = due;
    /* Never back to a time that a finished batch covers. */
    better = MAX_OF(better, sh->mark_ms + 1);
    if (better <= at)
        return false;
    move(s, e, better);
    return true;
}

/* What is dispatched of an entry now, which then waits for its next slot. */
static struct sched_due due_now(const struct entry *e, int64_t now_ms)
{
    int64_t slot = slot_at(e, now_ms);
    struct sched_due due = {.id = e->id, .is_task = e->is_task};
    due.gap_ms = schedule_gap_ms(&e->plan->schedule, phase_of(e), slot);
    if (e->fresh_s && slot < e->fresh_s * 1000LL) {
        due.slot_ms = e->fresh_s * 1000LL;
        return due;
    }
    int64_t prev = slot_before(e, slot);
    due.slot_ms = slot;
    due.prev_ms = prev == INT64_MIN ? 0 : prev;
    return due;
}

static enum status fill(struct sched *s, struct shard *sh, int64_t now_ms)
{
    struct sched_batch *b = &sh->batch;
    int64_t last_ms = SCHED_NEVER;
    b->count = 0;
    for (;;) {
        struct heap_node *top = heap_top(&sh->heap);
        if (!top || top->at > now_ms) {
            b->tick_ms = now_ms;
            return ST_OK;
        }
        struct entry *e = container_of(top, struct entry, node);
        if (replan(s, sh, e, now_ms))
            continue;
        if (b->count >= SCHED_BATCH_CHECKS && e->node.at > last_ms) {
            b->tick_ms = last_ms;
            return ST_OK;
        }
        last_ms = e->node.at;
        const struct sched_due due = due_now(e, now_ms);
        enum status st = add_due(b, &due);
        if (st != ST_OK && b->count == 0)
            return st;
        if (st != ST_OK) {
            b->tick_ms = last_ms - 1; /* what is in goes out; the rest is due still */
            return ST_OK;
        }
        e->fresh_s = 0;
        move(s, e, due_after(e, now_ms));
    }
}

enum status sched_tick(struct sched *s, int shard, int64_t now_ms, const struct sched_batch **out)
{
    struct shard *sh = &s->shards[shard];
    *out = NULL;
    if (!sh->is_running)
        return ST_OK;
    if (!sh->is_pending) {
        if (now_ms <= sh->mark_ms)
            return ST_OK; /* the clock stands or went back */
        TRY(fill(s, sh, now_ms));
        sh->is_pending = sh->batch.count > 0;
    }
    if (sh->is_pending)
        *out = &sh->batch;
    return ST_OK;
}

void sched_done(struct sched *s, int shard)
{
    struct shard *sh = &s->shards[shard];
    if (!sh->is_pending)
        return;
    sh->is_pending = false;
    sh->mark_ms = sh->batch.tick_ms;
    /* A herd's memory is not kept for ever. */
    if (sh->batch.cap > (size_t)2 * SCHED_BATCH_CHECKS) {
        free(sh->batch.due);
        sh->batch = (struct sched_batch){0};
    }
}

int64_t sched_deadline(const struct sched *s)
{
    int64_t at = SCHED_FOREVER;
    for (int i = 0; i < SCHED_SHARDS; i++) {
        const struct shard *sh = &s->shards[i];
        const struct heap_node *top = heap_top(&sh->heap);
        if (sh->is_pending)
            at = MIN_OF(at, sh->batch.tick_ms);
        else if (sh->is_running && top)
            at = MIN_OF(at, MAX_OF(top->at, sh->mark_ms + 1));
    }
    return at;
}
