/*
 * A time zone: what the local time was, is and will be, from a TZif file (RFC 8536, versions 1 to
 * 4) and, after its last transition, the rule in its footer (POSIX TZ with the extensions of
 * version 3: hours from -167 to 167). Pure: the file's bytes come in.
 */
#ifndef TOCSIN_MODEL_TZ_H
#define TOCSIN_MODEL_TZ_H

#include "base/defs.h"
#include "base/status.h"

struct tz;

/* A stretch of time with one offset from UTC: from_s inclusive (INT64_MIN: always), until_s
 * exclusive (INT64_MAX: for ever); seconds since 1970. before_s is the offset just before it. */
struct tz_segment {
    int64_t from_s, until_s;
    int64_t offset_s, before_s;
};

/* Reads a file's bytes; the caller owns *out. ST_INVALID with a reason: not TZif, cut short, out of
 * bounds, or counting leap seconds, which Tocsin's clock does not. */
NODISCARD enum status tz_new(const unsigned char *data, size_t len, struct tz **out,
                             struct errbuf *err);
/* NULL is fine. */
void tz_free(struct tz *tz);
/* The stretch that at_s, of the years 0 to 9999, lies in; NULL stands for UTC. */
struct tz_segment tz_segment_at(const struct tz *tz, int64_t at_s);

#endif
