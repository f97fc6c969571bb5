/* Time zones of this machine, and schedule texts that name them. */
#ifndef TOCSIN_ZONE_ZONE_H
#define TOCSIN_ZONE_ZONE_H

#include "model/schedule.h"

/* The zone of an IANA name, from the package tzdata's files; read once and kept for the life of the
 * process, at most LIMIT_TZ_CACHED of them. NULL: there is no such zone, or no such file that can
 * be read. Any thread. */
FOR_TESTS const struct tz *zone_find(const char *name);
/* schedule_parse with the zones of this machine. */
NODISCARD enum status schedule_read(const char *text, struct schedule *out, struct errbuf *err);
/* For schema tables: NULL when schedule_read accepts it, else why not. */
const char *schedule_check(const char *text);
/* The same, of intervals only: for what is counted from another moment, such as a retry. */
const char *schedule_check_interval(const char *text);

#endif
