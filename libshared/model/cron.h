/*
 * Cron schedules as Vixie cron reads them: five fields (minute, hour, day of month, month, day of
 * week) of lists, ranges and steps, with names for months and days; and instants at which one fires
 * in a time zone. Pure.
 *
 * When both days are restricted, either one will do; a day field that begins with * restricts
 * nothing. Where clocks change by less than three hours (cron(8)):
 *   - a fixed-time schedule (neither minute nor hour begins with *) that falls into skipped local
 *     time fires once, right after the jump; in repeated local time it fires the first time only;
 *   - any other follows the wall clock: not in skipped time, and both times in repeated time.
 * A greater change is a new calendar, as when a country moves across the date line: what it skips
 * does not exist, what it repeats counts.
 */
#ifndef TOCSIN_MODEL_CRON_H
#define TOCSIN_MODEL_CRON_H

#include "base/defs.h"
#include "model/tz.h"

struct cron {
    uint64_t minutes; /* bit n: minute n, and so on */
    uint32_t hours;
    uint32_t days;             /* bits 1–31 */
    uint16_t months;           /* bits 1–12 */
    uint8_t weekdays;          /* bits 0–6, Sunday is 0 */
    bool is_wild;              /* follows the wall clock */
    bool any_day, any_weekday; /* the field begins with * */
};

/* No such instant. */
#define CRON_NEVER INT64_MAX

/* Reads lower-case text of five fields, or "@daily" and the like. The reason of a refusal, a
 * constant, or NULL; one that can never fire is refused. */
const char *cron_parse(const char *text, struct cron *out);
/* The first instant after at_s, and the last one at or before it; seconds since 1970, CRON_NEVER or
 * INT64_MIN beyond the years 0 to 9999. `tz` NULL: UTC. */
int64_t cron_next(const struct cron *c, const struct tz *tz, int64_t at_s);
int64_t cron_last(const struct cron *c, const struct tz *tz, int64_t at_s);

#endif
