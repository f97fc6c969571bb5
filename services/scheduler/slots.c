/* Slots, their jitter, and what became of those that nobody dispatched in time. */
#include "services/scheduler/slots.h"

static int64_t phase_of(struct slots s)
{
    return schedule_phase(&s.plan->schedule, s.hash);
}

static int64_t slot_after(struct slots s, int64_t slot_ms)
{
    return schedule_next(&s.plan->schedule, phase_of(s), slot_ms);
}

/* When a slot is due: never later than the next one, as a slot's jitter is below the gap. */
static int64_t due_of(struct slots s, int64_t slot_ms)
{
    int64_t jitter_ms = s.plan->jitter_ms;
    if (jitter_ms <= 0 || slot_ms == INT64_MIN || slot_ms == INT64_MAX)
        return slot_ms;
    int64_t gap_ms = slots_gap(s, slot_ms);
    /* The finaliser of SplitMix64. */
    uint64_t h = s.hash ^ (uint64_t)slot_ms;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
    h ^= h >> 31;
    return slot_ms + (int64_t)(h % (uint64_t)MIN_OF(jitter_ms + 1, gap_ms));
}

int64_t slots_before(struct slots s, int64_t slot_ms)
{
    if (slot_ms == INT64_MIN)
        return slot_ms;
    return schedule_slot_at(&s.plan->schedule, phase_of(s), slot_ms - 1);
}

int64_t slots_gap(struct slots s, int64_t slot_ms)
{
    return schedule_gap_ms(&s.plan->schedule, phase_of(s), slot_ms);
}

int64_t slots_at(struct slots s, int64_t at_ms)
{
    int64_t slot = schedule_slot_at(&s.plan->schedule, phase_of(s), at_ms);
    return due_of(s, slot) <= at_ms ? slot : slots_before(s, slot);
}

int64_t slots_due_after(struct slots s, int64_t at_ms)
{
    return due_of(s, slot_after(s, slots_at(s, at_ms)));
}

bool slots_are_owed(struct slots s, int64_t done_ms, int64_t settled_ms, int64_t now_ms)
{
    int64_t slot = slots_at(s, now_ms);
    return due_of(s, slot) > done_ms && slot > settled_ms;
}

/* The first slot of those that are late at most, or the first one to come. */
static int64_t first_recent(struct slots s, int64_t done_ms, int64_t settled_ms, int64_t now_ms)
{
    int64_t slot = slot_after(s, slots_at(s, MAX_OF(done_ms, now_ms - SCHED_LATE_MS - 1)));
    /* What is settled in the future is a clock's error, and holds up nothing. */
    int64_t settled = MIN_OF(settled_ms, now_ms);
    return slot > settled ? slot : slot_after(s, settled);
}

int64_t slots_next(struct slots s, int64_t done_ms, int64_t settled_ms, int64_t now_ms)
{
    int64_t due = due_of(s, first_recent(s, done_ms, settled_ms, now_ms));
    if (due <= now_ms || !slots_are_owed(s, done_ms, settled_ms, now_ms))
        return due;
    if (s.plan->catch_up == SCHED_SKIP)
        return due;
    int64_t window = MIN_OF(slots_gap(s, slots_at(s, now_ms)) / 2, (int64_t)SCHED_SPREAD_MS);
    /* Other bits than those of the phase, or neighbours in one would be neighbours in the other. */
    int64_t delay = (int64_t)((s.hash >> 20) % (uint64_t)window);
    return MIN_OF(now_ms + delay, due);
}
