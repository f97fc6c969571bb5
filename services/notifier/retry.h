/* When a failed delivery is tried again. Pure but for the jitter. */
#ifndef TOCSIN_NOTIFIER_RETRY_H
#define TOCSIN_NOTIFIER_RETRY_H

#include "base/defs.h"
#include "base/status.h"

enum { RETRY_STEPS_MAX = 16 };
struct retry_schedule {
    int64_t wait_ms[RETRY_STEPS_MAX];
    size_t count;
};

/* "5s,30s,2m": one to RETRY_STEPS_MAX durations above zero. ST_INVALID with the bad one. */
NODISCARD enum status retry_schedule_parse(const char *text, struct retry_schedule *out,
                                           struct errbuf *err);
/* The wait after the attempt-th failure (from 1): the schedule's, 20 % more or less, and no less
 * than the receiver asked for (0: it did not), which is bounded by LIMIT_NOTIFY_RETRY_AFTER_MS. */
int64_t retry_wait_ms(const struct retry_schedule *s, int64_t attempt, int64_t retry_after_ms);
/* A Retry-After header (RFC 9110, section 10.2.3: seconds or a date) as a wait from now_s; 0 when
 * it says nothing that makes sense. NULL is fine. */
int64_t retry_after_parse_ms(const char *value, int64_t now_s);

#endif
