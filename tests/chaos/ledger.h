/*
 * Append-only ledgers that survive every kill: a record is one write() to a file opened with
 * O_APPEND, so that it is there whole or not at all, in the order in which things happened.
 */
#ifndef TOCSIN_TESTS_CHAOS_LEDGER_H
#define TOCSIN_TESTS_CHAOS_LEDGER_H

#include "base/defs.h"

enum ledger_event {
    LEDGER_ACCEPTED = 'A', /* the producer was told that the job is in the queue */
    LEDGER_FETCHED = 'F',
    LEDGER_EFFECT = 'E', /* the job took effect */
    LEDGER_AGAIN = 'D',  /* … had taken effect already */
    LEDGER_RETRY = 'R',
    LEDGER_BEAT = 'H', /* a heartbeat was sent: the lease counts from here */
    LEDGER_KILLED = 'K'
};

struct ledger_record {
    int64_t at_ms; /* monotonic, of this machine */
    int32_t job;
    int16_t worker; /* incarnation, never used again */
    char event;
    char attempt;
};

/* Opens (and makes) a ledger; -1 never: it ends the program. */
int ledger_open(const char *path);
void ledger_write(int fd, enum ledger_event event, int worker, int32_t job, int attempt);
/* How many records there are. */
int64_t ledger_count(int fd);
/* All records, the caller's to free. */
struct ledger_record *ledger_read(const char *path, size_t *count);

/* How long jobs of killed workers waited after the lease's end until another worker had them. */
struct ledger_orphans {
    size_t count;
    int64_t p50_ms, p99_ms, max_ms;
};
struct ledger_orphans ledger_orphans_of(const struct ledger_record *records, size_t count,
                                        int64_t lease_ms);
/* Prints everything that happened to a job. */
void ledger_print_job(const struct ledger_record *records, size_t count, int32_t job);

#endif
