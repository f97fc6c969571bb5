/*
 * Housekeeping: partitions made ahead, retention by dropping old ones, and rows that nobody needs
 * any more. It is done by the system's own schedules (tasks system.*), which workers execute. What
 * must not depend on workers, and what was left undone for three times its interval (there are no
 * workers, or they serve other queues), a scheduler does itself: without partitions nothing could
 * be stored. A chore whose schedule is paused is left alone. Each row of the table `housekeeping`
 * says when its chore ran; whoever finds it due takes it, alone.
 */
#ifndef TOCSIN_STORE_HOUSEKEEPING_H
#define TOCSIN_STORE_HOUSEKEEPING_H

#include "conf/conf.h"
#include "db/db.h"

struct housekeeping {
    int64_t results_ms; /* retention of check results */
    int64_t metrics_ms; /* … of raw metrics */
    int64_t audit_ms;   /* … of the audit log; 0: nothing of it is deleted */
};
struct housekeeping housekeeping_settings(const struct conf *conf);

/* Whose work it is. */
enum house {
    HOUSE_SCHEDULER,  /* the schedulers': each minute, and quick */
    HOUSE_PARTITIONS, /* tasks of the queue */
    HOUSE_RETENTION,
    HOUSE_CLEANUP
};

/* The schedulers' share: runs what is due of their own, and what others left undone; *ran: how many
 * chores. A failed one is logged and is due again in a minute. */
NODISCARD enum status housekeeping_run(struct db *db, const struct housekeeping *h, int *ran);
/* Runs all chores of a task, due or not. The first failure is returned when all were tried, and
 * *failed is the name of what failed. */
NODISCARD enum status housekeeping_do(struct db *db, const struct housekeeping *h, enum house what,
                                      int *ran, const char **failed);

#endif
