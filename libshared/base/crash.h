/*
 * Named points where a chaos test may kill the process: CRASH_AT("recorder.after_commit"). They do
 * nothing unless the setting crash_at names one ("point" or "point:N" for its Nth passing).
 */
#ifndef TOCSIN_BASE_CRASH_H
#define TOCSIN_BASE_CRASH_H

#include "base/defs.h"

/* Arms a point, once at start. NULL or "" disarms. */
void crash_arm(const char *spec);
void crash_pass(const char *point);
extern bool crash_is_armed;

#define CRASH_AT(point)                          \
    do {                                         \
        if (__builtin_expect(crash_is_armed, 0)) \
            crash_pass(point);                   \
    } while (0)

#endif
