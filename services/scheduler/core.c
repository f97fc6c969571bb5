/* Heaps of checks by shard, one table of checks by id over all. */
#include "services/scheduler/core.h"

#include <string.h>

#include "base/heap.h"
#include "model/schedule.h"

enum { TABLE_START = 1024 };

/* One check: 64 bytes, as there may be a million. */
struct entry {
    struct heap_node node; /* at: moment of the next dispatch */
    struct uuid id;
    int64_t interval_ms;
    struct entry *next; /* in its bucket */
    uint32_t shard;
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

/* The entry of this id in this shard, made when there is none. */
static enum status obtain(struct sched *s, int shard, const struct uuid *id, struct entry **out)
{
    struct entry *e = find(s, id);
    if (e && e->shard != (uint32_t)shard) {
        sched_remove(s, id); /* a check never moves, but if it does */
        e = NULL;
    }
    if (!e) {
        if (s->count >= s->bucket_count)
            TRY(grow_table(s));
        e = calloc(1, sizeof(*e));
        if (!e)
            return ST_NO_MEMORY;
        e->id = *id;
        e->shard = (uint32_t)shard;
        link_entry(s, e);
        s->count++;
    }
    *out = e;
    return ST_OK;
}

static void drop(struct sched *s, struct entry *e)
{
    heap_remove(&s->shards[e->shard].heap, &e->node);
    unlink_entry(s, e);
    free(e);
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
    if (!s->buckets) {
        free(s);
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
    const struct schedule s = {e->interval_ms};
    return schedule_phase(&s, uuid_hash(&e->id));
}

static int64_t slot_at(const struct entry *e, int64_t at_ms)
{
    const struct schedule s = {e->interval_ms};
    return schedule_slot_at(&s, phase_of(e), at_ms);
}

static int64_t slot_after(const struct entry *e, int64_t at_ms)
{
    const struct schedule s = {e->interval_ms};
    return schedule_next(&s, phase_of(e), at_ms);
}

/* When to dispatch the newest slot, which is still owed: at once if it is recent, else at a moment
 * of the coming seconds that the check's id decides, so that a long sleep ends without a herd. */
static int64_t owed_at(const struct entry *e, int64_t now_ms)
{
    int64_t slot = slot_at(e, now_ms);
    if (slot >= now_ms - SCHED_LATE_MS)
        return slot;
    int64_t window = MIN_OF(e->interval_ms / 2, (int64_t)SCHED_SPREAD_MS);
    /* Other bits than those of the phase, or neighbours in one would be neighbours in the other. */
    int64_t delay = (int64_t)((uuid_hash(&e->id) >> 20) % (uint64_t)window);
    return MIN_OF(now_ms + delay, slot_after(e, now_ms));
}

enum status sched_load(struct sched *s, int shard, const struct uuid *id, int64_t interval_ms,
                       int64_t settled_ms, int64_t now_ms)
{
    struct entry *e = NULL;
    TRY(obtain(s, shard, id, &e));
    e->interval_ms = interval_ms;
    int64_t floor_ms = MAX_OF(s->shards[shard].mark_ms, settled_ms);
    bool is_owed = slot_at(e, now_ms) > floor_ms;
    return place(s, e, is_owed ? owed_at(e, now_ms) : slot_after(e, now_ms));
}

enum status sched_put(struct sched *s, int shard, const struct uuid *id, int64_t interval_ms,
                      int64_t now_ms)
{
    struct entry *e = find(s, id);
    if (e && e->shard == (uint32_t)shard && e->interval_ms == interval_ms)
        return ST_OK;
    TRY(obtain(s, shard, id, &e));
    e->interval_ms = interval_ms;
    return place(s, e, slot_after(e, MAX_OF(now_ms, s->shards[shard].mark_ms)));
}

void sched_republish(struct sched *s, const struct uuid *id, int64_t lost_to_ms, int64_t settled_ms,
                     int64_t now_ms)
{
    struct entry *e = find(s, id);
    if (!e)
        return;
    int64_t slot = slot_at(e, now_ms);
    if (slot > lost_to_ms || slot <= settled_ms)
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
    int64_t slot = slot_at(e, now_ms);
    int64_t better = at;
    if (now_ms - at > SCHED_LATE_MS)
        better = owed_at(e, now_ms);
    else if (slot > at)
        better = slot;
    /* Never back to a time that a finished batch covers. */
    better = MAX_OF(better, sh->mark_ms + 1);
    if (better <= at)
        return false;
    move(s, e, better);
    return true;
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
        int64_t slot = slot_at(e, now_ms);
        const struct sched_due due = {
            .check_id = e->id,
            .slot_ms = slot,
            .prev_ms = slot - e->interval_ms,
            .interval_ms = e->interval_ms,
        };
        enum status st = add_due(b, &due);
        if (st != ST_OK && b->count == 0)
            return st;
        if (st != ST_OK) {
            b->tick_ms = last_ms - 1; /* what is in goes out; the rest is due still */
            return ST_OK;
        }
        move(s, e, slot_after(e, now_ms));
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
