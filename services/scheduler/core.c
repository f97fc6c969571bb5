/* Heaps of items by shard, over one table of all items, and the plans they share. */
#include "services/scheduler/core.h"

#include "services/scheduler/entries.h"
#include "services/scheduler/plans.h"
#include "services/scheduler/slots.h"

enum { FRESH_US = 1000000 / SCHED_FRESH_RATE };

struct shard {
    bool is_running;
    int64_t mark_ms;
    struct heap heap;
    struct sched_batch batch; /* current while is_pending */
    bool is_pending;
};

struct sched {
    struct shard shards[SCHED_SHARDS];
    struct plans *plans;
    struct entries *entries;
    int64_t fresh_us; /* when the next new check may run */
};

/* --- the table --- */

static void drop(struct sched *s, struct entry *e)
{
    heap_remove(&s->shards[e->shard].heap, &e->node);
    plans_release(s->plans, e->plan);
    entries_remove(s->entries, e);
}

static enum status make(struct sched *s, const struct sched_item *item, struct entry **out)
{
    TRY(entries_add(s->entries, &item->id, out));
    (*out)->shard = (uint8_t)item->shard;
    (*out)->is_task = item->is_task;
    return ST_OK;
}

/* The entry of this item with its plan, made when there is none. */
static enum status obtain(struct sched *s, const struct sched_item *item, struct entry **out)
{
    const struct sched_plan *plan = NULL;
    struct entry *e = entries_find(s->entries, &item->id);
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
    s->entries = entries_new();
    s->plans = plans_new();
    if (!s->entries || !s->plans) {
        sched_free(s);
        return NULL;
    }
    for (int i = 0; i < SCHED_SHARDS; i++) {
        heap_init(&s->shards[i].heap);
        s->shards[i].mark_ms = SCHED_NEVER;
    }
    return s;
}

void sched_free(struct sched *s)
{
    if (!s)
        return;
    for (int i = 0; i < SCHED_SHARDS; i++) {
        struct shard *sh = &s->shards[i];
        sched_rest(s, i);
        heap_done(&sh->heap);
    }
    plans_free(s->plans);
    entries_free(s->entries);
    free(s);
}

size_t sched_count(const struct sched *s)
{
    return entries_count(s->entries);
}

size_t sched_count_running(const struct sched *s)
{
    size_t n = 0;
    for (int i = 0; i < SCHED_SHARDS; i++)
        n += s->shards[i].is_running ? s->shards[i].heap.count : 0;
    return n;
}

void sched_rest(struct sched *s, int shard)
{
    struct shard *sh = &s->shards[shard];
    free(sh->batch.due);
    *sh = (struct shard){.mark_ms = SCHED_NEVER, .heap = sh->heap};
}

bool sched_is_running(const struct sched *s, int shard)
{
    return s->shards[shard].is_running;
}

/* --- planning --- */

static struct slots slots_of(const struct entry *e)
{
    return (struct slots){.plan = e->plan, .hash = uuid_hash(&e->id)};
}

static int64_t from_of(const struct entry *e)
{
    return e->from_s * 1000LL + e->from_ms;
}

static void set_from(struct entry *e, int64_t settled_ms, bool is_fresh)
{
    int64_t from_ms = MAX_OF(MIN_OF(settled_ms, UINT32_MAX * 1000LL), 0);
    e->from_s = (uint32_t)(from_ms / 1000);
    e->from_ms = (uint16_t)(from_ms % 1000);
    e->is_fresh = is_fresh && e->from_s > 0;
}

/* When a check that never ran does: one after the other, if its first slot does not come sooner.
 * After the moment it was made, so that the mark tells the next owner that it ran; the database's
 * clock may be ahead, but not by much. */
static int64_t fresh_at(struct sched *s, const struct entry *e, int64_t now_ms)
{
    int64_t from_ms = MAX_OF(now_ms, MIN_OF(from_of(e) + 1, now_ms + SCHED_LATE_MS));
    int64_t at_us = MAX_OF(from_ms * 1000, s->fresh_us);
    int64_t next = slots_due_after(slots_of(e), now_ms);
    if (at_us / 1000 >= next)
        return next;
    s->fresh_us = at_us + FRESH_US;
    return at_us / 1000;
}

/* When an item of a shard that is taken over has something due. */
static int64_t plan(struct sched *s, struct entry *e, int64_t mark_ms, int64_t now_ms)
{
    const struct slots slots = slots_of(e);
    int64_t from_ms = from_of(e);
    /* A new check ran if the last owner came so far; or it ended just then, and the check waits
     * for its first slot. */
    e->is_fresh = e->is_fresh && from_ms > mark_ms &&
                  !slots_are_owed(slots, mark_ms, from_ms, now_ms);
    if (e->is_fresh)
        return fresh_at(s, e, now_ms);
    return slots_next(slots, mark_ms, from_ms, now_ms);
}

void sched_run(struct sched *s, int shard, int64_t mark_ms, int64_t now_ms)
{
    struct shard *sh = &s->shards[shard];
    sched_rest(s, shard);
    sh->is_running = true;
    sh->mark_ms = mark_ms;
    for (size_t i = 1; i <= sh->heap.count; i++) {
        struct heap_node *n = sh->heap.nodes[i];
        n->at = plan(s, container_of(n, struct entry, node), mark_ms, now_ms);
    }
    heap_reorder(&sh->heap);
}

enum status sched_load(struct sched *s, const struct sched_item *item)
{
    struct entry *e = NULL;
    TRY(obtain(s, item, &e));
    set_from(e, item->settled_ms, item->is_fresh);
    return place(s, e, e->node.at);
}

void sched_settle(struct sched *s, const struct uuid *id, int64_t settled_ms, bool is_fresh)
{
    struct entry *e = entries_find(s->entries, id);
    if (e && !s->shards[e->shard].is_running)
        set_from(e, settled_ms, is_fresh);
}

enum status sched_put(struct sched *s, const struct sched_item *item, int64_t now_ms)
{
    const struct shard *sh = &s->shards[item->shard];
    struct entry *e = entries_find(s->entries, &item->id);
    if (e && e->shard == (uint8_t)item->shard && sched_plan_eq(e->plan, &item->plan))
        return ST_OK;
    if (!sh->is_running)
        return sched_load(s, item);
    TRY(obtain(s, item, &e));
    set_from(e, item->settled_ms, item->is_fresh);
    int64_t at_ms = MAX_OF(now_ms, sh->mark_ms);
    return place(s, e, e->is_fresh ? fresh_at(s, e, now_ms) : slots_due_after(slots_of(e), at_ms));
}

void sched_remove(struct sched *s, const struct uuid *id)
{
    struct entry *e = entries_find(s->entries, id);
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

/* Moves the top entry instead of dispatching it, when it was overslept. */
static bool replan(struct sched *s, struct shard *sh, struct entry *e, int64_t now_ms)
{
    int64_t at = e->node.at;
    if (now_ms - at <= SCHED_LATE_MS)
        return false;
    /* Never back to a time that a finished batch covers. */
    int64_t better = MAX_OF(slots_next(slots_of(e), at - 1, SCHED_NEVER, now_ms), sh->mark_ms + 1);
    if (better <= at)
        return false;
    move(s, e, better);
    return true;
}

/* What is dispatched of an entry whose time has come. */
static struct sched_due due_of(const struct entry *e)
{
    const struct slots slots = slots_of(e);
    int64_t slot = slots_at(slots, e->node.at);
    struct sched_due due = {.id = e->id, .is_task = e->is_task, .gap_ms = slots_gap(slots, slot)};
    if (e->is_fresh && slot < e->from_s * 1000LL) {
        due.slot_ms = e->from_s * 1000LL;
        return due;
    }
    int64_t prev = slots_before(slots, slot);
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
        const struct sched_due due = due_of(e);
        enum status st = add_due(b, &due);
        if (st != ST_OK && b->count == 0)
            return st;
        if (st != ST_OK) {
            b->tick_ms = last_ms - 1; /* what is in goes out; the rest is due still */
            return ST_OK;
        }
        e->is_fresh = false;
        move(s, e, slots_due_after(slots_of(e), last_ms));
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
