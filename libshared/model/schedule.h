/*
 * Schedules as data and arithmetic, without a clock: "every 5 minutes", "every minute", "30s",
 * "2 hours", "5" (minutes), ISO 8601 durations ("PT5M", "P1D"), "@minutely", "@hourly", "@daily",
 * "@weekly"; in any case, with blanks around. The text is the user's and echoed as given. Slots of
 * an interval schedule: slot n is at phase + n * interval, phase = hash(check id) mod interval so
 * that load is spread, restarts cause no herd, and a slot names a run for good.
 */
#ifndef TOCSIN_MODEL_SCHEDULE_H
#define TOCSIN_MODEL_SCHEDULE_H

#include "base/defs.h"
#include "base/status.h"

struct schedule {
    int64_t interval_ms;
};

/* ST_INVALID with a reason for a person. Intervals from LIMIT_SCHEDULE_MIN_MS to _MAX_MS. */
NODISCARD enum status schedule_parse(const char *text, struct schedule *out, struct errbuf *err);
/* For schema tables: NULL when schedule_parse accepts it, else why not. */
const char *schedule_check(const char *text);
/* hash mod interval, for uuid_hash(check id). */
int64_t schedule_phase(const struct schedule *s, uint64_t hash);
/* The newest slot at or before `at_ms`; the first one after it. Any time will do: what lies beyond
 * the range of int64_t is cut to it. */
int64_t schedule_slot_at(const struct schedule *s, int64_t phase_ms, int64_t at_ms);
int64_t schedule_next(const struct schedule *s, int64_t phase_ms, int64_t after_ms);

#endif
