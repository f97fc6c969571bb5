/* What the two files of the uptime API share. */
#ifndef TOCSIN_API_ROUTES_UPTIME_H
#define TOCSIN_API_ROUTES_UPTIME_H

#include <stdint.h>

/* Rows of its lists where a client names no number: where they come from they have no pages. */
enum { UPTIME_ROWS = 1000 };

/* Of a schedule text, in minutes, rounded up; the gap that comes next for one by the calendar. */
int64_t uptime_minutes(const char *schedule);

#endif
