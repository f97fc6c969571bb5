/*
 * A lane that should get jobs and gets none: jobs wait, there is room for them, the queue is not
 * paused, and the oldest of them has been waiting ever since. Nothing known does that; should
 * anything do so, a new connection is tried, and then a new process: the supervisor's.
 */
#include <stdlib.h>
#include <unistd.h>

#include "log/log.h"
#include "queue/inspect.h"
#include "services/worker/worker.h"

enum { LOOKS = 4 /* within the time that a stall may last */ };

static bool has_come(const struct lane *lane, int64_t since_ms)
{
    const int64_t room_ms = atomic_load(&lane->room_mono_ms);
    return room_ms == 0 || room_ms > since_ms || atomic_load(&lane->fetched_mono_ms) > since_ms;
}

/* Whether jobs have been waiting since then, for all that is known. */
static enum status is_waiting(struct lane *lane, struct redis *r, int64_t stalled_ms, bool *out)
{
    AUTO_ARENA arena = arena_new_small(1 << 16);
    struct queue_info info;
    if (!arena)
        return ST_NO_MEMORY;
    TRY(queue_info_get(lane->leasing, r, clock_wall_ms(), arena, &info));
    *out = info.depth > 0 && !info.is_paused && info.oldest_age_ms >= stalled_ms;
    return ST_OK;
}

static void act(struct lane *lane, struct watch *watch, int64_t stalled_ms)
{
    const int64_t limit_ms = lane->worker->conf->worker_stall;
    if (stalled_ms >= limit_ms && !watch->is_reconnected) {
        log_error("fetch_stalled", kv_str("queue", lane->name), kv_i64("stalled_ms", stalled_ms),
                  kv_str("action", "connecting anew"));
        watch->is_reconnected = true;
        atomic_store(&lane->wants_reconnect, true);
    } else if (stalled_ms >= 2 * limit_ms) {
        log_error("fetch_stalled", kv_str("queue", lane->name), kv_i64("stalled_ms", stalled_ms),
                  kv_str("action", "exiting: what this worker holds goes to others"));
        _exit(EXIT_FAILURE);
    }
}

enum status watch_lane(struct lane *lane, struct watch *watch, struct redis *r, int64_t now_ms)
{
    bool waits = false;
    if (watch->stalled_since_ms == 0 || has_come(lane, watch->stalled_since_ms)) {
        watch->stalled_since_ms = now_ms;
        watch->is_reconnected = false;
        return ST_OK;
    }
    if (now_ms < watch->look_at_ms)
        return ST_OK;
    watch->look_at_ms = now_ms + lane->worker->conf->worker_stall / LOOKS;
    const int64_t stalled_ms = now_ms - watch->stalled_since_ms;
    TRY(is_waiting(lane, r, stalled_ms, &waits));
    if (waits)
        act(lane, watch, stalled_ms);
    else
        watch->stalled_since_ms = now_ms;
    return ST_OK;
}
