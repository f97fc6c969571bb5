/*
 * A bounded queue of pointers between stages. Producers are refused when it is full; a consumer
 * takes all that waits, so that batching comes by itself under load.
 */
#ifndef TOCSIN_BASE_BQUEUE_H
#define TOCSIN_BASE_BQUEUE_H

#include "base/defs.h"
#include "base/status.h"

struct bqueue;

/* NULL without memory. */
struct bqueue *bqueue_new(size_t max);
/* Elements still inside are not freed: drain first. NULL is fine. */
void bqueue_free(struct bqueue *q);
/* ST_OK; ST_OVERLOADED when full; ST_STOPPED after close. Never blocks. */
NODISCARD enum status bqueue_try_put(struct bqueue *q, void *item);
/* Takes up to `max` items, waiting up to `timeout_ms` (< 0: for ever) for the first one.
 * Returns how many: 0 on timeout, or when closed and empty. */
size_t bqueue_take(struct bqueue *q, void **items, size_t max, int64_t timeout_ms);
/* No more puts; takers get what is left and then 0 at once. */
void bqueue_close(struct bqueue *q);
bool bqueue_is_closed(struct bqueue *q);
size_t bqueue_count(struct bqueue *q);

#endif
