/*
 * Time. Pure code takes "now" as a parameter; the edges ask this module, whose source can be
 * replaced, so that a test or a chaos run decides what time it is.
 */
#ifndef TOCSIN_BASE_CLOCK_H
#define TOCSIN_BASE_CLOCK_H

#include "base/defs.h"
#include "base/status.h"

struct clock_source {
    int64_t (*wall_us)(void *self); /* since 1970, UTC */
    int64_t (*mono_us)(void *self); /* never goes back */
    void *self;
};

int64_t clock_wall_us(void);
int64_t clock_wall_ms(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);
/* Replaces the source for the whole process (NULL: the system's). Call before threads start. */
FOR_TESTS void clock_use(const struct clock_source *source);
/* Shifts the system's wall clock by an offset: for chaos runs that step a daemon's clock. */
void clock_set_offset_ms(int64_t offset_ms);
/* The same by as many milliseconds as an int64_t says that a file begins with, whenever it is
 * changed. ST_NOT_FOUND, ST_INVALID: it is no such file. */
NODISCARD enum status clock_set_offset_file(const char *path);
/* From now on the wall clock is that of a reference which said `reference_us` between two moments
 * of clock_mono_us, and runs at the monotonic clock's speed: a machine whose own clock is wrong, or
 * is set, does no harm. Say it again every few seconds, as clocks drift. Safe from any thread. */
void clock_follow(int64_t reference_us, int64_t asked_mono_us, int64_t told_mono_us);
bool clock_is_following(void);

/* "2026-01-30T23:23:29Z", with .mmm or .uuuuuu when not whole seconds. */
#define TIME_TEXT_BYTES 32
void time_format_us(int64_t wall_us, char out[TIME_TEXT_BYTES]);
void time_format_ms(int64_t wall_ms, char out[TIME_TEXT_BYTES]);
/* RFC 3339 with `Z` or an offset, any number of fraction digits (beyond µs cut); 'T', 't' or a
 * space between; a date alone is midnight UTC. ST_INVALID otherwise, or outside years 1970–9999. */
NODISCARD enum status time_parse_us(const char *text, int64_t *out);

#endif
