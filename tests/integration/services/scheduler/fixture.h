/*
 * What the tests of whole schedulers share: the processes, and what they put into the checks'
 * queue, which is the ledger.
 */
#ifndef TOCSIN_TESTS_INTEGRATION_SERVICES_SCHEDULER_FIXTURE_H
#define TOCSIN_TESTS_INTEGRATION_SERVICES_SCHEDULER_FIXTURE_H

#include <sys/types.h>

#include "base/vec.h"
#include "tests/kit/kit.h"

/* Set between fx_setup and fx_teardown. */
struct scheduler_fixture {
    struct db *db;
    struct redis *redis;
    struct uuid org;
};

extern struct scheduler_fixture fx;

/* Of the program. */
int fx_setup(void **state);
int fx_teardown(void **state);
/* Of each case: it starts with nothing. */
int fx_clean(void **state);

/* A daemon with leases of half a second; crash_at NULL: nowhere. */
pid_t fx_start(const char *program, const char *crash_at);
pid_t fx_start_scheduler(void);
/* Sends the signal and waits for the end, which after SIGTERM must be a clean one. */
void fx_end(pid_t pid, int signal);

int64_t fx_shards_leased(void);
/* How many schedulers have shards, and how many the one with the fewest has. */
int64_t fx_owners(void);
int64_t fx_smallest_share(void);

struct uuid fx_make_check(const char *schedule);

struct fx_line {
    char id[UUID_TEXT_BYTES];
    int64_t slot_ms, prev_ms;
};
typedef VEC(struct fx_line) fx_ledger_t;

/* Everything published, by check, then by slot. */
void fx_read_ledger(fx_ledger_t *ledger);
/* Runs of a check; NULL: of all. */
size_t fx_count_of(const char *id);
/* No slot twice, none left out between the first and the last of each check; how many checks. A new
 * check's first run (with no slot before it) comes at once, before its first slot. */
size_t fx_audit(void);

#endif
