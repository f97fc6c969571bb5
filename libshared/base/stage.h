/*
 * A stage: one named thread that blocks on one thing. Its function runs until it returns; it asks
 * stage_is_stopping at each turn, and may wait with stage_sleep, which a stop cuts short.
 */
#ifndef TOCSIN_BASE_STAGE_H
#define TOCSIN_BASE_STAGE_H

#include "base/defs.h"
#include "base/status.h"

struct stage;
typedef void stage_fn(struct stage *stage, void *arg);

/* Starts the thread with a 256 KiB stack. Name up to 15 bytes. Signals
 * are blocked in it. The caller owns *out and must stop, join and free it. */
NODISCARD enum status stage_start(const char *name, stage_fn *fn, void *arg, struct stage **out);
/* Asks the thread to end; wakes a stage_sleep. Safe from any thread, any number of times. */
void stage_stop(struct stage *s);
/* Stops, waits for the end and frees. NULL is fine. */
void stage_join(struct stage *s);
bool stage_is_stopping(struct stage *s);
/* Waits `ms` or until stop or stage_wake; false when stopping. */
bool stage_sleep(struct stage *s, int64_t ms);
/* Ends a running stage_sleep early, or makes the next one return at once. */
void stage_wake(struct stage *s);

#endif
