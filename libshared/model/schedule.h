/*
 * Schedules as data and arithmetic, without a clock. In any case, with blanks around:
 *   intervals  "every 5 minutes", "every minute", "30s", "2 hours", "5" (minutes), "@minutely", ISO
 *              8601 durations ("PT5M", "P1D");
 *   calendar   five cron fields, "30 9 * * 1-5", or @hourly, @daily, @midnight, @weekly, @monthly,
 *              @yearly, @annually; in UTC, or in the zone of a prefix "CRON_TZ=Europe/Berlin ".
 * The text is the user's and echoed as given. Slot n of an interval is at phase + n * interval,
 * phase = hash(id) mod interval, so that load is spread, restarts cause no herd, and a slot names a
 * run for good. A calendar schedule's slots are the instants at which it fires (model/cron.h says
 * which those are when clocks change); it has no phase.
 */
#ifndef TOCSIN_MODEL_SCHEDULE_H
#define TOCSIN_MODEL_SCHEDULE_H

#include "base/defs.h"
#include "base/status.h"
#include "model/cron.h"

struct schedule {
    int64_t interval_ms; /* 0: a calendar schedule */
    struct cron cron;
    const struct tz *tz; /* borrowed; NULL: UTC */
};

/* Finds a zone by its IANA name, which lives on; NULL: there is none. */
typedef const struct tz *tz_find_fn(const char *name);

/* ST_INVALID with a reason for a person. Intervals from LIMIT_SCHEDULE_MIN_MS to _MAX_MS. Without
 * `find` no zone but UTC is known. */
NODISCARD enum status schedule_parse(const char *text, tz_find_fn *find, struct schedule *out,
                                     struct errbuf *err);
/* For schema tables: the reason as a constant, or NULL when schedule_parse accepts it. */
const char *schedule_refusal(const char *text, tz_find_fn *find);
bool schedule_eq(const struct schedule *a, const struct schedule *b);
/* hash mod interval, for uuid_hash(id); 0 for a calendar schedule. */
int64_t schedule_phase(const struct schedule *s, uint64_t hash);
/* The newest slot at or before `at_ms`; the first one after it. Any time will do: what lies beyond
 * the range of int64_t, or a calendar schedule's years 0 to 9999, is INT64_MIN or INT64_MAX. */
int64_t schedule_slot_at(const struct schedule *s, int64_t phase_ms, int64_t at_ms);
int64_t schedule_next(const struct schedule *s, int64_t phase_ms, int64_t after_ms);
/* From the newest slot to the one after it: always the interval, if there is one. */
int64_t schedule_gap_ms(const struct schedule *s, int64_t phase_ms, int64_t at_ms);
/* How many slots lie after from_ms, up to to_ms. A calendar schedule's are counted one by one. */
int64_t schedule_count(const struct schedule *s, int64_t phase_ms, int64_t from_ms, int64_t to_ms);
/* The next `max` slots after now_ms; returns how many there are before the end of time. */
size_t schedule_preview(const struct schedule *s, int64_t phase_ms, int64_t now_ms, int64_t *out,
                        size_t max);

#endif
