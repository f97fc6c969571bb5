/*
 * The time that the scheduler lives in. It follows the wall clock and never goes back: slots that
 * were dispatched keep their names. Where the wall clock stands behind it, because it was set back
 * or the shard's last owner had a fast one, this time goes on at nine tenths of the real speed
 * until the two meet, so that checks are neither stopped nor run twice. Pure.
 */
#ifndef TOCSIN_SCHEDULER_TIMELINE_H
#define TOCSIN_SCHEDULER_TIMELINE_H

#include "base/defs.h"

enum {
    TIMELINE_TOLERANCE_MS = 1000,         /* not worth a word: the time just waits */
    TIMELINE_ABSORB_MS = 24 * 3600 * 1000 /* beyond this the old time was nonsense */
};

enum timeline_event {
    TIMELINE_STEADY,
    TIMELINE_FORWARD, /* the wall clock jumped ahead, or the machine slept: followed at once */
    TIMELINE_BACK,    /* it jumped back: absorbed slowly */
    TIMELINE_RESET    /* … so far that everything known about time is void: followed at once */
};

struct timeline {
    bool is_started;
    int64_t now_ms, wall_ms, mono_ms;
    int64_t tenths; /* of a millisecond not yet passed while slowed down */
};

/* The time now; *event says what happened since the last call. */
int64_t timeline_now(struct timeline *t, int64_t wall_ms, int64_t mono_ms,
                     enum timeline_event *event);
/* Goes on from `mark_ms`, if that is ahead and can be absorbed; false if it cannot. */
bool timeline_raise(struct timeline *t, int64_t mark_ms);

#endif
