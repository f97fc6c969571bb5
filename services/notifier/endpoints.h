/*
 * How much each endpoint may be asked to take: a few requests at a time, and none for a while once
 * it failed several times running (a circuit breaker: after the pause one request tries it). So an
 * endpoint that is dead or slow holds up nobody else's notifications. Safe between threads; time
 * comes in.
 */
#ifndef TOCSIN_NOTIFIER_ENDPOINTS_H
#define TOCSIN_NOTIFIER_ENDPOINTS_H

#include "base/arena.h"
#include "base/uuid.h"

struct endpoints;
struct endpoint;

enum {
    ENDPOINT_FAILURES = 5,     /* in a row, then the circuit opens */
    ENDPOINT_PAUSE_MS = 10000, /* the first pause; doubled up to … */
    ENDPOINT_PAUSE_MAX_MS = 300000
};

/* NULL without memory. */
struct endpoints *endpoints_new(size_t max_each, size_t max_endpoints);
FOR_TESTS void endpoints_free(struct endpoints *e);

/* What an endpoint is named by: its channel, or the URL where there is no channel. */
struct endpoint_name {
    struct uuid channel_id; /* nil: target counts */
    const char *target;
};
/* A place at the endpoint, or NULL when it has none now. `is_forced`: give one in any case. */
struct endpoint *endpoint_enter(struct endpoints *e, const struct endpoint_name *name,
                                bool is_forced, int64_t now_ms);
enum endpoint_verdict { ENDPOINT_WORKS, ENDPOINT_FAILS, ENDPOINT_UNKNOWN };
/* Gives the place back. NULL is fine. */
void endpoint_leave(struct endpoints *e, struct endpoint *p, enum endpoint_verdict verdict,
                    int64_t now_ms);

struct endpoints_busy {
    struct uuid *channels;
    size_t channel_count;
    const char **targets;
    size_t target_count;
};
/* Those that have no place now, in the arena. ST_NO_MEMORY. */
NODISCARD enum status endpoints_busy(struct endpoints *e, int64_t now_ms, struct arena *arena,
                                     struct endpoints_busy *out);
/* How many have an open circuit. */
size_t endpoints_count_open(struct endpoints *e, int64_t now_ms);

#endif
