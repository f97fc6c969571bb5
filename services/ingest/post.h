/*
 * What a format makes of a request's body, before anything is known about the hosts: items, each of
 * one agent, and a report of what was refused and why. All of it lives in the request's arena or is
 * borrowed from the body.
 */
#ifndef TOCSIN_INGEST_POST_H
#define TOCSIN_INGEST_POST_H

#include <jansson.h>

#include "base/arena.h"
#include "store/samples.h"
#include "store/series.h"

/* What was taken and what was not. Counts are of samples and table rows. */
struct report {
    size_t accepted;
    size_t rejected;
    json_t *errors; /* array of {loc, msg, type, index, reason}; NULL while empty */
};
void report_done(struct report *r);
#define AUTO_REPORT CLEANUP(report_done) struct report

/* Where in the body something lies. */
struct place {
    int64_t item;        /* index in a backlog, -1: the body is one object */
    const char *section; /* "metrics", "disk" …; NULL: the item itself */
    int64_t index;       /* in the section */
    const char *field;   /* NULL: all of it */
};
/* Counts `count` refused samples and describes them once; beyond LIMIT_VALIDATION_ERRORS they are
 * only counted. */
void report_reject(struct report *r, const struct place *place, size_t count, const char *type,
                   const char *fmt, ...) PRINTF_LIKE(5, 6);

/* What the rows of all sections have in common comes first: when, and where in the section. */
struct row_head {
    int64_t at_us;
    uint32_t index;
};
struct sample_row {
    struct row_head head;
    struct series_key key;
    double value;
};
struct disk_row {
    struct row_head head;
    struct disk_sample v;
};
struct network_row {
    struct row_head head;
    struct network_sample v;
};
struct process_row {
    struct row_head head;
    struct process_sample v;
};

struct item {
    int64_t index;        /* in a backlog, -1: the only one */
    const char *agent_id; /* NULL: not given */
    struct sample_row *samples;
    size_t sample_count;
    struct disk_row *disks;
    size_t disk_count;
    struct network_row *networks;
    size_t network_count;
    struct process_row *processes;
    size_t process_count;
};
static inline size_t item_rows(const struct item *i)
{
    return i->sample_count + i->disk_count + i->network_count + i->process_count;
}

struct post {
    struct item *items;
    size_t count;
};

#endif
