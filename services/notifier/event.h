/* An outbox row's payload as the channels show it: a few texts for people. */
#ifndef TOCSIN_NOTIFIER_EVENT_H
#define TOCSIN_NOTIFIER_EVENT_H

#include "base/arena.h"
#include "store/outbox.h"

/* All texts are UTF-8 without control characters, in the arena; "" for what the payload has not. */
struct event_view {
    const char *label; /* "DOWN", "UP", "TEST" */
    const char *name;  /* of the check, or of the channel under test */
    const char *message;
    const char *kind, *target, *severity, *state, *previous_state;
    const char *at, *started_at, *duration; /* "1 h 2 min", "" while it lasts */
    const char *link;                       /* to the incident or the check */
};
NODISCARD enum status event_view_make(const struct delivery_row *row, const char *public_url,
                                      struct arena *arena, struct event_view *out);
/* 3723.4 → "1 h 2 min" */
FOR_TESTS const char *event_duration(double seconds, struct arena *arena);

#endif
