/*
 * What every format has in common behind its decoder: hosts, series and layouts are resolved,
 * limits kept, rows grouped into scrapes, and all of it appended to the streams before anybody is
 * told that it was accepted.
 */
#ifndef TOCSIN_INGEST_INTAKE_H
#define TOCSIN_INGEST_INTAKE_H

#include "services/ingest/catalog.h"
#include "services/ingest/post.h"
#include "services/ingest/publish.h"

struct intake {
    struct catalog *catalog;
    struct publisher *publisher;
    struct db *db;
    struct redis *redis;
    struct arena *arena;
    const struct principal *who;
    int64_t now_us;
};

/* On ST_OK what report->accepted counts is in Redis. ST_FORBIDDEN: an item is of another host than
 * the key's; ST_UNAVAILABLE, ST_OVERLOADED: send it again later. In both nothing counts as
 * accepted. Rows of the items are sorted in place. */
NODISCARD enum status intake_store(struct intake *in, struct post *post, struct report *report,
                                   struct errbuf *err);

/* For metrics of the daemon. */
void intake_metrics_add(void);
/* Counts a report that goes out as an answer. */
void intake_count(const struct report *report);

#endif
