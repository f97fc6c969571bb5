/*
 * Housekeeping: partitions made ahead, retention by dropping old ones, and rows that nobody needs
 * any more. Each task has a row that says when it ran; whoever finds it due takes it, alone.
 */
#ifndef TOCSIN_STORE_HOUSEKEEPING_H
#define TOCSIN_STORE_HOUSEKEEPING_H

#include "db/db.h"

struct housekeeping {
    int64_t results_ms; /* retention of check results */
    int64_t metrics_ms; /* … of raw metrics */
    int64_t audit_ms;   /* … of the audit log; 0: nothing of it is deleted */
};

/* Runs the tasks that are due; *ran: how many. A failed one is logged and is due again in a minute.
 */
NODISCARD enum status housekeeping_run(struct db *db, const struct housekeeping *h, int *ran);

#endif
