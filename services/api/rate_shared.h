/*
 * The same buckets as rate_limit.h, counted by all processes of the API together, in Redis. A
 * process draws tokens for a busy caller some at a time and gives back what a quiet one left, so
 * that Redis is asked about once a second a caller, and never more is given out than the limit.
 * When Redis does not answer, each process counts by itself again.
 */
#ifndef TOCSIN_API_RATE_SHARED_H
#define TOCSIN_API_RATE_SHARED_H

#include "redis/redis.h"
#include "services/api/rate_limit.h"

struct rate_shared;

/* NULL without memory. */
struct rate_shared *rate_shared_new(size_t callers);
/* NULL is fine. */
void rate_shared_free(struct rate_shared *s);
enum rate_verdict { RATE_UNKNOWN, RATE_PASSED, RATE_REFUSED };
/* Takes one request, unless all processes together have given out what there was. RATE_UNKNOWN:
 * Redis could not be asked, and *state is not written. `redis` is the calling thread's. */
enum rate_verdict rate_shared_take(struct rate_shared *s, struct redis *redis,
                                   const struct rate_key *key, int64_t per_minute, int64_t now_us,
                                   struct rate_state *state);

#endif
