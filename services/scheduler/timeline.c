/* The scheduler's time. */
#include "services/scheduler/timeline.h"

/* What the wall clock did beside what really passed. */
static enum timeline_event judge(const struct timeline *t, int64_t wall_ms, int64_t passed_ms)
{
    int64_t step_ms = wall_ms - t->wall_ms - passed_ms;
    if (step_ms > TIMELINE_TOLERANCE_MS)
        return TIMELINE_FORWARD;
    return step_ms < -TIMELINE_TOLERANCE_MS ? TIMELINE_BACK : TIMELINE_STEADY;
}

int64_t timeline_now(struct timeline *t, int64_t wall_ms, int64_t mono_ms,
                     enum timeline_event *event)
{
    *event = TIMELINE_STEADY;
    if (!t->is_started) {
        *t = (struct timeline){
            .is_started = true, .now_ms = wall_ms, .wall_ms = wall_ms, .mono_ms = mono_ms};
        return wall_ms;
    }
    int64_t passed_ms = MAX_OF(mono_ms - t->mono_ms, 0);
    int64_t ahead_ms = t->now_ms + passed_ms - wall_ms;
    *event = judge(t, wall_ms, passed_ms);
    t->wall_ms = wall_ms;
    t->mono_ms = mono_ms;

    if (ahead_ms > TIMELINE_ABSORB_MS) {
        *event = TIMELINE_RESET;
        t->now_ms = wall_ms;
    } else if (ahead_ms > TIMELINE_TOLERANCE_MS) {
        t->tenths += passed_ms * 9;
        t->now_ms += t->tenths / 10;
        t->tenths %= 10;
    } else {
        t->now_ms = MAX_OF(t->now_ms, wall_ms);
    }
    return t->now_ms;
}

bool timeline_raise(struct timeline *t, int64_t mark_ms)
{
    if (mark_ms <= t->now_ms)
        return true;
    if (mark_ms - t->now_ms > TIMELINE_ABSORB_MS)
        return false;
    t->now_ms = mark_ms;
    return true;
}
